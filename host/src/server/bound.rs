//! Where a host listens, or why it cannot. Opens nothing.

use crate::telemetry::traces::TracesError;
use std::fmt;
use std::net::SocketAddr;

/// A listener's place, as clients name it.
#[derive(Debug, Clone, Copy)]
pub struct At {
    /// Address and port.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub is_tls: bool,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.address)
    }
}

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
    /// The token file or a certificate does not read.
    #[error("{0}")]
    Secure(String),
    /// The access log has no file.
    #[error("configuration key `log.access_file`: expected a file that can be written, found {}: {error}", path.display())]
    AccessLog {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Traces cannot be sent.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// The system refused something else.
    #[error("cannot serve: {0}")]
    Io(#[from] std::io::Error),
}

/// Where a host listens.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// Predictions.
    pub prediction: At,
    /// Changes.
    pub admin: At,
    /// Metrics without a token.
    pub metrics: Option<At>,
}
