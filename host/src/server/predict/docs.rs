//! The OpenAPI document of what is served, and the page that shows it.

use crate::openapi;
use crate::server::docs;
use crate::server::error::{HttpError, Parts, json_response};
use crate::server::predict::describe::{off_io_threads, target};
use crate::server::predict::documents::described;
use crate::server::predict::state::{App, Shared};
use axum::Router;
use axum::body::Bytes;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/openapi.json", get(document)).merge(docs::routes())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentQuery {
    model: Option<String>,
}

async fn document(app: App, Parts(Query(query)): Parts<Query<DocumentQuery>>) -> Result<Response, HttpError> {
    let json = off_io_threads(&app, move |app| match query.model {
        Some(model) => {
            let served = app.predictor.served(&model)?;
            target(&served, None)?;
            Ok(Bytes::from(openapi::prediction(described(&served).into_iter()).to_string()))
        }
        None => Ok::<_, HttpError>(app.documents.of(&app.predictor.routes())),
    });
    Ok(json_response(StatusCode::OK, json.await??.into()))
}
