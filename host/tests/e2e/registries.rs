//! A host that gets its components from registries: good ones, slow ones, ones
//! that lie, and ones that are gone.

use crate::support::{
    Guest, Host, Lie, LyingRegistry, PATIENT, Ran, Registry, eventually, features, guest, scry, sha256,
};
use scry_names::OciReference;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::thread;

/// Gives a component to a registry; the reference that means it for ever.
pub(crate) fn push(guest: &Guest, to: &OciReference) -> String {
    let mut command = scry();
    command.arg("publish").arg(&guest.path).args([&to.to_string(), "--json"]).env("DOCKER_CONFIG", "/nowhere");
    Ran::of(&mut command).ok().json()["reference"].as_str().unwrap().to_owned()
}

/// One version of a model, as operators see it.
fn version(host: &Host, model: &str, number: u64) -> Value {
    let listed = host.scry(&["models", model, "--json"]).ok().json();
    let versions = listed["models"][0]["versions"].as_array().unwrap().clone();
    versions.into_iter().find(|version| version["version"] == number).unwrap()
}

fn is_served(host: &Host, version: &str, y: f64) {
    let reply = host.predict("steady", "", 10.0).status(200);
    assert_eq!((reply.header("scry-version"), reply.y()), (Some(version), y));
}

/// What is known of a host's models and how that came about.
fn known(host: &Host) -> (Value, Value) {
    (host.admin_get("/v1/state").json(), host.admin_get("/v1/history").json())
}

fn component_path(data: &Path, guest: &Guest) -> PathBuf {
    data.join("components").join(guest.digest.replace("sha256:", "") + ".wasm")
}

/// Cuts a component short.
fn damage(data: &Path, guest: &Guest) {
    let path = component_path(data, guest);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
}

#[test]
fn a_model_comes_from_a_registry_and_stays_the_same_when_the_tag_moves() {
    let (registry, host) = (Registry::start(), Host::start());
    let (old, new) = (guest("steady"), features("steady", "triple"));
    let tag = registry.reference("models/steady:1");
    let tag_text = tag.to_string();
    let pinned = push(&old, &tag);

    let deployed = host.deploy(&["steady", "--to", &tag_text, "--json"]).ok().json();
    assert_eq!((&deployed["version"], &deployed["live"]), (&json!(1), &json!(true)));
    assert_eq!(deployed["digest"], old.digest);
    let gates = deployed["gates"].as_array().unwrap();
    let names: Vec<_> = gates.iter().map(|gate| gate["gate"].as_str().unwrap()).collect();
    assert_eq!(names, ["fetch", "verify", "compile", "warm", "golden"]);
    assert!(gates[0]["ms"].as_f64().unwrap() > 0.0, "{deployed}");
    assert_eq!(gates[0]["note"], format!("from {pinned}"));
    is_served(&host, "1", 20.0);
    assert_eq!(version(&host, "steady", 1)["from"], pinned);

    // Another meaning of the tag is another version, and not before somebody asks for it.
    let moved = push(&new, &tag);
    assert_ne!(moved, pinned);
    let host = host.restart(|_| {});
    is_served(&host, "1", 20.0);
    let deployed = host.deploy(&["steady", "--to", &tag_text]).ok();
    assert!(deployed.stdout.contains("steady@2 is live") && deployed.stdout.contains("fetch"), "{}", deployed.stdout);
    is_served(&host, "2", 30.0);
    assert_eq!(version(&host, "steady", 1)["from"], pinned);
    assert_eq!(version(&host, "steady", 2)["from"], moved);

    // By digest, whatever the tag means.
    let deployed = host.deploy(&["steady", "--to", &pinned, "--json"]).ok().json();
    assert_eq!(deployed["version"], 1, "the same bytes have the same number");
    is_served(&host, "1", 20.0);
    let told = host.scry(&["history", "steady"]).ok().stdout;
    assert!(told.contains(&format!("deploy steady from {moved} --to 2")), "{told}");
    // A canary may come from there too.
    host.deploy(&["steady", "--to", &moved, "--canary", "100"]).ok();
    is_served(&host, "2", 30.0);
}

#[test]
fn a_registry_that_lies_changes_nothing() {
    let (old, new) = (guest("steady"), features("steady", "triple"));
    let new_bytes = new.bytes();
    let most = old.bytes().len().max(new_bytes.len());
    let host = Host::with(&format!(
        "{PATIENT}[registries]\ntimeout_ms = 700\n[admin]\ncomponent_max_bytes = {most}\n[catalog]\nversions_warm = 1\n"
    ));
    host.publish(&old);
    let before = known(&host);
    let refused = |to: &OciReference, status: u16, says: &[&str]| {
        let body = json!({ "to": to.to_string() }).to_string();
        host.admin_post("/v1/models/steady/deploy", body.as_bytes()).error(status, says);
        host.admin_post("/v1/models/another/deploy", body.as_bytes()).error(status, says);
        assert_eq!(known(&host), before, "{says:?}");
        is_served(&host, "1", 20.0);
    };
    let lies: [(Lie, &[&str]); 9] = [
        (Lie::SwappedLayer, &["the component hashes to", &new.digest, "nothing was taken from it"]),
        (Lie::OtherManifest, &["the manifest hashes to", "nothing was taken from it"]),
        (Lie::DigestHeader, &["own header"]),
        (Lie::ShortLayer, &["127.0.0.1"]),
        (Lie::EndlessLayer, &["127.0.0.1"]),
        (Lie::EndlessManifest, &["the manifest has", "are taken at most"]),
        (Lie::StalledLayer, &["took longer than 700 ms", "registries.timeout_ms"]),
        (Lie::Size(u64::MAX), &["are taken at most", "admin.component_max_bytes"]),
        (Lie::Status(500), &["answers with HTTP status 500"]),
    ];
    for (lie, says) in lies {
        refused(&LyingRegistry::start(lie, &new_bytes).pinned(), 502, says);
    }
    let honest = LyingRegistry::start(Lie::None, &vec![0; most + 1]);
    refused(&honest.tagged(), 502, &["are taken at most", "admin.component_max_bytes"]);
    let honest = LyingRegistry::start(Lie::None, b"no model");
    refused(&honest.tagged(), 422, &["not a WebAssembly component"]);
    refused(&"oci://127.0.0.1:1/steady:1".parse().unwrap(), 502, &["cannot be reached"]);
    let registry = Registry::start();
    refused(&registry.reference("steady:1"), 502, &["is not in its registry"]);

    // And the number that none of them got is still free.
    let honest = LyingRegistry::start(Lie::None, &new_bytes);
    assert_eq!(host.deploy(&["steady", "--to", &honest.tagged().to_string(), "--json"]).ok().json()["version"], 2);
    is_served(&host, "2", 30.0);
}

#[test]
fn a_version_that_fails_its_golden_examples_gets_no_number() {
    let (registry, host) = (Registry::start(), Host::start());
    let shifted = push(&features("steady", "shifted"), &registry.reference("steady:bad"));
    let before = known(&host);
    host.deploy(&["steady", "--to", &shifted]).code(1).says(&["golden examples fail", "expected 0.0, got 1.0"]);
    assert_eq!(known(&host), before);
    host.get("/v2/models/steady").error(404, &["steady"]);
    assert!(!component_path(&host.data(), &features("steady", "shifted")).exists());

    host.publish(&guest("steady"));
    let before = known(&host);
    host.deploy(&["steady", "--to", &shifted]).code(1).says(&["golden examples fail"]);
    assert_eq!(known(&host), before);
    is_served(&host, "1", 20.0);
    let triple = push(&features("steady", "triple"), &registry.reference("steady:good"));
    assert_eq!(host.deploy(&["steady", "--to", &triple, "--json"]).ok().json()["version"], 2);
    host.deploy(&["Not a Name", "--to", &triple]).code(1).says(&["Not a Name"]);
}

#[test]
fn only_its_own_requests_wait_for_a_registry_that_stalls() {
    let host = &Host::with(&format!("{PATIENT}[registries]\ntimeout_ms = 9000\n"));
    host.publish(&guest("steady"));
    host.publish(&features("steady", "triple"));
    host.publish(&guest("hostile"));
    let liar = LyingRegistry::start(Lie::StalledLayer, &features("steady", "narrow").bytes());
    let document = host.scry(&["export"]).ok().stdout;
    // One model more, and nothing is said of those that are not named.
    let (document, _) = document.split_once("[end]").unwrap();
    let document = document.replacen("prune = true\n", "", 1);
    // The digest is known, the bytes are wherever `from` says.
    let nowhere = format!(
        "\n[models.stalled]\nlive = 1\n[models.stalled.versions]\n1 = {{ digest = \"{}\", from = \"{}\" }}\n",
        sha256(b"stalled"),
        liar.pinned()
    );
    thread::scope(|scope| {
        let deploying = scope.spawn(|| host.deploy(&["hostile", "--to", &liar.pinned().to_string()]));
        let applying = scope.spawn(|| {
            let authorization = format!("Bearer {}", host.token());
            let headers = [("authorization", authorization.as_str())];
            host.send(
                "PUT",
                &format!("{}/v1/desired", host.admin),
                &headers,
                (document.clone() + nowhere.as_str()).as_bytes(),
            )
        });
        let hang = || liar.asked().iter().filter(|path| path.contains("/blobs/")).count() == 2;
        eventually("both pulls", hang);
        // A clean-up may be refused meanwhile; it must not keep others waiting.
        let cleaning = scope.spawn(|| host.scry(&["gc"]));
        for turn in 0..10 {
            let (to, y) = if turn % 2 == 0 { ("2", 30.0) } else { ("1", 20.0) };
            host.deploy(&["steady", "--to", to]).ok();
            is_served(host, to, y);
            assert_eq!(host.predict("hostile", "well", 1.5).status(200).y(), 1.5);
        }
        host.scry(&["rollback", "steady"]).ok();
        is_served(host, "2", 30.0);
        assert!(!deploying.is_finished() && !applying.is_finished(), "the registry did not stall for long enough");
        deploying.join().unwrap().code(1).says(&["took longer than 9000 ms"]);
        applying.join().unwrap().error(502, &["took longer than 9000 ms"]);
        cleaning.join().unwrap();
    });
    is_served(host, "2", 30.0);
}

#[test]
fn a_component_that_is_damaged_or_gone_is_fetched_again() {
    let (registry, host) = (Registry::start(), Host::start());
    let (steady, hostile) = (guest("steady"), guest("hostile"));
    host.deploy(&["steady", "--to", &push(&steady, &registry.reference("steady:1"))]).ok();
    host.deploy(&["hostile", "--to", &push(&hostile, &registry.reference("hostile:1"))]).ok();
    // A model that only stands in for another.
    let fallback = features("steady", "triple");
    host.deploy(&["fallback", "--to", &push(&fallback, &registry.reference("fallback:1"))]).ok();
    host.deploy(&["steady", "--fallback", "fallback@1"]).ok();
    host.scry(&["withdraw", "fallback"]).ok();
    let before = known(&host);
    let host = host.restart(|data| {
        damage(data, &steady);
        damage(data, &fallback);
        std::fs::remove_file(component_path(data, &hostile)).unwrap();
    });
    eventually("all three", || host.log().matches(": fetched again").count() == 3);
    is_served(&host, "1", 20.0);
    assert_eq!(host.predict("hostile", "well", 1.5).status(200).y(), 1.5);
    assert_eq!(std::fs::read(component_path(&host.data(), &fallback)).unwrap(), fallback.bytes());
    assert_eq!(version(&host, "steady", 1)["state"], "ready");
    let after = known(&host);
    assert_eq!(
        (&after.0["models"], &after.0["number"], &after.1),
        (&before.0["models"], &before.0["number"], &before.1)
    );
    // For good.
    drop(registry);
    let host = host.restart(|_| {});
    is_served(&host, "1", 20.0);
}

#[test]
fn without_its_registry_a_damaged_component_is_stood_in_for_and_the_others_serve() {
    let (registry, host) = (Registry::start(), Host::start());
    let steady = guest("steady");
    let pinned = push(&steady, &registry.reference("steady:1"));
    host.deploy(&["steady", "--to", &pinned]).ok();
    host.publish(&guest("hostile"));
    host.deploy(&["steady", "--fallback", "hostile", r#"constant:{"y":-1}"#]).ok();
    drop(registry);
    let host = host.restart(|data| damage(data, &steady));
    eventually("the first try", || host.log().contains("could not be fetched again"));
    let log = host.log();
    let line = log.lines().find(|line| line.contains("could not be fetched again")).unwrap();
    assert!(line.contains("model=steady") && line.contains("cannot be reached"), "{line}");
    let reply = host.predict("steady", "well", 7.0).status(200);
    assert_eq!((reply.header("scry-degraded"), reply.header("scry-model")), (Some("unavailable"), Some("hostile")));
    assert_eq!(reply.y(), 7.0);
    assert_eq!(host.predict("hostile", "well", 1.5).status(200).y(), 1.5);
    host.get("/v2/models/steady/ready").error(503, &["not available"]);
    host.get("/v2/health/ready").status(200);
    let state = version(&host, "steady", 1)["state"].clone();
    assert!(state.as_str().unwrap().contains("is damaged"), "{state}");
    // Others can be changed, and whoever has the bytes can help.
    host.deploy(&["hostile", "--alias", "champion=1"]).ok();
    host.publish(&steady);
    is_served(&host, "1", 20.0);
}
