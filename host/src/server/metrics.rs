//! The metrics as a scraper reads them, and the listener that has nothing else. Never shows anything but counts.

use crate::drift::Series;
use crate::registry::Registry;
use crate::server::error::HttpError;
use crate::serving::Routes;
use crate::telemetry::{Scrape, unix_ms};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use scry_catalog::Freshness;
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

/// What a scrape shows of the versions.
fn scrape(registry: &Registry, routes: &Routes) -> Result<Scrape, prometheus::Error> {
    let scrape = Scrape::new()?;
    if let Some(unsigned) = registry.unsigned(routes) {
        scrape.unsigned(unsigned.len());
    }
    // Versions that have done nothing yet cost a scrape nothing.
    let busy = routes.all_called().filter(|(_, _, called)| called.circuit.is_open() || !called.stats.is_idle());
    for (model, version, called) in busy {
        scrape.circuit(model, version, called.circuit.is_open());
    }
    for (model, version, monitor) in routes.monitors() {
        let moments = monitor.sides().map(Series::moment);
        let counted = moments.filter(|moment| moment.rows > 0 || moment.alarms > 0);
        counted.for_each(|moment| scrape.drift(model, version, &moment));
    }
    let now_ms = unix_ms();
    for (name, served) in &routes.models {
        for (number, target) in &served.versions {
            let freshness = target.as_ref().ok().and_then(|target| Freshness::of(&target.card).ok().flatten());
            if let Some(freshness) = freshness {
                scrape.data(name, *number, freshness.age_s(now_ms), freshness.is_stale(now_ms));
            }
        }
    }
    Ok(scrape)
}
