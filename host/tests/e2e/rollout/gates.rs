//! What a version goes through before it is live.

use super::{history, host_of, publish, publish_as_steady, what};
use crate::support::{Host, Ran, example, guest, rows, scry, with_section};
use serde_json::{Value, json};

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
fn what_a_component_says_of_itself_is_checked_before_it_is_compiled() {
    let host = Host::start();
    let steady = guest("steady").bytes();
    let said = Ran::of(scry().arg("inspect").arg(&guest("steady").path).arg("--json")).ok().json();
    let golden = |rtol: Value, atol: Value, y: Value| {
        let inputs = json!([{ "behaviour": "", "x": 21 }]);
        let example = json!({ "name": "one", "inputs": inputs, "outputs": [{ "y": y }] });
        with_section(&steady, "scry:golden", &json!({ "rtol": rtol, "atol": atol, "examples": [example] }).to_string())
    };
    let dated = |key: &str, date: &str| {
        let mut card = said["card"].clone();
        card[key] = json!(date);
        with_section(&steady, "scry:card", &card.to_string())
    };
    let cases = [
        (golden(json!(-1), json!(0), json!(42)), "`rtol`: expected a tolerance of at least 0 and below 1, found -1.0"),
        (golden(json!(1), json!(0), json!(42)), "`rtol`: expected a tolerance of at least 0 and below 1, found 1.0"),
        (golden(json!(0), json!(-1), json!(42)), "`atol`: expected a finite tolerance of at least 0, found -1.0"),
        (golden(json!(0), json!(42), json!(42)), "`atol`: expected a tolerance below 42.0"),
        (golden(json!(0), json!(0), json!("many")), "example `one`"),
        (with_section(&steady, "scry:golden", r#"{"examples":[]}"#), "no golden examples"),
        (dated("data_from", "spring"), "data_from: expected a date such as 2026-11-23"),
        (dated("trained_at", "2026-01-15T12:00"), "trained_at: expected a date"),
        (dated("data_until", "31.12.2025"), "data_until: expected a date"),
    ];
    for (component, says) in &cases {
        host.admin_post("/v1/models", component).error(422, &[says]);
        assert_eq!(host.metric(r#"scry_component_loads_total{source="compiled"}"#), 0.0, "{says}");
    }
    assert_eq!(host.admin_get("/v1/models").json()["models"], json!([]));
    // The component as it was.
    host.admin_post("/v1/models", &golden(json!(0), json!(0), json!(42))).status(200);
    assert_eq!(host.metric(r#"scry_component_loads_total{source="compiled"}"#), 1.0);
}
