//! A request to predict, in any form: its head to a request, the reply to a response.
//!
//! Nothing here changes state.

use crate::recording::Noted;
use crate::server::body::{SentBody, read_body, read_parts};
use crate::server::compression::{COMPRESSED_MIN_BYTES, Coding};
use crate::server::error::{ERROR_ID, HttpError, json_response};
use crate::server::head::shown;
use crate::server::predict::state::Shared;
use crate::serving::{Reply, Request, Served, Taken, Trail};
use crate::telemetry::current;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use scry_card::Interrupt;
use scry_catalog::VersionRef;
use scry_names::text::whole_number;
use scry_protocol::{Format, KEY_MAX_BYTES, Sent, Surface, sent_tensors};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

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
    let coding = Coding::of(headers)?;
    if !is_small(headers)
        && let Some(refused) = app.predictor.refusal(&served, received)
    {
        // Its connection is good for another request then.
        read_parts(body, app.body_max_bytes, app.body_timeout, drop).await?;
        return Err(refused.into());
    }
    let body = read_body(body, app.body_max_bytes, app.body_timeout).await?;
    let body = match coding {
        None => body,
        Some(coding) => inflated(app, &served, coding, received, body).await?,
    };
    let format = framed(format, headers)?;
    let (timeout, key) = (header_timeout(headers)?, header_key(headers)?);
    let (served, body) = (&served, &body);
    let (theirs, bytes, picked) = (served.clone(), body.clone(), OnceLock::new());
    let request = Request {
        served: theirs,
        version,
        key,
        timeout,
        received,
        body: bytes,
        format,
        picked,
        taken: Taken::default(),
        noted: Noted::default(),
        trail: Trail::default(),
        context: current(),
    };
    match app.predictor.predict(request).await {
        Ok(reply) if reply.body.len() < COMPRESSED_MIN_BYTES => Ok(answered(reply)),
        Ok(reply) => Ok(compressed(app, served, headers, received, reply).await),
        Err(mut failure) => {
            let has_findings = failure.error.has_findings();
            let again = || if has_findings { sent_tensors(format.json(body)) } else { Vec::new() };
            Err(match failure.sent.take().unwrap_or_else(|| Sent::Tensors(again())) {
                Sent::Tensors(sent) => HttpError::predicting(failure, Surface::V2(&sent)),
                Sent::Rows(at) => HttpError::predicting(failure, Surface::Rows(&at)),
            })
        }
    }
}

/// How a request's body is put together, which a header says where it is not all JSON.
fn framed(format: Format, headers: &HeaderMap) -> Result<Format, HttpError> {
    if format != Format::V2 {
        return Ok(format);
    }
    let Some(value) = headers.get(&JSON_BYTES) else { return Ok(format) };
    match value.to_str().ok().and_then(whole_number) {
        Some(0) => Ok(Format::V2Raw),
        Some(bytes) => Ok(Format::V2Binary(bytes)),
        None => {
            let message = format!("header `{JSON_BYTES}`: expected the JSON's length in bytes, found {}", shown(value));
            Err(HttpError::new(StatusCode::BAD_REQUEST, message))
        }
    }
}

/// The body as it was before its client compressed it.
pub(in crate::server) async fn inflated(
    app: &Shared,
    served: &Served,
    coding: Coding,
    received: Instant,
    body: Bytes,
) -> Result<Bytes, HttpError> {
    let (bytes, max_bytes) = (body.len(), app.body_max_bytes);
    let work = move |interrupt: &mut Interrupt<'_>| coding.inflate(&body, max_bytes, interrupt);
    match app.predictor.offload(served, received, bytes, work).await {
        Ok(Ok(body)) => Ok(body.into()),
        Ok(Err(wrong)) => Err(wrong.to_error(coding, max_bytes)),
        Err(error) => Err(app.predictor.unanswered(served, received, error).into()),
    }
}

/// A long answer, compressed where its client takes that, and where there is time for it.
async fn compressed(
    app: &Shared,
    served: &Served,
    headers: &HeaderMap,
    received: Instant,
    mut reply: Reply,
) -> Response {
    let Some(coding) = Coding::accepted(headers) else { return answered(reply) };
    let body = Bytes::from(std::mem::take(&mut reply.body));
    let (body, is_compressed) = match shorter(app, served, coding, received, &body).await {
        Some(shorter) => (shorter, true),
        None => (body, false),
    };
    let mut response = answered(reply);
    *response.body_mut() = Body::from(body);
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if is_compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    response
}

/// An answer, compressed in its model's time; nothing where there is none, or where it would not be shorter.
pub(in crate::server) async fn shorter(
    app: &Shared,
    served: &Served,
    coding: Coding,
    received: Instant,
    body: &Bytes,
) -> Option<Bytes> {
    let whole = body.clone();
    let work = move |interrupt: &mut Interrupt<'_>| coding.compress(&whole, interrupt);
    let shorter = app.predictor.offload(served, received, body.len(), work).await.ok().flatten()?;
    (shorter.len() < body.len()).then(|| shorter.into())
}

/// Whether a body says that it is too small to be worth asking whether there is room for it.
fn is_small(headers: &HeaderMap) -> bool {
    const SMALL_BYTES: u64 = 64 << 10;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length <= SMALL_BYTES)
}

/// How long the JSON is that a body begins with; after it come tensors as bytes.
static JSON_BYTES: HeaderName = HeaderName::from_static("inference-header-content-length");
static MODEL: HeaderName = HeaderName::from_static("scry-model");
static VERSION: HeaderName = HeaderName::from_static("scry-version");
static DIGEST: HeaderName = HeaderName::from_static("scry-digest");
static DEGRADED: HeaderName = HeaderName::from_static("scry-degraded");
static WARNINGS: HeaderName = HeaderName::from_static("scry-warnings");
static REFUSED_ROWS: HeaderName = HeaderName::from_static("scry-refused-rows");

/// An answer, with headers that say what gave it.
fn answered(mut reply: Reply) -> Response {
    let mut response = json_response(StatusCode::OK, std::mem::take(&mut reply.body));
    let headers = response.headers_mut();
    if let Some(bytes) = reply.json_bytes {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(&JSON_BYTES, bytes.into());
    }
    describe(&reply, headers);
    response
}

/// Says what gave an answer, why if that was a fallback, and whether something was found in the
/// inputs.
pub(in crate::server) fn describe(reply: &Reply, headers: &mut HeaderMap) {
    let Reply { model, version, digest, degraded, warnings, refused_rows, record, .. } = reply;
    let mut put = |name: &HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put(&MODEL, model);
    put(&VERSION, version);
    if let Some(digest) = digest {
        put(&DIGEST, digest);
    }
    if let Some(degraded) = degraded {
        put(&DEGRADED, degraded);
    }
    if let Some(record) = record {
        put(&ERROR_ID, &record.to_string());
    }
    if *warnings > 0 {
        put(&WARNINGS, &warnings.to_string());
    }
    if *refused_rows > 0 {
        put(&REFUSED_ROWS, &refused_rows.to_string());
    }
}

/// `X-Request-Timeout-Ms`: a deadline shorter than the model's.
pub(in crate::server) fn header_timeout(headers: &HeaderMap) -> Result<Option<Duration>, HttpError> {
    let Some(value) = headers.get("x-request-timeout-ms") else { return Ok(None) };
    let millis = value.to_str().ok().and_then(whole_number);
    let wrong = || {
        let found = shown(value);
        HttpError::new(
            StatusCode::BAD_REQUEST,
            format!("header `x-request-timeout-ms`: expected milliseconds as a whole number, found {found}"),
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
