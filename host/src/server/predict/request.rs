//! A request to predict, in any form: its head to a request, the reply to a response.
//!
//! Nothing here changes state.

use crate::server::body::{SentBody, read_body, read_parts};
use crate::server::error::{HttpError, json_response};
use crate::server::predict::docs::Documents;
use crate::server::shutdown::Stopping;
use crate::serving::{Failure, Predictor, Reply, Request};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use scry_catalog::VersionRef;
use scry_names::text::whole_number;
use scry_protocol::{Format, KEY_MAX_BYTES, Sent, Surface, sent_tensors};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// What the handlers share.
#[derive(Debug)]
pub(in crate::server) struct Shared {
    pub(in crate::server) predictor: Predictor,
    pub(in crate::server) body_max_bytes: usize,
    pub(in crate::server) body_timeout: Duration,
    pub(in crate::server) is_ready: Arc<AtomicBool>,
    pub(in crate::server) stopping: Stopping,
    /// The model that a path without one means.
    pub(in crate::server) default_model: Option<String>,
    pub(in crate::server) documents: Documents,
    /// Descriptions that may be made at once.
    pub(in crate::server) describing: Arc<Semaphore>,
}

pub(in crate::server) type App = State<Arc<Shared>>;

pub(in crate::server) fn parse_version(text: &str) -> Result<VersionRef, HttpError> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(80).collect();
        HttpError::new(
            StatusCode::NOT_FOUND,
            format!("`{shown}` is not a version: expected a number, an alias or sha256:…"),
        )
    })
}

/// Answers a request to predict, in any form.
pub(in crate::server) async fn predict(
    app: &Arc<Shared>,
    model: &str,
    version: Option<VersionRef>,
    headers: &HeaderMap,
    body: impl SentBody,
    format: Format,
) -> Result<Response, HttpError> {
    let received = Instant::now();
    // Before the body is read: a model that is not there costs nothing.
    let served = app.predictor.asked(model).map_err(|error| HttpError::from(error).unread())?;
    if !is_small(headers)
        && let Err(refused) = app.predictor.admit(&served, received)
    {
        // Its connection is good for another request then.
        read_parts(body, app.body_max_bytes, app.body_timeout, drop).await?;
        return Err(refused.into());
    }
    let body = read_body(body, app.body_max_bytes, app.body_timeout).await?;
    let (timeout, key) = (header_timeout(headers)?, header_key(headers)?);
    let request =
        Request { served, version, key, timeout, received, body: body.clone(), format, picked: OnceLock::new() };
    match app.predictor.predict(request).await {
        Ok(reply) => Ok(answered(reply)),
        Err(Failure { error, sent }) => {
            let has_findings = error.has_findings();
            let again = || if has_findings { sent_tensors(&body) } else { Vec::new() };
            Err(match sent.unwrap_or_else(|| Sent::Tensors(again())) {
                Sent::Tensors(sent) => HttpError::predicting(error, Surface::V2(&sent)),
                Sent::Rows(at) => HttpError::predicting(error, Surface::Rows(&at)),
            })
        }
    }
}

/// Whether a body says that it is too small to be worth asking whether there is room for it.
fn is_small(headers: &HeaderMap) -> bool {
    const SMALL_BYTES: u64 = 64 << 10;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length <= SMALL_BYTES)
}

static MODEL: HeaderName = HeaderName::from_static("scry-model");
static VERSION: HeaderName = HeaderName::from_static("scry-version");
static DIGEST: HeaderName = HeaderName::from_static("scry-digest");
static DEGRADED: HeaderName = HeaderName::from_static("scry-degraded");
static WARNINGS: HeaderName = HeaderName::from_static("scry-warnings");
static REFUSED_ROWS: HeaderName = HeaderName::from_static("scry-refused-rows");

/// An answer, with headers that say what gave it, why if that was a fallback, and whether
/// something was found in the inputs.
fn answered(reply: Reply) -> Response {
    let Reply { body, model, version, digest, degraded, warnings, refused_rows } = reply;
    let mut response = json_response(StatusCode::OK, body);
    let mut put = |name: &HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    put(&MODEL, &model);
    put(&VERSION, &version);
    if let Some(digest) = &digest {
        put(&DIGEST, digest);
    }
    if let Some(degraded) = degraded {
        put(&DEGRADED, degraded);
    }
    if warnings > 0 {
        put(&WARNINGS, &warnings.to_string());
    }
    if refused_rows > 0 {
        put(&REFUSED_ROWS, &refused_rows.to_string());
    }
    response
}

/// `X-Request-Timeout-Ms`: a deadline shorter than the model's.
fn header_timeout(headers: &HeaderMap) -> Result<Option<Duration>, HttpError> {
    let Some(value) = headers.get("x-request-timeout-ms") else { return Ok(None) };
    let millis = value.to_str().ok().and_then(whole_number);
    let wrong = || {
        let found = String::from_utf8_lossy(value.as_bytes()).chars().take(40).collect::<String>();
        HttpError::new(
            StatusCode::BAD_REQUEST,
            format!("header `x-request-timeout-ms`: expected milliseconds as a whole number, found `{found}`"),
        )
    };
    millis.map(|millis| Some(Duration::from_millis(millis))).ok_or_else(wrong)
}

/// `Scry-Key`: requests of one key get one version while a canary runs.
pub(in crate::server) fn header_key(headers: &HeaderMap) -> Result<Option<String>, HttpError> {
    let Some(value) = headers.get("scry-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if key.len() <= KEY_MAX_BYTES => Ok(Some(key.to_owned())),
        _ => {
            let message = format!("header `scry-key`: expected at most {KEY_MAX_BYTES} bytes of ASCII");
            Err(HttpError::new(StatusCode::BAD_REQUEST, message))
        }
    }
}

impl From<HttpError> for Response {
    fn from(error: HttpError) -> Self {
        error.into_response()
    }
}
