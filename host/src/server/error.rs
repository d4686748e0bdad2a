//! Every error's HTTP status, in this one place.
//!
//! A client reads what it can act on, as `{"error": "…", "request_id": "…"}`; causes that only
//! operators can act on are in the log.

mod access;

use crate::recording::RecordId;
use crate::registry::ChangeError;
use crate::serving::{Failure, PredictError};
use crate::telemetry::with_current;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request};
use axum::response::{IntoResponse, Response};
use scry_card::shortened;
use scry_catalog::{CatalogError, HistoryError, Version};
use scry_protocol::{ProtocolError, Surface, detail};
use scry_sandbox::{CallError, CompileError, SandboxError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The answer to inputs that a schema or a check refuses.
const INVALID_INPUT: &str = "invalid-input";

/// Where an answer names the record of what went wrong.
pub(super) static ERROR_ID: HeaderName = HeaderName::from_static("scry-error-id");

/// An error as a client sees it.
#[derive(Debug)]
pub(super) struct HttpError {
    pub(super) status: StatusCode,
    pub(super) message: String,
    pub(super) reason: Option<&'static str>,
    /// Whether the request's body was left unread: then the connection ends with
    /// this answer, and the client has to know.
    pub(super) is_unread: bool,
    /// The refusal, if the body itself was refused.
    pub(super) refusal: Option<Refusal>,
    /// Everything that is wrong with the inputs, or the version, one by one.
    pub(super) details: Vec<Value>,
    /// Whether a retry in a second is useless.
    pub(super) is_lasting: bool,
    /// When a retry may succeed.
    pub(super) retry_after_s: Option<u64>,
    /// Under which id there is a record of it, for operators.
    pub(super) record: Option<RecordId>,
}

/// Why a request was not read to its end: a header's value and a metric's label.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal {
    BodyTooLarge,
    BodyTimeout,
    BodyUnreadable,
    ContentEncoding,
    TransferEncoding,
    Host,
    Target,
}

impl Refusal {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BodyTooLarge => "body-too-large",
            Self::BodyTimeout => "body-timeout",
            Self::BodyUnreadable => "body-unreadable",
            Self::ContentEncoding => "content-encoding",
            Self::TransferEncoding => "transfer-encoding",
            Self::Host => "host",
            Self::Target => "target",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyUnreadable | Self::Host | Self::Target => StatusCode::BAD_REQUEST,
            Self::TransferEncoding => StatusCode::NOT_IMPLEMENTED,
            Self::ContentEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }
}

/// What an answer carries to the connection when its request was not read to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unread(pub(super) Option<Refusal>);

/// The answer to a connection for which there is no place.
pub(super) fn no_place() -> String {
    let message = "too many connections are open; come back in a second";
    told("503 Service Unavailable", "scry-reason: overload\r\nretry-after: 1\r\n", message)
}

/// Bytes, since no request was read that could be answered.
fn told(status: &str, headers: &str, message: &str) -> String {
    let body = json!({ "error": message }).to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         {headers}connection: close\r\n\r\n{body}"
    )
}

/// The longest message of an error, in bytes.
const MESSAGE_MAX_BYTES: usize = 8 << 10;
/// The longest body, details included, in bytes.
const BODY_MAX_BYTES: usize = 256 << 10;

impl HttpError {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            reason: None,
            is_unread: false,
            refusal: None,
            details: Vec::new(),
            is_lasting: false,
            retry_after_s: None,
            record: None,
        }
    }

    /// A request that is not read to its end.
    pub(super) fn refused(refusal: Refusal, message: impl Into<String>) -> Self {
        let error = Self::new(refusal.status(), message);
        Self { reason: Some(refusal.name()), is_unread: true, refusal: Some(refusal), ..error }
    }

    /// A version that is there and not loaded: it has nothing that could be seen or set.
    pub(super) fn cold(version: Version) -> Self {
        Self::new(StatusCode::CONFLICT, format!("version {} is not loaded", version.number))
    }

    /// For a request whose body was left unread.
    pub(super) fn unread(self) -> Self {
        Self { is_unread: true, ..self }
    }

    /// For a request that is answered by its head alone: a body may be on its way.
    pub(super) fn by_head(self, headers: &HeaderMap) -> Self {
        let has_body = headers.contains_key(header::TRANSFER_ENCODING)
            || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
        Self { is_unread: has_body, ..self }
    }

    /// A host that ends answers, and changes nothing any more: others may.
    pub(super) fn stopping() -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "the host is stopping; ask another");
        Self { reason: Some("stopping"), is_lasting: true, ..error }
    }

    /// A path that is not there.
    pub(super) fn no_path(headers: &HeaderMap, message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, message).by_head(headers)
    }

    /// A path that is there for other methods.
    pub(super) fn no_method(headers: &HeaderMap) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this path has another method").by_head(headers)
    }
}

impl HttpError {
    /// What became of a prediction, on a surface with pointers of its own.
    pub(super) fn predicting(failure: Failure, surface: Surface<'_>) -> Self {
        let details = match &failure.error {
            PredictError::InvalidInput(refusal) | PredictError::Untrusted(_, refusal) => {
                refusal.findings.iter().map(|found| detail(found, surface)).collect()
            }
            _ => Vec::new(),
        };
        Self { details, ..failure.into() }
    }

    /// The error with the members of a problem of RFC 9457, as plain JSON: the KServe SDK reads no other
    /// type. Inputs that read but fail a check are 422 here.
    pub(super) fn into_problem(self) -> Response {
        let status = match self.status {
            StatusCode::BAD_REQUEST if self.reason == Some(INVALID_INPUT) => StatusCode::UNPROCESSABLE_ENTITY,
            status => status,
        };
        let (mut error, request_id) = (Self { status, ..self }, request_id());
        let body = error.bounded(|error| {
            to_json(&Problem {
                detail: &error.message,
                error: &error.message,
                error_id: error.record,
                errors: &error.details,
                reason: error.reason,
                request_id: request_id.as_deref(),
                status: status.as_u16(),
                title: status.canonical_reason(),
                r#type: "about:blank",
            })
        });
        error.with_body(body)
    }

    /// The error as it is written, within its limits: what a message repeats may be
    /// as long as its author likes.
    fn bounded(&mut self, write: impl Fn(&Self) -> Vec<u8>) -> Vec<u8> {
        self.message = shortened(std::mem::take(&mut self.message), MESSAGE_MAX_BYTES);
        let (mut body, all) = (write(self), self.details.len());
        while body.len() > BODY_MAX_BYTES && !self.details.is_empty() {
            self.details.truncate(self.details.len() / 2);
            let left_out = json!({ "msg": format!("{} more are left out", all - self.details.len()) });
            self.details.push(left_out);
            body = write(self);
            self.details.pop();
        }
        body
    }

    fn with_body(self, body: Vec<u8>) -> Response {
        let mut response = json_response(self.status, body);
        let headers = response.headers_mut();
        if let Some(reason) = self.reason {
            headers.insert(HeaderName::from_static("scry-reason"), HeaderValue::from_static(reason));
        }
        if let Some(value) = self.record.and_then(|id| HeaderValue::try_from(id.to_string()).ok()) {
            headers.insert(&ERROR_ID, value);
        }
        if self.is_unread {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let in_a_second = self.status == StatusCode::SERVICE_UNAVAILABLE && !self.is_lasting;
        if let Some(seconds) = self.retry_after_s.or(in_a_second.then_some(1)) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.is_unread {
            response.extensions_mut().insert(Unread(self.refusal));
        }
        response
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let (mut error, request_id) = (self, request_id());
        let body = error.bounded(|error| {
            to_json(&Plain {
                error: &error.message,
                error_id: error.record,
                errors: &error.details,
                request_id: request_id.as_deref(),
            })
        });
        error.with_body(body)
    }
}

/// An error as most clients read it.
#[derive(Serialize)]
struct Plain<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    errors: &'a [Value],
    #[serde(skip_serializing_if = "Option::is_none")]
    error_id: Option<RecordId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

/// The id of the request that is answered here.
fn request_id() -> Option<Box<str>> {
    with_current(|context| context.request_id().into())
}

/// An error with the members of a problem of RFC 9457.
#[derive(Serialize)]
struct Problem<'a> {
    detail: &'a str,
    /// The same, where clients of V1 look for it.
    error: &'a str,
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    errors: &'a [Value],
    #[serde(skip_serializing_if = "Option::is_none")]
    error_id: Option<RecordId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    status: u16,
    title: Option<&'a str>,
    r#type: &'a str,
}

/// Texts, numbers and values: nothing that JSON does not have.
fn to_json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}

/// A path's or a query's parts; what does not read is an error like any other.
pub(super) struct Parts<E>(pub(super) E);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Parts<Path<T>> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, HttpError> {
        let read = Path::from_request_parts(parts, state).await;
        let refuse = |status, message| HttpError::new(status, message).by_head(&parts.headers);
        read.map(Self).map_err(|refused| refuse(refused.status(), refused.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parts<Query<T>> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, HttpError> {
        let read = Query::from_request_parts(parts, state).await;
        let refuse = |status, message| HttpError::new(status, message).by_head(&parts.headers);
        read.map(Self).map_err(|refused| refuse(refused.status(), refused.body_text()))
    }
}

/// A response with a JSON body.
pub(super) fn json_response(status: StatusCode, json: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

impl From<ProtocolError> for HttpError {
    fn from(error: ProtocolError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<CatalogError> for HttpError {
    fn from(error: CatalogError) -> Self {
        let status = match error {
            CatalogError::UnknownModel(_) | CatalogError::UnknownVersion { .. } => StatusCode::NOT_FOUND,
            CatalogError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
            CatalogError::Withdrawn(_) | CatalogError::Bound { .. } => StatusCode::CONFLICT,
            CatalogError::Fallback { .. }
            | CatalogError::Deployment { .. }
            | CatalogError::Alias(_)
            | CatalogError::Checks { .. }
            | CatalogError::Limit { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, error.to_string())
    }
}

impl From<Failure> for HttpError {
    fn from(failure: Failure) -> Self {
        Self { record: failure.record, ..failure.error.into() }
    }
}

impl From<PredictError> for HttpError {
    fn from(error: PredictError) -> Self {
        let message = error.to_string();
        match error {
            PredictError::Unread(error) => error.into(),
            PredictError::Unknown(error) => error.into(),
            PredictError::WrongOutput(_) => Self::new(StatusCode::BAD_REQUEST, message),
            PredictError::Unwritten(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, message),
            PredictError::InvalidInput(_) | PredictError::Refused(_) => {
                Self { reason: Some(INVALID_INPUT), ..Self::new(StatusCode::BAD_REQUEST, message) }
            }
            // No request is at fault, and none would be answered.
            PredictError::Untrusted(check, _) => {
                let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, message);
                Self { reason: Some(check.name()), is_lasting: true, ..error }
            }
            PredictError::Unavailable(_) => {
                Self { reason: Some("unavailable"), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message) }
            }
            PredictError::NoAnswer(error) => {
                let status = match error {
                    CallError::Timeout
                    | CallError::ShortOfTime
                    | CallError::Late { .. }
                    | CallError::Overdue
                    | CallError::DeadlineTooShort(_) => StatusCode::GATEWAY_TIMEOUT,
                    CallError::Overload | CallError::Abandoned | CallError::CircuitOpen => {
                        StatusCode::SERVICE_UNAVAILABLE
                    }
                    CallError::InvalidInput(_) => StatusCode::BAD_REQUEST,
                    CallError::Trap(_)
                    | CallError::Fuel
                    | CallError::Memory
                    | CallError::InvalidOutput(_)
                    | CallError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
                };
                // A backtrace is the operator's; the client gets the kind.
                let message = match &error {
                    CallError::Trap(_) => "the component trapped".to_owned(),
                    other => other.to_string(),
                };
                Self { reason: Some(error.reason()), ..Self::new(status, message) }
            }
        }
    }
}

impl From<CompileError> for HttpError {
    fn from(error: CompileError) -> Self {
        let (status, reason) = match error {
            CompileError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "compile-refused"),
            CompileError::Memory { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "compile-memory"),
            CompileError::CpuTime { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "compile-cpu-time"),
            CompileError::CodeSize { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "compile-code-size"),
            CompileError::Crash(_) => (StatusCode::INTERNAL_SERVER_ERROR, "compile-crash"),
            CompileError::Stalled { .. } => (StatusCode::SERVICE_UNAVAILABLE, "compile-stalled"),
            CompileError::Start(_) => (StatusCode::SERVICE_UNAVAILABLE, "compile-unavailable"),
        };
        Self { reason: Some(reason), ..Self::new(status, error.to_string()) }
    }
}

impl From<ChangeError> for HttpError {
    fn from(error: ChangeError) -> Self {
        let status = match error {
            ChangeError::Catalog(error) => return error.into(),
            ChangeError::Sandbox(SandboxError::Compile(error)) => return error.into(),
            ChangeError::Unsigned { .. } => {
                let refused = Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string());
                return Self { reason: Some("unsigned"), ..refused };
            }
            ChangeError::Component(_)
            | ChangeError::Sandbox(_)
            | ChangeError::Checks { .. }
            | ChangeError::Warm { .. }
            | ChangeError::Golden(_)
            | ChangeError::Fallback(_)
            | ChangeError::Desired(_)
            | ChangeError::Unavailable { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            ChangeError::Breaking { .. } | ChangeError::Contended | ChangeError::NotInHand { .. } => {
                StatusCode::CONFLICT
            }
            ChangeError::History(HistoryError::Lost { .. }) => StatusCode::GONE,
            ChangeError::History(_) => StatusCode::NOT_FOUND,
            ChangeError::Oci(_) => StatusCode::BAD_GATEWAY,
            ChangeError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
            ChangeError::Store(_) | ChangeError::Recovery(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

#[cfg(test)]
mod tests;
