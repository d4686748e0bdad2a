//! Why a request is not answered.

use super::{Need, Surface};
use std::sync::Arc;
use std::time::Duration;

/// Why a request is not answered. None of them depends on what exists.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No token, or one that is not known.
    #[error("the {} is missing or wrong: send `Authorization: Bearer TOKEN` (clients read {})", .0.token(), .0.variable())]
    Unauthenticated(Surface),
    /// A token that may do other things.
    #[error("the token `{name}` lacks the scope {need}")]
    Scope {
        /// The token's name.
        name: Arc<str>,
        /// What the request needs.
        need: Need,
    },
    /// More requests than the token may send.
    #[error("the token `{name}` has sent too many requests; come back in {} ms", wait.as_millis().max(1))]
    Rate {
        /// The token's name.
        name: Arc<str>,
        /// Until its next request.
        wait: Duration,
    },
    /// A name that is not this listener's.
    #[error("header `host`: expected loopback, the listener's address or a name in `admin.hosts`, found `{0}`")]
    Host(String),
    /// A page of another host.
    #[error("header `origin`: expected the host that is asked or a name in `admin.hosts`, found `{0}`")]
    Origin(String),
}

impl Surface {
    fn token(self) -> &'static str {
        match self {
            Self::Prediction => "token",
            Self::Admin => "admin token",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Prediction => "SCRY_TOKEN",
            Self::Admin => "SCRY_ADMIN_TOKEN",
        }
    }
}

impl Refusal {
    /// Its name in headers, metrics, and the audit log.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unauthenticated(_) => "unauthenticated",
            Self::Scope { .. } => "missing-scope",
            Self::Rate { .. } => "rate-limit",
            Self::Host(_) => "host-not-allowed",
            Self::Origin(_) => "origin-not-allowed",
        }
    }

    /// Whose token it was, if it is known.
    pub fn by(&self) -> Option<&str> {
        match self {
            Self::Scope { name, .. } | Self::Rate { name, .. } => Some(name),
            Self::Unauthenticated(_) | Self::Host(_) | Self::Origin(_) => None,
        }
    }
}
