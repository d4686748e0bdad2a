//! New versions go live without anybody noticing; bad ones do not go live.

use crate::support::{Guest, Host, Reply, eventually, features, guest};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

/// The same model in other bytes: another version.
pub(crate) fn variant(of: &Guest, n: u32) -> Vec<u8> {
    use wasm_encoder::ComponentSection;
    let (mut bytes, data) = (of.bytes(), n.to_le_bytes());
    wasm_encoder::CustomSection { name: "variant".into(), data: (&data).into() }.append_to_component(&mut bytes);
    bytes
}

/// What is promised, and the load under which it is promised.
#[test]
fn a_thousand_swaps_under_load_lose_no_request_and_mix_no_versions() {
    const CLIENTS: usize = 8;
    const SWAPS: usize = 1000;
    const REQUESTS_PER_S_MIN: f64 = 200.0;

    let host = Host::with("[limits]\ndeadline_ms = 20000\nin_flight_max = 2\n");
    let versions = [guest("steady"), features("steady", "triple")];
    for (number, version) in (1..).zip(&versions) {
        assert_eq!(host.publish(version)["version"], number);
    }
    let (over, factors) = (AtomicBool::new(false), [2.0, 3.0]);
    let begun = Instant::now();
    let served: Vec<[usize; 2]> = thread::scope(|scope| {
        let ask = || {
            let mut served = [0; 2];
            while !over.load(Ordering::Relaxed) {
                let reply = host.predict("steady", "", 10.0).status(200);
                let version: usize = reply.header("scry-version").unwrap().parse().unwrap();
                let (json, digest) = (reply.json(), versions[version - 1].digest.as_str());
                assert_eq!(reply.header("scry-digest"), Some(digest));
                assert_eq!(json["parameters"]["scry-digest"], digest);
                assert_eq!(json["model_version"], version.to_string());
                assert_eq!(reply.y(), 10.0 * factors[version - 1]);
                assert_eq!(reply.header("scry-degraded"), None);
                served[version - 1] += 1;
            }
            served
        };
        // A swap that fails ends the clients too.
        let _ended = Ended(&over);
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
    let elapsed_s = begun.elapsed().as_secs_f64();
    let by_version = [0, 1].map(|version| served.iter().map(|served| served[version]).sum::<usize>());
    for (number, answers) in (1..).zip(by_version) {
        assert!(answers >= SWAPS / 10, "version {number} gave {answers} answers");
    }
    let requests = (by_version[0] + by_version[1] + SWAPS) as f64;
    let shown = format!("{:.0} swaps/s at {:.0} requests/s", SWAPS as f64 / elapsed_s, requests / elapsed_s);
    println!("{shown}");
    assert!(requests / elapsed_s >= REQUESTS_PER_S_MIN, "{shown}");
    assert!(host.metric("scry_swap_seconds_count") >= SWAPS as f64);
    // Each is one change, and none was lost.
    assert_eq!(host.admin_get("/v1/state").json()["number"], 2 + SWAPS);
}

/// Says that it is over, even if a test fails.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a host's process holds.
#[derive(Debug, Clone, Copy)]
struct Footprint {
    rss_kib: u64,
    threads: u64,
    descriptors: usize,
}

impl Footprint {
    fn of(host: &Host) -> Self {
        let process = process(host);
        let status = std::fs::read_to_string(process.join("status")).unwrap();
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let descriptors = std::fs::read_dir(process.join("fd")).unwrap().count();
        Self { rss_kib: value("VmRSS:"), threads: value("Threads:"), descriptors }
    }
}

/// The host's folder in /proc: it alone works in its folder.
pub(crate) fn process(host: &Host) -> PathBuf {
    let (data, mut all) = (host.data(), std::fs::read_dir("/proc").unwrap());
    let works_there =
        |path: &PathBuf| std::fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd == data.parent().unwrap());
    all.find_map(|entry| Some(entry.unwrap().path()).filter(works_there)).unwrap()
}

/// The compiled code of all versions, on disk.
fn cached_code_kib(host: &Host) -> u64 {
    let engines = std::fs::read_dir(host.data().join("cache")).unwrap();
    let files = engines.flat_map(|engine| std::fs::read_dir(engine.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>() >> 10
}

#[test]
fn what_retired_versions_took_is_free_again() {
    const VERSIONS: u32 = 60;
    const PLATEAU: u32 = 15;
    /// A third, or less, of the code that is retired in between.
    const SLACK_KIB: u64 = 4 << 10;

    let (host, steady) = (Host::start(), guest("steady"));
    let mut plateau = None;
    for number in 1..=VERSIONS {
        let published = host.admin_post("/v1/models", &variant(&steady, number)).status(200).json();
        assert_eq!(published["version"], number);
        host.admin_post("/v1/models/steady/deploy", json!({ "to": number }).to_string().as_bytes()).status(200);
        let reply = host.predict("steady", "", 10.0).status(200);
        assert_eq!((reply.header("scry-digest"), reply.y()), (published["digest"].as_str(), 20.0));
        if number == PLATEAU {
            plateau = Some(Footprint::of(&host));
        }
    }
    // In small pages, which can be given back one by one.
    let status = std::fs::read_to_string(process(&host).join("status")).unwrap();
    assert!(status.contains("THP_enabled:\t0"), "{status}");
    let (plateau, mut now) = (plateau.unwrap(), Footprint::of(&host));
    let code_kib = cached_code_kib(&host);
    println!("{plateau:?} after {PLATEAU} versions, {now:?} after {VERSIONS}, {code_kib} KiB of code");
    assert!(code_kib * u64::from(VERSIONS - PLATEAU) / u64::from(VERSIONS) >= 3 * SLACK_KIB, "{code_kib} KiB");
    eventually("the plateau again", || {
        now = Footprint::of(&host);
        now.rss_kib <= plateau.rss_kib + SLACK_KIB
            && now.threads <= plateau.threads + 4
            && now.descriptors <= plateau.descriptors + 8
    });
    let cold = |version: &&Value| version["state"] == "cold";
    let shown = host.admin_get("/v1/models/steady").json();
    assert_eq!(shown["versions"].as_array().unwrap().iter().filter(cold).count() as u32, VERSIONS - 2);
}

#[test]
fn a_request_ends_on_the_version_on_which_it_began_though_that_is_swapped_out_and_removed() {
    let host = Host::with(
        "[limits]\ndeadline_ms = 8000\nfuel = 0\nin_flight_max = 2\n[catalog]\nversions_warm = 0\n[history]\nretention_days = 0\n",
    );
    let hostile = guest("hostile");
    host.publish(&hostile);
    host.deploy(&["hostile", "--fallback", r#"constant:{"y":-1}"#]).ok();
    host.admin_post("/v1/models", &variant(&hostile, 2)).status(200);
    let host = &host;
    thread::scope(|scope| {
        let begun = Instant::now();
        let slow = scope.spawn(move || (host.predict("hostile", "loop", 1.0), begun.elapsed()));
        eventually("a guest that runs", || host.metric("scry_instances_live") == 1.0);
        host.deploy(&["hostile", "--to", "2", "--no-fallback"]).ok();
        let gone = host.scry(&["gc", "--json"]).ok().json();
        assert_eq!(gone["components"], json!([hostile.digest]));
        let reply = host.predict("hostile", "well", 1.0).status(200);
        assert_eq!(reply.header("scry-version"), Some("2"));
        assert_eq!(host.metric("scry_instances_live"), 1.0, "it still runs");
        let (reply, took) = slow.join().unwrap();
        // As it was served when it arrived: with its fallback, and the deadline kept.
        let reply = reply.status(200);
        assert_eq!((reply.header("scry-degraded"), reply.y()), (Some("timeout"), -1.0));
        assert!((4..30).contains(&took.as_secs()), "it took {took:?}");
    });
    eventually("its end", || host.metric("scry_instances_live") == 0.0);
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
    refused(&["steady", "--fallback", "digits"], &["cannot be a fallback for `steady`", "image"]);
    refused(&["steady", "--fallback", "nobody"], &["nobody"]);
    refused(&["steady", "--fallback", "steady"], &["cannot be its own fallback"]);
    refused(&["steady", "--fallback", r#"constant:{"z":1}"#], &["z"]);
    refused(&["steady", "--fallback", r#"constant:{"y":"one"}"#], &["field `y`", "expected an FP64 value", "\"one\""]);
    refused(&["steady", "--fallback", r#"constant:{"y":1}"#, "digits"], &["last"]);
    refused(&["steady", "--deadline-ms", "0"], &["deadline_ms", "found 0"]);
    refused(&["steady", "--alias", "Champion=1"], &["cannot be an alias"]);
    // Too little to pass its own golden examples.
    refused(&["steady", "--fuel", "10"], &["golden examples fail", "fuel"]);
    refused(&["steady", "--memory-max-bytes", "1000"], &["version 1 of `steady` does not start", "memory"]);
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
    assert_eq!(identity(&first), json!({ "model": "steady", "version": 1, "digest": digest, "live": true }));
    let triple = features("steady", "triple");
    let second = host.publish(&triple);
    assert_eq!(identity(&second), json!({ "model": "steady", "version": 2, "digest": triple.digest, "live": false }));
    is_unchanged(&host);
    assert_eq!(identity(&host.publish(&triple)), identity(&second), "publishing again gives the same version");
    assert_eq!(identity(&host.publish(&guest("steady"))), identity(&first));
    assert_eq!(host.scry(&["models", "--json"]).ok().json()["models"][0]["versions"].as_array().unwrap().len(), 2);

    let deployed = host.deploy(&["steady", "--to", "2", "--alias", "champion", "--json"]).ok().json();
    assert_eq!((&deployed["model"], &deployed["version"]), (&json!("steady"), &json!(2)));
    assert_eq!((&deployed["digest"], &deployed["live"]), (&json!(triple.digest), &json!(true)));
    assert_eq!(deployed["number"], 3);
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
    assert_eq!(identity(&other), json!({ "model": "other", "version": 1, "digest": steady.digest, "live": true }));
    let reply = host.predict("other", "", 1.0).status(200);
    assert_eq!((reply.header("scry-model"), reply.y()), (Some("other"), 2.0));
    host.scry(&["publish", steady.path.to_str().unwrap(), "--name", "Not a Name"]).code(1).says(&["Not a Name"]);
}

/// What a publishing says of the version, without the way there.
fn identity(published: &serde_json::Value) -> serde_json::Value {
    let keys = ["model", "version", "digest", "live"];
    keys.into_iter().map(|key| (key.to_owned(), published[key].clone())).collect::<serde_json::Map<_, _>>().into()
}
