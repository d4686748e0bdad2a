//! The prediction listener: Open Inference Protocol V2; records are `records`'.
//! Nothing here changes state.

use super::body::{SentBody, read_body, read_parts};
use super::connections::{Answering, App as Answers, routed};
use super::ending::Stopping;
use super::error::{HttpError, Parts, json_response};
use super::records;
use crate::config::Listener;
use crate::serving::{Failure, Predictor, Reply, Request, Served};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::body::Incoming;
use scry_catalog::VersionRef;
use scry_names::text::whole_number;
use scry_protocol::{Format, KEY_MAX_BYTES, Surface, metadata, sent_tensors};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the handlers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) predictor: Predictor,
    body_max_bytes: usize,
    body_timeout: Duration,
    is_ready: Arc<AtomicBool>,
    stopping: Stopping,
}

pub(super) type App = State<Arc<Shared>>;

/// What answers the listener's requests.
pub(super) fn app(predictor: Predictor, is_ready: Arc<AtomicBool>, stopping: Stopping, settings: &Listener) -> Answers {
    let shared = Arc::new(Shared {
        predictor,
        body_max_bytes: settings.body_max_bytes,
        body_timeout: Duration::from_millis(settings.body_timeout_ms),
        is_ready,
        stopping,
    });
    let router = router(shared.clone());
    Box::new(move |request| match plain_model(&request) {
        Some(model) => infer_straight(shared.clone(), model, request),
        None => routed(&router, request),
    })
}

/// The model that is asked by the one path that nearly everything comes by.
/// Whatever is not plainly that path is the router's.
fn plain_model(request: &axum::http::Request<Incoming>) -> Option<String> {
    let name = request.uri().path().strip_prefix("/v2/models/")?.strip_suffix("/infer")?;
    let is_plain = !name.is_empty() && !name.contains(['/', '%']);
    (is_plain && request.method() == Method::POST).then(|| name.to_owned())
}

/// Without what a router keeps for any path: a large part of a small request.
fn infer_straight(app: Arc<Shared>, model: String, request: axum::http::Request<Incoming>) -> Answering {
    let answer = async move {
        let (head, body) = request.into_parts();
        predict(&app, &model, None, &head.headers, body, Format::V2).await
    };
    Box::pin(async { answer.await.into_response() })
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v2", get(server))
        .route("/v2/health/live", get(|| async { ok(&json!({ "live": true })) }))
        .route("/v2/health/ready", get(is_host_ready))
        .route("/v2/models/{model}", get(model))
        .route("/v2/models/{model}/ready", get(ready))
        .route("/v2/models/{model}/infer", post(infer))
        .route("/v2/models/{model}/versions/{version}", get(model_version))
        .route("/v2/models/{model}/versions/{version}/ready", get(ready_version))
        .route("/v2/models/{model}/versions/{version}/infer", post(infer_version))
        .route("/v1/models/{model}", post(records::predict))
        .route("/v1/models/{model}/versions/{version}", post(records::predict_version))
        .fallback(|headers: HeaderMap| async move {
            HttpError::no_path(&headers, "no such path; the interface is under /v2 and /v1")
        })
        .method_not_allowed_fallback(|headers: HeaderMap| async move { HttpError::no_method(&headers) })
        .with_state(shared)
}

fn ok(value: &Value) -> Response {
    json_response(StatusCode::OK, value.to_string().into_bytes())
}

async fn server() -> Response {
    ok(&json!({ "name": "scry", "version": env!("CARGO_PKG_VERSION"), "extensions": [] }))
}

async fn is_host_ready(app: App) -> Response {
    if !app.stopping.is_serving() {
        return HttpError::stopping().into_response();
    }
    if app.is_ready.load(Ordering::Relaxed) {
        return ok(&json!({ "ready": true }));
    }
    HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "the host waits for its desired state").into_response()
}

async fn model(app: App, Parts(Path(name)): Parts<Path<String>>) -> Result<Response, HttpError> {
    describe(&app, &name, None)
}

async fn model_version(
    app: App,
    Parts(Path((name, version))): Parts<Path<(String, String)>>,
) -> Result<Response, HttpError> {
    describe(&app, &name, Some(&parse_version(&version)?))
}

async fn ready(app: App, Parts(Path(name)): Parts<Path<String>>) -> Result<Response, HttpError> {
    is_ready(&app, &name, None)
}

async fn ready_version(
    app: App,
    Parts(Path((name, version))): Parts<Path<(String, String)>>,
) -> Result<Response, HttpError> {
    is_ready(&app, &name, Some(&parse_version(&version)?))
}

async fn infer(
    app: App,
    Parts(Path(name)): Parts<Path<String>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpError> {
    predict(&app, &name, None, &headers, body, Format::V2).await
}

async fn infer_version(
    app: App,
    Parts(Path((name, version))): Parts<Path<(String, String)>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpError> {
    let version = parse_version(&version).map_err(HttpError::unread)?;
    predict(&app, &name, Some(version), &headers, body, Format::V2).await
}

pub(super) fn parse_version(text: &str) -> Result<VersionRef, HttpError> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(80).collect();
        HttpError::new(
            StatusCode::NOT_FOUND,
            format!("`{shown}` is not a version: expected a number, an alias or sha256:…"),
        )
    })
}

fn describe(app: &Shared, name: &str, version: Option<&VersionRef>) -> Result<Response, HttpError> {
    let served = app.predictor.served(name)?;
    let number = number(&served, version)?;
    let target = served.target(number).map_err(unavailable)?;
    let versions: Vec<_> = match version {
        Some(_) => vec![number.to_string()],
        None => served.versions.keys().map(u32::to_string).collect(),
    };
    Ok(ok(&metadata(name, &versions, &target.card)))
}

fn is_ready(app: &Shared, name: &str, version: Option<&VersionRef>) -> Result<Response, HttpError> {
    let served: Arc<Served> = app.predictor.served(name)?;
    if !app.stopping.is_serving() {
        return Err(HttpError::stopping());
    }
    served.target(number(&served, version)?).map_err(unavailable)?;
    Ok(ok(&json!({ "name": name, "ready": true })))
}

fn number(served: &Served, version: Option<&VersionRef>) -> Result<u32, HttpError> {
    Ok(version.map_or(Ok(served.serving.live), |version| served.resolve(version))?)
}

fn unavailable(why: String) -> HttpError {
    HttpError::new(StatusCode::SERVICE_UNAVAILABLE, format!("the model is not available: {why}"))
}

/// Answers a request to predict, in any form.
pub(super) async fn predict(
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
    let request = Request { served, version, key, timeout, received, body: body.clone(), format };
    match app.predictor.predict(request).await {
        Ok(reply) => Ok(answered(reply)),
        Err(Failure { error, sent }) => {
            let has_findings = error.has_findings();
            let again = || if has_findings { sent_tensors(&body) } else { Vec::new() };
            Err(match format {
                Format::V2 => HttpError::predicting(error, Surface::V2(&sent.unwrap_or_else(again))),
                Format::Records => HttpError::predicting(error, Surface::Records),
            })
        }
    }
}

/// Whether a body says that it is read sooner than it is worth asking whether there is room for it.
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

/// An answer, with headers that say who gave it, why if it was a spare, and whether
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
pub(super) fn header_key(headers: &HeaderMap) -> Result<Option<String>, HttpError> {
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
