//! The admin listener: everything that changes what is served, and what only
//! operators may see. Nearly every path wants a token, which is the guard's to ask for.

mod backup;
mod drift;
mod errors;
mod refusals;
mod repository;
mod signature;
mod validation;
mod views;

use crate::access::{Audit, Caller};
use crate::recording::Recording;
use crate::registry::{ChangeError, Registry, Source};
use crate::server::body::read_body;
use crate::server::bound::At;
use crate::server::compression::uncompressed;
use crate::server::dashboard::{self, Dashboard};
use crate::server::docs;
use crate::server::error::{HttpError, Parts, json_response};
use crate::server::metrics::metrics_text;
use crate::server::query;
use crate::server::shutdown::Stopping;
use crate::telemetry::{Hour, current, enter, unix_ms};
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, FromRef, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use scry_card::strict;
use scry_catalog::{CatalogError, Deployment, Override, Reference, VersionRef};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// A request that is not a component is not longer than this.
const REQUEST_MAX_BYTES: usize = 16 << 20;
/// Components that may be received at once; a further body is read once there is
/// room.
const PUBLISHES_MAX: usize = 8;

/// What the handlers share.
struct Shared {
    registry: Arc<Registry>,
    audit: Arc<Audit>,
    recording: Arc<Recording>,
    prediction: At,
    dashboard: Dashboard,
    stopping: Stopping,
    component_max_bytes: usize,
    /// Each publish holds a few copies of its component.
    publishing: Arc<Semaphore>,
    /// Each backup holds a component.
    backing_up: Arc<Semaphore>,
}

impl FromRef<Arc<Shared>> for Dashboard {
    fn from_ref(shared: &Arc<Shared>) -> Self {
        shared.dashboard.clone()
    }
}

type App = State<Arc<Shared>>;
type By = Extension<Caller>;
type Result<T> = std::result::Result<T, HttpError>;

/// The listener's routes.
pub(in crate::server) fn router(
    registry: Arc<Registry>,
    (audit, recording): (Arc<Audit>, Arc<Recording>),
    hour: Arc<Hour>,
    prediction: At,
    stopping: Stopping,
    component_max_bytes: usize,
) -> Router {
    let (publishing, backing_up) = (Arc::new(Semaphore::new(PUBLISHES_MAX)), Arc::new(Semaphore::new(1)));
    let dashboard = Dashboard::new(registry.clone(), hour, prediction, stopping.clone());
    let shared = Arc::new(Shared {
        registry,
        audit,
        recording,
        prediction,
        dashboard,
        stopping,
        component_max_bytes,
        publishing,
        backing_up,
    });
    routes()
        .fallback(|headers: HeaderMap| async move {
            HttpError::no_path(&headers, "no such path; the admin interface is under /v1")
        })
        .method_not_allowed_fallback(|headers: HeaderMap| async move { HttpError::no_method(&headers) })
        .layer(axum::middleware::from_fn(uncompressed))
        .layer(axum::middleware::from_fn_with_state(shared.clone(), while_serving))
        .with_state(shared)
}

fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/models", get(list).post(publish))
        .route("/v1/models/{model}", get(show))
        .route("/v1/models/{model}/deploy", post(deploy))
        .route("/v1/models/{model}/rollback", post(roll_back))
        .route("/v1/models/{model}/withdraw", post(withdraw))
        .route("/v1/models/{model}/circuit", get(circuit).post(force))
        .route("/v1/models/{model}/validation", get(validation))
        .route("/v1/models/{model}/drift", get(drift))
        .route("/v1/models/{model}/drift/counts", get(drift_counts))
        .route("/v1/rollback", post(restore))
        .route("/v1/history", get(history))
        .route("/v1/refusals", get(refusals::refusals))
        .merge(errors::routes())
        .route("/v1/desired", get(export).put(apply))
        .route("/v1/backup", get(backup::backup))
        .route("/v1/gc", post(clean))
        .route("/v1/state", get(state))
        .route("/metrics", get(metrics))
        .merge(repository::routes())
        .merge(docs::routes())
        .merge(dashboard::routes())
}

/// Refuses changes while the host ends: they could be lost or left half done.
async fn while_serving(app: App, request: Request, next: Next) -> Response {
    if app.stopping.is_serving() || request.method().is_safe() {
        return next.run(request).await;
    }
    HttpError::stopping().by_head(request.headers()).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FormatQuery {
    /// `text` is for people.
    format: Option<String>,
}

/// What the checks of a model's versions have found.
async fn validation(
    app: App,
    Parts(Path(model)): Parts<Path<String>>,
    Parts(Query(query)): Parts<Query<FormatQuery>>,
) -> Result<Response> {
    let routes = app.registry.routes();
    let routes = routes.load();
    routes.catalog.model(&model)?;
    let shown = validation::of(&routes, &model);
    match query.format.as_deref() {
        None | Some("json") => reply(&shown),
        Some("text") => Ok(shown.to_string().into_response()),
        Some(_) => Err(HttpError::new(StatusCode::BAD_REQUEST, "format: expected json or text")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishQuery {
    name: Option<String>,
}

async fn publish(
    app: App,
    Extension(who): By,
    Parts(Query(query)): Parts<Query<PublishQuery>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let envelope = signature::of(&headers)?;
    let room = app.publishing.clone().acquire_owned().await;
    let bytes = read_body(body, app.component_max_bytes, Duration::from_secs(300)).await?;
    change(app, move |registry| {
        // Held until the publish is done, even if its client has left.
        let _room = room;
        registry.publish(who.name(), bytes.into(), query.name.as_deref(), envelope)
    })
    .await
}

/// A deployment, whose version may come from a registry.
async fn deploy(app: App, Extension(who): By, Parts(Path(model)): Parts<Path<String>>, body: Body) -> Result<Response> {
    const WHAT: &str = "deployment";
    let mut fields: Map<String, Value> = json_body(body, WHAT).await?;
    let to = fields.remove("to").filter(|to| !to.is_null());
    let source = |to: Value| {
        let found = strict::found(&to);
        let wrong = |_| strict::Error::wrong("a number, an alias, `sha256:…` or `oci://…`", found).within("to");
        strict::from_value::<Source>(to).map_err(wrong)
    };
    let to = to.map(source).transpose().map_err(|error| unreadable(WHAT, &error))?;
    let deployment: Deployment = strict::from_value(Value::Object(fields)).map_err(|error| unreadable(WHAT, &error))?;
    change(app, move |registry| registry.deploy(who.name(), &model, to, &deployment)).await
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RollBack {
    to: Option<u64>,
}

async fn roll_back(
    app: App,
    Extension(who): By,
    Parts(Path(model)): Parts<Path<String>>,
    body: Body,
) -> Result<Response> {
    let RollBack { to } = json_body(body, "rollback").await?;
    change(app, move |registry| registry.roll_back(who.name(), &model, to)).await
}

/// A withdrawal's body has no members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Withdrawal {}

async fn withdraw(
    app: App,
    Extension(who): By,
    Parts(Path(model)): Parts<Path<String>>,
    body: Body,
) -> Result<Response> {
    let Withdrawal {} = json_body(body, "withdrawal").await?;
    change(app, move |registry| {
        let number = registry.withdraw(who.name(), &model)?;
        Ok(json!({ "model": model, "number": number }))
    })
    .await
}

async fn restore(app: App, Extension(who): By, body: Body) -> Result<Response> {
    let RollBack { to } = json_body(body, "rollback").await?;
    let missing = || strict::Error::missing("to", "the number of a state, as `scry history` lists them");
    let to = to.ok_or_else(|| unreadable("rollback", &missing()))?;
    change(app, move |registry| Ok(json!({ "number": registry.restore(who.name(), to)? }))).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HistoryQuery {
    model: Option<String>,
    #[serde(default, deserialize_with = "query::count")]
    limit: Option<usize>,
}

async fn history(app: App, Parts(Query(query)): Parts<Query<HistoryQuery>>) -> Result<Response> {
    const CHANGES_MAX: usize = 1000;
    let most = query.limit.unwrap_or(20).min(CHANGES_MAX);
    if let Some(model) = &query.model {
        app.registry.catalog().model(model)?;
    }
    change(app, move |registry| Ok(json!({ "changes": registry.history(query.model.as_deref(), most) }))).await
}

async fn export(app: App) -> Result<Response> {
    let text = app.registry.export().to_toml().map_err(ChangeError::from)?;
    Ok(([(header::CONTENT_TYPE, "application/toml")], text).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplyQuery {
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    allow_breaking: bool,
}

async fn apply(
    app: App,
    Extension(who): By,
    Parts(Query(query)): Parts<Query<ApplyQuery>>,
    body: Body,
) -> Result<Response> {
    let bytes = read_body(body, REQUEST_MAX_BYTES, Duration::from_secs(10)).await?;
    let text = String::from_utf8(bytes.to_vec())
        .map_err(|_| HttpError::new(StatusCode::BAD_REQUEST, "the document is not UTF-8"))?;
    change(app, move |registry| registry.apply(who.name(), &text, query.dry_run, query.allow_breaking)).await
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Clean {
    dry_run: bool,
}

async fn clean(app: App, body: Body) -> Result<Response> {
    let Clean { dry_run } = json_body(body, "clean-up").await?;
    change(app, move |registry| registry.clean(dry_run)).await
}

async fn list(app: App) -> Result<Response> {
    let routes = app.registry.routes().load_full();
    let models = routes.catalog.models.iter();
    let models: Vec<_> = models.map(|(name, model)| views::model(&app.registry, &routes, name, model, false)).collect();
    reply(&json!({ "models": models }))
}

async fn show(app: App, Parts(Path(name)): Parts<Path<String>>) -> Result<Response> {
    let routes = app.registry.routes().load_full();
    let model = routes.catalog.models.get(&name).ok_or(CatalogError::UnknownModel(name.clone()))?;
    reply(&views::model(&app.registry, &routes, &name, model, true))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CircuitQuery {
    version: Option<VersionRef>,
}

async fn circuit(
    app: App,
    Parts(Path(model)): Parts<Path<String>>,
    Parts(Query(query)): Parts<Query<CircuitQuery>>,
) -> Result<Response> {
    reply(&views::circuit(&app.registry.routes().load(), &Reference { model, version: query.version }, |_| {})?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Force {
    version: Option<VersionRef>,
    state: Override,
}

/// This host's own state: not a change that is recorded.
async fn force(app: App, Extension(who): By, Parts(Path(model)): Parts<Path<String>>, body: Body) -> Result<Response> {
    let Force { version, state } = json_body(body, "circuit's state").await?;
    let reference = Reference { model, version };
    let forced = views::circuit(&app.registry.routes().load(), &reference, |circuit| circuit.force(state))?;
    tracing::info!(by = %who.name(), %reference, ?state, "a circuit was overridden");
    reply(&forced)
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DriftQuery {
    #[serde(default)]
    format: Format,
}

/// A look, and what it came to. It grows with the columns.
async fn drift(
    app: App,
    Parts(Path(model)): Parts<Path<String>>,
    Parts(Query(query)): Parts<Query<DriftQuery>>,
) -> Result<Response> {
    let report = off_io_threads(&app, move |registry| {
        registry.look_at_drift();
        crate::server::admin::drift::report(registry, &model, unix_ms())
    });
    let report = report.await??;
    match query.format {
        Format::Json => reply(&report),
        Format::Text => Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], report.to_string()).into_response()),
    }
}

async fn drift_counts(app: App, Parts(Path(model)): Parts<Path<String>>) -> Result<Response> {
    let export = off_io_threads(&app, move |registry| {
        registry.look_at_drift();
        crate::server::admin::drift::export(&registry.routes().load(), &model)
    });
    reply(&export.await??)
}

async fn state(app: App) -> Result<Response> {
    let damage = off_io_threads(&app, Registry::damage).await?;
    let routes = app.registry.routes().load_full();
    let mut state = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "prediction": app.prediction.to_string(),
        "number": routes.number,
        "desired_state": app.registry.file_status(),
        "damage": damage,
        "models": routes.catalog.models,
    });
    if let (Some(trust), Some(members)) = (signature::trust(&app.registry, &routes), state.as_object_mut()) {
        members.insert("trust".into(), json!(trust));
    }
    reply(&state)
}

async fn metrics(app: App, headers: HeaderMap) -> Result<Response> {
    metrics_text(app.registry.clone(), &headers).await
}

/// A JSON body; none at all is an empty object.
async fn json_body<T: DeserializeOwned>(body: Body, what: &str) -> Result<T> {
    let bytes = read_body(body, REQUEST_MAX_BYTES, Duration::from_secs(10)).await?;
    let json = if bytes.is_empty() { b"{}".as_slice() } else { &bytes };
    strict::from_slice(json).map_err(|error| unreadable(what, &error))
}

fn unreadable(what: &str, error: &strict::Error) -> HttpError {
    HttpError::new(StatusCode::BAD_REQUEST, format!("the {what} is not readable: {error}"))
}

fn reply(value: &impl Serialize) -> Result<Response> {
    let json =
        serde_json::to_vec(value).map_err(|e| HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    Ok(json_response(StatusCode::OK, json))
}

/// Runs whatever may wait off the threads that do I/O.
async fn change<T: Serialize + Send + 'static>(
    app: App,
    change: impl FnOnce(&Registry) -> std::result::Result<T, ChangeError> + Send + 'static,
) -> Result<Response> {
    reply(&off_io_threads(&app, change).await??)
}

async fn off_io_threads<T: Send + 'static>(
    app: &Shared,
    work: impl FnOnce(&Registry) -> T + Send + 'static,
) -> Result<T> {
    let (registry, context) = (app.registry.clone(), current());
    tokio::task::spawn_blocking(move || enter(context, || work(&registry))).await.map_err(|e| {
        tracing::error!(error = %e, "an operator's request panicked; this is a bug in scry");
        HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed inside the host; see its log")
    })
}
