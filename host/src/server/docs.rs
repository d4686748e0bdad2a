//! Swagger UI, which shows a listener's OpenAPI document: its files travel inside `scry`, and are the same for everyone.
//!
//! Never asks another host for anything.

use crate::server::error::{HttpError, Parts};
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Swagger UI, in gzip as the build found it.
const BUNDLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz"));
const STYLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz"));
const PAGE: &str = include_str!("docs/page.html");
const START: &str = include_str!("docs/start.js");

/// The page runs its own files only, and is nobody's frame.
const POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/// The page beside a document at `/openapi.json`.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/docs", get(page)).route("/docs/{file}", get(file))
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
