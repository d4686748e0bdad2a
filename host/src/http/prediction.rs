//! The prediction listener: Open Inference Protocol V2; records are `records`'.
//! Nothing here changes state.

use super::body::{SentBody, read_body, read_parts};
use super::connections::{Answering, App as Answers, routed};
use super::ending::Stopping;
use super::error::{HttpError, Parts, json_response};
use super::records;
use crate::config::Listener;
use crate::serving::{Answered, Call, Predictor, Rows, Served};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::body::Incoming;
use scry_card::{Interrupt, Interrupted, Values};
use scry_catalog::VersionRef;
use scry_names::text::whole_number;
use scry_protocol::{
    Answer, InferRequest, InferResponse, InvalidRows, KEY_MAX_BYTES, ProtocolError, Surface, may_have_timeout,
    metadata, sent_tensors,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
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
fn plain_model(request: &Request<Incoming>) -> Option<String> {
    let name = request.uri().path().strip_prefix("/v2/models/")?.strip_suffix("/infer")?;
    let is_plain = !name.is_empty() && !name.contains(['/', '%']);
    (is_plain && request.method() == Method::POST).then(|| name.to_owned())
}

/// Without what a router keeps for any path: a large part of a small request.
fn infer_straight(app: Arc<Shared>, model: String, request: Request<Incoming>) -> Answering {
    let answer = async move {
        let (head, body) = request.into_parts();
        predict(arrive(&app, &model, &head.headers, body).await?, model, None).await
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
    predict(arrive(&app, &name, &headers, body).await?, name, None).await
}

async fn infer_version(
    app: App,
    Parts(Path((name, version))): Parts<Path<(String, String)>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpError> {
    let version = parse_version(&version).map_err(HttpError::unread)?;
    predict(arrive(&app, &name, &headers, body).await?, name, Some(version)).await
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

async fn predict(arrived: Arrived, model: String, version: Option<VersionRef>) -> Result<Response, HttpError> {
    answer(arrived, |arrived| async move {
        let mut request = arrived.read(InferRequest::from_json_until).await?;
        let sent = request.take_sent();
        let timeout = shorter(request.timeout_us, arrived.timeout);
        let key = arrived.key.clone().or(request.key);
        let by_row = request.invalid_rows == InvalidRows::RefuseRow;
        let (inputs, received) = (Rows::Columns(request.inputs, request.misread), arrived.received);
        let call = Call { model: model.clone(), version, key, inputs, received, timeout, by_row };
        let predicted = arrived.app.predictor.predict(call).await;
        let answered = predicted.map_err(|error| {
            let sent =
                if error.has_findings() { sent.unwrap_or_else(|| sent_tensors(&arrived.sent)) } else { Vec::new() };
            HttpError::predicting(error, Surface::V2(&sent))
        })?;
        let fields = &answered.answer.card.schema.outputs;
        let wanted = &request.outputs;
        if wanted.len() > fields.iter().filter(|field| wanted.contains(&field.name)).count() {
            let known: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
            let is_known: BTreeSet<_> = known.iter().copied().collect();
            let unknown = wanted.iter().find(|name| !is_known.contains(name.as_str())).map_or("", String::as_str);
            let message = format!("output `{unknown}`: expected one of {}, found an unknown output", known.join(", "));
            arrived.app.predictor.unfit(&answered.due);
            return Err(HttpError::new(StatusCode::BAD_REQUEST, message));
        }
        let (id, outputs) = (request.id, request.outputs);
        let write = move |answer: &Answer, interrupt: &mut Interrupt<'_>| {
            let response = InferResponse { model_name: &model, id: id.as_deref(), answer, outputs: &outputs };
            response.to_json_until(interrupt)
        };
        arrived.respond(answered, write).await
    })
    .await
}

/// A request to predict that was admitted.
pub(super) struct Arrived {
    pub(super) app: Arc<Shared>,
    pub(super) served: Arc<Served>,
    /// The body as it came.
    sent: Bytes,
    pub(super) received: Instant,
    /// What the headers ask for.
    pub(super) timeout: Option<Duration>,
    pub(super) key: Option<String>,
}

/// What predictions in every form begin with: a model that is there, and a
/// body that is admitted.
pub(super) async fn arrive(
    app: &Arc<Shared>,
    model: &str,
    headers: &HeaderMap,
    body: impl SentBody,
) -> Result<Arrived, HttpError> {
    let received = Instant::now();
    // Before the body is read: a model that is not there costs nothing.
    let served = app.predictor.asked(model).map_err(|error| HttpError::from(error).unread())?;
    if let Err(refused) = app.predictor.admit(&served, received).await {
        // Its connection is good for another request then.
        read_parts(body, app.body_max_bytes, app.body_timeout, drop).await?;
        return Err(refused.into());
    }
    let sent = read_body(body, app.body_max_bytes, app.body_timeout).await?;
    // It may have taken its time.
    app.predictor.admit(&served, received).await?;
    let (timeout, key) = (header_timeout(headers)?, header_key(headers)?);
    Ok(Arrived { app: app.clone(), served, sent, received, timeout, key })
}

/// Answers a request; `how` is all that is left to do for it.
pub(super) async fn answer<F>(arrived: Arrived, how: impl FnOnce(Arrived) -> F) -> Result<Response, HttpError>
where
    F: Future<Output = Result<Response, HttpError>> + Send + 'static,
{
    let (app, served, sent) = (arrived.app.clone(), arrived.served.clone(), arrived.sent.clone());
    let time = (arrived.received, arrived.timeout);
    app.predictor.whole(&served, time, sent.len(), || !may_have_timeout(&sent), how(arrived)).await?
}

/// A number in JSON with its comma, roughly.
const ELEMENT_BYTES: usize = 12;

impl Arrived {
    /// What predictions in every form go on with: a body that reads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: fn(&[u8], &Interrupt<'_>) -> Result<T, ProtocolError>,
    ) -> Result<T, HttpError> {
        let (body, time) = (self.sent.clone(), (self.received, self.timeout));
        let read = move |interrupt: &mut Interrupt<'_>| uninterrupted(read(&body, interrupt));
        Ok(self.app.predictor.read(&self.served, time, self.sent.len(), read).await??)
    }

    /// What they end with.
    pub(super) async fn respond(
        &self,
        Answered { answer, due }: Answered,
        write: impl FnOnce(&Answer, &mut Interrupt<'_>) -> Result<Vec<u8>, ProtocolError> + Send + 'static,
    ) -> Result<Response, HttpError> {
        let bytes_of = |values: &Values| match values {
            Values::Bytes(text) => text.utf8().len() + text.len() * ELEMENT_BYTES,
            numbers => numbers.len() * ELEMENT_BYTES,
        };
        let bytes: usize = answer.outputs.columns.iter().map(|column| bytes_of(&column.values)).sum();
        let write = move |interrupt: &mut Interrupt<'_>| {
            Ok(uninterrupted(write(&answer, interrupt))?.map(|json| (json, answer)))
        };
        let written = self.app.predictor.write(&due, bytes, write).await?;
        let (json, answer) = written.map_err(|e| HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
        let mut response = json_response(StatusCode::OK, json);
        name_source(response.headers_mut(), &answer);
        Ok(response)
    }
}

/// What was read or written; apart from that, whether it was to its end.
fn uninterrupted<T>(done: Result<T, ProtocolError>) -> Result<Result<T, ProtocolError>, Interrupted> {
    match done {
        Err(ProtocolError::Interrupted(interrupted)) => Err(interrupted),
        done => Ok(done),
    }
}

/// The shorter of what a body and a header ask for.
pub(super) fn shorter(body_us: Option<u64>, header: Option<Duration>) -> Option<Duration> {
    match (body_us.map(Duration::from_micros), header) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

static MODEL: HeaderName = HeaderName::from_static("scry-model");
static VERSION: HeaderName = HeaderName::from_static("scry-version");
static DIGEST: HeaderName = HeaderName::from_static("scry-digest");
static DEGRADED: HeaderName = HeaderName::from_static("scry-degraded");
static WARNINGS: HeaderName = HeaderName::from_static("scry-warnings");
static REFUSED_ROWS: HeaderName = HeaderName::from_static("scry-refused-rows");

/// The headers that say who answered, why if it was a spare, and whether
/// something was found in the inputs.
pub(super) fn name_source(headers: &mut HeaderMap, answer: &Answer) {
    let mut put = |name: &HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put(&MODEL, &answer.model);
    put(&VERSION, &answer.version);
    if let Some(digest) = &answer.digest {
        put(&DIGEST, digest);
    }
    if let Some(degraded) = answer.degraded {
        put(&DEGRADED, degraded);
    }
    if !answer.remarks.warnings.is_empty() {
        put(&WARNINGS, &answer.remarks.warnings.len().to_string());
    }
    if !answer.remarks.refused_rows.is_empty() {
        put(&REFUSED_ROWS, &answer.remarks.refused_rows.len().to_string());
    }
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
