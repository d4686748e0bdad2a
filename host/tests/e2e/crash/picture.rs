//! What a host says that it serves, and whether that is so.

use super::folder::component;
use crate::support::{Host, rows, sha256};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// A state without its times: two hosts that did the same have the same one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Picture {
    pub(super) number: u64,
    pub(super) models: Value,
    /// Newest first.
    pub(super) history: Value,
}

impl Picture {
    pub(super) fn of(host: &Host) -> Self {
        let state = host.admin_get("/v1/state").status(200).json();
        let history = host.admin_get("/v1/history?limit=1000").status(200).json();
        Self {
            number: state["number"].as_u64().unwrap(),
            models: timeless(state["models"].clone()),
            history: timeless(history["changes"].clone()),
        }
    }

    fn models(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.models.as_object().unwrap().iter()
    }

    /// The digest of a version.
    pub(super) fn digest(&self, model: &str, version: &str) -> &str {
        self.models[model]["versions"][version]["digest"].as_str().unwrap()
    }
}

fn timeless(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let timed = ["at_ms", "since_ms"];
            let kept = fields.into_iter().filter(|(key, _)| !timed.contains(&key.as_str()));
            kept.map(|(key, value)| (key, timeless(value))).collect()
        }
        Value::Array(items) => {
            let is_time = |item: &Value| item.as_str().is_some_and(|line| line.contains(".since_ms = "));
            items.into_iter().filter(|item| !is_time(item)).map(timeless).collect()
        }
        other => other,
    }
}

/// What of a host may be out of order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hurt<'a> {
    /// Damage may have been found, and set aside.
    pub(super) damage: bool,
    /// This component may be damaged.
    pub(super) component: Option<&'a str>,
    /// What a crash left could not be removed, perhaps.
    pub(super) unfinished: bool,
}

/// The host serves exactly this, and there is nothing else in its folder.
#[track_caller]
pub(super) fn serves(host: &Host, expected: &Picture, hurt: Hurt<'_>) {
    assert_eq!(&Picture::of(host), expected, "a third state");
    if !hurt.damage {
        let damage = &host.admin_get("/v1/state").status(200).json()["damage"];
        // What was set aside in 1970 is reported until it is removed.
        let is_old = |line: &Value| line.as_str().unwrap().starts_with("quarantine/history-1000.log");
        assert!(damage.as_array().unwrap().iter().all(is_old), "{damage}");
    }
    let listed = host.admin_get("/v1/models").status(200).json();
    assert_eq!(listed["models"].as_array().unwrap().len(), expected.models().count());
    for (listed, (name, model)) in listed["models"].as_array().unwrap().iter().zip(expected.models()) {
        assert_eq!(listed["model"], name.as_str());
        assert_eq!(listed["live"], model["serving"]["live"]);
        is_as_listed(host, expected, name, listed, hurt);
        answers(host, expected, name, hurt);
    }
    is_tidy(host, hurt);
}

/// Every version is ready or cold, and each that is ready does what its digest says.
#[track_caller]
fn is_as_listed(host: &Host, picture: &Picture, name: &str, listed: &Value, hurt: Hurt<'_>) {
    let serving = &picture.models[name]["serving"];
    let aliased = serving["aliases"].as_object().into_iter().flat_map(|aliases| aliases.values());
    let routed: Vec<_> = [&serving["live"], &serving["canary"]["to"], &serving["shadow"]["to"]].into();
    let routed: BTreeSet<u64> = routed.into_iter().chain(aliased).filter_map(Value::as_u64).collect();
    for version in listed["versions"].as_array().unwrap() {
        let (number, digest) = (version["version"].as_u64().unwrap(), version["digest"].as_str().unwrap());
        assert_eq!(digest, picture.digest(name, &number.to_string()));
        let is_hurt = hurt.component == Some(digest);
        match version["state"].as_str().unwrap() {
            "ready" => {
                let reply = host.post(&format!("/v2/models/{name}/versions/{number}/infer"), &rows("", &[10.0]));
                assert_eq!(reply.status(200).y(), 10.0 * component(digest).factor, "{name}@{number}");
            }
            "cold" => assert!(is_hurt || !routed.contains(&number), "{name}@{number} is routed, and cold"),
            why => assert!(is_hurt, "{name}@{number}: {why}"),
        }
    }
}

/// A request that names no version is answered by one that should.
#[track_caller]
fn answers(host: &Host, picture: &Picture, name: &str, hurt: Hurt<'_>) {
    let serving = &picture.models[name]["serving"];
    if serving.is_null() {
        host.get(&format!("/v2/models/{name}/ready")).error(404, &["not known"]);
        return;
    }
    let reply = host.predict(name, "", 10.0);
    let live = serving["live"].to_string();
    if hurt.component == Some(picture.digest(name, &live)) && reply.header("scry-reason") == Some("unavailable") {
        // A constant has no form while the card that gives it one is damaged.
        reply.error(503, &["publish it again"]);
        return;
    }
    let reply = reply.status(200);
    if let Some(why) = reply.header("scry-degraded") {
        let canary = &serving["canary"]["to"];
        let routed = [Some(live), canary.as_u64().map(|canary| canary.to_string())].into_iter().flatten();
        let mut digests = routed.map(|version| picture.digest(name, &version));
        assert!(digests.any(|digest| hurt.component == Some(digest)) && why == "unavailable", "{why}: {}", reply.text);
        return;
    }
    let version = reply.header("scry-version").unwrap();
    assert!([live, serving["canary"]["to"].to_string()].iter().any(|routed| routed == version), "{version} answers");
    assert_eq!(reply.header("scry-digest"), Some(picture.digest(name, version)));
    assert_eq!(reply.y(), 10.0 * component(picture.digest(name, version)).factor);
}

/// Nothing is left of what was interrupted, and everything is what its name says.
#[track_caller]
fn is_tidy(host: &Host, hurt: Hurt<'_>) {
    for (path, bytes) in super::folder::files(&host.data()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(hurt.unfinished || !name.ends_with(".tmp"), "{} is left", path.display());
        let is_old = path == Path::new("quarantine/history-1000.log");
        assert!(hurt.damage || is_old || !path.starts_with("quarantine"), "{} is there", path.display());
        if let Some(hex) = name.strip_suffix(".wasm").filter(|_| path.starts_with("components")) {
            let digest = format!("sha256:{hex}");
            assert!(hurt.component == Some(&digest) || sha256(&bytes) == digest, "{} is damaged", path.display());
        }
    }
    let log = host.log();
    for bad in ["panicked", "bug in scry"] {
        assert!(!log.contains(bad), "{bad} in the log");
    }
    if !hurt.damage {
        for bad in ["not this host's", "does not load", "is damaged", "not available"] {
            assert!(!log.contains(bad), "{bad} in the log");
        }
    }
}
