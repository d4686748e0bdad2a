//! The OpenAPI document of what is served, and Swagger UI, which shows it: its files travel inside `scry`.
//!
//! Never asks another host for anything.

use crate::openapi;
use crate::server::error::{HttpError, Parts, json_response};
use crate::server::predict::describe::{made_aside, target};
use crate::server::predict::documents::described;
use crate::server::predict::state::{App, Shared};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use std::sync::Arc;

/// Swagger UI, in gzip as the build found it.
const BUNDLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz"));
const STYLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz"));
const PAGE: &str = include_str!("docs/page.html");
const START: &str = include_str!("docs/start.js");

/// The page runs its own files only, and is nobody's frame.
const POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/openapi.json", get(document)).route("/docs", get(page)).route("/docs/{file}", get(file))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentQuery {
    model: Option<String>,
}

async fn document(app: App, Parts(Query(query)): Parts<Query<DocumentQuery>>) -> Result<Response, HttpError> {
    let json = made_aside(&app, move |app| match query.model {
        Some(model) => {
            let served = app.predictor.served(&model)?;
            target(&served, None)?;
            Ok(Bytes::from(openapi::prediction(described(&served).into_iter()).to_string()))
        }
        None => Ok::<_, HttpError>(app.documents.of(&app.predictor.routes())),
    });
    Ok(json_response(StatusCode::OK, json.await??.into()))
}

async fn page() -> Response {
    let mut response = typed("text/html; charset=utf-8", Body::from(PAGE));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

async fn file(Parts(Path(name)): Parts<Path<String>>, headers: HeaderMap) -> Response {
    let zipped = |media_type, bytes: &'static [u8]| {
        let mut response = typed(media_type, Body::from(bytes));
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    };
    match name.as_str() {
        "swagger-ui-bundle.js" => zipped("text/javascript; charset=utf-8", BUNDLE),
        "swagger-ui.css" => zipped("text/css; charset=utf-8", STYLE),
        "start.js" => typed("text/javascript; charset=utf-8", Body::from(START)),
        _ => HttpError::no_path(&headers, "no such file; the page is at /docs").into_response(),
    }
}

fn typed(media_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    response
}
