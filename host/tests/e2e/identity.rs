//! Of which request an answer, an error, a line of the log, and the end of a call are.

use crate::access::guarded::Guarded;
use crate::clients::{clients, environment};
use crate::support::{Host, PATIENT, Ran, Reply, eventually, guest, rows};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The parts of an answer's `traceparent`: the trace, the host's span, and the flags.
#[track_caller]
fn span(reply: &Reply) -> (String, String, String) {
    let text = reply.header("traceparent").unwrap_or_else(|| panic!("no traceparent: {reply:?}"));
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { panic!("{text}") };
    assert!(version == "00" && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2), "{text}");
    (trace.to_owned(), span.to_owned(), flags.to_owned())
}

#[test]
fn every_answer_says_of_which_request_it_is() {
    let host = Host::with(&format!("metrics.listen = \"127.0.0.1:0\"\n{PATIENT}"));
    host.publish(&guest("hostile"));
    let (prediction, admin) = (&host.prediction, &host.admin);
    let bearer = format!("Bearer {}", host.token());
    let infer = format!("{prediction}/v2/models/hostile/infer");
    let records = format!("{prediction}/v1/models/hostile:predict");
    let body = |behaviour| rows(behaviour, &[1.0]).to_string();
    let record = json!({ "instances": [{ "behaviour": "trap", "x": 1 }] }).to_string();
    let mut seen = BTreeSet::new();
    for (method, url, body, status) in [
        ("POST", infer.clone(), body("well"), 200),
        ("POST", infer.clone(), body("trap"), 500),
        ("POST", infer, "{".to_owned(), 400),
        ("POST", records.clone(), record, 500),
        ("POST", records, "{}".to_owned(), 400),
        ("GET", format!("{prediction}/v2/health/live"), String::new(), 200),
        ("GET", format!("{prediction}/v2/models/nobody"), String::new(), 404),
        ("GET", format!("{prediction}/nowhere"), String::new(), 404),
        ("DELETE", format!("{prediction}/v2"), String::new(), 405),
        ("GET", format!("{admin}/v1/state"), String::new(), 200),
        ("POST", format!("{admin}/v1/models/nobody/deploy"), "{}".to_owned(), 404),
        ("POST", format!("{admin}/v1/models/hostile/deploy"), "{".to_owned(), 400),
        ("GET", format!("{}/metrics", host.metrics.as_ref().unwrap()), String::new(), 200),
    ] {
        let ask = |headers: &[(&str, &str)]| {
            let headers = [headers, &[("authorization", &*bearer)]].concat();
            let reply = host.send(method, &url, &headers, body.as_bytes()).status(status);
            let id = reply.header("x-request-id").unwrap().to_owned();
            if status >= 400 {
                assert_eq!(reply.json()["request_id"], id.as_str(), "{reply:?}");
            }
            (id, reply)
        };
        let (id, reply) = ask(&[("x-request-id", "order-7"), ("traceparent", CALLER), ("tracestate", "a=1, b=2")]);
        let (trace, theirs, flags) = span(&reply);
        assert_eq!((&*id, &*trace, &*flags, reply.header("tracestate")), ("order-7", TRACE, "01", Some("a=1,b=2")));
        let (id, reply) = ask(&[]);
        let (trace, made, flags) = span(&reply);
        assert_eq!((&*id, &*flags, reply.header("tracestate")), (&*trace, "00", None));
        for one in [id, theirs, made] {
            assert!(seen.insert(one), "an id comes twice: {reply:?}");
        }
    }
    let outside = host.send("GET", &format!("{admin}/v1/state"), &[("x-request-id", "who")], b"").status(401);
    assert_eq!((&outside.json()["request_id"], outside.header("x-request-id")), (&json!("who"), Some("who")));
}

#[test]
fn what_does_not_read_is_replaced_and_refuses_nothing() {
    let host = Host::start();
    host.publish(&guest("steady"));
    let url = format!("{}/v2/models/steady/infer", host.prediction);
    let ask = |headers: &[(&str, &str)]| host.send("POST", &url, headers, rows("", &[1.0]).to_string().as_bytes());
    let (longest, longer) = ("x".repeat(128), "x".repeat(129));
    for (id, is_kept) in
        [(&*longest, true), ("a-._~:/+=@|Z9", true), (&*longer, false), ("a b", false), ("\"", false), ("", false)]
    {
        let reply = ask(&[("x-request-id", id)]).status(200);
        let told = reply.header("x-request-id").unwrap();
        assert!(if is_kept { told == id } else { is_hex(told, 32) }, "{id}: {told}");
    }
    for caller in [
        CALLER.to_uppercase(),
        CALLER.replace("00-0", "ff-0"),
        CALLER.replace(TRACE, &"0".repeat(32)),
        CALLER.replace("b7ad6b7169203331", &"0".repeat(16)),
        format!("{CALLER}-more"),
        CALLER[..54].to_owned(),
        "x".repeat(5000),
    ] {
        let reply = ask(&[("traceparent", &caller), ("tracestate", "a=1")]).status(200);
        let (trace, _, flags) = span(&reply);
        assert_ne!(trace, TRACE, "{caller}");
        assert_eq!((&*flags, reply.header("tracestate")), ("00", None));
    }
    let later = ask(&[("traceparent", &format!("{}-more", CALLER.replace("00-0", "cc-0")))]).status(200);
    assert_eq!(span(&later).0, TRACE, "what this version knows of a later one");
    assert_eq!(ask(&[("x-request-id", "a"), ("x-request-id", "b")]).header("x-request-id").unwrap().len(), 32);
}

#[test]
fn a_degraded_answer_is_of_its_request_and_so_is_the_line_that_says_why() {
    let host = Host::start();
    host.publish(&guest("hostile"));
    host.deploy(&["hostile", "--fallback", r#"constant:{"y":-1}"#]).ok();
    let url = format!("{}/v2/models/hostile/infer", host.prediction);
    let reply = host.send("POST", &url, &[("x-request-id", "late-1")], rows("trap", &[1.0]).to_string().as_bytes());
    assert_eq!((reply.header("scry-degraded"), reply.header("x-request-id")), (Some("trap"), Some("late-1")));
    let failed =
        || host.log().lines().any(|line| line.contains("a call failed") && line.contains(" request_id=late-1 "));
    eventually("the failed call is in the log", failed);
}

#[test]
fn lines_of_the_log_say_of_which_request_they_are() {
    for (format, id) in [("text", "request_id=flood-1 trace_id="), ("json", r#""request_id":"flood-1""#)] {
        let mut host = Host::with(&format!("log.format = \"{format}\"\n{PATIENT}"));
        host.publish(&guest("hostile"));
        let url = format!("{}/v2/models/hostile/infer", host.prediction);
        let headers = [("x-request-id", "flood-1"), ("traceparent", CALLER)];
        let body = rows("log-flood", &[1.0]).to_string();
        host.send("POST", &url, &headers, body.as_bytes()).status(200);
        let guests =
            || host.log().lines().filter(|line| line.contains("flood line")).map(str::to_owned).collect::<Vec<_>>();
        eventually("the guest's lines are in the log", || !guests().is_empty());
        let lines = guests();
        assert!(lines.iter().all(|line| line.contains(id) && line.contains(TRACE)), "{lines:?}");
        if format == "json" {
            let first: Value = serde_json::from_str(&lines[0]).unwrap();
            assert_eq!(first["trace_id"], TRACE);
        }
        // An operator's change, which is made on another thread.
        let deploy = format!("{}/v1/models/hostile/withdraw", host.admin);
        let bearer = format!("Bearer {}", host.token());
        let headers = [("authorization", &*bearer), ("x-request-id", "change-1")];
        host.send("POST", &deploy, &headers, b"{}").status(200);
        assert!(host.log().lines().any(|line| line.contains("change-1")), "{}", host.log());
        // The end of the host is nobody's request.
        host.stop();
        let log = host.log();
        let end = log.lines().find(|line| line.contains("stopping")).unwrap_or_else(|| panic!("{log}"));
        assert!(!end.contains("request_id"), "{end}");
    }
}

#[test]
fn refusals_are_of_their_requests() {
    let guarded = Guarded::with("", &[("one", &["--scope", "predict:steady"])]);
    let url = format!("{}/v1/gc", guarded.host.admin);
    let reply = guarded.ask("one", "POST", &url, b"{}").error(403, &["lacks the scope"]);
    let id = reply.header("x-request-id").unwrap().to_owned();
    assert_eq!(reply.json()["request_id"], id.as_str());
    eventually("the refusal is in the log", || guarded.host.log().contains(&format!("request_id={id}")));
}

#[test]
fn calls_of_grpcio_get_metadata_that_opentelemetry_reads() {
    let host = Host::start();
    host.publish(&guest("hostile"));
    let mut command = Command::new(environment());
    command.arg(clients().join("grpc_identity.py")).args([&host.prediction, "hostile"]);
    assert!(Ran::of(&mut command).ok().stdout.contains("every call has its identity"));
    eventually("the call is in the log", || host.log().contains("request_id=grpc-7 "));
}
