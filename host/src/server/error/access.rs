//! The status of a request that its client may not make.

use super::HttpError;
use crate::access::Refusal;
use axum::http::StatusCode;

impl From<Refusal> for HttpError {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Refusal::Scope { .. } | Refusal::Host(_) | Refusal::Origin(_) => StatusCode::FORBIDDEN,
            Refusal::Rate { .. } => StatusCode::TOO_MANY_REQUESTS,
        };
        let retry_after_s = match &refusal {
            Refusal::Rate { wait, .. } => Some(wait.as_millis().div_ceil(1000).max(1)),
            _ => None,
        };
        let retry_after_s = retry_after_s.and_then(|seconds| u64::try_from(seconds).ok());
        Self { reason: Some(refusal.reason()), retry_after_s, ..Self::new(status, refusal.to_string()) }
    }
}
