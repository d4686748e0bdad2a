//! The paths of a router beside those of its document: a test of both.

use axum::Router;
use serde_json::Value;
use std::collections::BTreeSet;

/// A router's paths, which only its `Debug` tells.
pub(super) fn paths<S>(router: &Router<S>) -> BTreeSet<String> {
    let text = format!("{router:?}");
    let texts = text.split('"').skip(1).step_by(2);
    // Its fallback has paths, too.
    let is_route = |text: &&str| text.starts_with('/') && *text != "/" && !text.contains("__private");
    let found: BTreeSet<_> = texts.filter(is_route).map(str::to_owned).collect();
    assert!(!found.is_empty(), "{text}");
    found
}

/// A document's paths.
pub(super) fn of(document: &Value) -> BTreeSet<String> {
    document["paths"].as_object().unwrap().keys().cloned().collect()
}
