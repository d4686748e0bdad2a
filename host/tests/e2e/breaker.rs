//! Versions that fail repeatedly: their circuits open, are probed, close, and
//! are what an operator says.

use crate::support::{Host, Reply, eventually, features, guest, rows};
use serde_json::{Value, json};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any test: nothing is probed by chance.
const LONG: &str = "60000";

/// `hostile` and `steady`, with this first pause.
fn host(pause_ms: &str, fallback: &[&str]) -> Host {
    let host = Host::with(&format!(
        "[limits]\ndeadline_ms = 1000\nin_flight_max = 2\nfuel = 0\ncircuit_pause_ms = {pause_ms}\n"
    ));
    host.publish(&guest("hostile"));
    host.publish(&guest("steady"));
    if !fallback.is_empty() {
        host.deploy(&[&["hostile", "--fallback"], fallback].concat()).ok();
    }
    host
}

fn fails(host: &Host, times: usize) {
    for _ in 0..times {
        let reply = host.predict("hostile", "trap", 1.0);
        assert!([reply.header("scry-degraded"), reply.header("scry-reason")].contains(&Some("trap")), "{reply:#?}");
    }
}

/// How the circuit of the live version stands.
fn circuit(host: &Host, model: &str) -> Value {
    host.admin_get(&format!("/v1/models/{model}/circuit")).status(200).json()
}

fn state(host: &Host, model: &str) -> String {
    circuit(host, model)["state"].as_str().unwrap().to_owned()
}

/// Calls that components of a model have run.
fn runs(host: &Host, model: &str) -> f64 {
    host.metric_sum("scry_sandbox_seconds_count", &format!(r#"model="{model}""#))
}

fn transitions(host: &Host, to: &str) -> f64 {
    host.metric(&format!(r#"scry_circuit_transitions_total{{model="hostile",to="{to}"}}"#))
}

/// With a deadline of the client's own.
fn within(host: &Host, behaviour: &str, timeout_ms: &str) -> Reply {
    let url = format!("{}/v2/models/hostile/infer", host.prediction);
    let body = rows(behaviour, &[1.0]).to_string();
    host.send("POST", &url, &[("x-request-timeout-ms", timeout_ms)], body.as_bytes())
}

#[test]
fn a_version_that_fails_repeatedly_is_not_run_and_the_fallback_answers_at_once() {
    let host = host(LONG, &["steady"]);
    let gauge = |model: &str| host.metric(&format!(r#"scry_circuit_open{{model="{model}",version="1"}}"#));
    fails(&host, 4);
    assert_eq!((state(&host, "hostile").as_str(), gauge("hostile")), ("closed", 0.0));
    fails(&host, 1);
    for _ in 0..20 {
        let reply = host.predict("hostile", "well", 4.0).status(200);
        assert_eq!((reply.header("scry-degraded"), reply.header("scry-model")), (Some("circuit-open"), Some("steady")));
        assert_eq!((&reply.json()["parameters"]["scry-degraded"], reply.y()), (&json!("circuit-open"), 8.0));
    }
    assert_eq!(runs(&host, "hostile"), 5.0, "a component ran though its circuit is open");
    assert_eq!(host.metric(r#"scry_fallbacks_total{model="hostile",reason="circuit-open"}"#), 20.0);
    assert_eq!((gauge("hostile"), gauge("steady"), transitions(&host, "open")), (1.0, 0.0, 1.0));

    let listed = host.admin_get("/v1/models").json();
    let [hostile, steady] = [0, 1].map(|i| listed["models"][i]["versions"][0].clone());
    assert_eq!((&hostile["requests"], &hostile["errors"]), (&json!(25), &json!(25)));
    let open = &hostile["circuit"];
    assert_eq!((&open["state"], &open["forced"]), (&json!("open"), &json!(false)));
    assert!(open["since_ms"].is_u64() && (40_000..=72_000).contains(&open["next_probe_ms"].as_u64().unwrap()));
    let closed = json!({ "state": "closed", "forced": false, "since_ms": null, "next_probe_ms": null });
    assert_eq!(steady["circuit"], closed);
    let shown = host.scry(&["models", "-o", "wide"]).ok().stdout;
    for part in ["failed  circuit open since 20", "Z, next probe in ", "failed  circuit closed  crate 0.1.0\n"] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    let log = host.log();
    let line = log.lines().find(|line| line.contains("the circuit is open")).unwrap();
    assert!(line.contains("WARN") && line.contains("hostile") && line.contains("version"), "{line}");
}

#[test]
fn a_good_probe_brings_it_back_and_a_bad_one_makes_the_pause_longer() {
    let host = host("100", &[r#"constant:{"y":-1}"#]);
    fails(&host, 5);
    // Whoever asks when the pause is over is the probe, and fails like the others.
    let answered = |behaviour: &str, reason: Option<&str>| {
        eventually("a probe", || {
            let reply = host.predict("hostile", behaviour, 3.0).status(200);
            reply.header("scry-degraded") == reason
        });
    };
    for _ in 0..2 {
        answered("trap", Some("trap"));
        assert_eq!(state(&host, "hostile"), "open");
    }
    assert!((121..=480).contains(&circuit(&host, "hostile")["next_probe_ms"].as_u64().unwrap()));
    answered("well", None);
    assert_eq!(state(&host, "hostile"), "closed");
    assert_eq!(["open", "half-open", "closed"].map(|to| transitions(&host, to)), [3.0, 3.0, 1.0]);
    assert_eq!(runs(&host, "hostile"), 5.0 + 3.0);
    assert_eq!(host.predict("hostile", "well", 3.0).status(200).header("scry-degraded"), None);
}

#[test]
fn while_a_probe_is_out_no_other_call_passes() {
    let host = host("100", &[]);
    fails(&host, 5);
    thread::sleep(Duration::from_millis(150));
    thread::scope(|scope| {
        let probe = scope.spawn(|| host.predict("hostile", "loop", 1.0).status);
        eventually("the probe", || state(&host, "hostile") == "half-open");
        let refused = Instant::now();
        let reply = host.predict("hostile", "well", 1.0).error(503, &["circuit is open"]);
        assert_eq!(reply.header("scry-reason"), Some("circuit-open"));
        assert!(probe.is_finished() || refused.elapsed() < Duration::from_secs(1));
        assert_eq!(probe.join().unwrap(), 504);
    });
    assert_eq!(runs(&host, "hostile"), 6.0);

    // A probe that says nothing about the version makes room for the next.
    eventually("another probe", || within(&host, "loop", "30").status == 504);
    assert_eq!(state(&host, "hostile"), "half-open");
    eventually("a third", || host.predict("hostile", "refuse", 1.0).status == 400);
    assert_eq!(state(&host, "hostile"), "half-open");
    host.predict("hostile", "well", 1.0).status(200);
    assert_eq!(state(&host, "hostile"), "closed");
}

#[test]
fn without_a_fallback_it_is_503_with_its_name_and_when_to_come_back() {
    let host = host(LONG, &[]);
    fails(&host, 5);
    for path in ["hostile", "hostile/versions/1"] {
        let reply = host.post(&format!("/v2/models/{path}/infer"), &rows("well", &[1.0])).error(503, &["circuit"]);
        assert_eq!((reply.header("scry-reason"), reply.header("retry-after")), (Some("circuit-open"), Some("1")));
    }
    assert_eq!(host.metric(r#"scry_requests_total{model="hostile",outcome="circuit-open",version="1"}"#), 2.0);
    // Others are none the worse for it.
    assert_eq!(host.predict("steady", "", 1.0).status(200).y(), 2.0);
}

#[test]
fn a_tiny_deadline_opens_no_circuit_and_neither_do_bad_inputs() {
    let host = host(LONG, &[]);
    for _ in 0..10 {
        let reply = within(&host, "loop", "50");
        assert!(matches!(reply.header("scry-reason"), Some("timeout" | "overload")), "{reply:#?}");
        within(&host, "well", "0").error(504, &["deadline"]);
        host.predict("hostile", "refuse", 1.0).error(400, &[]);
    }
    assert_eq!(state(&host, "hostile"), "closed");
    // One that never ends in the model's own time is at fault.
    for _ in 0..5 {
        host.predict("hostile", "loop", 1.0).error(504, &[]);
    }
    eventually("an open circuit", || state(&host, "hostile") == "open");
}

#[test]
fn an_open_fallback_is_skipped() {
    let host = host(LONG, &[]);
    let path = guest("hostile").path.clone();
    host.scry(&["publish", path.to_str().unwrap(), "--name", "fallback"]).ok();
    host.deploy(&["hostile", "--fallback", "fallback", "steady"]).ok();
    fails(&host, 5);
    assert_eq!((state(&host, "hostile").as_str(), state(&host, "fallback").as_str()), ("open", "open"));
    host.scry(&["circuit", "hostile", "--closed"]).ok();
    let reply = host.predict("hostile", "trap", 4.0).status(200);
    assert_eq!((reply.header("scry-degraded"), reply.header("scry-model")), (Some("trap"), Some("steady")));
    assert_eq!((runs(&host, "fallback"), runs(&host, "steady")), (5.0, 6.0));
}

#[test]
fn an_operator_holds_a_circuit_open_or_closed_until_it_is_told_otherwise() {
    let mut host = host(LONG, &["steady"]);
    let before = host.admin_get("/v1/state").json()["number"].clone();
    let says = |host: &Host, args: &[&str]| host.scry(&[&["circuit"], args].concat()).ok().stdout;
    assert_eq!(says(&host, &["hostile"]), "hostile@1  circuit closed\n");
    assert!(says(&host, &["hostile", "--open"]).starts_with("hostile@1  circuit forced open since 20"));
    let degraded = |host: &Host, behaviour: &str| {
        host.predict("hostile", behaviour, 1.0).status(200).header("scry-degraded").map(str::to_owned)
    };
    assert_eq!(degraded(&host, "well").as_deref(), Some("circuit-open"));
    // What an operator does is not a failure of the version.
    let version = host.admin_get("/v1/models/hostile").json()["versions"][0].clone();
    assert_eq!((&version["requests"], &version["errors"]), (&json!(0), &json!(0)));
    assert!(says(&host, &["hostile@1", "--auto"]).starts_with("hostile@1  circuit half-open since 20"));
    assert_eq!(degraded(&host, "well"), None);
    assert!(says(&host, &["hostile"]).starts_with("hostile@1  circuit closed since 20"));

    let digest = format!("hostile@{}", guest("hostile").digest);
    assert!(says(&host, &[&digest, "--closed"]).starts_with("hostile@1  circuit forced closed since 20"));
    for _ in 0..10 {
        assert_eq!(degraded(&host, "trap").as_deref(), Some("trap"));
    }
    host.deploy(&["hostile", "--alias", "champion=1"]).ok();
    says(&host, &["hostile@champion", "--auto"]);
    fails(&host, 5);
    let shown = host.scry(&["circuit", "hostile@champion", "--json"]).ok().json();
    assert_eq!((&shown["version"], &shown["state"], &shown["forced"]), (&json!(1), &json!("open"), &json!(false)));
    let log = host.log();
    assert!(log.contains("a circuit was overridden") && log.contains("by=admin"), "{log}");

    // It is this host's own state: no change, and gone with a restart.
    let after = host.admin_get("/v1/state").json()["number"].as_u64().unwrap();
    assert_eq!(json!(after - 1), before, "only the alias was a change");
    host = host.restart(|_| {});
    assert_eq!(says(&host, &["hostile"]), "hostile@1  circuit closed\n");
    assert_eq!(degraded(&host, "well"), None);
}

#[test]
fn an_override_that_makes_no_sense_is_refused() {
    let host = host(LONG, &[]);
    let post = |model: &str, body: &str| host.admin_post(&format!("/v1/models/{model}/circuit"), body.as_bytes());
    post("hostile", r#"{"version":1,"state":"open"}"#).status(200);
    assert_eq!(post("hostile", r#"{"version":"1","state":"auto"}"#).status(200).json()["state"], "half-open");
    post("hostile", r#"{"version":1,"state":"ajar"}"#).error(400, &["ajar", "one of auto, open, closed"]);
    post("hostile", r#"{"version":1}"#).error(400, &["`state`", "found nothing"]);
    post("hostile", r#"{"version":1,"state":"open","until":5}"#).error(400, &["`until`", "an unknown member"]);
    post("hostile", r#"{"version":2,"state":"open"}"#).error(404, &["no version `2`"]);
    post("nobody", r#"{"state":"open"}"#).error(404, &["`nobody` is not known"]);
    host.admin_get("/v1/models/hostile/circuit?version=7").error(404, &["no version `7`"]);
    host.admin_get("/v1/models/hostile/circuit?v=1").error(400, &["v"]);
    host.scry(&["circuit", "hostile", "--open", "--closed"]).code(2);
    host.scry(&["circuit", "hostile@2", "--open"]).code(1).says(&["no version `2`"]);
    host.scry(&["withdraw", "hostile"]).ok();
    host.scry(&["circuit", "hostile", "--open"]).code(1).says(&["`hostile` is withdrawn"]);
    let url = format!("{}/v1/models/steady/circuit", host.admin);
    host.send("POST", &url, &[], br#"{"state":"open"}"#).error(401, &["token"]);
}

#[test]
fn a_version_that_is_let_go_of_takes_its_circuit_along() {
    let host = Host::with("[limits]\ndeadline_ms = 10000\n[catalog]\nversions_warm = 0\n");
    let series = |version: u32| format!(r#"scry_circuit_open{{model="steady",version="{version}"}} "#);
    host.publish(&guest("steady"));
    host.scry(&["circuit", "steady", "--open"]).ok();
    assert!(host.admin_get("/metrics").text.contains(&(series(1) + "1")));
    for (version, variant) in [("2", "triple"), ("3", "fragile")] {
        host.publish(&features("steady", variant));
        host.deploy(&["steady", "--to", version]).ok();
        host.predict("steady", "", 1.0).status(200);
    }
    let metrics = host.admin_get("/metrics").text;
    assert!(!metrics.contains(&series(1)) && metrics.contains(&(series(2) + "0")), "{metrics}");
    for path in ["/v1/models/steady/circuit?version=1", "/v1/models/steady/circuit?version=2"] {
        assert_eq!(host.admin_get(path).status, if path.ends_with('1') { 409 } else { 200 });
    }
    host.scry(&["circuit", "steady@1", "--open"]).code(1).says(&["version 1 is not loaded"]);
    // It comes back as new.
    host.deploy(&["steady", "--to", "1"]).ok();
    assert_eq!(circuit(&host, "steady")["since_ms"], Value::Null);
}

/// Version 1 is good, version 2 traps from 1000 on; both are `steady`.
fn with_canary(canary: &[&str]) -> Host {
    let host = Host::with(&format!("[limits]\ndeadline_ms = 10000\ncircuit_pause_ms = {LONG}\n"));
    host.publish(&guest("steady"));
    host.publish(&features("steady", "fragile"));
    host.deploy(&[&["steady", "--to", "2", "--canary"], canary].concat()).ok();
    host
}

fn canary(host: &Host) -> Value {
    host.admin_get("/v1/models/steady").json()["canary"].clone()
}

#[test]
fn a_canary_whose_circuit_opens_is_taken_back_though_it_was_good_for_long() {
    // What it fails before its circuit opens is within its bounds.
    let host = with_canary(&["50", "--error-points-max", "20"]);
    // Whoever looks at a canary begins its record.
    while canary(&host)["requests"].as_u64().unwrap() < 100 {
        assert_eq!(host.predict("steady", "", 1.0).status(200).header("scry-degraded"), None);
    }
    let mut why = Vec::new();
    eventually("the canary's end", || {
        let reply = host.predict("steady", "", 5000.0).status(200);
        assert_eq!(reply.y(), 10_000.0);
        why.extend(reply.header("scry-degraded").map(str::to_owned));
        canary(&host).is_null()
    });
    // Its last window was good: half of one has to fail.
    let (traps, open) = why.split_at(16);
    assert!(traps.iter().all(|why| why == "trap") && open.iter().all(|why| why == "circuit-open"), "{why:?}");
    assert!(open.len() >= 10, "{why:?}");
    assert_eq!(host.metric(r#"scry_canary_rollbacks_total{model="steady"}"#), 1.0);
}

#[test]
fn a_canary_that_an_operator_shuts_off_gets_no_further_and_no_blame() {
    let host = with_canary(&["50:1s,100:1s", "--requests-min", "5"]);
    host.scry(&["circuit", "steady@2", "--open"]).ok();
    for _ in 0..40 {
        let reply = host.predict("steady", "", 1.0).status(200);
        assert!(matches!(reply.header("scry-degraded"), None | Some("circuit-open")), "{reply:#?}");
        assert_eq!(reply.header("scry-version"), Some("1"));
    }
    thread::sleep(Duration::from_millis(1500));
    let held = canary(&host);
    assert_eq!(
        (&held["status"], &held["step"], &held["errors"]),
        (&json!("its circuit is open"), &json!(0), &json!(0))
    );
    host.scry(&["circuit", "steady@2", "--auto"]).ok();
    eventually("the next step", || {
        host.predict("steady", "", 1.0).status(200);
        canary(&host)["step"] != 0
    });
}
