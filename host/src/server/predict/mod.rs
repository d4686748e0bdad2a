//! The prediction listener: Open Inference Protocol V2, V1, and what other clients ask for.
//! Nothing here changes state.

mod absent;
mod describe;
mod docs;
mod documents;
pub(in crate::server) mod grpc;
mod invocations;
mod paths;
mod records;
mod request;
mod state;

use crate::config::Listener;
use crate::server::cors::Cors;
use crate::server::edge::{Answering, App as Answers, routed};
use crate::server::error::{HttpError, Parts, json_response};
use crate::server::shutdown::Stopping;
use crate::serving::Predictor;
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use documents::Documents;
use grpc::{Grpc, is_call};
use hyper::body::Incoming;
use paths::{INVOCATIONS, PING, Paths};
use request::{parse_version, predict};
use scry_catalog::VersionRef;
use scry_protocol::Format;
use serde_json::{Value, json};
use state::{App, Shared};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Descriptions that are made at once; a further one waits.
const DESCRIBING_MAX: usize = 2;

/// What answers the listener's requests, behind a guard.
pub(in crate::server) fn app(
    predictor: Predictor,
    is_ready: Arc<AtomicBool>,
    stopping: Stopping,
    settings: &Listener,
    guarded: impl FnOnce(Answers) -> Answers,
) -> io::Result<Answers> {
    let shared = Arc::new(Shared {
        predictor,
        body_max_bytes: settings.body_max_bytes,
        body_timeout: Duration::from_millis(settings.body_timeout_ms),
        idle_timeout: Duration::from_millis(settings.idle_timeout_ms),
        is_ready,
        stopping,
        default_model: settings.default_model.clone(),
        documents: Documents::default(),
        describing: Arc::new(Semaphore::new(DESCRIBING_MAX)),
    });
    let calls = Grpc::new(shared.clone()).map_err(io::Error::other)?;
    let router = router(shared.clone());
    let answers = guarded(Box::new(move |request| match plain_model(&request) {
        Some(model) => infer_straight(shared.clone(), model, request),
        None if is_call(&request) => calls.answer(request),
        None => routed(&router, request),
    }));
    // The guard knows the usual names of paths.
    Ok(Cors::new(&settings.cors_origins).before(Paths::new(settings).before(answers)))
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
    routes()
        .fallback(|headers: HeaderMap| async move {
            HttpError::no_path(&headers, "no such path; the interface is under /v2 and /v1, and described at /docs")
        })
        .method_not_allowed_fallback(|headers: HeaderMap| async move { HttpError::no_method(&headers) })
        .with_state(shared)
}

fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v2", get(server))
        .route("/v2/health/live", get(|| async { ok(&json!({ "live": true })) }))
        .route("/v2/health/ready", get(is_host_ready))
        .route("/v2/models", get(describe::models))
        .route("/v2/models/stats", get(describe::statistics))
        .route("/v2/models/{model}", get(describe::metadata))
        .route("/v2/models/{model}/ready", get(ready))
        .route("/v2/models/{model}/config", get(describe::config))
        .route("/v2/models/{model}/stats", get(describe::model_statistics))
        .route("/v2/models/{model}/infer", post(infer))
        .route("/v2/models/{model}/versions/{version}", get(describe::version_metadata))
        .route("/v2/models/{model}/versions/{version}/ready", get(ready_version))
        .route("/v2/models/{model}/versions/{version}/config", get(describe::version_config))
        .route("/v2/models/{model}/versions/{version}/stats", get(describe::version_statistics))
        .route("/v2/models/{model}/versions/{version}/infer", post(infer_version))
        .route("/v2/repository/index", post(describe::index))
        .route("/v1/models", get(describe::models))
        .route("/v1/models/{model}", get(describe::status).post(records::predict))
        .route("/v1/models/{model}/versions/{version}", get(describe::version_status).post(records::predict_version))
        .route(INVOCATIONS, post(invocations::invoke))
        .route(PING, get(is_host_ready))
        .merge(docs::routes())
        .merge(absent::routes())
}

fn ok(value: &Value) -> Response {
    json_response(StatusCode::OK, value.to_string().into_bytes())
}

async fn server() -> Response {
    ok(&describe::server())
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

fn is_ready(app: &Shared, name: &str, version: Option<&VersionRef>) -> Result<Response, HttpError> {
    let served = app.predictor.served(name)?;
    if !app.stopping.is_serving() {
        return Err(HttpError::stopping());
    }
    describe::target(&served, version)?;
    Ok(ok(&json!({ "name": name, "ready": true })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::documented;

    #[test]
    fn the_document_has_the_routers_paths() {
        let document = crate::openapi::prediction(std::iter::empty());
        let refused = absent::PATHS.map(|(path, _)| path);
        let routed = documented::paths(&routes()).into_iter().filter(|path| !refused.contains(&path.as_str()));
        // The router takes a verb for a part of the name.
        let verbs = ["/v1/models/{model}:predict", "/v1/models/{model}/versions/{version}:predict"];
        assert_eq!(
            routed.chain(verbs.map(str::to_owned)).collect::<std::collections::BTreeSet<_>>(),
            documented::of(&document)
        );
    }
}
