//! The sockets of the listeners.

use crate::config::Config;
use crate::server::bound::{At, Bound, ServeError};
use crate::server::edge::Edge;
use crate::server::shutdown::Stopping;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Bound, and not served yet.
pub(super) struct Sockets {
    prediction: TcpListener,
    admin: TcpListener,
    metrics: Option<TcpListener>,
}

impl Sockets {
    pub(super) async fn bind(config: &Config) -> Result<Self, ServeError> {
        let prediction = bind(config.prediction.listen, "--listen").await?;
        let admin = bind(config.admin.listen, "--admin-listen").await?;
        let metrics = match config.metrics.listen {
            Some(address) => Some(bind(address, "metrics.listen").await?),
            None => None,
        };
        Ok(Self { prediction, admin, metrics })
    }

    /// Where they are.
    pub(super) fn bound(&self, config: &Config) -> io::Result<Bound> {
        let at = |socket: &TcpListener, is_tls| socket.local_addr().map(|address| At { address, is_tls });
        Ok(Bound {
            prediction: at(&self.prediction, config.prediction.tls.is_some())?,
            admin: at(&self.admin, config.admin.tls.is_some())?,
            metrics: self.metrics.as_ref().map(|socket| at(socket, false)).transpose()?,
        })
    }

    /// Serves each until the host drains.
    pub(super) async fn serve(self, [prediction, admin, metrics]: [Edge; 3], stopping: Stopping) {
        let metrics = async {
            if let Some(socket) = self.metrics {
                metrics.serve(socket, stopping.clone()).await;
            }
        };
        let prediction = prediction.serve(self.prediction, stopping.clone());
        tokio::join!(prediction, admin.serve(self.admin, stopping.clone()), metrics);
    }
}

async fn bind(address: SocketAddr, option: &'static str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|error| ServeError::Bind { address, error, option })
}
