//! A canary: its share of the requests, and how it goes on, is taken back or makes way.

use super::{LARGE, answered_by, asked, history, host_of, keyed, keyed_inside, loads, shown, variant, version, what};
use crate::support::{Host, Reply, eventually, guest};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_canary_gets_its_share_to_the_request_and_its_answers_name_it() {
    let host = host_of(&["", "triple"]);
    let said = host.deploy(&["steady", "--to", "2", "--canary", "10"]).ok().stdout;
    assert!(said.contains("steady@2 gets 10 % of the requests"), "{said}");
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
    for (key, found) in
        [(json!(longer), "found one of 257 bytes"), (json!(7), "found 7"), (json!(["a"]), "found a list")]
    {
        keyed_inside(&host, &key).error(400, &["`parameters.key`", "at most 256 bytes", found]);
    }
    // Null is absence.
    assert_eq!(version(keyed_inside(&host, &Value::Null)), 1);
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
fn a_canary_that_traps_is_taken_back_and_every_request_is_answered() {
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
    let listed = host.scry(&["models", "steady", "-o", "wide"]).ok().stdout;
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
    let listed = host.scry(&["models", "steady", "-o", "wide"]).ok().stdout;
    assert!(listed.contains("canary: version 2 on 50 % (step 1 of 2): 0 of 10 requests;"), "{listed}");
    eventually("the next step", || {
        asked(&host);
        canary()["step"] == 1
    });
}
