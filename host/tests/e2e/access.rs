//! Who may do what, with which token, through which listener.

pub(crate) mod guarded;
mod pages;

use crate::clients::{clients, environment};
use crate::edge::Client;
use crate::support::{Host, PATIENT, Ran, Reply, eventually, guest, scry};
use guarded::{CONFIG, Guarded, new, token};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const EACH: [(&str, &[&str]); 8] = [
    ("one", &["--scope", "predict:steady"]),
    ("other", &["--scope", "predict:other-*"]),
    ("each", &["--scope", "predict"]),
    ("reader", &["--scope", "read"]),
    ("scraper", &["--scope", "metrics"]),
    ("publisher", &["--scope", "publish"]),
    ("deployer", &["--scope", "deploy"]),
    ("chief", &["--scope", "admin"]),
];

/// Who tries, in the order of the columns below.
const WHO: [&str; 11] =
    ["nobody", "stranger", "one", "other", "each", "reader", "scraper", "publisher", "deployer", "chief", "main"];

/// What comes of it: `?` is 401, `-` is 403 by the missing scope, and a digit is an answer behind the guard:
/// `2` is 200, `4` is 404, `5` is 405, `b` is 400, `u` is 422.
const PREDICTIONS: [(&str, &str, &str); 19] = [
    ("GET", "/v2/health/live", "22222222222"),
    ("GET", "/v2/health/ready", "22222222222"),
    // Further names of paths, as platforms set them, are those paths.
    ("GET", "/platform/health", "22222222222"),
    ("POST", "/platform/health", "??--5----55"),
    ("POST", "/platform/predict", "??--u----uu"),
    ("GET", "/v2", "??222222222"),
    ("GET", "/v2/models/steady", "??2-22---22"),
    ("GET", "/v2/models/steady/ready", "??2-22---22"),
    ("GET", "/v2/models/steady/versions/1", "??2-22---22"),
    ("GET", "/v2/models/steady/versions/9", "??4-44---44"),
    ("GET", "/v2/models/nobody", "??--44---44"),
    ("POST", "/v2/models/steady/infer", "??2-2----22"),
    ("POST", "/v2/models/steady/versions/1/infer", "??2-2----22"),
    ("POST", "/v2/models/st%65ady/infer", "??2-2----22"),
    ("POST", "/v2/models/nobody/infer", "??--4----44"),
    ("POST", "/v2/models/other-one/infer", "??-44----44"),
    ("POST", "/v1/models/steady:predict", "??b-b----bb"),
    ("DELETE", "/v2/models/steady", "??5-5----55"),
    ("GET", "/v2/nothing", "??---4---44"),
];

const CHANGES: [(&str, &str, &str, &str); 32] = [
    ("GET", "/docs", "", "22222222222"),
    ("GET", "/docs/start.js", "", "22222222222"),
    ("GET", "/", "", "22222222222"),
    ("GET", "/dashboard", "", "22222222222"),
    ("GET", "/dashboard/app.js", "", "22222222222"),
    ("GET", "/v1/overview", "", "??---2---22"),
    ("GET", "/v1/models/steady/hour", "", "??---2---22"),
    ("GET", "/v1/models/steady/drift/histograms", "", "??---2---22"),
    ("GET", "/openapi.json", "", "22222222222"),
    ("GET", "/metrics", "", "??----2--22"),
    ("GET", "/v1/models", "", "??---2---22"),
    ("GET", "/v1/models/steady", "", "??---2---22"),
    ("GET", "/v1/models/nobody", "", "??---4---44"),
    ("GET", "/v1/models/steady/circuit", "", "??---2---22"),
    ("GET", "/v1/models/steady/validation", "", "??---2---22"),
    ("GET", "/v1/history", "", "??---2---22"),
    ("GET", "/v1/desired", "", "??---2---22"),
    ("GET", "/v1/state", "", "??---2---22"),
    ("POST", "/v1/models", "no component", "??-----u-uu"),
    ("POST", "/v1/models/steady/deploy", "{}", "??------222"),
    ("POST", "/v1/models/nobody/deploy", "{}", "??------444"),
    ("POST", "/v1/models/nobody/rollback", "{}", "??------444"),
    ("POST", "/v1/models/nobody/withdraw", "{}", "??------444"),
    ("POST", "/v1/models/steady/circuit", "{\"state\": \"auto\"}", "??------222"),
    ("POST", "/v1/rollback", "{}", "??------bbb"),
    ("PUT", "/v1/desired", "", "??------uuu"),
    ("POST", "/v1/gc", "{\"dry_run\": true}", "??-------22"),
    ("GET", "/v1/refusals", "", "??-------22"),
    ("DELETE", "/v1/models/steady", "", "??-------55"),
    ("GET", "/v1/nothing", "", "??-------44"),
    ("GET", "//", "", "??-------44"),
    ("POST", "/v2/models/steady/infer", "{}", "??-------44"),
];

fn outcome(reply: &Reply) -> char {
    let reason = reply.header("scry-reason");
    match reply.status {
        200 => '2',
        400 => 'b',
        401 => {
            assert_eq!((reason, reply.header("www-authenticate")), (Some("unauthenticated"), Some("Bearer")));
            '?'
        }
        403 => {
            assert_eq!(reason, Some("missing-scope"), "{}", reply.text);
            '-'
        }
        404 => '4',
        405 => '5',
        422 => 'u',
        other => panic!("{other}: {}", reply.text),
    }
}

#[test]
fn a_token_over_grpc_has_the_models_of_its_scopes_and_each_message_of_a_stream_counts() {
    let rated = ["--scope", "predict", "--requests-per-second", "1", "--burst", "4"];
    let guarded = Guarded::with("", &[("one", &["--scope", "predict:steady"]), ("rated", &rated)]);
    let mut command = Command::new(environment());
    let tokens = ["one", "rated"].map(|name| guarded.token(name));
    let ran = Ran::of(command.arg(clients().join("grpc_tokens.py")).arg(&guarded.host.prediction).args(tokens)).ok();
    assert!(ran.stdout.contains("tokens hold"), "{ran:?}");
    let refused = |reason| guarded.refused("prediction", reason);
    assert_eq!((refused("unauthenticated"), refused("missing-scope")), (2.0, 7.0));
    assert!(refused("rate-limit") >= 1.0);
}

#[test]
fn only_a_posted_request_is_a_call() {
    let guarded = Guarded::with("", &[("one", &["--scope", "predict:steady"])]);
    let call = guarded.host.data().join("call");
    // `ModelMetadata` of `steady`, which needs no tensors.
    std::fs::write(&call, b"\0\0\0\0\x08\x0a\x06steady").unwrap();
    let ask = |method: &str, who: Option<&str>| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "60", "--http2-prior-knowledge", "--include"]);
        curl.args(["--request", method, "--header", "content-type: application/grpc", "--header", "te: trailers"]);
        let bearer = who.map(|who| format!("authorization: Bearer {}", guarded.token(who)));
        curl.args(bearer.iter().flat_map(|bearer| ["--header", bearer]));
        curl.arg("--data-binary").arg(format!("@{}", call.display()));
        curl.arg(format!("{}/inference.GRPCInferenceService/ModelMetadata", guarded.host.prediction));
        // Which fails where its answer comes while it sends: a race that it loses now and then.
        (0..20).map(|_| Ran::of(&mut curl)).find(|ran| ran.code != Some(92)).unwrap().stdout
    };
    let is_answered = |reply: &str| reply.contains("content-type: application/grpc") && reply.contains("steady");
    assert!(is_answered(&ask("POST", Some("one"))), "{}", ask("POST", Some("one")));
    assert!(ask("POST", None).contains("grpc-status: 16"), "{}", ask("POST", None));
    for method in ["OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"] {
        let reply = ask(method, None);
        assert!(reply.starts_with("HTTP/2 ") && !reply.contains("application/grpc"), "{method}: {reply}");
    }
}

#[test]
fn each_token_may_do_what_its_scopes_say_and_nothing_else() {
    let paths = "prediction.health_path = \"/platform/health\"\nprediction.predict_path = \"/platform/predict\"\n";
    let guarded = Guarded::with(paths, &EACH);
    let body = crate::support::rows("", &[1.0]).to_string();
    let predictions = PREDICTIONS.map(|(method, path, expected)| {
        let body = if method == "POST" { body.as_str() } else { "" };
        (&guarded.host.prediction, "prediction", method, path, body, expected)
    });
    let changes =
        CHANGES.map(|(method, path, body, expected)| (&guarded.host.admin, "admin", method, path, body, expected));
    let mut refusals = std::collections::BTreeMap::new();
    for (listener, name, method, path, body, expected) in predictions.into_iter().chain(changes) {
        let replies = WHO.map(|who| guarded.ask(who, method, &format!("{listener}{path}"), body.as_bytes()));
        let seen: String = replies.iter().map(outcome).collect();
        assert_eq!(seen, expected, "{name} {method} {path} by {WHO:?}");
        for refused in seen.chars().filter(|outcome| "?-".contains(*outcome)) {
            *refusals.entry((name, refused)).or_insert(0.0) += 1.0;
        }
    }
    for ((listener, refused), count) in refusals {
        let reason = if refused == '?' { "unauthenticated" } else { "missing-scope" };
        assert_eq!(guarded.refused(listener, reason), count, "{listener} {reason}");
    }
}

#[test]
fn a_refusal_says_what_is_missing_and_not_what_is_there() {
    let guarded = Guarded::with("", &EACH);
    let told = |who, model: &str| {
        let mut body = guarded.predict(who, model).json();
        assert!(body.as_object_mut().unwrap().remove("request_id").is_some(), "{body}");
        body.to_string().replace(model, "MODEL")
    };
    for who in ["nobody", "stranger", "other", "reader"] {
        assert_eq!(told(who, "steady"), told(who, "nowhere"), "{who}");
    }
    let lacks = "the token `other` lacks the scope `predict:steady`";
    guarded.predict("other", "steady").error(403, &[lacks]);
    let url = format!("{}/v1/models/nobody/deploy", guarded.host.admin);
    guarded.ask("reader", "POST", &url, b"{}").error(403, &["the token `reader` lacks the scope `deploy`"]);
    // A body that nobody reads ends its connection; a connection without one goes on.
    let unread = guarded.predict("nobody", "steady").error(401, &["the token is missing or wrong"]);
    assert_eq!(unread.header("connection"), Some("close"));
    let url = format!("{}/v2/models/steady", guarded.host.prediction);
    assert_eq!(guarded.ask("nobody", "GET", &url, b"").error(401, &[]).header("connection"), None);
}

#[test]
fn without_a_token_file_predictions_are_open_and_the_configured_tokens_may_do_everything() {
    let host = Host::with(&format!("admin.tokens.alice = \"another long random text\"\n{PATIENT}"));
    host.publish(&guest("steady"));
    host.predict("steady", "", 1.0).status(200);
    let url = format!("{}/v1/gc", host.admin);
    host.send("POST", &url, &[("authorization", "Bearer another long random text")], b"{}").status(200);
    host.send("POST", &url, &[], b"{}").error(401, &["the admin token is missing or wrong"]);
    assert!(host.metrics.is_none());
}

#[test]
fn a_token_that_asks_too_often_is_told_when_to_come_back() {
    let slow = ["--scope", "predict", "--requests-per-second", "1", "--burst", "5"];
    let guarded = Guarded::with("", &[("slow", &slow), ("fast", &["--scope", "predict"])]);
    let replies: Vec<_> = (0..20).map(|_| guarded.predict("slow", "steady")).collect();
    let answered = replies.iter().filter(|reply| reply.status == 200).count();
    // A machine that is very slow has time for a few more.
    assert!((5..10).contains(&answered), "{answered}");
    let refused = replies.into_iter().find(|reply| reply.status != 200).unwrap();
    let refused = refused.error(429, &["the token `slow` has sent too many requests"]);
    assert_eq!((refused.header("retry-after"), refused.header("scry-reason")), (Some("1"), Some("rate-limit")));
    assert_eq!(guarded.refused("prediction", "rate-limit"), (20 - answered) as f64);
    guarded.predict("fast", "steady").status(200);
}

#[test]
fn tokens_come_and_go_under_load_and_no_request_of_another_fails() {
    let guarded = Guarded::with("", &[("steady", &["--scope", "predict:steady"])]);
    let (folder, is_over, answered) = (guarded.folder(), AtomicBool::new(false), AtomicU64::new(0));
    let is_known = |bearer: &str| {
        let url = format!("{}/v2/models/steady", guarded.host.prediction);
        guarded.host.send("GET", &url, &[("authorization", bearer)], b"").status == 200
    };
    let in_use = || guarded.metric(r#"scry_file_in_use{file="tokens"}"#);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    guarded.predict("steady", "steady").status(200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let over = Over(&is_over);
        for round in 0..3 {
            let bearer = format!("Bearer {}", new(&folder, "guest", &["--scope", "predict"]));
            eventually("the new token is known", || is_known(&bearer));
            token(&folder, &["revoke", "guest"]).ok();
            eventually("the revoked token is not known", || !is_known(&bearer));
            // Whatever is in the file's place changes nothing.
            let whole = std::fs::read_to_string(folder.join("tokens.toml")).unwrap();
            let broken = ["[tokens.x]\nsha256 = 5\n", "[tokens", "[tokens.admin]\n"][round];
            std::fs::write(folder.join("tokens.toml"), broken).unwrap();
            eventually("the file is found wrong", || in_use() == 0.0);
            std::fs::remove_file(folder.join("tokens.toml")).unwrap();
            eventually("the file is missed", || guarded.host.log().contains("No such file"));
            std::fs::write(folder.join("tokens.toml"), whole).unwrap();
            eventually("the file is in use", || in_use() == 1.0);
        }
        drop(over);
    });
    assert!(answered.load(Ordering::Relaxed) > 100, "{answered:?} requests");
}

/// Ends the load even where the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn what_operators_may_not_do_is_in_the_log_and_the_audit_with_the_tokens_name() {
    let guarded = Guarded::with("", &[("reader", &["--scope", "read"])]);
    let url = format!("{}/v1/models/steady/withdraw", guarded.host.admin);
    (0..2).for_each(|_| drop(guarded.ask("reader", "POST", &url, b"{}").error(403, &[])));
    guarded.ask("nobody", "GET", &format!("{}/v1/state", guarded.host.admin), b"").error(401, &[]);
    let shown = guarded.host.scry(&["history", "--refused", "--json"]).ok().json();
    let refusals = shown["refusals"].as_array().unwrap();
    let of = |by: &Value| refusals.iter().find(|refusal| refusal["by"] == *by).unwrap();
    let known = of(&json!("reader"));
    for (key, value) in [
        ("method", json!("POST")),
        ("path", json!("/v1/models/steady/withdraw")),
        ("reason", json!("missing-scope")),
        ("message", json!("the token `reader` lacks the scope `deploy`")),
        ("count", json!(2)),
    ] {
        assert_eq!(known[key], value, "{known}");
    }
    assert_eq!(of(&Value::Null)["reason"], "unauthenticated");
    let text = guarded.host.scry(&["history", "--refused"]).ok().stdout;
    assert!(text.contains("reader") && text.contains("2 x  POST /v1/models/steady/withdraw  missing-scope"), "{text}");
    let log = guarded.host.log();
    assert!(log.contains("by=\"reader\"") && log.contains("missing-scope"), "{log}");
    // What was done has the name as ever, whatever was refused.
    let history = guarded.host.scry(&["history", "--json"]).ok().json();
    assert_eq!(history["changes"].as_array().unwrap().len(), 1, "{history}");
    assert!(!log.contains(&guarded.token("reader")), "the log tells a token");
}

#[test]
fn a_change_is_recorded_by_the_name_of_the_tokens_file() {
    let scopes = ["--scope", "read", "--scope", "deploy", "--scope", "publish"];
    let guarded = Guarded::with("", &[("ci-2", &scopes)]);
    let as_ci = |args: &[&str]| {
        let mut command = scry();
        command.args(args).env("SCRY_ADMIN", &guarded.host.admin).env("SCRY_ADMIN_TOKEN", guarded.token("ci-2"));
        Ran::of(&mut command)
    };
    let steady = guest("steady");
    as_ci(&["publish", steady.path.to_str().unwrap(), "--name", "copy"]).ok();
    as_ci(&["deploy", "copy", "--to", "1", "--deadline-ms", "900"]).ok();
    as_ci(&["gc"]).code(1).says(&["the token `ci-2` lacks the scope `admin`"]);
    let history = guarded.host.scry(&["history", "copy", "--json"]).ok().json();
    let by: Vec<_> = history["changes"].as_array().unwrap().iter().map(|change| change["by"].clone()).collect();
    assert_eq!(by, ["ci-2", "ci-2"]);
}

#[test]
fn the_command_asks_for_predictions_with_a_token() {
    let guarded = Guarded::with("", &[("one", &["--scope", "predict:steady"])]);
    let input = guarded.folder().join("rows.json");
    std::fs::write(&input, json!([{ "behaviour": "", "x": 2.0 }]).to_string()).unwrap();
    let predict = |token: Option<&str>| {
        let mut command = scry();
        command
            .args(["predict", "steady", "--data", "nowhere", "--url", &guarded.host.prediction, "--input"])
            .arg(&input);
        if let Some(token) = token {
            command.env("SCRY_TOKEN", token);
        }
        Ran::of(&mut command)
    };
    let rows = predict(Some(&guarded.token("one"))).ok().json();
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
    predict(None).code(1).says(&["the token is missing or wrong", "SCRY_TOKEN"]);
    // Whoever may ask the admin listener needs no other token.
    guarded.host.scry(&["predict", "steady", "--input", input.to_str().unwrap()]).ok();
}

#[test]
fn metrics_have_a_listener_of_their_own_without_a_token() {
    let guarded = Guarded::with("", &[("scraper", &["--scope", "metrics"])]);
    let listener = guarded.host.metrics.clone().unwrap();
    let open = guarded.host.send("GET", &format!("{listener}/metrics"), &[], b"").status(200);
    assert!(open.text.contains("\nscry_connections{listener=\"metrics\"} "), "{}", open.text);
    assert!(open.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    for path in ["/", "/v1/state", "/v1/models", "/v2/models/steady"] {
        guarded.host.send("GET", &format!("{listener}{path}"), &[], b"").error(404, &["there is /metrics"]);
    }
    guarded.host.send("POST", &format!("{listener}/metrics"), &[], b"").error(405, &[]);
    guarded.ask("scraper", "GET", &format!("{}/metrics", guarded.host.admin), b"").status(200);
}

#[test]
fn the_admin_listener_answers_to_its_own_names_and_pages_alone() {
    let host = Host::with(&format!("admin.hosts = [\"scry.example\"]\n{PATIENT}"));
    let port = host.admin.rsplit(':').next().unwrap().to_owned();
    let token = host.token();
    let said = |headers: &str| {
        let mut client = Client::to(&host.admin);
        client.says(&format!(
            "GET /v1/state HTTP/1.1\r\nauthorization: Bearer {token}\r\n{headers}connection: close\r\n\r\n"
        ));
        client.hears_out()
    };
    for allowed in [
        format!("host: 127.0.0.1:{port}\r\n"),
        format!("host: localhost:{port}\r\n"),
        "host: scry.example\r\n".to_owned(),
        format!("host: 127.0.0.1:{port}\r\norigin: http://127.0.0.1:{port}\r\n"),
        format!("host: 127.0.0.1:{port}\r\norigin: https://scry.example\r\n"),
    ] {
        assert!(said(&allowed).starts_with("HTTP/1.1 200 "), "{allowed}");
    }
    for (refused, reason) in [
        (format!("host: rebound.example:{port}\r\n"), "host-not-allowed"),
        (format!("host: localhost.rebound.example:{port}\r\n"), "host-not-allowed"),
        (format!("host: 127.0.0.1:{port}\r\norigin: http://rebound.example:{port}\r\n"), "origin-not-allowed"),
        (format!("host: 127.0.0.1:{port}\r\norigin: null\r\n"), "origin-not-allowed"),
        (format!("host: 127.0.0.1:{port}\r\norigin: http://localhost:3000\r\n"), "origin-not-allowed"),
    ] {
        let answer = said(&refused);
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains(reason), "{refused}\n{answer}");
    }
    let series = |reason: &str| format!(r#"scry_access_refused_total{{listener="admin",reason="{reason}"}}"#);
    assert_eq!(host.metric(&series("host-not-allowed")), 2.0);
    assert_eq!(host.metric(&series("origin-not-allowed")), 3.0);
    // The prediction listener is asked by whatever name.
    host.send("GET", &format!("{}/v2/health/live", host.prediction), &[("host", "any.example")], b"").status(200);
}

#[test]
fn a_token_is_shown_once_and_listed_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let made = new(dir.path(), "shop", &["--scope", "read", "--scope", "predict:a-*", "--requests-per-second", "7"]);
    assert!(made.len() == 69 && made.starts_with("scry_"), "{made}");
    let file = std::fs::read_to_string(dir.path().join("tokens.toml")).unwrap();
    assert!(!file.contains(&made[5..]) && file.contains(&crate::support::sha256(made.as_bytes())[7..]), "{file}");
    let listed = token(dir.path(), &["list"]).ok().stdout;
    assert_eq!(listed, "shop  predict:a-* read  7/s, 7 at once\n");
    token(dir.path(), &["new", "shop", "--scope", "read"]).code(1).says(&["there is a token `shop`", "revoke"]);
    token(dir.path(), &["new", "a b", "--scope", "read"]).code(2).says(&["1 to 64"]);
    token(dir.path(), &["new", "b", "--scope", "root"]).code(2).says(&["expected `predict`", "found `root`"]);
    token(dir.path(), &["new", "b"]).code(2).says(&["--scope"]);
    token(dir.path(), &["revoke", "nobody"]).code(1).says(&["no token `nobody`"]);
    token(dir.path(), &["revoke", "shop"]).ok();
    assert_eq!(token(dir.path(), &["list"]).ok().stdout, "");
}

#[test]
fn a_host_does_not_start_without_the_tokens_that_it_should_have() {
    for (text, says) in [
        (None, "No such file"),
        (Some("[tokens.a]\n"), "missing field"),
        (
            Some(format!("[tokens.admin]\nsha256 = \"{}\"\nscopes = [\"read\"]", "0".repeat(64)).as_str()),
            "found `admin`",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        if let Some(text) = text {
            std::fs::write(dir.path().join("tokens.toml"), text).unwrap();
        }
        let fallen = Host::begin(dir, CONFIG, "").err().unwrap();
        assert_eq!(fallen.status.code(), Some(1));
        assert!(fallen.log().contains("tokens.toml: ") && fallen.log().contains(says), "{}", fallen.log());
    }
}
