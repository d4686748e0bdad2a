//! The metrics as a scraper reads them, and the listener that has nothing else. Never shows anything but counts.

use crate::registry::Registry;
use crate::server::admin::scrape;
use crate::server::error::HttpError;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;

/// The listener's one route. It asks for no token: annotations that scrapers follow carry none.
pub(super) fn router(registry: Arc<Registry>) -> Router {
    let no_path = |headers: HeaderMap| async move { HttpError::no_path(&headers, "no such path; there is /metrics") };
    Router::new()
        .route("/metrics", get(|State(registry): State<Arc<Registry>>| async move { metrics_text(&registry) }))
        .fallback(no_path)
        .method_not_allowed_fallback(|headers: HeaderMap| async move { HttpError::no_method(&headers) })
        .with_state(registry)
}

/// Every series, as text.
pub(super) fn metrics_text(registry: &Registry) -> Result<Response, HttpError> {
    let routes = registry.routes().load_full();
    let text = scrape(registry, &routes)
        .and_then(|scrape| registry.metrics().render(&scrape, |model, version| routes.has(model, version)));
    let text = text.map_err(|e| HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
