//! The errors that are kept. Reads what is there, changes nothing.

use super::{App, Result, Shared, reply};
use crate::recording::Errors;
use crate::recording::errors::Filter;
use crate::server::error::{HttpError, Parts};
use crate::server::query::count;
use crate::telemetry::unix_ms;
use axum::Router;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// Groups that one answer lists.
const GROUPS_MAX: usize = 1000;
/// How long a reader waits for what has happened just now.
const SETTLE_MAX: Duration = Duration::from_secs(1);

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/v1/errors", get(groups)).route("/v1/errors/{id}", get(one))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorsQuery {
    model: Option<String>,
    #[serde(default, deserialize_with = "count")]
    since_ms: Option<usize>,
    #[serde(default, deserialize_with = "count")]
    limit: Option<usize>,
}

/// By cause, the one with the newest error first.
async fn groups(app: App, Parts(Query(query)): Parts<Query<ErrorsQuery>>) -> Result<Response> {
    let view = settled(&app, move |errors| {
        let filter = Filter {
            model: query.model.as_deref(),
            since_ms: query.since_ms.map_or(0, |since_ms| since_ms as u64),
            limit: query.limit.unwrap_or(20).min(GROUPS_MAX),
        };
        errors.view(&filter, unix_ms())
    });
    reply(&view.await?)
}

async fn one(app: App, Parts(Path(id)): Parts<Path<String>>) -> Result<Response> {
    let id = id.parse().map_err(|wrong| {
        let found: String = id.chars().take(80).collect();
        HttpError::new(StatusCode::NOT_FOUND, format!("{wrong}; found `{found}`"))
    })?;
    let found = settled(&app, move |errors| errors.find(id)).await?;
    let gone = "no error of this id is kept: of each cause the first and the last are, as long as there is room";
    reply(&found.ok_or_else(|| HttpError::new(StatusCode::NOT_FOUND, gone))?)
}

/// Reads, off the threads that do I/O, what is kept by now.
async fn settled<T: Send + 'static>(app: &App, read: impl FnOnce(&Errors) -> T + Send + 'static) -> Result<T> {
    let recording = app.recording.clone();
    let read = move || {
        recording.errors().map(|errors| {
            // One that has no time yet shows what it had.
            errors.settle(false, SETTLE_MAX);
            read(errors)
        })
    };
    let read = tokio::task::spawn_blocking(read).await;
    let read =
        read.map_err(|_| HttpError::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed inside the host"));
    let off = || HttpError::new(StatusCode::CONFLICT, "no errors are kept: `errors.groups_max` is 0");
    read?.ok_or_else(off)
}
