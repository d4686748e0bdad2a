//! Every error's gRPC code: that of its HTTP status, with the same text.

use super::coding::{ACCEPTED, KNOWN};
use crate::server::edge::Answering;
use crate::server::error::{ERROR_ID, HttpError, Refusal};
use crate::server::predict::state::Shared;
use axum::body::Body;
use axum::http::StatusCode;
use scry_card::shortened;
use std::future::ready;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

/// Of a message as it is sent: clients take no more than 8 KiB of all that comes behind an answer.
const MESSAGE_MAX_BYTES: usize = 4 << 10;
/// Bytes that one byte of a text becomes, unless it is a letter or a digit.
const ESCAPED_BYTES: usize = 3;

/// An error as a call's client sees it.
pub(in crate::server) fn status_of(error: HttpError) -> Status {
    let HttpError { status, message, reason, refusal, record, .. } = error;
    let code = match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Code::InvalidArgument,
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::CONFLICT => Code::FailedPrecondition,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Code::DeadlineExceeded,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::NOT_IMPLEMENTED | StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::Unimplemented,
        _ => Code::Internal,
    };
    let mut told = Status::new(code, fitting(message));
    if let Some(reason) = reason {
        told.metadata_mut().insert("scry-reason", MetadataValue::from_static(reason));
    }
    if let Some(id) = record.and_then(|id| MetadataValue::try_from(id.to_string()).ok()) {
        told.metadata_mut().insert(ERROR_ID.as_str(), id);
    }
    if let Some(Refusal::ContentEncoding) = refusal {
        told.metadata_mut().insert(ACCEPTED.as_str(), MetadataValue::from_static(KNOWN));
    }
    told
}

/// The same, counted where a message itself was refused.
pub(super) fn refused(app: &Shared, error: HttpError) -> Status {
    if let Some(refusal) = error.refusal {
        app.predictor.metrics().request_refused(refusal.name());
    }
    status_of(error)
}

/// A message that is no longer than it may be once it is escaped.
fn fitting(message: String) -> String {
    let mut left = MESSAGE_MAX_BYTES;
    let end = message.char_indices().find(|(_, character)| {
        let bytes = if character.is_ascii_alphanumeric() { 1 } else { character.len_utf8() * ESCAPED_BYTES };
        let fits = left.checked_sub(bytes).map(|less| left = less);
        fits.is_none()
    });
    match end {
        Some((at, _)) => shortened(message, at),
        None => message,
    }
}

/// A call that there is not.
pub(super) fn no_call(path: &str) -> Status {
    let shown: String = path.chars().take(200).collect();
    Status::unimplemented(format!("no such call: {shown}; reflection lists those that there are"))
}

/// Answers a call without reading its message.
pub(in crate::server) fn refuse(status: Status) -> Answering {
    Box::pin(ready(status.into_http::<Body>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_fits_once_it_is_escaped() {
        assert_eq!(fitting("short: ü %".into()), "short: ü %");
        assert_eq!(fitting("x".repeat(MESSAGE_MAX_BYTES)).len(), MESSAGE_MAX_BYTES);
        for long in ["x", "ü", "%", "aü"] {
            let fits = fitting(long.repeat(MESSAGE_MAX_BYTES));
            let headers = Status::internal(fits).into_http::<Body>().into_parts().0.headers;
            let sent = headers.get("grpc-message").unwrap().len();
            assert!((MESSAGE_MAX_BYTES / 4..=MESSAGE_MAX_BYTES + 16).contains(&sent), "{long}: {sent}");
        }
    }
}
