//! Listening, answering, and ending without losing a request.

use super::{Tokens, admin, prediction};
use crate::config::Config;
use crate::registry::{Registry, refetch, watch_file, watch_rollouts};
use crate::serving::Predictor;
use axum::serve::ListenerExt;
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
    let (threads, queue_max) = (config.compute_threads(), config.compute.queue_max);
    let predictor = Predictor::new(registry.routes(), threads, queue_max, registry.shared_metrics())?;
    let prediction_app = prediction::router(predictor, registry.ready(), &config.prediction);
    let admin_app = admin::router(registry.clone(), tokens, bound.prediction, config.admin.component_max_bytes);

    let (stop, stopping) = watch::channel(false);
    let stopped = |mut stopping: watch::Receiver<bool>| async move {
        // An error means that the sender is gone, which is an end too.
        let _ = stopping.wait_for(|&stop| stop).await;
    };
    let prediction =
        axum::serve(prediction.tap_io(no_delay), prediction_app).with_graceful_shutdown(stopped(stopping.clone()));
    let admin = axum::serve(admin.tap_io(no_delay), admin_app).with_graceful_shutdown(stopped(stopping));
    let mut serving = tokio::spawn(async move { tokio::try_join!(prediction.into_future(), admin.into_future()) });
    let watching = [
        tokio::spawn(watch_rollouts(registry.clone())),
        tokio::spawn(watch_file(registry.clone())),
        tokio::spawn(refetch(registry)),
    ];
    ready(bound);
    tokio::select! {
        ended = &mut serving => return ended.map_err(std::io::Error::other)?.map(|_| ()).map_err(ServeError::Io),
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
    Ok(())
}

async fn bind(address: SocketAddr, option: &'static str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|error| ServeError::Bind { address, error, option })
}

fn no_delay(stream: &mut tokio::net::TcpStream) {
    // Answers are one write each; waiting to join them only adds latency.
    let _ = stream.set_nodelay(true);
}
