//! The metrics as a scraper reads them, and the listener that has nothing else. Never shows anything but counts.

use crate::drift::Series;
use crate::registry::Registry;
use crate::server::error::HttpError;
use crate::serving::Routes;
use crate::telemetry::{Scrape, TextForm, unix_ms};
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
    let metrics = |State(registry): State<Arc<Registry>>, headers: HeaderMap| async move {
        metrics_text(registry, &headers).await
    };
    Router::new()
        .route("/metrics", get(metrics))
        .fallback(no_path)
        .method_not_allowed_fallback(|headers: HeaderMap| async move { HttpError::no_method(&headers) })
        .with_state(registry)
}

/// Every series, as the text that the scraper prefers. It grows with the models and asks the disk: no thread that
/// answers requests waits for it.
pub(super) async fn metrics_text(registry: Arc<Registry>, headers: &HeaderMap) -> Result<Response, HttpError> {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let form = TextForm::preferred(accept);
    let failed = |error: String| HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, error);
    let text = tokio::task::spawn_blocking(move || {
        let routes = registry.routes().load_full();
        let scrape = scrape(&registry, &routes)?;
        registry.metrics().render(&scrape, form, |model, version| routes.has(model, version))
    });
    let text = text.await.map_err(|e| failed(e.to_string()))?.map_err(|e| failed(e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, form.content_type())], text).into_response())
}

/// What a scrape shows of the versions.
fn scrape(registry: &Registry, routes: &Routes) -> Result<Scrape, prometheus::Error> {
    let mut scrape = Scrape::new(registry.data_dir())?;
    if let Some(unsigned) = registry.unsigned(routes) {
        scrape.unsigned(unsigned.len());
    }
    // Models that nobody has asked yet cost a scrape nothing.
    for served in routes.served().filter(|served| served.series.has_begun()) {
        let live = served.serving.live;
        let queued = served.lane.waiting() + served.reading.waiting();
        scrape.model(&served.name, &served.series, queued, served.limits.deadline);
        if let Some(bound) = served.model.versions.get(&live) {
            scrape.live(&served.name, live, &bound.digest.to_string());
        }
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
