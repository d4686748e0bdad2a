//! What is served, as clients ask for it: names, metadata, configuration, states and statistics of models.
//!
//! Changes nothing, and calls no model.

use crate::server::error::{HttpError, Parts, json_response};
use crate::server::predict::request::parse_version;
use crate::server::predict::state::{App, Shared};
use crate::server::repository;
use crate::serving::{Served, ServedVersion, Sums, Timed};
use crate::telemetry::{current, enter};
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use scry_catalog::VersionRef;
use scry_protocol::{config as configured, metadata as described};
use serde_json::{Value, json};
use std::sync::Arc;

type Result<T> = std::result::Result<T, HttpError>;
type Name = Parts<Path<String>>;
type NameAndVersion = Parts<Path<(String, String)>>;

/// Extensions of V2 that clients find here, by the names that Triton gives them.
const EXTENSIONS: [&str; 4] = ["binary_tensor_data", "classification", "model_configuration", "statistics"];

/// What the host is.
pub(super) fn server() -> Value {
    json!({ "name": "scry", "version": env!("CARGO_PKG_VERSION"), "extensions": EXTENSIONS })
}

/// The names of all models that are served.
pub(super) async fn models(app: App) -> Result<Response> {
    answer_off_io(&app, |app| {
        let routes = app.predictor.routes();
        let names: Vec<_> = routes.served().map(|served| &served.name).collect();
        Ok(json!({ "models": names }))
    })
    .await
}

pub(super) async fn metadata(app: App, Parts(Path(name)): Name) -> Result<Response> {
    answer_off_io(&app, move |app| metadata_of(app, &name, None)).await
}

pub(super) async fn version_metadata(app: App, Parts(Path((name, version))): NameAndVersion) -> Result<Response> {
    let version = parse_version(&version)?;
    answer_off_io(&app, move |app| metadata_of(app, &name, Some(&version))).await
}

pub(super) fn metadata_of(app: &Shared, name: &str, version: Option<&VersionRef>) -> Result<Value> {
    let served = app.predictor.served(name)?;
    let target = target(&served, version)?;
    let versions: Vec<_> = match version {
        Some(_) => vec![target.version.number.to_string()],
        None => served.versions.keys().map(u32::to_string).collect(),
    };
    Ok(described(name, &versions, &target.card))
}

pub(super) async fn config(app: App, Parts(Path(name)): Name) -> Result<Response> {
    answer_off_io(&app, move |app| config_of(app, &name, None)).await
}

pub(super) async fn version_config(app: App, Parts(Path((name, version))): NameAndVersion) -> Result<Response> {
    let version = parse_version(&version)?;
    answer_off_io(&app, move |app| config_of(app, &name, Some(&version))).await
}

pub(super) fn config_of(app: &Shared, name: &str, version: Option<&VersionRef>) -> Result<Value> {
    let served = app.predictor.served(name)?;
    Ok(configured(name, &target(&served, version)?.card, app.body_max_bytes))
}

/// The version that is meant, where it is loaded.
pub(super) fn target<'a>(served: &'a Served, version: Option<&VersionRef>) -> Result<&'a Arc<ServedVersion>> {
    let number = version.map_or(Ok(served.serving.live), |version| served.resolve(version))?;
    let unavailable =
        |why| HttpError::new(StatusCode::SERVICE_UNAVAILABLE, format!("the model is not available: {why}"));
    served.target(number).map_err(unavailable)
}

/// Whether a model can answer, as KServe asks in V1, and the states of its versions, as TensorFlow Serving shows them.
pub(super) async fn status(app: App, Parts(Path(name)): Name, headers: HeaderMap) -> Result<Response> {
    if name.ends_with(super::records::VERB) {
        return Err(HttpError::no_method(&headers));
    }
    answer_off_io(&app, move |app| status_of(app, &name, None)).await
}

pub(super) async fn version_status(
    app: App,
    Parts(Path((name, version))): NameAndVersion,
    headers: HeaderMap,
) -> Result<Response> {
    if version.ends_with(super::records::VERB) {
        return Err(HttpError::no_method(&headers));
    }
    let version = parse_version(&version)?;
    answer_off_io(&app, move |app| status_of(app, &name, Some(&version))).await
}

fn status_of(app: &Shared, name: &str, version: Option<&VersionRef>) -> Result<Value> {
    let served = app.predictor.served(name)?;
    if !app.stopping.is_serving() {
        return Err(HttpError::stopping());
    }
    let asked = version.map(|version| served.resolve(version)).transpose()?;
    let status = |(number, missing): (u32, Option<String>)| {
        let state = if missing.is_none() { "AVAILABLE" } else { "END" };
        let code = if missing.is_none() { "OK" } else { "UNAVAILABLE" };
        json!({
            "version": number.to_string(),
            "state": state,
            "status": { "error_code": code, "error_message": missing.unwrap_or_default() },
        })
    };
    let states: Vec<_> = match asked {
        Some(number) => vec![status((number, served.target(number).err()))],
        None => {
            let all = served.versions.iter();
            all.map(|(number, loaded)| status((*number, loaded.as_ref().err().cloned()))).collect()
        }
    };
    let is_ready = served.target(asked.unwrap_or(served.serving.live)).is_ok();
    Ok(json!({ "name": name, "ready": is_ready, "model_version_status": states }))
}

/// Statistics of every version that is loaded.
pub(super) async fn statistics(app: App) -> Result<Response> {
    answer_off_io(&app, |app| statistics_of(app, None, None)).await
}

pub(super) async fn model_statistics(app: App, Parts(Path(name)): Name) -> Result<Response> {
    answer_off_io(&app, move |app| statistics_of(app, Some(&name), None)).await
}

pub(super) async fn version_statistics(app: App, Parts(Path((name, version))): NameAndVersion) -> Result<Response> {
    let version = parse_version(&version)?;
    answer_off_io(&app, move |app| statistics_of(app, Some(&name), Some(&version))).await
}

/// Statistics of all models or one, of all versions or one.
pub(super) fn statistics_of(app: &Shared, name: Option<&str>, version: Option<&VersionRef>) -> Result<Value> {
    let Some(name) = name else {
        let routes = app.predictor.routes();
        let each = routes.served().flat_map(|served| served.versions.values().flatten());
        return Ok(json!({ "model_stats": each.map(|target| counted(target)).collect::<Vec<_>>() }));
    };
    let served = app.predictor.served(name)?;
    let each: Vec<_> = match version {
        Some(_) => vec![counted(target(&served, version)?)],
        None => served.versions.values().flatten().map(|target| counted(target)).collect(),
    };
    Ok(json!({ "model_stats": each }))
}

/// What a version's requests took since it was loaded, in the form of Triton's statistics. Nothing is cached here, and
/// calls are not counted by their rows.
fn counted(target: &ServedVersion) -> Value {
    let timed = |Timed { count, ns }: Timed| json!({ "count": count, "ns": ns });
    let never = || timed(Timed::default());
    let Sums { answered, unanswered, queue, read, call, write, calls, rows, last_ms } = target.stats.steps().sums();
    json!({
        "name": target.model,
        "version": target.version.number.to_string(),
        "last_inference": last_ms,
        "inference_count": rows,
        "execution_count": calls,
        "inference_stats": {
            "success": timed(answered),
            "fail": timed(unanswered),
            "queue": timed(queue),
            "compute_input": timed(read),
            "compute_infer": timed(call),
            "compute_output": timed(write),
            "cache_hit": never(),
            "cache_miss": never(),
        },
        "response_stats": {},
        "batch_stats": [],
        "memory_usage": [],
    })
}

/// Every version of every model, and whether it is loaded.
pub(super) async fn index(app: App, body: Body) -> Result<Response> {
    let request: repository::IndexRequest = repository::request(body, "request for the index").await?;
    answer_off_io(&app, move |app| Ok(repository::index(&app.predictor.routes(), &request))).await
}

/// Makes an answer off the threads that do I/O: it grows with cards and models.
async fn answer_off_io(
    app: &Arc<Shared>,
    work: impl FnOnce(&Shared) -> Result<Value> + Send + 'static,
) -> Result<Response> {
    let json = off_io_threads(app, move |app| work(app).map(|value| value.to_string().into_bytes())).await??;
    Ok(json_response(StatusCode::OK, json))
}

/// The same, of anything.
pub(super) async fn off_io_threads<T: Send + 'static>(
    app: &Arc<Shared>,
    work: impl FnOnce(&Shared) -> T + Send + 'static,
) -> Result<T> {
    let failed = |why: String| {
        tracing::error!(error = %why, "a description failed; this is a bug in scry");
        HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed inside the host; see its log")
    };
    let place = app.describing.clone().acquire_owned().await.map_err(|error| failed(error.to_string()))?;
    let (shared, context) = (app.clone(), current());
    let made = tokio::task::spawn_blocking(move || {
        let _place = place;
        enter(context, || work(&shared))
    });
    made.await.map_err(|error| failed(error.to_string()))
}
