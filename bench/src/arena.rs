//! A host with hostile guests beside a good model, and the requests that they are sent.
//!
//! Never measures anything.

use crate::admin::Admin;
use crate::client::render;
use crate::error::Error;
use crate::models::{Model, sandbox};
use crate::servers::{Server, TempDir};
use serde_json::json;
use std::sync::atomic::AtomicU32;

/// What the guest is told, and what should come of it.
pub(crate) const BEHAVIOURS: [(&str, &str); 8] = [
    ("loop", "timeout"),
    ("memory-copy", "timeout"),
    ("recursion", "trap"),
    ("growth", "memory"),
    ("trap", "trap"),
    ("huge-output", "invalid-output"),
    ("log-flood", ""),
    ("lazy-load", "timeout"),
];
/// A guest that grows has that before its deadline also where pages are slow to come.
const MEMORY_MAX_BYTES: u64 = 128 << 20;

/// A host with a good model, and hostile ones with and without a fallback.
pub(crate) struct Arena {
    // Before the folder, which must not go while the server runs.
    pub(crate) server: Server,
    pub(crate) admin: Admin,
    pub(crate) good: Vec<u8>,
    /// A version that loads while it predicts.
    pub(crate) lazy: Model,
    /// How often it was published.
    pub(crate) published: AtomicU32,
    has_breaker: bool,
    _dir: TempDir,
}

impl Arena {
    /// Starts the host.
    pub(crate) fn new(breaker: bool) -> Result<Self, Error> {
        let sandbox = sandbox()?;
        let good = Model::example(&sandbox, "bikeshare")?;
        let hostile = Model::guest(&sandbox, "hostile", &[])?;
        let lazy = Model::guest(&sandbox, "hostile", &["lazy-load"])?;
        let dir = TempDir::new()?;
        let server = Server::scry(&dir.0, &[&good])?;
        let admin = Admin::of(&server)?;
        let mut has_breaker = false;
        for model in ["hostile", "hostile-fallback"] {
            admin.publish(model, &hostile.component)?;
            admin.deploy(model, &json!({ "limits": { "memory_max_bytes": MEMORY_MAX_BYTES } }))?;
            if !breaker {
                admin.deploy(model, &json!({ "limits": { "fuel": 0 } }))?;
                has_breaker = admin.hold_closed(model)?;
            }
        }
        admin.deploy("hostile-fallback", &json!({ "fallback": [{ "constant": { "y": -1.0 } }] }))?;
        let good = render("POST", "/v2/models/bikeshare/infer", "", &good.v2_body(1));
        Ok(Self { server, admin, good, lazy, published: AtomicU32::new(0), has_breaker, _dir: dir })
    }

    /// How the host protects itself, for the table.
    pub(crate) fn circuits(&self, breaker: bool) -> &'static str {
        match (breaker, self.has_breaker) {
            (true, _) => "fuel and circuits as in production",
            (false, true) => "without fuel, circuits held closed, so that the guests run all the time",
            (false, false) => "without fuel (the host has no circuits), so that the guests run all the time",
        }
    }
}

/// A request that makes the guest behave like this.
pub(crate) fn hostile_request(model: &str, behaviour: &str) -> Vec<u8> {
    let behaviour = format!(r#"{{"name":"behaviour","shape":[1],"datatype":"BYTES","data":["{behaviour}"]}}"#);
    let body = format!(r#"{{"inputs":[{behaviour},{{"name":"x","shape":[1],"datatype":"FP64","data":[1.0]}}]}}"#);
    render("POST", &format!("/v2/models/{model}/infer"), "", body.as_bytes())
}

/// A request for a health check.
pub(crate) fn health_request() -> Vec<u8> {
    render("GET", "/v2/health/live", "", b"")
}
