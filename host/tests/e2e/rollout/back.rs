//! The way back, and what is known of the way here.

use super::{LARGE, asked, history, host_of, loads, publish, shown, state, variant};
use crate::support::{Host, PATIENT, Ran, example, guest, rows, scry};
use serde_json::json;

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
    assert!(host.scry(&["models", "-o", "wide"]).ok().stdout.contains("steady  (withdrawn)"));
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
    let host = host_of(&["", "fragile", "triple"]);
    host.publish(&example("bikeshare"));
    host.deploy(&["steady", "--alias", "champion=1", "--fallback", "steady@3", r#"constant:{"y":0}"#]).ok();
    host.deploy(&["steady", "--to", "2", "--canary", "0.5", "--deadline-ms", "9000"]).ok();
    host.post("/v2/models/steady/versions/2/infer", &rows("", &[LARGE])).status(200);
    host.post("/v2/models/steady/versions/1/infer", &rows("", &[1.0])).status(200);
    let listed = host.scry(&["models", "-o", "wide"]).ok().stdout;
    let (first, second) = (guest("steady").digest.clone(), variant("fragile").digest.clone());
    for part in [
        "steady  (live: 1, deadline 9000 ms)",
        &format!("@1    {first}  ready  99.5 %  2 requests, 0 failed  circuit closed"),
        &format!("@2    {second}  ready  0.5 %  1 requests, 1 failed  circuit closed"),
        ": too large for a fragile model wasm trap: ",
        "@champion = 1",
        "canary: version 2 on 0.5 % (step 1 of 1): waits for --promote;",
        "falls back to steady@3",
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
    let only = host.scry(&["models", "bikeshare", "-o", "wide"]).ok().stdout;
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
