//! The log of requests, in each form: by readers that others wrote, across rotations, and where it cannot be written.

use crate::access::guarded::Guarded;
use crate::clients::{clients, environment, environment_of};
use crate::support::{Host, PATIENT, Ran, eventually, guest, rows};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

fn host(access: &str) -> Host {
    let host = Host::with(&format!("log.access_file = \"access.log\"\n{access}{PATIENT}"));
    host.publish(&guest("hostile"));
    host
}

fn file(host: &Host) -> PathBuf {
    host.data().with_file_name("access.log")
}

/// The file's lines that say this, once there are so many.
#[track_caller]
fn lines(host: &Host, says: &str, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    eventually("lines of the access log", || {
        let text = std::fs::read_to_string(file(host)).unwrap_or_default();
        lines = text.lines().filter(|line| line.contains(says)).map(str::to_owned).collect();
        lines.len() >= count
    });
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}

fn ask(host: &Host, id: &str, behaviour: &str) -> u16 {
    let url = format!("{}/v2/models/hostile/infer", host.prediction);
    let headers = [("x-request-id", id), ("user-agent", "a \"client\"\\1")];
    host.send("POST", &url, &headers, rows(behaviour, &[1.0]).to_string().as_bytes()).status
}

#[test]
fn a_line_of_json_says_what_became_of_a_request() {
    let host = host("log.access = \"all\"\nlog.access_format = \"json\"\n");
    let line = |id: &str| -> Value { serde_json::from_str(&lines(&host, id, 1)[0]).unwrap() };
    assert_eq!(ask(&host, "well-1", "well"), 200);
    let well = line("well-1");
    for (name, expected) in [
        ("listener", json!("prediction")),
        ("remote", json!("127.0.0.1")),
        ("method", json!("POST")),
        ("path", json!("/v2/models/hostile/infer")),
        ("protocol", json!("HTTP/1.1")),
        ("status", json!(200)),
        ("model", json!("hostile")),
        ("version", json!("1")),
        ("outcome", json!("ok")),
        ("request_id", json!("well-1")),
        ("user_agent", json!("a \"client\"\\1")),
        ("reason", Value::Null),
        ("token", Value::Null),
    ] {
        assert_eq!(well[name], expected, "{name} of {well}");
    }
    assert!(well["duration_ms"].as_f64().unwrap() > 0.0 && well["trace_id"].as_str().unwrap().len() == 32, "{well}");
    assert!(well["digest"].as_str().unwrap().starts_with("sha256:"), "{well}");
    let answer = host.predict("hostile", "well", 1.0).text;
    assert_eq!(well["bytes"], answer.len(), "{well}");

    assert_eq!(ask(&host, "trap-1", "trap"), 500);
    let trap = line("trap-1");
    assert_eq!((&trap["status"], &trap["outcome"], &trap["reason"]), (&json!(500), &json!("trap"), &json!("trap")));
    host.deploy(&["hostile", "--fallback", r#"constant:{"y":-1}"#]).ok();
    assert_eq!(ask(&host, "trap-2", "trap"), 200);
    let degraded = line("trap-2");
    assert_eq!(
        (&degraded["outcome"], &degraded["reason"], &degraded["version"]),
        (&json!("degraded"), &json!("trap"), &json!("constant"))
    );
    host.get("/v2/models/nobody?x=secret").status(404);
    let unknown = &lines(&host, "nobody", 1)[0];
    assert!(!unknown.contains("secret"), "a query is not logged: {unknown}");
    // The deployment above.
    let change: Value = serde_json::from_str(&lines(&host, "/deploy", 1)[0]).unwrap();
    assert_eq!((&change["listener"], &change["status"]), (&json!("admin"), &json!(200)));
}

#[test]
fn errors_alone_and_whose_token_it_was() {
    let config = "log.access = \"errors\"\nlog.access_file = \"access.log\"\n";
    let guarded = Guarded::with(config, &[("shop", &["--scope", "predict:steady"])]);
    guarded.predict("shop", "steady").status(200);
    guarded.predict("shop", "other").status(403);
    guarded.predict("nobody", "steady").status(401);
    let refused = lines(&guarded.host, " status=403 ", 1);
    assert!(refused[0].contains(" token=shop ") && refused[0].contains(" reason=missing-scope "), "{refused:?}");
    let unknown = lines(&guarded.host, " status=401 ", 1);
    assert!(!unknown[0].contains("token="), "{unknown:?}");
    assert_eq!(lines(&guarded.host, "access", 2).len(), 2, "what went well is not there");
}

#[test]
fn calls_of_grpc_have_their_code() {
    let host = host("log.access = \"all\"\n");
    let mut command = Command::new(environment());
    command.arg(clients().join("grpc_identity.py")).args([&host.prediction, "hostile"]);
    Ran::of(&mut command).ok();
    let infer = "path=/inference.GRPCInferenceService/ModelInfer protocol=HTTP/2.0 status=200 ";
    lines(&host, &format!("{infer}grpc_status=0 "), 2);
    let failed = lines(&host, &format!("{infer}grpc_status=13 "), 2);
    assert!(failed.iter().all(|line| line.contains(" model=hostile version=1 ")), "{failed:?}");
    assert!(failed.iter().all(|line| line.contains(" outcome=trap ")), "{failed:?}");
    lines(&host, "ModelStreamInfer protocol=HTTP/2.0 status=200 grpc_status=0 ", 2);
    lines(&host, "grpc_status=7 ", 2);
}

#[test]
fn the_combined_form_is_read_by_a_reader_of_apaches_logs() {
    let host = host("log.access = \"all\"\nlog.access_format = \"combined\"\n");
    let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    ask(&host, "1", "well");
    ask(&host, "2", "trap");
    let url = format!("{}/v2/models/a%22b", host.prediction);
    host.send("GET", &url, &[("referer", "http://x/\"y\""), ("user-agent", "ü\u{9b}")], b"").status(404);
    host.send("HEAD", &format!("{}/v2/health/live", host.prediction), &[], b"");
    lines(&host, "127.0.0.1", 5);
    let mut command = Command::new(environment_of("access_log"));
    command.arg(clients().join("access_log.py")).arg(file(&host));
    let read: Vec<Value> =
        Ran::of(&mut command).ok().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> =
        read.iter().map(|line| (line["request"].as_str().unwrap(), line["status"].as_u64().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("POST /v1/models HTTP/1.1", 200),
            ("POST /v2/models/hostile/infer HTTP/1.1", 200),
            ("POST /v2/models/hostile/infer HTTP/1.1", 500),
            ("GET /v2/models/a%22b HTTP/1.1", 404),
            ("HEAD /v2/health/live HTTP/1.1", 200),
        ]
    );
    let [_, well, _, odd, head] = &read[..] else { panic!("{read:?}") };
    assert_eq!((&well["agent"], &well["referer"]), (&json!("a \"client\"\\1"), &Value::Null));
    assert_eq!(well["bytes"], host.predict("hostile", "well", 1.0).text.len());
    assert!(well["time"].as_f64().unwrap() as u64 >= before, "{well}");
    assert_eq!((&odd["agent"], &odd["referer"]), (&json!("ü\u{9b}"), &json!("http://x/\"y\"")));
    assert_eq!(head["bytes"], Value::Null, "{head}");
}

#[test]
fn a_file_that_was_moved_is_made_anew_and_no_line_is_lost() {
    let host = host("log.access = \"all\"\n");
    let moved = |number: usize| file(&host).with_extension(number.to_string());
    let mut asked = 0;
    for number in 0..3 {
        std::fs::rename(file(&host), moved(number)).unwrap();
        eventually("a new file", || {
            asked += 1;
            assert_eq!(ask(&host, &format!("id-{asked}."), "well"), 200);
            file(&host).exists()
        });
    }
    let all = || {
        let parts = (0..3).map(moved).chain([file(&host)]);
        parts.map(|part| std::fs::read_to_string(part).unwrap()).collect::<String>()
    };
    eventually("every line is written", || all().lines().filter(|line| line.contains("infer")).count() == asked);
    let all = all();
    for id in 1..=asked {
        assert_eq!(all.matches(&format!("request_id=id-{id}. ")).count(), 1, "{id}");
    }
    assert_eq!(host.metric("scry_access_log_dropped_total"), 0.0);
}

#[test]
fn a_sample_has_every_error() {
    let host = host("log.access = \"sampled\"\nlog.access_sample_percent = 0\n");
    assert_eq!((ask(&host, "1", "well"), ask(&host, "2", "trap"), ask(&host, "3", "well")), (200, 500, 200));
    assert!(lines(&host, "access", 1)[0].contains("request_id=2 "));
}

#[test]
fn a_full_disk_costs_lines_and_nothing_else() {
    let host = Host::with(&format!("log.access = \"all\"\nlog.access_file = \"/dev/full\"\n{PATIENT}"));
    host.publish(&guest("hostile"));
    for number in 0..20 {
        assert_eq!(ask(&host, &number.to_string(), "well"), 200);
    }
    eventually("lost lines are counted", || host.metric("scry_access_log_dropped_total") >= 20.0);
    assert!(host.log().contains("the access log cannot be written"), "{}", host.log());
    let fallen =
        Host::begin(tempfile::tempdir().unwrap(), "log.access = \"all\"\nlog.access_file = \"no/a.log\"\n", "");
    let fallen = fallen.err().unwrap();
    assert!(fallen.log().contains("`log.access_file`: expected a file that can be written, found no/a.log"));
}

#[test]
fn without_a_file_it_is_beside_the_log_and_off_means_off() {
    let stderr = Host::with(&format!("log.access = \"all\"\n{PATIENT}"));
    stderr.get("/v2/health/live").status(200);
    eventually("the line is on stderr", || stderr.log().contains(" access listener=prediction "));
    let off = host("");
    ask(&off, "1", "trap");
    assert!(!file(&off).exists() && !off.log().contains(" access listener="));
}

/// A host that ends writes what it has answered.
#[test]
fn the_last_line_is_written_before_the_end() {
    let mut host = host("log.access = \"all\"\n");
    for number in 0..50 {
        ask(&host, &format!("id-{number}."), "well");
    }
    assert!(host.stop().success(), "{}", host.log());
    lines(&host, "infer", 50);
}
