//! A host is what its document says: exported, edited, applied, watched.

mod partial;
mod watched;

use crate::registries::push;
use crate::support::{Host, Lie, LyingRegistry, Ran, Registry, eventually, features, guest};
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;

fn exported(host: &Host) -> String {
    host.scry(&["export"]).ok().stdout
}

/// A document in a file.
struct Document {
    dir: TempDir,
}

impl Document {
    fn of(text: &str) -> Self {
        let document = Self { dir: tempfile::tempdir().unwrap() };
        document.replace(text);
        document
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("desired.toml")
    }

    /// As editors and deployment tools do: all of it or nothing.
    fn replace(&self, text: &str) {
        let beside = self.dir.path().join("beside");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, self.path()).unwrap();
    }
}

fn apply(host: &Host, text: &str, args: &[&str]) -> Ran {
    let document = Document::of(text);
    host.scry(&[&["apply", document.path().to_str().unwrap()], args].concat())
}

/// `PUT /v1/desired`
fn put(host: &Host, body: &[u8]) -> crate::support::Reply {
    host.try_admin("PUT", "/v1/desired", body).unwrap()
}

fn changes(host: &Host) -> Vec<Value> {
    host.admin_get("/v1/history?limit=1000").json()["changes"].as_array().unwrap().clone()
}

fn number(host: &Host) -> u64 {
    host.admin_get("/v1/state").json()["number"].as_u64().unwrap()
}

/// How everything is served, but for when a canary's step began.
fn served(host: &Host) -> Value {
    let mut models = host.admin_get("/v1/state").json()["models"].take();
    for model in models.as_object_mut().unwrap().values_mut() {
        if let Some(canary) = model["serving"].get_mut("canary") {
            canary.as_object_mut().unwrap().remove("since_ms").unwrap();
        }
    }
    models
}

fn is_served(host: &Host, version: &str, y: f64) {
    let reply = host.predict("steady", "", 10.0).status(200);
    assert_eq!((reply.header("scry-version"), reply.y()), (Some(version), y));
}

/// A host that has version 1, twice, and version 2, thrice, of `steady`.
fn with_two_versions() -> Host {
    let host = Host::start();
    host.publish(&guest("steady"));
    host.publish(&features("steady", "triple"));
    host
}

#[test]
fn a_document_is_exported_edited_looked_at_and_applied() {
    let host = with_two_versions();
    host.deploy(&["steady", "--alias", "old=1", "--alias", "new=2"]).ok();
    let before = exported(&host);
    assert!(before.contains("[models.steady]\nlive = 1\n"), "{before}");
    let (state, history) = (host.admin_get("/v1/state").json(), changes(&host));
    let edited = before.replace("live = 1", "live = 2");

    let looked = apply(&host, &edited, &["--dry-run"]).ok().stdout;
    assert!(looked.starts_with("- models.steady.live = 1\n+ models.steady.live = 2\n"), "{looked}");
    assert!(looked.ends_with("2 lines would change; nothing has\n"), "{looked}");
    assert_eq!((host.admin_get("/v1/state").json(), changes(&host)), (state, history.clone()));
    is_served(&host, "1", 20.0);

    let applied = apply(&host, &edited, &[]).ok().stdout;
    assert!(applied.starts_with("- models.steady.live = 1\n+ models.steady.live = 2\n"), "{applied}");
    assert!(applied.ends_with("2 lines changed; state 4\n"), "{applied}");
    is_served(&host, "2", 30.0);
    let after = changes(&host);
    assert_eq!((after.len(), &after[1..]), (history.len() + 1, &history[..]));
    assert_eq!((&after[0]["what"], &after[0]["by"]), (&json!("apply"), &json!("admin")));
    assert_eq!(after[0]["changes"], json!(["- models.steady.live = 1", "+ models.steady.live = 2"]));

    assert_eq!(exported(&host), edited);
    assert_eq!(apply(&host, &edited, &[]).ok().stdout, "nothing differs; state 4\n");
    assert_eq!(apply(&host, &edited, &["--dry-run"]).ok().stdout, "nothing differs; state 4\n");
    let said = apply(&host, &edited, &["--json"]).ok().json();
    assert_eq!(said, json!({ "changes": [], "number": 4, "dry_run": false, "gates": [] }));
    assert_eq!(changes(&host), after);

    // One change: one step back.
    host.scry(&["rollback", "steady"]).ok();
    is_served(&host, "1", 20.0);
    assert_eq!(exported(&host), before);
}

/// Everything that a deployment can say, on a host that has `steady` and `other`.
fn everything(host: &Host) {
    host.deploy(&["steady", "--alias", "champion=1", "--alias", "challenger=2"]).ok();
    host.deploy(&["steady", "--fallback", "other", "other@2", "other@trusty", r#"constant:{"y":-0.125}"#]).ok();
    host.deploy(&["steady", "--shadow", "3:12.5"]).ok();
    host.deploy(&["steady", "--deadline-ms", "9000", "--fuel", "1000000000", "--memory-max-bytes", "67108864"]).ok();
    host.deploy(&["steady", "--output-max-bytes", "4096", "--in-flight-max", "2", "--queue-max", "9"]).ok();
    let canary = ["--to", "2", "--canary", "0.1:10m,12.5:1h,100", "--requests-min", "1000000"];
    host.deploy(&[&["steady"], &canary[..], &["--error-points-max", "2.5", "--slow-factor-max", "3"]].concat()).ok();
}

#[test]
fn everything_that_is_served_goes_through_a_document_to_another_host() {
    let (one, registry) = (Host::start(), Registry::start());
    let (steady, triple, narrow) = (guest("steady"), features("steady", "triple"), features("steady", "slow"));
    let deploy = |model: &str, tag: &str, guest: &crate::support::Guest| {
        let pinned = push(guest, &registry.reference(&format!("{tag}:1")));
        one.deploy(&[model, "--to", &pinned]).ok();
    };
    for (model, tag, guest) in [
        ("steady", "a", &steady),
        ("steady", "b", &triple),
        ("steady", "c", &narrow),
        ("other", "b", &triple),
        ("other", "a", &steady),
        // Nothing but one of its versions is used, as a fallback.
        ("gone", "c", &narrow),
        ("gone", "a", &steady),
    ] {
        deploy(model, tag, guest);
    }
    one.deploy(&["steady", "--to", "1"]).ok();
    one.deploy(&["other", "--alias", "trusty=1", "--fallback", "gone@2"]).ok();
    one.scry(&["withdraw", "gone"]).ok();
    everything(&one);
    let document = exported(&one);
    assert_eq!(apply(&one, &document, &[]).ok().stdout.lines().next(), Some("nothing differs; state 16"), "{document}");

    let other = Host::start();
    let applied = apply(&other, &document, &["--json"]).ok().json();
    assert_eq!((&applied["number"], changes(&other).len()), (&json!(1), 1), "one change");
    let fetched = applied["gates"].as_array().unwrap().iter().filter(|gate| gate["gate"] == "fetch");
    assert_eq!(fetched.count(), 3, "each component once: {applied}");
    assert_eq!(exported(&other), document);
    let (mut here, mut there) = (served(&one), served(&other));
    // What the document has no use for, it does not tell.
    let unused = here["gone"]["versions"].as_object_mut().unwrap().remove("1").unwrap();
    assert_eq!(unused["digest"], narrow.digest);
    assert_eq!(here, there.take());

    // The registry has done its duty.
    drop(registry);
    let other = other.restart(|_| {});
    assert_eq!(exported(&other), document);
    let by =
        |version: &str| other.post(&format!("/v2/models/steady/versions/{version}/infer"), &rows()).status(200).y();
    assert_eq!((by("champion"), by("challenger")), (20.0, 30.0));
}

fn rows() -> Value {
    crate::support::rows("", &[10.0])
}

#[test]
fn a_whole_document_that_prunes_withdraws_what_it_does_not_name() {
    let host = with_two_versions();
    let steady_alone = exported(&host);
    assert!(steady_alone.starts_with("prune = true\n") && steady_alone.ends_with("\n[end]\nmodels = 1\n"));
    host.publish(&guest("hostile"));
    let looked = apply(&host, &steady_alone, &["--dry-run"]).ok().stdout;
    assert!(looked.starts_with("- models.hostile.live = 1\n"), "{looked}");
    assert_eq!(host.predict("hostile", "well", 1.0).status(200).y(), 1.0);
    apply(&host, &steady_alone, &[]).ok();
    host.predict("hostile", "well", 1.0).error(404, &["hostile"]);
    is_served(&host, "1", 20.0);
    apply(&host, "prune = true\n[end]\nmodels = 0\n", &[]).ok();
    host.predict("steady", "", 1.0).error(404, &["steady"]);
    // All of it comes back.
    host.scry(&["rollback", "--to", "3"]).ok();
    is_served(&host, "1", 20.0);
    assert_eq!(host.predict("hostile", "well", 1.0).status(200).y(), 1.0);
}

#[test]
fn a_bad_document_changes_nothing_and_says_what_is_wrong() {
    let host = with_two_versions();
    let single = features("steady", "single");
    host.publish(&single);
    host.scry(&["publish", guest("steady").path.to_str().unwrap(), "--name", "other"]).ok();
    let good = exported(&host);
    let (state, history) = (host.admin_get("/v1/state").json(), changes(&host));
    let nowhere = format!("sha256:{}", "0".repeat(64));
    let no_model = LyingRegistry::start(Lie::None, b"no model");
    let (no_model, lost) = (no_model.tagged().to_string(), "oci://127.0.0.1:1/steady:1");
    let steady = |more: &str| format!("[models.steady]\nlive = 1\n{more}\n[models.other]\nlive = 1\n");
    let version = |number: &str, what: &str| steady(&format!("versions.{number} = {{ {what} }}"));
    let cases: Vec<(String, u16, Vec<&str>)> = vec![
        (steady("lvie = 2"), 422, vec!["line 3", "lvie", "expected one of", "`live`"]),
        ("mdoels = 1".into(), 422, vec!["line 1", "mdoels"]),
        ("models.steady = { live = 1 ".into(), 422, vec!["not readable", "line 1"]),
        ("[models.steady]\n".into(), 422, vec!["models.steady", "expected `live`"]),
        ("[models.steady]\naliases = { a = 1 }\n".into(), 422, vec!["models.steady", "expected `live`"]),
        (steady("shadow = [1, 5.0]"), 422, vec!["`models.steady.shadow`: expected an object, found a list"]),
        (steady("shadow = { percent = 5 }"), 422, vec!["line 3", "missing field `to`"]),
        (steady("").replacen("live = 1", "live = 9", 1), 422, vec!["models.steady", "no version `9`", "1 to 3"]),
        (
            steady("").replacen("live = 1", "live = \"champion\"", 1),
            422,
            vec!["models.steady", "no version `champion`"],
        ),
        (steady("").replacen("live = 1", "live = 0", 1), 422, vec!["expected a version"]),
        (steady("aliases = { a = 7 }"), 422, vec!["models.steady", "no version `7`"]),
        (steady("aliases = { Champion = 1 }"), 422, vec!["models.steady", "`Champion` cannot be an alias"]),
        (
            version("1", &format!("digest = '{}'", single.digest)),
            422,
            vec!["models.steady", "version 1", "is bound to"],
        ),
        (version("4", &format!("digest = '{}'", single.digest)), 422, vec!["models.steady", "is version 3 already"]),
        (version("one", &format!("digest = '{nowhere}'")), 422, vec!["models.steady.versions.one", "a number from 1"]),
        (version("0", &format!("digest = '{nowhere}'")), 422, vec!["models.steady.versions.0", "a number from 1"]),
        (version("4", ""), 422, vec!["models.steady.versions.4", "`digest`", "`from`"]),
        (version("4", "from = 'registry/steady'"), 422, vec!["line 3", "not an OCI reference"]),
        (version("4", &format!("from = '{lost}'")), 502, vec!["cannot be reached"]),
        (version("4", &format!("from = '{no_model}'")), 422, vec!["not a WebAssembly component"]),
        (
            version("4", &format!("digest = '{nowhere}'")).replacen("live = 1", "live = 4", 1),
            422,
            vec!["version 4 of `steady` is not available", "not in the store"],
        ),
        (
            version("4", &format!("digest = '{nowhere}', from = '{no_model}'")).replacen("live = 1", "live = 4", 1),
            422,
            vec!["version 4 of `steady` is not available", "holds sha256:"],
        ),
        (steady("fallback = [{ model = 'steady' }]"), 422, vec!["models.steady", "cannot be its own fallback"]),
        (steady("fallback = [{ model = 'nobody' }]"), 422, vec!["models.steady", "fallback", "`nobody` is not known"]),
        (steady("fallback = [{ model = 'other@2' }]"), 422, vec!["models.steady", "fallback", "no version `2`"]),
        (steady("fallback = [{ constant = { z = 1 } }]"), 422, vec!["constant", "steady", "z"]),
        (steady("fallback = [{ constant = { y = 1 } }, { model = 'other' }]"), 422, vec!["models.steady", "last"]),
        (
            "[models.steady]\nlive = 1\nfallback = [{ model = 'other' }]\n[models.other]\nwithdrawn = true\n".into(),
            422,
            vec!["models.steady", "withdrawn"],
        ),
        (steady("limits = { deadline_ms = 0 }"), 422, vec!["limit `deadline_ms`", "found 0"]),
        (steady("limits = { deadline = 5 }"), 422, vec!["line 3", "deadline"]),
        (steady("canary = { to = 1, steps = [{ percent = 5 }] }"), 422, vec!["models.steady", "its own canary"]),
        (steady("canary = { to = 2, steps = [] }"), 422, vec!["models.steady", "canary", "found 0"]),
        (steady("shadow = { to = 2, percent = 101 }"), 422, vec!["models.steady", "shadow", "found 101"]),
        ("[models.'Not a Name']\nlive = 1\n".into(), 422, vec!["models.Not a Name", "not known"]),
        (
            steady("").replacen("live = 1", "live = 3", 1),
            409,
            vec!["version 3 of `steady` would break callers", "allow"],
        ),
    ];
    for (document, status, says) in &cases {
        put(&host, document.as_bytes()).error(*status, says);
        assert_eq!(
            (host.admin_get("/v1/state").json(), changes(&host)),
            (state.clone(), history.clone()),
            "{document}"
        );
        is_served(&host, "1", 20.0);
    }
    put(&host, b"\xff").error(400, &["not UTF-8"]);
    let (document, _, says) = &cases[0];
    apply(&host, document, &[]).code(1).says(says);
    apply(&host, document, &["--dry-run"]).code(1).says(says);
    host.scry(&["apply", "no-such.toml"]).code(1).says(&["no-such.toml"]);
    assert_eq!(exported(&host), good);
}

#[test]
fn callers_are_broken_only_by_a_document_that_says_so() {
    let host = Host::start();
    host.publish(&guest("steady"));
    host.publish(&features("steady", "single"));
    let document = exported(&host).replace("live = 1", "live = 2");
    apply(&host, &document, &[]).code(1).says(&["would break callers of version 1", "`y`", "--allow-breaking"]);
    is_served(&host, "1", 20.0);
    apply(&host, &document, &["--allow-breaking"]).ok();
    is_served(&host, "2", 20.0);
    host.scry(&["rollback", "steady"]).ok();
    apply(&host, &format!("allow_breaking = true\n{document}"), &[]).ok();
    is_served(&host, "2", 20.0);
    assert!(!exported(&host).contains("allow_breaking"), "it is for one time");
}

#[test]
fn a_canary_that_runs_goes_on_where_it_is() {
    let host = with_two_versions();
    // However slow a busy machine makes it.
    let patience = ["--requests-min", "3", "--slow-factor-max", "1000"];
    host.deploy(&[&["steady", "--to", "2", "--canary", "40:0s,60"], &patience[..]].concat()).ok();
    let document = exported(&host);
    let canary = || host.admin_get("/v1/models/steady").json()["canary"].clone();
    eventually("the second step", || {
        host.predict("steady", "", 1.0).status(200);
        canary()["step"] == 1
    });
    let since_ms = canary()["since_ms"].clone();
    assert_eq!(apply(&host, &document, &[]).ok().stdout, format!("nothing differs; state {}\n", number(&host)));
    // Something else changes beside it.
    apply(&host, &document.replace("live = 1\n", "live = 1\naliases = { champion = 1 }\n"), &[]).ok();
    assert_eq!((&canary()["step"], &canary()["since_ms"]), (&json!(1), &since_ms));
    // A document that has seen the step says so; one with other shares means another canary.
    assert!(exported(&host).contains("step = 1"), "{}", exported(&host));
    apply(&host, &document.replace("percent = 60.0", "percent = 70.0"), &[]).ok();
    assert_eq!(canary()["step"], 0);
}
