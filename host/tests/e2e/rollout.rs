//! The life of a version: its share of the requests, its trial beside the live
//! one, its gates, and the way back.

use crate::support::{Guest, Host, PATIENT, Ran, Reply, eventually, example, features, guest, rows, scry};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const LOADS: [&str; 2] =
    [r#"scry_component_loads_total{source="compiled"}"#, r#"scry_component_loads_total{source="cache"}"#];
/// What `fragile` and `slow` do not take well.
const LARGE: f64 = 2000.0;

/// A variant of `steady`; the plain one has no name.
fn variant(name: &str) -> Arc<Guest> {
    features("steady", name)
}

/// A host with these variants of `steady` as versions 1, 2, …; the first is live.
fn host_of(variants: &[&str]) -> Host {
    let host = Host::start();
    publish(&host, variants);
    host
}

fn publish(host: &Host, variants: &[&str]) {
    variants.iter().for_each(|name| drop(host.publish(&variant(name))));
}

/// Publishes a component as a version of `steady`, whatever its own name.
fn publish_as_steady(host: &Host, guest: &Guest) -> Value {
    host.scry(&["publish", guest.path.to_str().unwrap(), "--name", "steady", "--json"]).ok().json()
}

/// The model as `scry models --json` has it.
fn shown(host: &Host) -> Value {
    let listed = host.scry(&["models", "steady", "--json"]).ok().json();
    assert_eq!(listed["models"].as_array().unwrap().len(), 1, "{listed:#}");
    listed["models"][0].clone()
}

/// The changes of the model, newest first.
fn history(host: &Host) -> Vec<Value> {
    let told = host.scry(&["history", "steady", "--json"]).ok().json();
    told["changes"].as_array().unwrap().clone()
}

fn what(change: &Value) -> &str {
    change["what"].as_str().unwrap()
}

/// The number of the state that the model is in.
fn state(host: &Host) -> u64 {
    host.admin_get("/v1/state").json()["number"].as_u64().unwrap()
}

/// Components that the host has loaded so far.
fn loads(host: &Host) -> f64 {
    LOADS.iter().map(|source| host.metric(source)).sum()
}

/// The version that gave an answer, which has to be as it should.
#[track_caller]
fn version(reply: Reply) -> u32 {
    reply.status(200).header("scry-version").unwrap().parse().unwrap()
}

/// The version that answers a request with nothing special about it.
#[track_caller]
fn asked(host: &Host) -> u32 {
    version(host.predict("steady", "", 10.0))
}

/// How many of so many such requests a version answers.
#[track_caller]
fn answered_by(host: &Host, number: u32, requests: usize) -> usize {
    (0..requests).filter(|_| asked(host) == number).count()
}

/// Some path's answer to a request with a key, in the header.
fn keyed(host: &Host, path: &str, key: &str) -> Reply {
    let url = format!("{}/v2/models/{path}/infer", host.prediction);
    host.send("POST", &url, &[("scry-key", key)], rows("", &[10.0]).to_string().as_bytes())
}

/// The same with the key in the request.
fn keyed_inside(host: &Host, key: &Value) -> Reply {
    let mut request = rows("", &[10.0]);
    request["parameters"] = json!({ "key": key });
    host.post("/v2/models/steady/infer", &request)
}

#[test]
fn a_canary_gets_its_share_to_the_request_and_its_answers_name_it() {
    let host = host_of(&["", "triple"]);
    let said = host.deploy(&["steady", "--to", "2", "--canary", "10"]).ok().stdout;
    assert!(said.contains("steady@2 is tried on 10 % of the requests"), "{said}");
    let mut diverted = 0;
    for _ in 0..1000 {
        let reply = host.predict("steady", "", 10.0).status(200);
        let is_canary = reply.header("scry-version") == Some("2");
        let (answerer, y) = if is_canary { (variant("triple"), 30.0) } else { (guest("steady"), 20.0) };
        assert_eq!((reply.header("scry-digest"), reply.y()), (Some(answerer.digest.as_str()), y));
        assert_eq!((reply.header("scry-model"), reply.header("scry-degraded")), (Some("steady"), None));
        assert_eq!(reply.json()["model_version"], if is_canary { "2" } else { "1" });
        diverted += usize::from(is_canary);
    }
    assert!((99..=101).contains(&diverted), "{diverted} of 1000 requests were diverted");
    let model = shown(&host);
    let shares: Vec<_> = (0..2).map(|i| model["versions"][i]["traffic_percent"].as_f64().unwrap()).collect();
    assert_eq!(shares, [90.0, 10.0]);

    // The share alone can be changed.
    host.deploy(&["steady", "--canary", "50"]).ok();
    let diverted = answered_by(&host, 2, 100);
    assert!((49..=51).contains(&diverted), "{diverted} of 100 requests were diverted");
}

#[test]
fn a_key_stays_with_its_version_and_a_larger_share_keeps_who_is_in() {
    let host = host_of(&["", "triple"]);
    let keys: Vec<String> = (0..300).map(|n| format!("user-{n}")).collect();
    let mut inside = BTreeSet::new();
    for (share, expected) in [("10", 20..=40), ("30", 70..=110)] {
        host.deploy(&["steady", "--to", "2", "--canary", share]).ok();
        let taken: BTreeSet<&String> = keys.iter().filter(|key| version(keyed(&host, "steady", key)) == 2).collect();
        assert!(expected.contains(&taken.len()), "{} of {} keys are in {share} %", taken.len(), keys.len());
        assert!(inside.is_subset(&taken), "somebody was in, and is not any more");
        for key in &keys {
            assert_eq!(version(keyed_inside(&host, &json!(key))) == 2, taken.contains(key), "{key}");
        }
        inside = taken;
    }
    // Whoever names a version gets it.
    host.deploy(&["steady", "--alias", "champion=1"]).ok();
    let (first, second) = (guest("steady"), variant("triple"));
    for key in keys.iter().take(30) {
        for (named, number) in [("1", 1), ("champion", 1), (&first.digest, 1), ("2", 2), (&second.digest, 2)] {
            assert_eq!(version(keyed(&host, &format!("steady/versions/{named}"), key)), number, "{key} {named}");
        }
    }
}

#[test]
fn a_key_that_is_none_is_refused_by_name() {
    let host = host_of(&[""]);
    let (longest, longer) = ("k".repeat(256), "k".repeat(257));
    assert_eq!(version(keyed(&host, "steady", &longest)), 1);
    assert_eq!(version(keyed_inside(&host, &json!(longest))), 1);
    keyed(&host, "steady", &longer).error(400, &["`scry-key`", "at most 256 bytes"]);
    for (key, found) in [(json!(longer), "kkk"), (json!(7), "7"), (json!(["a"]), "a"), (Value::Null, "null")] {
        keyed_inside(&host, &key).error(400, &["`key`", "at most 256 bytes", found]);
    }
}

#[test]
fn a_canary_ends_when_it_goes_live_is_called_back_or_makes_way() {
    let host = host_of(&["", "triple", "fragile"]);
    let ended = |live: u32| {
        let model = shown(&host);
        assert_eq!((&model["canary"], &model["live"]), (&Value::Null, &json!(live)));
        assert_eq!(answered_by(&host, live, 10), 10);
    };
    let refused = |args: &[&str], says: &[&str]| drop(host.deploy(&[&["steady"], args].concat()).code(1).says(says));
    for args in [&["--canary", "10"][..], &["--promote"], &["--no-canary"], &["--requests-min", "5"]] {
        refused(args, &["no canary runs", "--canary PERCENT"]);
    }
    refused(&["--to", "1", "--canary", "10"], &["version 1 is live", "its own canary"]);
    for (share, says) in [("0", "more than 0 %"), ("101", "at most 100 %"), ("20,10", "more than the 20 % before")] {
        refused(&["--to", "2", "--canary", share], &["canary", says]);
    }
    refused(&["--to", "2", "--canary", "10", "--slow-factor-max", "0"], &["slow_factor_max", "1 to 1000", "found 0"]);
    ended(1);

    host.deploy(&["steady", "--to", "2", "--canary", "50"]).ok();
    refused(&["--to", "3", "--promote"], &["version 2 is the canary"]);
    host.deploy(&["steady", "--no-canary"]).ok();
    ended(1);
    host.deploy(&["steady", "--to", "2", "--canary", "50"]).ok();
    host.deploy(&["steady", "--promote"]).ok();
    ended(2);
    host.deploy(&["steady", "--to", "1", "--canary", "50"]).ok();
    host.deploy(&["steady", "--to", "3"]).ok();
    ended(3);
    let told: Vec<_> = history(&host).iter().map(|change| what(change).to_owned()).collect();
    let expected = [
        "deploy steady --to 3",
        "deploy steady --canary 50 --to 1",
        "deploy steady --promote",
        "deploy steady --canary 50 --to 2",
        "deploy steady --no-canary",
    ];
    assert_eq!(told[..5], expected);
}

/// Asks until the host has taken the canary back by itself; every answer is
/// checked on the way.
fn ask_until_taken_back(host: &Host, x: f64, check: impl Fn(Reply)) -> Value {
    eventually("the canary's end", || {
        for _ in 0..4 {
            check(host.predict("steady", "", x));
        }
        host.admin_get("/v1/models/steady").json()["canary"].is_null()
    });
    let change = history(host).remove(0);
    assert_eq!(change["by"], "scry", "{change:#}");
    assert_eq!(host.metric(r#"scry_canary_rollbacks_total{model="steady"}"#), 1.0);
    change
}

#[test]
fn a_canary_that_traps_is_taken_back_and_nobody_goes_without_an_answer() {
    let host = host_of(&["triple", "", "fragile"]);
    host.deploy(&["steady", "--to", "2"]).ok();
    host.deploy(&["steady", "--to", "3", "--canary", "50"]).ok();
    let change = ask_until_taken_back(&host, LARGE, |reply| {
        // The live version stands behind its canary.
        let reply = reply.status(200);
        assert_eq!((reply.header("scry-version"), reply.y()), (Some("2"), 2.0 * LARGE));
        assert!(matches!(reply.header("scry-degraded"), None | Some("trap" | "circuit-open")), "{reply:#?}");
    });
    let fell_back = |reason: &str| host.metric(&format!(r#"scry_fallbacks_total{{model="steady",reason="{reason}"}}"#));
    assert_eq!(fell_back("trap"), 5.0);
    assert!(fell_back("circuit-open") >= 5.0);
    for part in ["canary steady@3 rolled back", "(100.0 %) requests failed", "on the live version, 0 of"] {
        assert!(what(&change).contains(part), "no {part:?} in {change:#}");
    }
    // Who, what and why, for people too; and what it was that failed.
    let told = host.scry(&["history", "steady", "--limit", "1"]).ok().stdout;
    assert!(told.contains("scry         canary steady@3 rolled back: "), "{told}");
    let listed = host.scry(&["models", "steady"]).ok().stdout;
    assert!(listed.contains("Z  trap: ") && listed.contains("too large for a fragile model"), "{listed}");
    assert!(host.log().contains("a canary was rolled back"));

    // The way back is to what was served, not to what was tried; it is still warm.
    let before = loads(&host);
    let back = host.scry(&["rollback", "steady", "--json"]).ok().json();
    assert_eq!((&back["version"], &shown(&host)["canary"]), (&json!(1), &Value::Null));
    assert_eq!(answered_by(&host, 1, 10), 10);
    assert_eq!(loads(&host), before, "a rollback loaded something");
}

#[test]
fn a_canary_that_is_slow_is_taken_back() {
    let host = host_of(&["", "slow"]);
    let bounds = ["--slow-factor-max", "1.5", "--requests-min", "20"];
    host.deploy(&[&["steady", "--to", "2", "--canary", "50"][..], &bounds].concat()).ok();
    let change = ask_until_taken_back(&host, LARGE, |reply| assert_eq!(reply.status(200).y(), 2.0 * LARGE));
    for part in ["canary steady@2 rolled back", " ms or longer; on the live version, ", "p95"] {
        assert!(what(&change).contains(part), "no {part:?} in {change:#}");
    }
    assert_eq!(shown(&host)["versions"][1]["errors"], 0);
}

#[test]
fn a_canary_that_refuses_what_the_live_version_takes_is_taken_back() {
    let host = host_of(&["", "narrow"]);
    host.deploy(&["steady", "--to", "2", "--canary", "50"]).code(1).says(&["would break callers", "--allow-breaking"]);
    host.deploy(&["steady", "--to", "2", "--canary", "50", "--allow-breaking"]).ok();
    let change = ask_until_taken_back(&host, -1.0, |reply| {
        if reply.status != 200 {
            reply.error(400, &["field `x`, row 0", "at least 0"]);
        }
    });
    assert!(what(&change).contains("requests failed"), "{change:#}");
    assert_eq!(shown(&host)["versions"][1]["last_errors"][0]["reason"], "invalid-input");
}

#[test]
fn a_good_canary_goes_through_its_schedule_under_load_and_no_request_fails() {
    const CLIENTS: usize = 4;

    let host = host_of(&["", "triple"]);
    host.deploy(&["steady", "--to", "2", "--canary", "1:1s,50:1s,100:1s", "--requests-min", "5"]).ok();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let reply = host.predict("steady", "", 10.0).status(200);
                    assert_eq!(reply.header("scry-degraded"), None);
                }
            });
        }
        // Ends the clients whatever comes: a scope waits for its threads.
        let live = || host.admin_get("/v1/models/steady").json()["live"] == 2;
        let until = Instant::now() + Duration::from_secs(30);
        while !live() && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Ordering::Relaxed);
    });
    let changes = history(&host);
    let told: Vec<_> = changes.iter().map(|change| (change["by"].as_str().unwrap(), what(change))).collect();
    let expected = [
        ("scry", "canary steady@2 goes live"),
        ("scry", "canary steady@2 goes from 50 % to 100 %"),
        ("scry", "canary steady@2 goes from 1 % to 50 %"),
        ("admin", "deploy steady --canary 1:1s,50:1s,100:1s (bounds) --to 2"),
    ];
    assert_eq!(told[..4], expected, "{changes:#?}");
    for pair in changes[..4].windows(2) {
        let held_ms = pair[0]["at_ms"].as_u64().unwrap() - pair[1]["at_ms"].as_u64().unwrap();
        assert!(held_ms >= 1000, "a step of {held_ms} ms in {changes:#?}");
    }
    assert_eq!(shown(&host)["canary"], Value::Null);
    assert_eq!(asked(&host), 2);
}

#[test]
fn a_canary_without_traffic_stays_where_it_is() {
    let host = host_of(&["", "triple"]);
    host.deploy(&["steady", "--to", "2", "--canary", "50:1s,90:1s", "--requests-min", "10"]).ok();
    let canary = || host.admin_get("/v1/models/steady").json()["canary"].clone();
    // Time alone does not do it.
    eventually("the end of the hold", || canary()["status"] == "0 of 10 requests");
    assert_eq!(canary()["step"], 0);
    let listed = host.scry(&["models", "steady"]).ok().stdout;
    assert!(listed.contains("canary: version 2 on 50 % (step 1 of 2): 0 of 10 requests;"), "{listed}");
    eventually("the next step", || {
        asked(&host);
        canary()["step"] == 1
    });
}

/// What the shadow has shown, once it has seen so many requests.
fn report(host: &Host, seen: impl Fn(&Value) -> bool) -> Value {
    let report = || host.admin_get("/v1/models/steady").json()["shadow"]["report"].clone();
    eventually("the shadow's report", || seen(&report()));
    report()
}

/// Samples that a report accounts for, when each is of one row.
fn samples(report: &Value) -> u64 {
    let errors = report["errors"].as_object().unwrap().values();
    let count = |value: &Value| value.as_u64().unwrap();
    count(&report["rows"]) + count(&report["dropped"]) + errors.map(count).sum::<u64>()
}

#[test]
fn a_shadow_is_compared_number_by_number_and_never_heard() {
    let host = host_of(&["", "triple"]);
    host.deploy(&["steady", "--shadow", "2"]).ok();
    let x: Vec<f64> = (1..=10).map(f64::from).collect();
    let reply = host.post("/v2/models/steady/infer", &rows("", &x)).status(200);
    assert_eq!((reply.header("scry-version"), reply.y()), (Some("1"), 2.0));
    let seen = report(&host, |report| report["rows"] == 10);
    assert_eq!((&seen["rows_differing"], &seen["dropped"], &seen["errors"]), (&json!(10), &json!(0), &json!({})));
    // 3x against 2x.
    let y = &seen["fields"]["y"];
    assert_eq!((&y["elements"], &y["differing"]), (&json!(10), &json!(10)));
    assert_eq!((&y["absolute_max"], &y["absolute_mean"]), (&json!(10.0), &json!(5.5)));
    assert_eq!(y["example"], json!({ "live": "2.0", "shadow": "3.0" }));
    for latency in ["live_p50_ms", "live_p95_ms", "shadow_p50_ms", "shadow_p95_ms"] {
        assert!(seen[latency].as_f64().unwrap() > 0.0, "{seen:#}");
    }
    assert_eq!(shown(&host)["shadow"], json!({ "to": 2, "percent": 100.0, "report": seen }));
    let listed = host.scry(&["models"]).ok().stdout;
    for part in [
        "shadow: version 2 on 100 %: 10 of 10 rows differ;",
        "y: 10 of 10 differ, by 10 at most, 5.5 on average; first 3.0 (live 2.0)",
    ] {
        assert!(listed.contains(part), "no {part:?} in {listed}");
    }

    // Another share goes on with the same comparison; zeros agree.
    host.deploy(&["steady", "--shadow", "2:50"]).ok();
    for _ in 0..40 {
        assert_eq!(version(host.predict("steady", "", 0.0)), 1);
    }
    let seen = report(&host, |report| samples(report) >= 29);
    assert!((29..=31).contains(&samples(&seen)), "{seen:#}");
    assert_eq!(seen["rows_differing"], 10);

    host.deploy(&["steady", "--no-shadow"]).ok();
    assert_eq!(shown(&host)["shadow"], Value::Null);
    host.deploy(&["steady", "--no-shadow"]).code(1).says(&["no shadow runs"]);
}

#[test]
fn a_shadow_that_fails_is_counted_by_reason_and_fails_nobody() {
    let host = host_of(&["", "fragile"]);
    host.deploy(&["steady", "--shadow", "2"]).ok();
    for _ in 0..5 {
        let reply = host.predict("steady", "", LARGE).status(200);
        assert_eq!((reply.header("scry-version"), reply.header("scry-degraded")), (Some("1"), None));
    }
    let seen = report(&host, |report| samples(report) == 5);
    assert_eq!((&seen["errors"], &seen["rows"]), (&json!({ "trap": 5 }), &json!(0)));
    let listed = host.scry(&["models"]).ok().stdout;
    assert!(listed.contains("failed 5 times: trap"), "{listed}");
}

#[test]
fn a_shadow_that_never_ends_delays_nobody_whoever_has_one() {
    const DEADLINE: Duration = Duration::from_secs(3);

    // Two threads, and two models whose shadows would hold one each.
    let host = Host::with("[limits]\nfuel = 0\ndeadline_ms = 3000\nin_flight_max = 2\n");
    let (steady, hostile) = (guest("steady"), guest("hostile"));
    for name in ["steady", "other"] {
        for guest in [&steady, &hostile] {
            host.scry(&["publish", guest.path.to_str().unwrap(), "--name", name]).ok();
        }
        host.deploy(&[name, "--shadow", "2"]).ok();
    }
    let begun = Instant::now();
    let mut slowest = Duration::ZERO;
    while begun.elapsed() < DEADLINE + Duration::from_secs(1) {
        for name in ["steady", "other"] {
            let asked = Instant::now();
            let reply = host.predict(name, "loop", 10.0).status(200);
            assert_eq!((reply.header("scry-version"), reply.y()), (Some("1"), 20.0));
            slowest = slowest.max(asked.elapsed());
        }
    }
    // Whatever holds a thread holds it to its deadline.
    assert!(slowest < DEADLINE / 2, "an answer took {slowest:?}");
    let seen = report(&host, |report| report["errors"]["timeout"].as_u64().is_some_and(|count| count >= 1));
    assert!(seen["dropped"].as_u64().unwrap() > 0, "{seen:#}");
}

#[test]
fn a_shadow_that_cannot_take_the_requests_is_refused_by_name() {
    let host = host_of(&[""]);
    publish_as_steady(&host, &example("digits"));
    let before = host.admin_get("/v1/state").json();
    host.deploy(&["steady", "--shadow", "2"]).code(1).says(&["`steady` version 2", "it needs an input `image`"]);
    host.deploy(&["steady", "--shadow", "1"]).code(1).says(&["version 1 is live", "its own shadow"]);
    host.deploy(&["steady", "--shadow", "7"]).code(1).says(&["no version `7`"]);
    host.deploy(&["steady", "--shadow", "2:0"]).code(1).says(&["more than 0 %"]);
    assert_eq!(host.admin_get("/v1/state").json(), before);
}

/// The gates of one version that an answer names, in order.
fn gates(answer: &Value, version: u32) -> Vec<String> {
    let gates = answer["gates"].as_array().unwrap_or_else(|| panic!("no gates in {answer:#}"));
    let of = gates.iter().filter(|gate| gate["version"] == version);
    of.map(|gate| {
        assert!(gate["model"] == "steady" && gate["ms"].as_f64().unwrap() >= 0.0, "{answer:#}");
        gate["gate"].as_str().unwrap().to_owned()
    })
    .collect()
}

#[test]
fn every_gate_is_named_with_its_time() {
    let host = Host::start();
    let published = host.admin_post("/v1/models", &guest("steady").bytes()).status(200).json();
    assert_eq!(gates(&published, 1), ["verify", "compile", "warm", "golden"]);
    publish(&host, &["triple", "fragile", "slow"]);
    // The second of four is cold by now: all of it is to be done again.
    let deployed = host.deploy(&["steady", "--to", "2", "--json"]).ok().json();
    assert_eq!(gates(&deployed, 2), ["verify", "compile", "warm", "golden", "schema"]);
    let compile = &deployed["gates"].as_array().unwrap().iter().find(|gate| gate["gate"] == "compile").unwrap();
    assert!(compile["ms"].as_f64().unwrap() > 0.0, "{deployed:#}");
    assert_eq!(compile["note"], "from the cache");
    assert_eq!((&deployed["version"], &deployed["live"], &deployed["number"]), (&json!(2), &json!(true), &json!(5)));
    // What has been proved already says so.
    let deployed = host.deploy(&["steady", "--to", "4"]).ok().stdout;
    for part in ["golden   steady@4", "passed before under these limits", "callers of version 2 can go on", " ms  "] {
        assert!(deployed.contains(part), "no {part:?} in {deployed}");
    }
    // Other limits are another proof.
    let deployed = host.deploy(&["steady", "--deadline-ms", "9000", "--json"]).ok().json();
    assert_eq!(gates(&deployed, 4), ["compile", "warm", "golden"]);
}

#[test]
fn what_would_break_callers_is_refused_field_by_field_unless_it_is_allowed() {
    let host = host_of(&["", "narrow"]);
    publish(&host, &["single"]);
    publish_as_steady(&host, &example("digits"));
    let before = host.admin_get("/v1/state").json();
    let breaks: [(u32, &[&str]); 3] = [
        (2, &["input `x`: expected no minimum, found minimum 0"]),
        (3, &["output `y`: expected FP64, found FP32"]),
        (
            4,
            &[
                "input `x`: expected the field, found none",
                "input `image`: expected nothing, or a nullable field, found required",
                "output `y`: expected the field, found none",
            ],
        ),
    ];
    for (number, says) in breaks {
        let named = format!("version {number} of `steady` would break callers of version 1");
        let says = [&[named.as_str(), "--allow-breaking"], says].concat();
        let to = number.to_string();
        host.deploy(&["steady", "--to", &to]).code(1).says(&says);
        host.deploy(&["steady", "--to", &to, "--canary", "1"]).code(1).says(&says);
        let asks = json!({ "to": to }).to_string();
        host.admin_post("/v1/models/steady/deploy", asks.as_bytes()).error(409, &says);
        assert_eq!(host.admin_get("/v1/state").json(), before, "{number}");
        assert_eq!(host.predict("steady", "", -1.0).status(200).y(), -2.0);
    }
    let allowed = host.deploy(&["steady", "--to", "3", "--allow-breaking", "--json"]).ok().json();
    let schema = allowed["gates"].as_array().unwrap().iter().find(|gate| gate["gate"] == "schema").unwrap();
    assert_eq!(schema["note"], "1 breaks for callers of version 1, allowed");
    assert_eq!(host.predict("steady", "", 1.0).status(200).json()["outputs"][0]["datatype"], "FP32");
    assert_eq!(what(&history(&host)[0]), "deploy steady --allow-breaking --to 3");
}

#[test]
fn an_alias_breaks_its_callers_only_where_it_is_allowed() {
    let host = host_of(&["", "narrow"]);
    // Nobody calls a new alias.
    host.deploy(&["steady", "--alias", "champion=1", "--alias", "challenger=2"]).ok();
    let negative = || host.post("/v2/models/steady/versions/champion/infer", &rows("", &[-1.0]));
    host.deploy(&["steady", "--alias", "champion=2"]).code(1).says(&["input `x`", "found minimum 0"]);
    assert_eq!(negative().status(200).y(), -2.0);
    host.deploy(&["steady", "--alias", "challenger=1"]).ok();
    host.deploy(&["steady", "--alias", "champion=2", "--allow-breaking"]).ok();
    negative().error(400, &["at least 0"]);
}

#[test]
fn one_command_goes_back_to_the_state_before_from_warm_code_and_again_further() {
    let host = host_of(&[""]);
    host.scry(&["rollback", "steady"]).code(1).says(&["model `steady` has no state to go back to", "scry history"]);
    host.admin_post("/v1/models/steady/rollback", b"").error(404, &["no state to go back to"]);
    host.scry(&["rollback", "nobody"]).code(1).says(&["model `nobody` is not known"]);

    publish(&host, &["triple", "fragile", "slow"]);
    host.deploy(&["steady", "--alias", "champion=1", "--deadline-ms", "9000"]).ok();
    host.deploy(&["steady", "--to", "2", "--fallback", r#"constant:{"y":-1}"#]).ok();
    let with_second = shown(&host);
    host.deploy(&["steady", "--to", "3", "--alias", "champion=3", "--deadline-ms", "8000", "--no-fallback"]).ok();
    let before = loads(&host);
    let said = host.scry(&["rollback", "steady"]).ok().stdout;
    assert!(said.contains("steady@2 is live") && said.contains(&variant("triple").digest), "{said}");
    assert_eq!(asked(&host), 2);
    assert_eq!(loads(&host), before, "a rollback loaded something");
    let now = shown(&host);
    for part in ["live", "aliases", "fallback", "limits", "deadline_ms", "canary", "shadow"] {
        assert_eq!(now[part], with_second[part], "{part}");
    }
    for expected in [json!({ "deadline_ms": 9000 }), json!({})] {
        assert_eq!(host.scry(&["rollback", "steady", "--json"]).ok().json()["version"], 1);
        assert_eq!(shown(&host)["limits"], expected);
    }
    host.scry(&["rollback", "steady"]).code(1).says(&["no state to go back to"]);
    // A change is a change, whichever way: what was undone can be done again.
    host.deploy(&["steady", "--to", "3"]).ok();
    assert_eq!(host.scry(&["rollback", "steady", "--json"]).ok().json()["version"], 1);
}

#[test]
fn any_state_comes_back_by_its_number() {
    let host = host_of(&["", "triple"]);
    host.publish(&guest("hostile"));
    let constant = r#"constant:{"y":-1}"#;
    host.deploy(&["steady", "--to", "2", "--alias", "champion=2", "--fallback", constant, "--fuel", "0"]).ok();
    let (number, then) = (state(&host), host.admin_get("/v1/state").json()["models"].clone());
    host.deploy(&["steady", "--to", "1", "--no-alias", "champion", "--no-fallback", "--fuel", "7000000"]).ok();
    host.deploy(&["hostile", "--alias", "champion=1"]).ok();
    let later = host.admin_get("/v1/state").json()["models"].clone();

    let to = number.to_string();
    let answer = host.scry(&["rollback", "steady", "--to", &to, "--json"]).ok().json();
    assert_eq!((&answer["version"], &answer["number"]), (&json!(2), &json!(state(&host))));
    let now = host.admin_get("/v1/state").json()["models"].clone();
    assert_eq!((&now["steady"], &now["hostile"]), (&then["steady"], &later["hostile"]));
    assert_eq!(asked(&host), 2);
    let said = host.scry(&["rollback", "--to", &to]).ok().stdout;
    assert!(said.contains(&format!("everything is as it was at state {number}")), "{said}");
    assert_eq!(host.admin_get("/v1/state").json()["models"], then);
    let told = host.scry(&["history"]).ok().stdout;
    for part in [
        format!("roll back everything to state {number}"),
        format!("roll back steady to state {number}"),
        "- models.hostile.aliases.champion = 1".into(),
        "+ models.steady.live = 2".into(),
    ] {
        assert!(told.contains(&part), "no {part:?} in {told}");
    }

    let range = format!("the history holds no state 99; it has 0 to {}", state(&host));
    for args in [&["rollback", "--to", "99"][..], &["rollback", "steady", "--to", "99"]] {
        host.scry(args).code(1).says(&[&range]);
    }
    host.admin_post("/v1/rollback", br#"{"to":99}"#).error(404, &[&range]);
    host.admin_post("/v1/models/steady/rollback", br#"{"to":99}"#).error(404, &[&range]);
    host.admin_post("/v1/rollback", b"").error(400, &["`to`"]);
    Ran::of(scry().arg("rollback")).code(2);
}

#[test]
fn a_withdrawn_model_answers_nothing_is_listed_and_comes_back() {
    let host = host_of(&["", "triple"]);
    host.deploy(&["steady", "--to", "2", "--alias", "champion=1"]).ok();
    let before = shown(&host);
    host.scry(&["withdraw", "steady"]).ok();
    for path in ["steady", "steady/versions/1", "steady/versions/champion"] {
        host.post(&format!("/v2/models/{path}/infer"), &rows("", &[1.0])).error(404, &["`steady`"]);
    }
    host.get("/v2/models/steady").error(404, &["`steady`"]);
    assert_eq!(shown(&host)["state"], "withdrawn");
    assert!(host.scry(&["models"]).ok().stdout.contains("steady  (withdrawn)"));
    for args in [&["withdraw", "steady"][..], &["deploy", "steady", "--alias", "x=1"]] {
        host.scry(args).code(1).says(&["model `steady` is withdrawn", "scry deploy steady --to VERSION"]);
    }
    let loaded = loads(&host);
    host.scry(&["rollback", "steady"]).ok();
    assert_eq!(loads(&host), loaded, "a rollback loaded something");
    assert_eq!(asked(&host), 2);
    assert_eq!(shown(&host)["aliases"], before["aliases"]);
    // A deployment serves it again too.
    host.scry(&["withdraw", "steady"]).ok();
    host.deploy(&["steady", "--to", "1"]).ok();
    assert_eq!(asked(&host), 1);
    // Nobody loses what stands in for it.
    host.publish(&guest("hostile"));
    host.deploy(&["hostile", "--fallback", "steady"]).ok();
    host.scry(&["withdraw", "steady"]).code(1).says(&["fallback of `hostile`", "steady"]);
}

#[test]
fn the_history_says_whose_token_it_was() {
    let host = Host::with(&format!("{PATIENT}[admin.tokens]\nalice = \"one-secret\"\nbob = \"another-secret\"\n"));
    publish(&host, &["", "triple"]);
    let by = |token: &str, args: &[&str]| {
        Ran::of(scry().args(args).env("SCRY_ADMIN", &host.admin).env("SCRY_ADMIN_TOKEN", token))
    };
    by("one-secret", &["deploy", "steady", "--to", "2"]).ok();
    by("another-secret", &["rollback", "steady"]).ok();
    let who: Vec<_> = history(&host).iter().map(|change| change["by"].as_str().unwrap().to_owned()).collect();
    assert_eq!(who, ["bob", "alice", "admin", "admin"]);
    let told = host.scry(&["history"]).ok().stdout;
    assert!(told.contains("alice        deploy steady --to 2"), "{told}");

    let before = state(&host);
    for wrong in ["", "one-secre", "alice", "One-Secret"] {
        by(wrong, &["deploy", "steady", "--to", "2"]).code(1);
        let bearer = format!("Bearer {wrong}");
        let url = format!("{}/v1/models/steady/deploy", host.admin);
        let reply = host.send("POST", &url, &[("authorization", &bearer)], br#"{"to":"2"}"#);
        reply.error(401, &["admin token is missing or wrong"]);
    }
    assert_eq!(state(&host), before);
    assert!(!host.log().contains("secret"), "{}", host.log());
}

#[test]
fn models_shows_what_people_ask_of_a_model() {
    let host = host_of(&["", "fragile"]);
    host.publish(&example("bikeshare"));
    host.deploy(&["steady", "--alias", "champion=1", "--fallback", "steady@2", r#"constant:{"y":0}"#]).ok();
    host.deploy(&["steady", "--to", "2", "--canary", "0.5", "--deadline-ms", "9000"]).ok();
    host.post("/v2/models/steady/versions/2/infer", &rows("", &[LARGE])).status(200);
    host.post("/v2/models/steady/versions/1/infer", &rows("", &[1.0])).status(200);
    let listed = host.scry(&["models"]).ok().stdout;
    let (first, second) = (guest("steady").digest.clone(), variant("fragile").digest.clone());
    for part in [
        "steady  (live: 1, deadline 9000 ms)",
        &format!("@1    {first}  ready  99.5 %  2 requests, 0 failed  circuit closed"),
        &format!("@2    {second}  ready  0.5 %  1 requests, 1 failed  circuit closed"),
        ": too large for a fragile model\n",
        "@champion = 1",
        "canary: version 2 on 0.5 % (step 1 of 1): waits for --promote;",
        "falls back to steady@2",
        r#"falls back to the constant {"y":0}"#,
        "bikeshare  (live: 1, deadline 10000 ms)",
    ] {
        assert!(listed.contains(part), "no {part:?} in {listed}");
    }
    // Its data ends with 2012.
    let days: f64 =
        listed.split(" days old").next().and_then(|text| text.rsplit("data ").next()).unwrap().parse().unwrap();
    let age =
        jiff::Timestamp::now().as_second() - "2012-12-31T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second();
    assert!((days - age as f64 / 86_400.0).abs() < 0.2, "{listed}");
    let only = host.scry(&["models", "bikeshare"]).ok().stdout;
    assert!(only.contains("bikeshare") && !only.contains("steady"), "{only}");
    host.scry(&["models", "nobody"]).code(1).says(&["model `nobody` is not known"]);
}

#[test]
fn an_old_version_that_nothing_refers_to_is_cold_until_an_alias_loads_it() {
    let host = host_of(&["", "triple", "fragile", "slow"]);
    let state_of = |number: usize| shown(&host)["versions"][number - 1]["state"].as_str().unwrap().to_owned();
    let second = || host.post("/v2/models/steady/versions/2/infer", &rows("", &[10.0]));
    assert_eq!((1..=4).map(state_of).collect::<Vec<_>>(), ["ready", "cold", "ready", "ready"]);
    let refused = second().error(503, &["version 2 is not loaded", "scry deploy steady --alias NAME=2"]);
    assert_eq!((refused.header("scry-reason"), refused.header("retry-after")), (Some("unavailable"), Some("1")));
    host.get("/v2/models/steady/versions/2/ready").error(503, &["not loaded"]);
    // As the message advises.
    host.deploy(&["steady", "--alias", "old=2"]).ok();
    assert_eq!(second().status(200).y(), 30.0);
    assert_eq!(state_of(2), "ready");
    // And back again; a restart knows as well.
    host.deploy(&["steady", "--no-alias", "old"]).ok();
    let host = host.restart(|_| {});
    host.post("/v2/models/steady/versions/3/infer", &rows("", &[10.0])).status(200);
}
