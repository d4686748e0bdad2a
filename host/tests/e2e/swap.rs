//! New versions go live without anybody noticing; bad ones do not go live.

use crate::support::{Host, Reply, features, guest};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

#[test]
fn swaps_under_load_lose_no_request_and_mix_no_versions() {
    const CLIENTS: usize = 8;
    const SWAPS: usize = 20;

    let host = Host::with("[limits]\ndeadline_ms = 20000\nin_flight_max = 2\n");
    let versions = [guest("steady"), features("steady", "triple")];
    for (number, version) in (1..).zip(&versions) {
        assert_eq!(host.publish(version)["version"], number);
    }
    let (over, factors) = (AtomicBool::new(false), [2.0, 3.0]);
    let served: Vec<[usize; 2]> = thread::scope(|scope| {
        let ask = || {
            let mut served = [0; 2];
            while !over.load(Ordering::Relaxed) {
                let reply = host.predict("steady", "", 10.0).status(200);
                let version: usize = reply.header("scry-version").unwrap().parse().unwrap();
                assert_eq!(reply.header("scry-digest"), Some(versions[version - 1].digest.as_str()));
                assert_eq!(reply.json()["model_version"], version.to_string());
                assert_eq!(reply.y(), 10.0 * factors[version - 1]);
                served[version - 1] += 1;
            }
            served
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        for swap in 0..SWAPS {
            let (to, factor) = ([2, 1][swap % 2], [3.0, 2.0][swap % 2]);
            host.admin_post("/v1/models/steady/deploy", json!({ "to": to.to_string() }).to_string().as_bytes())
                .status(200);
            // Once the change is answered, it holds.
            assert_eq!(host.predict("steady", "", 1.0).status(200).y(), factor);
        }
        over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    for version in 0..2 {
        let answers: usize = served.iter().map(|served| served[version]).sum();
        assert!(answers >= SWAPS, "version {} gave {answers} answers", version + 1);
    }
    assert!(host.metric("scry_swap_seconds_count") >= SWAPS as f64);
}

/// The live version is the first one.
fn is_unchanged(host: &Host) {
    let reply = host.predict("steady", "", 10.0).status(200);
    assert_eq!((reply.header("scry-version"), reply.y()), (Some("1"), 20.0));
}

#[test]
fn a_version_that_fails_its_golden_examples_changes_nothing() {
    let host = Host::start();
    host.publish(&guest("steady"));
    let before = host.admin_get("/v1/state").json();
    let shifted = features("steady", "shifted");
    let says = ["golden examples fail", "nothing from nothing", "expected 0.0, got 1.0"];
    host.admin_post("/v1/models", &shifted.bytes()).error(422, &says);
    host.scry(&["publish", shifted.path.to_str().unwrap()]).code(1).says(&says);
    assert_eq!(host.admin_get("/v1/state").json(), before);
    is_unchanged(&host);
}

#[test]
fn a_deployment_that_cannot_work_changes_nothing() {
    let host = Host::start();
    host.publish(&guest("steady"));
    host.publish(&crate::support::example("digits"));
    let before = host.admin_get("/v1/state").json();
    let refused = |args: &[&str], says: &[&str]| {
        host.deploy(args).code(1).says(says);
        assert_eq!(host.admin_get("/v1/state").json(), before, "{args:?}");
        is_unchanged(&host);
    };
    refused(&["steady", "--to", "7"], &["no version `7`", "it has 1 to 1"]);
    refused(&["steady", "--to", "champion"], &["no version `champion`"]);
    refused(&["nobody", "--to", "1"], &["model `nobody` is not known"]);
    refused(&["steady", "--fallback", "digits"], &["cannot stand in for `steady`", "image"]);
    refused(&["steady", "--fallback", "nobody"], &["nobody"]);
    refused(&["steady", "--fallback", "steady"], &["cannot stand in for itself"]);
    refused(&["steady", "--fallback", r#"constant:{"z":1}"#], &["z"]);
    refused(&["steady", "--fallback", r#"constant:{"y":"one"}"#], &["field `y`", "expected a FP64 value", "\"one\""]);
    refused(&["steady", "--fallback", r#"constant:{"y":1}"#, "digits"], &["last"]);
    refused(&["steady", "--deadline-ms", "0"], &["deadline_ms", "found 0"]);
    refused(&["steady", "--alias", "Champion=1"], &["cannot be an alias"]);
    // Too little to pass its own golden examples.
    refused(&["steady", "--fuel", "10"], &["golden examples fail", "fuel"]);
    refused(&["steady", "--memory-max-bytes", "1000"], &["golden examples fail", "memory"]);
}

#[test]
fn a_deployment_with_an_unknown_key_is_refused() {
    let host = Host::start();
    host.publish(&guest("steady"));
    host.admin_post("/v1/models/steady/deploy", br#"{"fallbck":[]}"#).error(400, &["fallbck"]);
    host.admin_post("/v1/models/steady/deploy", br#"{"limits":{"deadline":5}}"#).error(400, &["deadline"]);
    host.admin_post("/v1/models/steady/deploy", b"{").error(400, &["not readable"]);
}

#[test]
fn the_first_version_is_live_at_once_and_later_ones_wait() {
    let host = Host::start();
    let first = host.publish(&guest("steady"));
    let digest = guest("steady").digest.clone();
    assert_eq!(first, json!({ "model": "steady", "version": 1, "digest": digest, "live": true }));
    let triple = features("steady", "triple");
    let second = host.publish(&triple);
    assert_eq!(second, json!({ "model": "steady", "version": 2, "digest": triple.digest, "live": false }));
    is_unchanged(&host);
    assert_eq!(host.publish(&triple), second, "publishing again gives the same version");
    assert_eq!(host.publish(&guest("steady")), first);
    assert_eq!(host.scry(&["models", "--json"]).ok().json()["models"][0]["versions"].as_array().unwrap().len(), 2);

    let deployed = host.deploy(&["steady", "--to", "2", "--alias", "champion", "--json"]).ok().json();
    assert_eq!(deployed, json!({ "model": "steady", "version": 2, "digest": triple.digest }));
    assert_eq!(host.predict("steady", "", 10.0).y(), 30.0);
    host.deploy(&["steady", "--to", "1"]).ok();
    is_unchanged(&host);
}

#[test]
fn versions_answer_by_number_alias_and_digest_whichever_is_live() {
    let host = Host::start();
    let (first, second) = (guest("steady"), features("steady", "triple"));
    host.publish(&first);
    host.publish(&second);
    host.deploy(&["steady", "--alias", "challenger=2", "--alias", "champion=1"]).ok();
    let by = |version: &str| -> Reply {
        host.post(&format!("/v2/models/steady/versions/{version}/infer"), &crate::support::rows("", &[10.0]))
    };
    for (version, y) in [("1", 20.0), ("2", 30.0), ("champion", 20.0), ("challenger", 30.0)] {
        assert_eq!(by(version).status(200).y(), y, "{version}");
    }
    assert_eq!(by(&first.digest).status(200).y(), 20.0);
    assert_eq!(by(&second.digest).status(200).y(), 30.0);
    by("3").error(404, &["no version `3`"]);
    by("nobody").error(404, &["no version `nobody`"]);
    by("0").error(404, &["not a version"]);
    by(&format!("sha256:{}", "0".repeat(64))).error(404, &["no version"]);
    by("sha256:beef").error(404, &["not a version"]);
    // An alias moves when it is told to, and only then.
    host.deploy(&["steady", "--to", "2"]).ok();
    assert_eq!(by("champion").status(200).y(), 20.0);
    host.deploy(&["steady", "--alias", "champion=2"]).ok();
    assert_eq!(by("champion").status(200).y(), 30.0);
}

#[test]
fn one_component_can_be_two_models() {
    let host = Host::start();
    let steady = guest("steady");
    host.publish(&steady);
    let other = host.scry(&["publish", steady.path.to_str().unwrap(), "--name", "other", "--json"]).ok().json();
    assert_eq!(other, json!({ "model": "other", "version": 1, "digest": steady.digest, "live": true }));
    let reply = host.predict("other", "", 1.0).status(200);
    assert_eq!((reply.header("scry-model"), reply.y()), (Some("other"), 2.0));
    host.scry(&["publish", steady.path.to_str().unwrap(), "--name", "Not a Name"]).code(1).says(&["Not a Name"]);
}
