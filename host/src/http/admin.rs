//! The admin listener: everything that changes what is served, and what only
//! operators may see. Every path wants the bearer token.

use super::error::{HttpError, Parts, json_response};
use super::prediction::read_body;
use crate::catalog::{Deployment, Model, Spare};
use crate::registry::Registry;
use crate::serving::Served;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// What the handlers share.
struct Shared {
    registry: Arc<Registry>,
    token: String,
    prediction: SocketAddr,
    component_max_bytes: usize,
}

type App = State<Arc<Shared>>;

/// The listener's routes.
pub(super) fn router(
    registry: Arc<Registry>,
    token: String,
    prediction: SocketAddr,
    component_max_bytes: usize,
) -> Router {
    let shared = Arc::new(Shared { registry, token, prediction, component_max_bytes });
    Router::new()
        .route("/v1/models", get(list).post(publish))
        .route("/v1/models/{model}", get(show))
        .route("/v1/models/{model}/deploy", post(deploy))
        .route("/v1/state", get(state))
        .route("/metrics", get(metrics))
        .fallback(|| async { HttpError::new(StatusCode::NOT_FOUND, "no such path; the admin interface is under /v1") })
        .method_not_allowed_fallback(|| async {
            HttpError::new(StatusCode::METHOD_NOT_ALLOWED, "this path has another method")
        })
        .layer(axum::middleware::from_fn_with_state(shared.clone(), authenticate))
        .with_state(shared)
}

async fn authenticate(app: App, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    // Hashes are of one length: not even the token's length shows in the time.
    let matches = Sha256::digest(given).ct_eq(&Sha256::digest(&app.token));
    if bool::from(matches) {
        return next.run(request).await;
    }
    let message =
        "the admin token is missing or wrong: send `Authorization: Bearer TOKEN` (clients read SCRY_ADMIN_TOKEN)";
    let mut response = HttpError::new(StatusCode::UNAUTHORIZED, message).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    response
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishQuery {
    name: Option<String>,
}

async fn publish(app: App, Parts(Query(query)): Parts<Query<PublishQuery>>, body: Body) -> Result<Response, HttpError> {
    let bytes = read_body(body, app.component_max_bytes, Duration::from_secs(300)).await?;
    let registry = app.registry.clone();
    let published = blocking(move || registry.publish(&bytes, query.name.as_deref())).await??;
    reply(&published)
}

async fn deploy(app: App, Parts(Path(model)): Parts<Path<String>>, body: Body) -> Result<Response, HttpError> {
    let bytes = read_body(body, 1 << 20, Duration::from_secs(10)).await?;
    let change: Deployment = serde_json::from_slice(&bytes)
        .map_err(|e| HttpError::new(StatusCode::BAD_REQUEST, format!("the deployment is not readable: {e}")))?;
    let registry = app.registry.clone();
    let name = model.clone();
    let live = blocking(move || registry.deploy(&name, &change)).await??;
    reply(&json!({ "model": model, "version": live.number, "digest": live.digest }))
}

/// A model as operators see it.
#[derive(Serialize)]
struct Shown<'a> {
    model: &'a str,
    live: u32,
    versions: Vec<ShownVersion>,
    aliases: &'a std::collections::BTreeMap<String, u32>,
    fallback: &'a [Spare],
    limits: &'a crate::catalog::LimitsPatch,
    deadline_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<&'a scry_card::Card>,
}

#[derive(Serialize)]
struct ShownVersion {
    version: u32,
    digest: crate::store::Digest,
    /// `ready`, or why it is not.
    state: String,
}

fn shown(served: &Served, with_card: bool) -> Shown<'_> {
    let entry: &Model = &served.entry;
    let versions = entry.all().map(|version| ShownVersion {
        version: version.number,
        digest: version.digest,
        state: served.target(version.number).map_or_else(|why| why, |_| "ready".into()),
    });
    let card = served.target(entry.live).ok().map(|target| target.card.as_ref());
    Shown {
        model: &served.name,
        live: entry.live,
        versions: versions.collect(),
        aliases: &entry.aliases,
        fallback: &entry.fallback,
        limits: &entry.limits,
        deadline_ms: u64::try_from(served.limits.deadline.as_millis()).unwrap_or(u64::MAX),
        card: card.filter(|_| with_card),
    }
}

async fn list(app: App) -> Result<Response, HttpError> {
    let routes = app.registry.routes().load_full();
    let mut models: Vec<_> = routes.models.values().collect();
    models.sort_by(|a, b| a.name.cmp(&b.name));
    reply(&json!({ "models": models.iter().map(|served| shown(served, false)).collect::<Vec<_>>() }))
}

async fn show(app: App, Parts(Path(model)): Parts<Path<String>>) -> Result<Response, HttpError> {
    let routes = app.registry.routes().load_full();
    let served = routes.models.get(&model);
    let served = served.ok_or(crate::catalog::CatalogError::UnknownModel(model))?;
    reply(&shown(served, true))
}

async fn state(app: App) -> Result<Response, HttpError> {
    let catalog = app.registry.catalog();
    reply(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "prediction": format!("http://{}", app.prediction),
        "models": catalog.models,
    }))
}

async fn metrics(app: App) -> Result<Response, HttpError> {
    let text = app.registry.metrics().render();
    let text = text.map_err(|e| HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

fn reply(value: &impl Serialize) -> Result<Response, HttpError> {
    let json =
        serde_json::to_vec(value).map_err(|e| HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    Ok(json_response(StatusCode::OK, json))
}

/// Runs a change off the threads that do I/O.
async fn blocking<T: Send + 'static>(change: impl FnOnce() -> T + Send + 'static) -> Result<T, HttpError> {
    tokio::task::spawn_blocking(change).await.map_err(|e| {
        tracing::error!(error = %e, "a change panicked; this is a bug in scry");
        HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "the change failed inside the host; see its log")
    })
}
