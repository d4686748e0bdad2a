//! Triton's repository of models, as both listeners show it: which versions there are.
//!
//! Changes nothing.

use crate::server::body::{SentBody, read_body};
use crate::server::error::HttpError;
use crate::serving::{Routes, Served};
use axum::http::StatusCode;
use scry_card::strict;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

/// A request about models is not longer.
const REQUEST_MAX_BYTES: usize = 64 << 10;
/// It arrives in this time.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// What an index is asked for; members that are not known are tolerated.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct IndexRequest {
    /// Whether only versions that are loaded are listed.
    pub(super) ready: Option<bool>,
}

/// Reads a body of JSON; none at all is an empty object.
pub(super) async fn request<T: DeserializeOwned>(body: impl SentBody, what: &str) -> Result<T, HttpError> {
    let bytes = read_body(body, REQUEST_MAX_BYTES, REQUEST_MAX).await?;
    let json = if bytes.is_empty() { b"{}".as_slice() } else { &bytes };
    let unreadable = |error| HttpError::new(StatusCode::BAD_REQUEST, format!("the {what} is not readable: {error}"));
    strict::from_slice(json).map_err(unreadable)
}

/// Every version of every model, and whether it is loaded.
pub(super) fn index(routes: &Routes, request: &IndexRequest) -> Value {
    let is_ready_only = request.ready.unwrap_or(false);
    let mut listed = Vec::new();
    for (name, model) in routes.catalog.models.iter() {
        let served = routes.models.get(name).map(AsRef::as_ref);
        for number in model.versions.keys() {
            let missing = missing(served, *number);
            if is_ready_only && missing.is_some() {
                continue;
            }
            let state = if missing.is_none() { "READY" } else { "UNAVAILABLE" };
            let reason = missing.unwrap_or_default();
            listed.push(json!({ "name": name, "version": number.to_string(), "state": state, "reason": reason }));
        }
    }
    listed.into()
}

/// Why a version cannot be called.
fn missing(served: Option<&Served>, number: u32) -> Option<String> {
    match served {
        None => Some("the model is withdrawn".to_owned()),
        Some(served) => match served.versions.get(&number) {
            None => Some("the version is not loaded".to_owned()),
            Some(loaded) => loaded.as_ref().err().cloned(),
        },
    }
}
