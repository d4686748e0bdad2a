//! What follows where a version as a whole is in doubt, because its inputs
//! drift, its pipeline is not the training's or its data is too old: said,
//! left to the fallback, or refused.

use crate::drift::{Random, publish, references, with};
use crate::support::{Host, PATIENT, Reply, eventually, features, guest, rows};
use serde_json::{Value, json};

const FALLBACK: &str = r#"constant:{"y":0.5}"#;

/// A host that serves `steady`, which leaves drifting inputs to its fallback.
fn doubtful(config: &str) -> Host {
    let host = Host::with(&format!("{PATIENT}{config}"));
    let checks = json!({ "checks": { "policies": { "drift": "fallback" } } });
    publish(&host, &with(&guest("steady"), &references(0.0), &checks));
    host
}

fn ask(host: &Host, x: &[f64]) -> Reply {
    host.post("/v2/models/steady/infer", &rows("", x))
}

fn traffic(host: &Host, random: &mut Random, count: usize, middle: f64) {
    random.normal(count, middle).chunks(50).for_each(|x| drop(ask(host, x)));
    look(host, "steady");
}

/// How the versions stand is seen twice a second; this does not wait for it.
fn look(host: &Host, model: &str) -> Value {
    host.admin_get(&format!("/v1/models/{model}/drift")).status(200).json()
}

fn report(host: &Host, model: &str) -> Value {
    host.admin_get(&format!("/v1/models/{model}/validation")).status(200).json()["versions"][0].clone()
}

fn findings(host: &Host, model: &str, side: &str, check: &str, policy: &str) -> f64 {
    let labels = format!(r#"check="{check}",model="{model}",policy="{policy}",side="{side}""#);
    host.metric(&format!("scry_validation_findings_total{{{labels}}}"))
}

/// Nobody answers, and the reply says why.
#[track_caller]
fn refused(reply: Reply, reason: &str, says: &str) {
    let reply = reply.status(503);
    assert_eq!((reply.header("scry-reason"), reply.header("retry-after")), (Some(reason), None), "{reply:?}");
    let error = reply.json()["errors"][0].clone();
    assert_eq!((&error["type"], &error["loc"], &error["pointer"]), (&json!(reason), &json!([]), &json!("")));
    assert!(reply.text.contains("the version is not to be trusted: ") && reply.text.contains(says), "{reply:?}");
}

#[test]
fn the_fallback_answers_while_inputs_drift_and_the_model_again_after_a_clean_epoch() {
    let host = doubtful("[validation]\nskew_sample_percent = 0\n");
    host.deploy(&["steady", "--fallback", FALLBACK]).ok();
    let mut random = Random(3);
    traffic(&host, &mut random, 300, 0.0);
    let reply = ask(&host, &[1.0]).status(200);
    assert_eq!((reply.header("scry-degraded"), reply.header("scry-warnings"), reply.y()), (None, None, 2.0));
    traffic(&host, &mut random, 500, 1.0);
    let reply = ask(&host, &[1.0]).status(200);
    assert_eq!((reply.header("scry-degraded"), reply.header("scry-version")), (Some("drift"), Some("constant")));
    assert_eq!((reply.header("scry-warnings"), reply.y()), (Some("1"), 0.5));
    let warning = reply.json()["parameters"]["scry-warnings"][0].clone();
    assert_eq!(warning, "inputs: expected data like that of the training, found drift in `x`");
    let degraded = "scry_fallbacks_total{model=\"steady\",reason=\"drift\"}";
    assert!(host.metric(degraded) >= 1.0 && findings(&host, "steady", "inputs", "drift", "fallback") >= 1.0);
    let told = report(&host, "steady");
    assert_eq!((&told["standing"][0]["check"], &told["standing"][0]["policy"]), (&json!("drift"), &json!("fallback")));
    assert_eq!(told["found"]["version"][0]["findings"], told["found"]["requests"]["fallback"]);
    let page = host.admin_get("/v1/models/steady/validation?format=text").status(200).text;
    assert!(page.contains("now    inputs: expected data like"), "{page}");
    // A restart forgets nothing of that, and a request that is wrong is told so all the same.
    let host = host.restart(|_| {});
    assert_eq!(ask(&host, &[1.0]).status(200).header("scry-degraded"), Some("drift"));
    host.post("/v2/models/steady/infer", &json!({ "inputs": [] })).status(400);
    // To the end of this epoch, and through the next: rows count though the fallback answers them.
    traffic(&host, &mut random, 3_000, 0.0);
    assert_eq!(ask(&host, &[1.0]).status(200).header("scry-degraded"), Some("drift"));
    traffic(&host, &mut random, 300, 0.0);
    let reply = ask(&host, &[1.0]).status(200);
    assert_eq!((reply.header("scry-degraded"), reply.y()), (None, 2.0), "{}", look(&host, "steady"));
    // What it answers is counted again only now.
    assert_eq!(report(&host, "steady")["standing"][0]["field"], "outputs");
    // Another version has seen nothing yet.
    traffic(&host, &mut random, 500, 1.0);
    assert_eq!(ask(&host, &[1.0]).status(200).header("scry-degraded"), Some("drift"));
    publish(&host, &with(&features("steady", "triple"), &references(0.0), &Value::Null));
    host.deploy(&["steady", "--to", "2"]).ok();
    let reply = ask(&host, &[1.0]).status(200);
    assert_eq!((reply.header("scry-degraded"), reply.y()), (None, 3.0));
}

#[test]
fn drift_has_the_consequences_that_an_operator_sets_and_none_by_default() {
    let host = doubtful("");
    traffic(&host, &mut Random(3), 500, 1.0);
    refused(ask(&host, &[1.0]), "drift", "drift in `x`");
    let requests = |outcome: &str| {
        host.metric(&format!("scry_requests_total{{model=\"steady\",outcome=\"{outcome}\",version=\"1\"}}"))
    };
    assert!(requests("drift") >= 1.0);
    host.deploy(&["steady", "--fallback", FALLBACK]).ok();
    assert_eq!(ask(&host, &[1.0]).status(200).header("scry-degraded"), Some("drift"));
    host.deploy(&["steady", "--check", "drift=reject"]).ok();
    refused(ask(&host, &[1.0]), "drift", "drift in `x`");
    host.deploy(&["steady", "--check", "drift=warn", "--check", "outputs.drift=warn"]).ok();
    let reply = ask(&host, &[1.0]).status(200);
    assert_eq!((reply.header("scry-degraded"), reply.header("scry-warnings"), reply.y()), (None, Some("2"), 2.0));
    assert_eq!(reply.json()["parameters"]["scry-warnings"][1].as_str().unwrap().split(':').next(), Some("outputs"));
    assert_eq!(findings(&host, "steady", "outputs", "drift", "warn"), 1.0);
    host.deploy(&["steady", "--check", "drift=report"]).ok();
    let reply = ask(&host, &[1.0]).status(200);
    assert_eq!((reply.header("scry-warnings"), reply.y()), (None, 2.0));
    assert_eq!(report(&host, "steady")["standing"][0]["policy"], "report");
    let exported = host.scry(&["export"]).ok().stdout;
    assert!(exported.contains("drift = \"report\""), "{exported}");
    host.deploy(&["steady", "--check", "outputs.drift=reject"]).code(1).says(&["report or warn", "not asked"]);
    host.deploy(&["steady", "--check", "range=report"]).code(1).says(&["reject, warn or fallback"]);
    host.deploy(&["steady", "--check", "x.drift=warn"]).code(1).says(&["a check of one field"]);
    // Without a word from anybody answers are what they always were.
    let host = Host::with(PATIENT);
    publish(&host, &with(&guest("steady"), &references(0.0), &Value::Null));
    traffic(&host, &mut Random(3), 500, 1.0);
    let reply = ask(&host, &[1.0]).status(200);
    assert_eq!((reply.header("scry-degraded"), reply.header("scry-warnings")), (None, None));
    assert!(host.log().contains("side=\"inputs\""), "{}", host.log());
}

#[test]
fn a_pipeline_with_skew_is_watched_on_while_the_fallback_answers() {
    let host = Host::with(&format!("{PATIENT}[validation]\nskew_sample_percent = 100\n"));
    publish(&host, &with(&guest("steady"), &references(1.5), &Value::Null));
    host.deploy(&["steady", "--check", "skew=fallback", "--fallback", FALLBACK]).ok();
    let mut random = Random(5);
    ask(&host, &random.normal(500, 0.0)).status(200);
    eventually("skew", || {
        look(&host, "steady");
        ask(&host, &[0.1]).status(200).header("scry-degraded") == Some("skew")
    });
    let sampled = || look(&host, "steady")["versions"][0]["skew"]["sampled"].as_u64().unwrap();
    let before = sampled();
    eventually("another sample", || {
        ask(&host, &[0.1]).status(200);
        sampled() > before
    });
}

fn loans(checks: &Value, until: &str) -> Vec<u8> {
    with(&guest("checked"), &no_reference(), &json!({ "data_until": until, "max_age": "P30D", "checks": checks }))
}

/// Statistics of no column: nothing is watched.
fn no_reference() -> scry_card::stats::References {
    serde_json::from_value(json!({ "inputs": { "rows": 0, "columns": [] } })).unwrap()
}

fn lend(host: &Host, amount: f64) -> Reply {
    let loan = json!({ "start": 1, "end": 9, "amount": amount, "region": "north" });
    host.post("/v1/models/checked:predict", &json!({ "instances": [loan] }))
}

#[test]
fn a_stale_model_says_so_leaves_it_to_the_fallback_or_refuses_as_card_and_operator_decide() {
    let host = Host::start();
    publish(&host, &loans(&json!({ "policies": { "stale": "warn" } }), "2020-01-01"));
    let json = lend(&host, 500.0).status(200).json();
    assert_eq!(json["predictions"], json!([{ "risk": 0.25 }]));
    let warning = &json["warnings"][0];
    assert_eq!(
        (&warning["type"], &warning["pointer"], &warning["policy"]),
        (&json!("stale"), &json!(""), &json!("warn"))
    );
    assert_eq!(warning["msg"], "expected an end at most P30D ago, found 2020-01-01");
    // The operator's word comes first, from the first request on and through a restart.
    host.deploy(&["checked", "--check", "stale=reject"]).ok();
    refused(lend(&host, 500.0), "stale", "found 2020-01-01");
    let host = host.restart(|_| {});
    refused(lend(&host, 500.0), "stale", "found 2020-01-01");
    assert_eq!(findings(&host, "checked", "data", "stale", "reject"), 1.0);
    let told = report(&host, "checked");
    assert_eq!(
        (&told["checks"]["policies"]["stale"], &told["found"]["requests"]["reject"]),
        (&json!("reject"), &json!(1))
    );
    // What is wrong with a request is the client's to hear before.
    assert_eq!(lend(&host, -1.0).status(422).header("scry-reason"), Some("invalid-input"));
    host.deploy(&["checked", "--check", "stale=fallback"]).ok();
    refused(lend(&host, 500.0), "stale", "found 2020-01-01");
    host.deploy(&["checked", "--fallback", r#"constant:{"risk":0.5}"#]).ok();
    let reply = lend(&host, 500.0).status(200);
    assert_eq!((reply.header("scry-degraded"), reply.header("scry-warnings")), (Some("stale"), Some("1")));
    assert_eq!(reply.json()["predictions"], json!([{ "risk": 0.5 }]));
    host.deploy(&["checked", "--no-checks"]).ok();
    assert_eq!(lend(&host, 500.0).status(200).header("scry-warnings"), Some("1"));
    // Fresh data are answered from, whatever would follow of old ones.
    publish(&host, &loans(&json!({ "policies": { "stale": "reject" } }), "2999-01-01"));
    host.deploy(&["checked", "--to", "2"]).ok();
    let reply = lend(&host, 500.0).status(200);
    assert_eq!((reply.header("scry-degraded"), reply.header("scry-warnings")), (None, None));
    // A policy for what cannot be told is a mistake.
    let wrong = json!({ "data_until": null, "max_age": null, "checks": { "policies": { "stale": "warn" } } });
    let wrong = with(&guest("checked"), &no_reference(), &wrong);
    host.admin_post("/v1/models", &wrong).error(422, &["max_age beside a policy for `stale`"]);
}
