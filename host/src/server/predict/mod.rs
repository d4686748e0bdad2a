//! The prediction listener: Open Inference Protocol V2, and `records`.
//! Nothing here changes state.

mod records;
mod request;

use crate::config::Listener;
use crate::server::connections::{Answering, App as Answers, routed};
use crate::server::error::{HttpError, Parts, json_response};
use crate::server::shutdown::Stopping;
use crate::serving::{Predictor, Served};
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::body::Incoming;
use request::{App, Shared, parse_version, predict};
use scry_catalog::VersionRef;
use scry_protocol::{Format, metadata};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What answers the listener's requests.
pub(in crate::server) fn app(
    predictor: Predictor,
    is_ready: Arc<AtomicBool>,
    stopping: Stopping,
    settings: &Listener,
) -> Answers {
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

/// The model in the one path that nearly every request has. The router takes
/// every other path.
fn plain_model(request: &axum::http::Request<Incoming>) -> Option<String> {
    let name = request.uri().path().strip_prefix("/v2/models/")?.strip_suffix("/infer")?;
    let is_plain = !name.is_empty() && !name.contains(['/', '%']);
    (is_plain && request.method() == Method::POST).then(|| name.to_owned())
}

/// Answers without the router, which costs a large part of a small request.
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

/// What the host has of the protocol's extensions.
const EXTENSIONS: [&str; 2] = ["binary_tensor_data", "classification"];

async fn server() -> Response {
    ok(&json!({ "name": "scry", "version": env!("CARGO_PKG_VERSION"), "extensions": EXTENSIONS }))
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
