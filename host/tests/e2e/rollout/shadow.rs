//! A shadow: what it shows, and that nobody else notices it.

use super::{LARGE, host_of, publish_as_steady, shown, version};
use crate::support::{Host, eventually, example, guest, rows};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

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
    // Copies are no requests.
    let versions = shown(&host)["versions"].clone();
    assert_eq!([0, 1].map(|at| versions[at]["requests"].as_u64().unwrap()), [1, 0], "{versions:#}");
    let listed = host.scry(&["models", "-o", "wide"]).ok().stdout;
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
fn a_shadow_that_fails_is_counted_by_reason_and_fails_no_request() {
    let host = host_of(&["", "fragile"]);
    host.deploy(&["steady", "--shadow", "2"]).ok();
    for _ in 0..5 {
        let reply = host.predict("steady", "", LARGE).status(200);
        assert_eq!((reply.header("scry-version"), reply.header("scry-degraded")), (Some("1"), None));
    }
    let seen = report(&host, |report| samples(report) == 5);
    assert_eq!((&seen["errors"], &seen["rows"]), (&json!({ "trap": 5 }), &json!(0)));
    let tried = shown(&host)["versions"][1].clone();
    assert_eq!((&tried["requests"], &tried["errors"]), (&json!(0), &json!(0)), "{tried:#}");
    assert_eq!(tried["last_errors"].as_array().unwrap().len(), 5, "what happened is shown all the same");
    let listed = host.scry(&["models", "-o", "wide"]).ok().stdout;
    assert!(listed.contains("failed 5 times: trap"), "{listed}");
}

#[test]
fn a_shadow_that_never_ends_delays_no_request_of_any_model() {
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
