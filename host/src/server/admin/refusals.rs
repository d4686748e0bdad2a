//! What the admin listener has refused lately.

use super::{App, Result, reply};
use crate::server::error::Parts;
use crate::server::query::count;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefusalsQuery {
    #[serde(default, deserialize_with = "count")]
    limit: Option<usize>,
}

/// Newest first.
pub(super) async fn refusals(app: App, Parts(Query(query)): Parts<Query<RefusalsQuery>>) -> Result<Response> {
    const REFUSALS_MAX: usize = 1000;
    let most = query.limit.unwrap_or(20).min(REFUSALS_MAX);
    reply(&json!({ "refusals": app.audit.newest(most) }))
}
