//! What was there before its host trusted certain keys.

use super::{Desk, deployed, publish, version};
use crate::registries::push;
use crate::support::{Host, Registry, eventually, features, guest};
use serde_json::json;

/// Starts a host again, with another configuration.
fn restart(host: Host, config: &str) -> Host {
    host.restart(|data| {
        let text = format!("compute.threads = 2\n{config}");
        std::fs::write(data.parent().unwrap().join("scry.toml"), text).unwrap();
    })
}

fn y(host: &Host) -> f64 {
    host.predict("steady", "", 10.0).status(200).y()
}

/// A host that got two versions, the second of them live, when it trusted everybody.
fn aged() -> Host {
    let host = Host::start();
    host.publish(&guest("steady"));
    host.publish(&features("steady", "triple"));
    host.deploy(&["steady", "--to", "2"]).ok();
    host
}

#[test]
fn what_is_live_without_a_signature_is_listed_and_goes_on() {
    let desk = Desk::with(&features("steady", "triple"));
    let host = restart(aged(), &desk.trusting("ops", ""));
    assert_eq!(y(&host), 30.0);
    let log = host.log();
    let line = log.lines().find(|line| line.contains("served as before")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("WARN") && line.contains("steady@2") && !line.contains("steady@1"), "{line}");
    assert_eq!(version(&host, "steady").get("signed_by"), Some(&json!(null)));
    assert_eq!(host.admin_get("/v1/state").json()["trust"]["unsigned"], json!(["steady@2"]));
    assert_eq!(host.metric("scry_unsigned_versions"), 1.0);
    let listed = host.scry(&["models"]).ok().stdout;
    assert!(listed.contains("steady@2") && listed.contains("not signed by a trusted key"), "{listed}");

    // What it has may be deployed and rolled back; what it has not, even of the same bytes, may not come in.
    host.scry(&["rollback", "steady"]).ok();
    assert_eq!(y(&host), 20.0);
    host.deploy(&["steady", "--to", "2"]).ok();
    publish(&host, "another", &features("steady", "triple").bytes(), None).error(422, &["it has no signature"]);
    publish(&host, "steady", &features("steady", "narrow").bytes(), None).error(422, &["it has no signature"]);

    // It is signed afterwards, and nothing changes but that.
    let before = host.admin_get("/v1/state").json()["number"].clone();
    desk.sign("steady.wasm", "ops");
    let published = host.scry(&["publish", desk.component(), "--json"]).ok().json();
    assert_eq!((&published["version"], &published["live"]), (&json!(2), &json!(true)));
    assert_eq!(host.admin_get("/v1/state").json()["number"], before);
    assert_eq!(host.metric("scry_unsigned_versions"), 0.0);
    let host = host.restart(|_| {});
    assert_eq!((y(&host), host.metric("scry_unsigned_versions")), (30.0, 0.0));
}

#[test]
fn where_it_is_enforced_nothing_unsigned_is_served() {
    let desk = Desk::with(&features("steady", "triple"));
    let host = aged();
    host.publish(&guest("hostile"));
    let enforced = desk.trusting("ops", "enforce = true\n");
    let host = restart(host, &enforced);
    let refused = host.predict("steady", "", 10.0).error(503, &["is not signed by a trusted key"]);
    assert_eq!(refused.header("scry-reason"), Some("unavailable"));
    let state = host.scry(&["models", "steady", "--json"]).ok().json()["models"][0]["versions"][1]["state"].clone();
    assert!(state.as_str().unwrap().contains("is not signed by a trusted key"), "{state}");
    assert!(host.log().contains("not signed by a trusted key, and not served"), "{}", host.log());
    assert_eq!(host.metric("scry_unsigned_versions"), 2.0);
    for args in [["rollback", "steady"].as_slice(), &["deploy", "steady", "--to", "1"]] {
        host.scry(args).code(1).says(&["is not signed by a trusted key"]);
    }
    host.deploy(&["hostile", "--fallback", "steady@1"]).code(1).says(&["is not signed by a trusted key"]);

    // With its signature it comes back, without a change of state.
    desk.sign("steady.wasm", "ops");
    let before = host.admin_get("/v1/state").json()["number"].clone();
    host.scry(&["publish", desk.component()]).ok();
    assert_eq!(y(&host), 30.0);
    assert_eq!(host.admin_get("/v1/state").json()["number"], before);
    let host = host.restart(|_| {});
    assert_eq!(y(&host), 30.0);

    // A key that is trusted no longer takes its signatures along, and so does a signature that is damaged.
    let host = restart(host, &desk.trusting("other", "enforce = true\n"));
    host.predict("steady", "", 10.0).error(503, &["is not signed by a trusted key"]);
    let host = restart(host, &enforced);
    assert_eq!(y(&host), 30.0);
    let host = host.restart(|data| {
        let hex = features("steady", "triple").digest.replace("sha256:", "");
        std::fs::write(data.join(format!("components/{hex}.wasm.dsse.json")), b"{").unwrap();
    });
    host.predict("steady", "", 10.0).error(503, &["is not signed by a trusted key"]);
    assert!(host.log().contains("a signature does not count"), "{}", host.log());
}

#[test]
fn what_came_from_a_registry_is_served_once_it_is_signed_there() {
    let (registry, steady) = (Registry::start(), guest("steady"));
    let desk = Desk::with(&steady);
    let host = Host::start();
    let pinned = push(&steady, &registry.reference("steady:1"));
    deployed(&host, &pinned).status(200);
    let host = restart(host, &desk.trusting("ops", "enforce = true\n"));
    host.predict("steady", "", 10.0).error(503, &["is not signed by a trusted key"]);
    // By others first: a registry may hold any number of signatures.
    desk.sign(&pinned, "other");
    let signed = desk.sign(&pinned, "ops");
    assert_eq!(signed["digest"], steady.digest);
    let host = host.restart(|_| {});
    eventually("it is found", || host.predict("steady", "", 10.0).status == 200);
    assert_eq!(version(&host, "steady")["signed_by"], desk.keyid("ops"));
    // For good.
    drop(registry);
    let host = host.restart(|_| {});
    assert_eq!(y(&host), 20.0);
}

#[test]
fn a_clean_up_takes_signatures_along() {
    let desk = Desk::with(&guest("steady"));
    let host = Host::with(
        &desk.trusting("ops", "[history]\nretention_days = 0\nchanges_max = 1\n[catalog]\nversions_warm = 0\n"),
    );
    let published = |features: &str| {
        std::fs::write(&desk.component, super::features("steady", features).bytes()).unwrap();
        desk.sign("steady.wasm", "ops");
        host.scry(&["publish", desk.component(), "--json"]).ok().json()["version"].clone()
    };
    published("");
    let second = published("triple");
    host.deploy(&["steady", "--to", &second.to_string()]).ok();
    host.deploy(&["steady", "--alias", "kept=2"]).ok();
    host.scry(&["gc"]).ok();
    let left: Vec<_> = std::fs::read_dir(host.data().join("components")).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
