//! What nothing refers to is removed, and nothing else.

use crate::support::{Guest, Host, PATIENT, guest, sha256};
use crate::swap::variant;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// A clean-up keeps what is served, and nothing for longer.
const NOTHING_KEPT: &str = "[history]\nretention_days = 0\nchanges_max = 2\n[catalog]\nversions_warm = 0\n";

/// Another kind of host: only what it serves is ready, besides what the history asks for.
fn host_with(config: &str) -> Host {
    Host::with(&format!("{PATIENT}{config}"))
}

/// Publishes so many versions of `steady`; their digests, oldest first.
fn published(host: &Host, steady: &Guest, versions: u32) -> Vec<String> {
    let publish = |number: u32| {
        let bytes = variant(steady, number);
        let published = host.admin_post("/v1/models", &bytes).status(200).json();
        assert_eq!((&published["version"], &published["digest"]), (&json!(number), &json!(sha256(&bytes))));
        sha256(&bytes)
    };
    (1..=versions).map(publish).collect()
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}

/// The components that a folder holds, as digests, in their order.
fn held(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(held(&path));
        } else {
            // Compiled code names its model, too.
            found.push(format!("sha256:{}", path.file_stem().unwrap().to_str().unwrap().trim_end_matches("-steady")));
        }
    }
    sorted(found)
}

/// Components and compiled code.
fn kept(host: &Host) -> [Vec<String>; 2] {
    [held(&host.data().join("components")), held(&host.data().join("cache"))]
}

/// Removes; which components went.
fn cleaned(host: &Host) -> Vec<String> {
    let cleaned = host.scry(&["gc", "--json"]).ok().json();
    let went = cleaned["components"].as_array().unwrap().iter().map(|digest| digest.as_str().unwrap().to_owned());
    sorted(went.collect())
}

fn answers(host: &Host, version: u32) {
    let reply = host.predict("steady", "", 10.0).status(200);
    assert_eq!((reply.header("scry-version"), reply.y()), (Some(version.to_string().as_str()), 20.0));
}

/// What `scry history` says of a change: everything but when it was.
fn told(host: &Host) -> Vec<Value> {
    let mut told = host.scry(&["history", "--limit", "1000", "--json"]).ok().json()["changes"].take();
    for change in told.as_array_mut().unwrap() {
        change.as_object_mut().unwrap().remove("at_ms").unwrap();
    }
    told.as_array().unwrap().clone()
}

#[test]
fn what_nothing_refers_to_goes_and_its_number_stays() {
    let (host, steady) = (host_with(NOTHING_KEPT), guest("steady"));
    let digests = published(&host, &steady, 4);
    host.deploy(&["steady", "--to", "4"]).ok();
    let (before, state) = (kept(&host), host.admin_get("/v1/state").json());
    let all = sorted(digests.clone());
    assert_eq!(before, [all.clone(), all]);

    let looked = host.scry(&["gc", "--dry-run"]).ok();
    let listed: Vec<String> = looked.stdout.lines().take(3).map(str::to_owned).collect();
    assert_eq!(sorted(listed), sorted(digests[..3].to_vec()));
    let last = looked.stdout.lines().last().unwrap();
    assert!(last.starts_with("would remove 3 components, 3 files of compiled code, 0 from quarantine, 5 "), "{last}");
    assert_eq!(kept(&host), before);
    assert_eq!(told(&host).len(), 5);

    let removed = host.scry(&["gc"]).ok();
    assert_eq!(removed.stdout, looked.stdout.replace("would remove", "removed"));
    let live = vec![digests[3].clone()];
    assert_eq!(kept(&host), [live.clone(), live.clone()]);
    assert_eq!(host.admin_get("/v1/state").json(), state, "what is served has nothing to do with it");
    answers(&host, 4);
    assert_eq!(cleaned(&host), [""; 0], "there is nothing left to do");

    // The numbers mean what they meant.
    host.deploy(&["steady", "--to", "1"]).code(1).says(&["version 1 of `steady`", &digests[0], "publish it again"]);
    host.deploy(&["steady", "--alias", "old=2"]).code(1).says(&["version 2 of `steady`", "publish it again"]);
    answers(&host, 4);
    let again = host.admin_post("/v1/models", &variant(&steady, 1)).status(200).json();
    assert_eq!((&again["version"], &again["digest"]), (&json!(1), &json!(digests[0])));
    host.deploy(&["steady", "--to", "1"]).ok();
    answers(&host, 1);
    let next = host.admin_post("/v1/models", &variant(&steady, 5)).status(200).json();
    assert_eq!(next["version"], 5, "a number is used once");
}

#[test]
fn nothing_that_the_history_remembers_goes() {
    let (host, steady) = (host_with("[catalog]\nversions_warm = 0\n"), guest("steady"));
    published(&host, &steady, 4);
    host.deploy(&["steady", "--to", "2"]).ok();
    host.deploy(&["steady", "--to", "3"]).ok();
    let (before, changes) = (kept(&host), told(&host));
    let removed = host.scry(&["gc"]).ok();
    assert!(removed.stdout.contains("removed 0 components, 0 files"), "{}", removed.stdout);
    assert_eq!(kept(&host), before);
    assert_eq!(told(&host), changes);
    host.scry(&["rollback", "steady"]).ok();
    answers(&host, 2);
    host.scry(&["rollback", "steady"]).ok();
    answers(&host, 1);
    // Published, never deployed.
    host.deploy(&["steady", "--to", "4"]).ok();
    answers(&host, 4);
}

#[test]
fn what_is_named_stays_and_can_be_rolled_back_to() {
    let steady = guest("steady");
    let host = host_with("[history]\nchanges_max = 3\n[catalog]\nversions_warm = 0\n");
    let digests = published(&host, &steady, 10);
    // A model that is withdrawn, and one of its versions stands in for another.
    let fallback = variant(&steady, 99);
    let other = host.admin_post("/v1/models?name=other", &fallback).status(200).json();
    assert_eq!(other["live"], true);
    host.deploy(&["steady", "--to", "6", "--alias", "champion=4", "--fallback", "steady@5", "other@1"]).ok();
    host.scry(&["withdraw", "other"]).ok();
    host.deploy(&["steady", "--shadow", "3"]).ok();
    let kept_from = host.admin_get("/v1/state").json()["number"].as_u64().unwrap();
    host.deploy(&["steady", "--to", "9"]).ok();
    host.deploy(&["steady", "--to", "10"]).ok();
    host.deploy(&["steady", "--to", "2", "--canary", "10"]).ok();
    let (before, state) = (told(&host), host.admin_get("/v1/state").json());

    assert_eq!(cleaned(&host), sorted([0, 6, 7].map(|at| digests[at].clone()).to_vec()));
    let after = told(&host);
    assert_eq!(after, before[..3], "the newest three, as they were");
    assert_eq!(after[2]["changes"], json!(["- models.steady.live = 6", "+ models.steady.live = 9"]));
    assert_eq!(host.admin_get("/v1/state").json(), state);

    let host = host.restart(|_| {});
    assert_eq!(told(&host), after);
    let after_restart = host.admin_get("/v1/state").json();
    assert_eq!((&after_restart["models"], &after_restart["number"]), (&state["models"], &state["number"]));
    assert_eq!(after_restart["damage"], json!([]));
    let by = |version: &str| {
        let reply =
            host.post(&format!("/v2/models/steady/versions/{version}/infer"), &crate::support::rows("", &[1.0]));
        assert_eq!(reply.status(200).y(), 2.0, "{version}");
    };
    ["2", "3", "champion", "10"].into_iter().for_each(by);

    // A canary that was tried is not tried again; the state before the oldest change is the last.
    for version in [10, 9, 6] {
        host.scry(&["rollback", "steady"]).ok();
        answers(&host, version);
    }
    host.scry(&["rollback", "steady"]).code(1).says(&["no state to go back to"]);
    let too_old = (kept_from - 1).to_string();
    host.scry(&["rollback", "steady", "--to", &too_old]).code(1).says(&["holds no state", &kept_from.to_string()]);
    host.scry(&["rollback", "steady", "--to", &(kept_from + 1).to_string()]).ok();
    answers(&host, 9);
    host.deploy(&["other", "--to", "1"]).ok();
}

/// What would be gone after the next start must not be deployed before it.
#[test]
fn code_that_is_still_in_memory_does_not_stand_for_a_component_that_is_gone() {
    let (host, steady) = (host_with(NOTHING_KEPT), guest("steady"));
    let digests = published(&host, &steady, 3);
    host.deploy(&["steady", "--to", "2"]).ok();
    // The version before is ready, for a rollback.
    host.deploy(&["steady", "--to", "3"]).ok();
    assert_eq!(cleaned(&host), sorted(digests[..2].to_vec()));
    host.scry(&["rollback", "steady"]).code(1).says(&["no state to go back to"]);
    host.deploy(&["steady", "--to", "2"]).code(1).says(&["version 2 of `steady`", "publish it again"]);
    let host = host.restart(|_| {});
    answers(&host, 3);
    host.admin_post("/v1/models", &variant(&steady, 2)).status(200);
    host.deploy(&["steady", "--to", "2"]).ok();
    answers(&host, 2);
}

#[test]
fn damaged_files_are_kept_as_long_as_the_history() {
    let (host, steady) = (Host::start(), guest("steady"));
    host.publish(&steady);
    let hex = steady.digest.strip_prefix("sha256:").unwrap().to_owned();
    let host = host.restart(|data| std::fs::write(data.join("components").join(format!("{hex}.wasm")), b"!").unwrap());
    assert_eq!(host.publish(&steady)["version"], 1);
    let quarantine = host.data().join("quarantine");
    let names = || {
        let entries = std::fs::read_dir(&quarantine).unwrap().map(|entry| entry.unwrap().file_name());
        entries.map(|name| name.into_string().unwrap()).collect::<Vec<_>>()
    };
    let [young] = names().try_into().unwrap();
    let days_ago = |days: u64| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        format!("{hex}-{}.wasm", now.as_millis() as u64 - days * 86_400_000)
    };
    let (recent, old) = (days_ago(89), days_ago(91));
    for name in [&recent, &old] {
        std::fs::write(quarantine.join(name), b"?").unwrap();
    }
    assert_eq!(host.scry(&["gc", "--dry-run", "--json"]).ok().json()["quarantined"], 1);
    assert_eq!(names().len(), 3);
    assert_eq!(host.scry(&["gc", "--json"]).ok().json()["quarantined"], 1);
    assert_eq!(sorted(names()), sorted(vec![young, recent]));
    answers(&host, 1);
}
