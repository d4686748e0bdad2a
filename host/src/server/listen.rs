//! Listening, answering, and ending without losing a request.

mod secure;
mod sockets;

use crate::access::Surface;
use crate::config::{Config, Shutdown};
use crate::recording::Recording;
use crate::registry::{Registry, refetch, watch_drift, watch_file, watch_rollouts};
use crate::server::bound::{At, Bound, ServeError};
use crate::server::descriptors::prediction_connections;
use crate::server::edge::{Edge, routed};
use crate::server::shutdown::{self, Ended, Stop, Stopping, Times};
use crate::server::watchdog::Timeouts;
use crate::server::{admin, dashboard, metrics, predict};
use crate::serving::Predictor;
use crate::telemetry::traces::{Sampler, Traces};
use crate::telemetry::{AccessLog, Hour};
use secure::Secure;
use sockets::Sockets;
use std::sync::Arc;
use std::time::Duration;

/// A scraper or two.
const METRICS_CONNECTIONS_MAX: usize = 16;

/// Serves both listeners until `stop` says so, then ends as it says; what `stop`
/// says a second time ends it at once. `ready` gets the addresses once both are bound.
pub async fn serve(
    config: &Config,
    registry: Arc<Registry>,
    recording: Arc<Recording>,
    admin_token: &str,
    ready: impl FnOnce(Bound),
    mut stop: impl AsyncFnMut() -> Stop,
) -> Result<(), ServeError> {
    let sockets = Sockets::bind(config).await?;
    let bound = sockets.bound(config)?;
    let secure = Secure::open(config, admin_token, bound.admin.address, registry.shared_metrics())?;
    let traces = Traces::open(&config.traces, registry.shared_metrics())?.map(Arc::new);
    let (stage, stopping) = Stopping::new();
    let access_log =
        AccessLog::open(&config.log, registry.shared_metrics()).map_err(|error| match &config.log.access_file {
            Some(path) => ServeError::AccessLog { path: path.clone(), error },
            None => error.into(),
        })?;
    let observers = Observers { recording, hour: Arc::default(), access_log, traces };
    let edges = edges(config, &registry, &secure, &observers, bound.prediction, &stopping)?;
    let mut serving = tokio::spawn(sockets.serve(edges, stopping));
    let keeper = registry.clone();
    let watching = [
        tokio::spawn(watch_drift(registry.clone())),
        tokio::spawn(watch_rollouts(registry.clone())),
        tokio::spawn(watch_file(registry.clone())),
        tokio::spawn(dashboard::sample(registry.clone(), observers.hour.clone())),
        tokio::spawn(refetch(registry)),
        tokio::spawn(secure.follow()),
    ];
    ready(bound);
    let first = tokio::select! {
        ended = &mut serving => return ended.map_err(std::io::Error::other).map(|_| ()).map_err(ServeError::Io),
        first = stop() => first,
    };
    let Shutdown { grace_ms, drain_ms } = config.shutdown;
    tracing::info!(how = ?first, grace_ms, drain_ms, "stopping: not ready, each connection has its last answer");
    watching.iter().for_each(tokio::task::JoinHandle::abort);
    let times = Times { grace: Duration::from_millis(grace_ms), drain: Duration::from_millis(drain_ms) };
    // What was traced goes out in what is left of the time.
    let finishing = async {
        let _ = (&mut serving).await;
        if let Some(traces) = &observers.traces {
            traces.flush().await;
        }
    };
    match shutdown::end(first, times, &stage, stop(), finishing).await {
        Ended::Drained => {}
        Ended::Overdue if serving.is_finished() => tracing::warn!("the drain time is over; spans that wait are lost"),
        Ended::Overdue => tracing::warn!("the drain time is over; open requests are dropped"),
        Ended::Cut => tracing::warn!("told to stop a second time; open requests are dropped"),
    }
    serving.abort();
    let close = move || {
        keeper.close();
        observers.recording.close();
        observers.access_log.iter().for_each(|log| log.close());
    };
    tokio::task::spawn_blocking(close).await.map_err(std::io::Error::other)?;
    Ok(())
}

/// What keeps something of requests, beside the metrics.
struct Observers {
    recording: Arc<Recording>,
    hour: Arc<Hour>,
    access_log: Option<Arc<AccessLog>>,
    traces: Option<Arc<Traces>>,
}

/// What answers on the listeners for predictions, changes, and metrics.
fn edges(
    config: &Config,
    registry: &Arc<Registry>,
    secure: &Secure,
    observers: &Observers,
    prediction: At,
    stopping: &Stopping,
) -> std::io::Result<[Edge; 3]> {
    let (predictions, changes, compute) = (&config.prediction, &config.admin, &config.compute);
    let (threads, metrics) = (config.compute_threads(), registry.shared_metrics());
    let (routes, ticker) = (registry.routes(), registry.ticker());
    let Observers { recording, hour, access_log, traces } = observers;
    let (records, traces) = (recording.clone(), traces.clone());
    let predictor = Predictor::new(routes, threads, compute.queue_max, ticker, metrics, records, traces)?;
    let guarded = |app| secure.guard.before(Surface::Prediction, app);
    let app = predict::app(predictor, registry.ready(), stopping.clone(), predictions, guarded)?;
    let prediction_edge = Edge {
        listener: "prediction",
        app,
        tls: secure.prediction.clone(),
        connections_max: prediction_connections(predictions.connections_max, changes.connections_max),
        timeouts: timeouts(predictions.header_timeout_ms, predictions.idle_timeout_ms, predictions.write_timeout_ms),
        metrics: registry.shared_metrics(),
        access_log: access_log.clone(),
        sampler: Sampler::new(&config.traces),
    };
    let (audit, component_max_bytes) = (secure.guard.audit.clone(), changes.component_max_bytes);
    let kept = (audit, recording.clone());
    let router = admin::router(registry.clone(), kept, hour.clone(), prediction, stopping.clone(), component_max_bytes);
    let admin_edge = Edge {
        listener: "admin",
        app: secure.guard.before(Surface::Admin, Box::new(move |request| routed(&router, request))),
        tls: secure.admin.clone(),
        connections_max: changes.connections_max,
        timeouts: timeouts(changes.header_timeout_ms, changes.idle_timeout_ms, changes.write_timeout_ms),
        metrics: registry.shared_metrics(),
        access_log: access_log.clone(),
        sampler: Sampler::default(),
    };
    let router = metrics::router(registry.clone());
    let metrics_edge = Edge {
        listener: "metrics",
        app: Box::new(move |request| routed(&router, request)),
        tls: None,
        connections_max: METRICS_CONNECTIONS_MAX,
        timeouts: admin_edge.timeouts,
        metrics: registry.shared_metrics(),
        access_log: access_log.clone(),
        sampler: Sampler::default(),
    };
    Ok([prediction_edge, admin_edge, metrics_edge])
}

fn timeouts(header_ms: u64, idle_ms: u64, write_ms: u64) -> Timeouts {
    let [header, idle, write] = [header_ms, idle_ms, write_ms].map(Duration::from_millis);
    Timeouts { header, idle, write }
}
