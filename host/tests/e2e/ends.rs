//! What was made for a change, a version or a model ends with it.

use crate::support::{Guest, Host, PATIENT, features, guest, with_section};
use crate::swap::variant;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Only what is routed, and what a rollback would bring back, is kept ready.
fn forgetful() -> Host {
    Host::with(&format!("{PATIENT}[catalog]\nversions_warm = 0\n"))
}

/// The same model, with examples that it does not reproduce.
fn wrong(of: &Guest) -> Vec<u8> {
    let example = json!({ "name": "no", "inputs": [{ "behaviour": "", "x": 1 }], "outputs": [{ "y": 99 }] });
    let golden = json!({ "examples": [example] }).to_string();
    with_section(&of.bytes(), "scry:golden", &golden)
}

/// Files of components and of compiled code.
fn kept(host: &Host) -> BTreeSet<PathBuf> {
    fn collect(dir: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in std::fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else {
                found.insert(path);
            }
        }
    }
    let mut found = BTreeSet::new();
    ["components", "cache"].iter().for_each(|folder| collect(&host.data().join(folder), &mut found));
    found
}

/// Lines of the metrics that name this.
fn series(host: &Host, name: &str) -> Vec<String> {
    let text = host.admin_get("/metrics").status(200).text;
    text.lines().filter(|line| line.contains(name)).map(str::to_owned).collect()
}

#[test]
fn a_publication_that_fails_leaves_no_file() {
    let (host, steady) = (Host::start(), guest("steady"));
    host.publish(&steady);
    let before = kept(&host);
    host.admin_post("/v1/models", &wrong(&steady)).error(422, &["golden"]);
    host.admin_post("/v1/models?name=other", &wrong(&steady)).error(422, &["golden"]);
    assert_eq!(kept(&host), before);
    // One that is published leaves a component and its code.
    host.admin_post("/v1/models", &variant(&steady, 2)).status(200);
    assert_eq!(kept(&host).len(), before.len() + 2);
}

#[test]
fn a_withdrawn_model_leaves_no_series() {
    let (host, steady) = (Host::start(), guest("steady"));
    let names: Vec<_> = (0..10).map(|n| format!("gone-{n}")).collect();
    for (n, name) in (0..).zip(&names) {
        host.admin_post(&format!("/v1/models?name={name}"), &variant(&steady, n)).status(200);
        host.predict(name, "", 10.0).status(200);
    }
    assert!(names.iter().all(|name| !series(&host, &format!("model=\"{name}\"")).is_empty()));
    for name in &names {
        host.scry(&["withdraw", name]).ok();
        host.predict(name, "", 10.0).status(404);
    }
    assert_eq!(series(&host, "model=\"gone-"), [""; 0]);
    // What comes back begins anew.
    host.deploy(&["gone-3", "--to", "1"]).ok();
    host.predict("gone-3", "", 10.0).status(200);
    assert_eq!(host.metric(r#"scry_requests_total{model="gone-3",outcome="ok",version="1"}"#), 1.0);
}

#[test]
fn a_version_that_is_let_go_of_leaves_no_series() {
    let host = forgetful();
    ["", "triple", "fragile"].iter().for_each(|name| drop(host.publish(&features("steady", name))));
    for version in [2, 3] {
        host.deploy(&["steady", "--to", &version.to_string()]).ok();
        host.predict("steady", "", 10.0).status(200);
    }
    let of = |version: u32| series(&host, &format!("version=\"{version}\""));
    assert_eq!(of(1), [""; 0]);
    assert!(!of(2).is_empty() && !of(3).is_empty());
    host.deploy(&["steady", "--to", "1"]).ok();
    assert_eq!(of(2), [""; 0]);
    // A number that is not kept ready has no series, however often it is asked for.
    host.post("/v2/models/steady/versions/2/infer", &crate::support::rows("", &[1.0])).status(503);
    assert_eq!(of(2), [""; 0]);
    assert_eq!(host.metric(r#"scry_requests_total{model="steady",outcome="unavailable",version="unknown"}"#), 1.0);
}

#[test]
fn a_rollback_leaves_no_open_circuit() {
    let host = Host::start();
    ["", "fragile"].iter().for_each(|name| drop(host.publish(&features("steady", name))));
    host.deploy(&["steady", "--to", "2"]).ok();
    let open = r#"scry_circuit_open{model="steady",version="2"}"#;
    while host.metric(open) == 0.0 {
        assert_ne!(host.predict("steady", "", 2000.0).status, 200);
    }
    host.scry(&["rollback", "steady"]).ok();
    assert_eq!(host.metric(open), 0.0);
    host.predict("steady", "", 2000.0).status(200);
    // One that an operator holds is held until the operator says otherwise.
    host.scry(&["circuit", "steady@2", "--open"]).ok();
    host.deploy(&["steady", "--to", "2"]).ok();
    host.scry(&["rollback", "steady"]).ok();
    assert_eq!(host.metric(open), 1.0);
    host.scry(&["circuit", "steady@2", "--auto"]).ok();
}

#[test]
fn a_deployment_that_changes_nothing_makes_no_state() {
    let host = Host::start();
    ["", "triple", "fragile"].iter().for_each(|name| drop(host.publish(&features("steady", name))));
    for arguments in [
        ["--to", "2"].as_slice(),
        &["--alias", "champion=1"],
        &["--deadline-ms", "9000"],
        &["--fallback", "steady@1"],
        &["--shadow", "3:50"],
        &["--to", "3", "--canary", "10:60s,100"],
        &["--canary", "10:60s,100"],
    ] {
        let deploy = || host.deploy(&[["steady"].as_slice(), arguments, &["--json"]].concat()).ok().json();
        let state = || host.admin_get("/v1/state").json();
        let first = deploy();
        let before = state();
        let again = deploy();
        assert_eq!((&again["number"], state()), (&first["number"], before), "{arguments:?}");
    }
    let number = |reply: Value| reply["number"].as_u64().unwrap();
    let before = number(host.admin_get("/v1/state").json());
    let here = json!({ "to": before }).to_string();
    assert_eq!(number(host.admin_post("/v1/models/steady/rollback", here.as_bytes()).status(200).json()), before);
    assert_eq!(number(host.admin_post("/v1/rollback", here.as_bytes()).status(200).json()), before);
}

#[test]
fn a_version_is_never_its_own_fallback() {
    let host = Host::start();
    ["", "triple", "fragile"].iter().for_each(|name| drop(host.publish(&features("steady", name))));
    host.scry(&["publish", guest("steady").path.to_str().unwrap(), "--name", "other"]).ok();
    host.deploy(&["steady", "--alias", "first=1", "--alias", "second=2"]).ok();
    let before = host.admin_get("/v1/state").json();
    let digest = format!("steady@{}", guest("steady").digest);
    for link in ["steady@1", "steady@first", &digest, "steady"] {
        host.deploy(&["steady", "--fallback", link]).code(1).says(&["fallback of `steady`"]);
    }
    host.deploy(&["steady", "--fallback", "steady@second", "steady@first"]).code(1).says(&["its own fallback"]);
    host.deploy(&["steady", "--to", "2", "--canary", "10", "--fallback", "steady@2"])
        .code(1)
        .says(&["version 2 would"]);
    assert_eq!(host.admin_get("/v1/state").json(), before);
    // The same component as another model, which may have other limits.
    host.deploy(&["steady", "--fallback", "other"]).ok();
    host.deploy(&["steady", "--fallback", "steady@second"]).ok();
    let before = host.admin_get("/v1/state").json();
    host.deploy(&["steady", "--to", "2"]).code(1).says(&["version 2 would be its own fallback", "steady@second"]);
    host.deploy(&["steady", "--alias", "second=1"]).code(1).says(&["version 1 would be its own fallback"]);
    let document = host.scry(&["export"]).ok().stdout;
    let (others, steady) = document.split_once("[models.steady]").unwrap();
    let document = format!("{others}[models.steady]{}", steady.replacen("live = 1", "live = 2", 1));
    let reply = host.try_admin("PUT", "/v1/desired", document.as_bytes()).unwrap();
    reply.error(422, &["version 2 would be its own fallback"]);
    assert_eq!(host.admin_get("/v1/state").json(), before);
    host.deploy(&["steady", "--to", "2", "--fallback", "steady@first"]).ok();
}
