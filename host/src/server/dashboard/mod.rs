//! The dashboard of the admin listener: a page that is the same on every host, what it asks for beside what operators'
//! programs ask for, and the stream that keeps it current.
//!
//! The page holds nothing of the host, so it needs no token and no template: its files are plain text in `page/`, and
//! `scry` carries them. Everything else asks for a token, which the operator types. Changes nothing: the page sends what
//! `scry deploy` and its like send.

mod drawn;
mod events;
mod overview;
mod page;
mod sampler;

pub(super) use sampler::sample;

use crate::registry::Registry;
use crate::server::bound::At;
use crate::server::error::{HttpError, Parts, json_response};
use crate::server::query::count;
use crate::server::shutdown::Stopping;
use crate::telemetry::{Hour, unix_ms};
use axum::Router;
use axum::extract::{FromRef, Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::Semaphore;

type Result<T> = std::result::Result<T, HttpError>;

/// Streams that may be open at once.
const STREAMS_MAX: usize = 16;
/// Columns that are drawn of each side, where the request does not say how many.
const COLUMNS: usize = 24;

/// What the dashboard's handlers share.
#[derive(Debug, Clone)]
pub(super) struct Dashboard {
    registry: Arc<Registry>,
    hour: Arc<Hour>,
    prediction: At,
    stopping: Stopping,
    streams: Arc<Semaphore>,
    shared: events::Shared,
}

impl Dashboard {
    pub(super) fn new(registry: Arc<Registry>, hour: Arc<Hour>, prediction: At, stopping: Stopping) -> Self {
        let streams = Arc::new(Semaphore::new(STREAMS_MAX));
        Self { registry, hour, prediction, stopping, streams, shared: events::Shared::default() }
    }

    /// Has something made that grows with the models or columns, off the threads that do I/O.
    async fn aside<T: Send + 'static>(&self, make: impl FnOnce(&Self) -> T + Send + 'static) -> Result<T> {
        let theirs = self.clone();
        tokio::task::spawn_blocking(move || make(&theirs)).await.map_err(|error| {
            tracing::error!(%error, "the dashboard's request panicked; this is a bug in scry");
            HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed inside the host; see its log")
        })
    }
}

/// The page, and what it asks for.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S>
where
    Dashboard: FromRef<S>,
{
    Router::new()
        .route("/v1/overview", get(overview))
        .route("/v1/events", get(events::events))
        .route("/v1/models/{model}/hour", get(hour))
        .route("/v1/models/{model}/drift/histograms", get(histograms))
        .merge(page::routes())
}

/// Everything that is served, in brief.
async fn overview(State(dashboard): State<Dashboard>) -> Result<Response> {
    dashboard.aside(|dashboard| reply(&overview::Overview::of(dashboard, unix_ms()))).await?
}

/// What became of a model's requests in the last hour.
async fn hour(State(dashboard): State<Dashboard>, Parts(Path(model)): Parts<Path<String>>) -> Result<Response> {
    dashboard.registry.catalog().model(&model)?;
    reply(&dashboard.hour.whole(&model, unix_ms()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HistogramsQuery {
    #[serde(default, deserialize_with = "count")]
    limit: Option<usize>,
}

/// Where live values fell, beside the training data's.
async fn histograms(
    State(dashboard): State<Dashboard>,
    Parts(Path(model)): Parts<Path<String>>,
    Parts(Query(query)): Parts<Query<HistogramsQuery>>,
) -> Result<Response> {
    let most = query.limit.unwrap_or(COLUMNS);
    dashboard
        .aside(move |dashboard| {
            dashboard.registry.catalog().model(&model)?;
            reply(&drawn::Drawn::of(&dashboard.registry, &model, most))
        })
        .await?
}

fn reply(value: &impl Serialize) -> Result<Response> {
    let json = serde_json::to_vec(value)
        .map_err(|error| HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(json_response(StatusCode::OK, json))
}
