//! Listening, answering, and ending without losing a request.

use super::connections::{Edge, routed};
use super::files::prediction_connections;
use super::progress::Timeouts;
use super::{Tokens, admin, prediction};
use crate::config::Config;
use crate::registry::{Registry, refetch, watch_drift, watch_file, watch_rollouts};
use crate::serving::{Predictor, Sizes};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Why a host could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {error}; choose another with `{option}`")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
        /// The option that changes it.
        option: &'static str,
    },
    /// The system refused something else.
    #[error("cannot serve: {0}")]
    Io(#[from] std::io::Error),
}

/// Where a host listens.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// Predictions.
    pub prediction: SocketAddr,
    /// Changes.
    pub admin: SocketAddr,
}

/// Serves both listeners until `shutdown` is ready, then lets requests finish
/// within the drain time. `ready` is told the addresses once both are bound.
pub async fn serve(
    config: &Config,
    registry: Arc<Registry>,
    tokens: Tokens,
    ready: impl FnOnce(Bound),
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let prediction = bind(config.prediction.listen, "--listen").await?;
    let admin = bind(config.admin.listen, "--admin-listen").await?;
    let bound = Bound { prediction: prediction.local_addr()?, admin: admin.local_addr()? };
    let (threads, compute) = (config.compute_threads(), &config.compute);
    let metrics = registry.shared_metrics();
    let sizes = Sizes {
        threads,
        io_threads: config.io_threads(),
        queue_max: compute.queue_max,
        quiet_cores: compute.quiet_cores,
    };
    let predictor = Predictor::new(registry.routes(), sizes, metrics)?;
    let prediction_app = prediction::app(predictor, registry.ready(), &config.prediction);
    let admin_router = admin::router(registry.clone(), tokens, bound.prediction, config.admin.component_max_bytes);

    let (predictions, changes) = (&config.prediction, &config.admin);
    let prediction_edge = Edge {
        listener: "prediction",
        app: prediction_app,
        connections_max: prediction_connections(predictions.connections_max, changes.connections_max),
        timeouts: timeouts(predictions.header_timeout_ms, predictions.idle_timeout_ms, predictions.write_timeout_ms),
        metrics: registry.shared_metrics(),
    };
    let admin_edge = Edge {
        listener: "admin",
        app: Box::new(move |request| routed(&admin_router, request)),
        connections_max: changes.connections_max,
        timeouts: timeouts(changes.header_timeout_ms, changes.idle_timeout_ms, changes.write_timeout_ms),
        metrics: registry.shared_metrics(),
    };
    let (stop, stopping) = watch::channel(false);
    let mut serving = tokio::spawn(async move {
        tokio::join!(prediction_edge.serve(prediction, stopping.clone()), admin_edge.serve(admin, stopping))
    });
    let keeper = registry.clone();
    let watching = [
        tokio::spawn(watch_drift(registry.clone())),
        tokio::spawn(watch_rollouts(registry.clone())),
        tokio::spawn(watch_file(registry.clone())),
        tokio::spawn(refetch(registry)),
    ];
    ready(bound);
    tokio::select! {
        ended = &mut serving => return ended.map_err(std::io::Error::other).map(|_| ()).map_err(ServeError::Io),
        () = shutdown => {}
    }
    tracing::info!(drain_ms = config.shutdown.drain_ms, "stopping: new connections are refused, requests may finish");
    watching.iter().for_each(tokio::task::JoinHandle::abort);
    // Every receiver may be gone already; then there is nothing to stop.
    let _ = stop.send(true);
    if tokio::time::timeout(Duration::from_millis(config.shutdown.drain_ms), &mut serving).await.is_err() {
        tracing::warn!("the drain time is over; open requests are dropped");
        serving.abort();
    }
    tokio::task::spawn_blocking(move || keeper.keep_drift()).await.map_err(std::io::Error::other)?;
    Ok(())
}

fn timeouts(header_ms: u64, idle_ms: u64, write_ms: u64) -> Timeouts {
    let [header, idle, write] = [header_ms, idle_ms, write_ms].map(Duration::from_millis);
    Timeouts { header, idle, write }
}

async fn bind(address: SocketAddr, option: &'static str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|error| ServeError::Bind { address, error, option })
}
