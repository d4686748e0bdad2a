//! Triton's way to load and unload models: to deploy the newest version, and to withdraw.

use super::{App, By, Result, Shared, off_io_threads, reply};
use crate::openapi;
use crate::registry::{ChangeError, Source};
use crate::server::error::{HttpError, Parts};
use crate::server::repository::{IndexRequest, index as indexed, request};
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use scry_card::strict;
use scry_catalog::{CatalogError, Deployment, VersionRef};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v2/repository/index", post(index))
        .route("/v2/repository/models/{model}/load", post(load))
        .route("/v2/repository/models/{model}/unload", post(unload))
        .route("/openapi.json", get(document))
}

/// Of loading and unloading; members that are not known are tolerated.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    parameters: Option<Map<String, Value>>,
}

async fn index(app: App, body: Body) -> Result<Response> {
    let asked: IndexRequest = request(body, "request for the index").await?;
    let listed = off_io_threads(&app, move |registry| indexed(&registry.routes().load(), &asked)).await?;
    reply(&listed)
}

/// Deploys the newest version; what is live already stays.
async fn load(app: App, Extension(who): By, Parts(Path(model)): Parts<Path<String>>, body: Body) -> Result<Response> {
    let Asked { parameters } = request(body, "request to load").await?;
    if let Some((name, _)) = parameters.iter().flatten().next() {
        let expected = "no parameters: what a model is travels in its component, and `deploy` sets how it is served";
        return Err(unexpected(name, expected));
    }
    let loaded = off_io_threads(&app, move |registry| {
        let catalog = registry.catalog();
        let newest = catalog.model(&model)?.versions.keys().next_back().copied();
        let newest = newest.ok_or(CatalogError::UnknownModel(model.clone()))?;
        let version = Some(Source::Version(VersionRef::Number(newest)));
        registry.deploy(who.name(), &model, version, &Deployment::default()).map(drop)
    });
    loaded.await??;
    Ok(Response::default())
}

/// Withdraws a model. One that is not there is unloaded already.
async fn unload(app: App, Extension(who): By, Parts(Path(model)): Parts<Path<String>>, body: Body) -> Result<Response> {
    let Asked { parameters } = request(body, "request to unload").await?;
    for (name, value) in parameters.iter().flatten() {
        if name != "unload_dependents" || *value != Value::Bool(false) {
            return Err(unexpected(name, "only `unload_dependents`, and `false`: models are withdrawn one by one"));
        }
    }
    let unloaded = off_io_threads(&app, move |registry| registry.withdraw(who.name(), &model).map(drop)).await?;
    match unloaded {
        Ok(()) | Err(ChangeError::Catalog(CatalogError::UnknownModel(_) | CatalogError::Withdrawn(_))) => {
            Ok(Response::default())
        }
        Err(error) => Err(error.into()),
    }
}

fn unexpected(parameter: &str, expected: &'static str) -> HttpError {
    let error = strict::Error::wrong(expected, "this one").within(parameter).within("parameters");
    HttpError::new(StatusCode::BAD_REQUEST, error.to_string())
}

/// The OpenAPI document of this listener.
async fn document() -> Result<Response> {
    reply(&openapi::admin())
}

#[cfg(test)]
mod tests {
    use crate::server::documented;

    #[test]
    fn the_document_has_the_routers_paths() {
        let routed = documented::paths(&super::super::routes());
        assert_eq!(routed, documented::of(&crate::openapi::admin()));
    }
}
