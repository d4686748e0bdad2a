//! What clients and guests say comes back in errors and in the log: bounded, on
//! its own line, and never as something that a terminal would obey.

use crate::support::{Host, PATIENT, Ran, eventually, guest, rows, scry};
use serde_json::json;

/// No error is longer.
const ERROR_MAX_BYTES: usize = 300 << 10;
/// Forges a line of the log, clears a screen, reverses text.
const FORGED: &str = "x\n2030-01-01T00:00:00.000000Z ERROR scry: forged\r\0\x1b[2J\u{9b}2J\u{2028}\u{202e}y";

fn host() -> Host {
    let host = Host::start();
    host.publish(&guest("hostile"));
    host
}

#[test]
fn no_error_is_as_long_as_what_it_is_about() {
    let host = host();
    let (long, many) = ("x".repeat(4 << 20), 4 << 20);
    let ones = format!("[{}1]", "1,".repeat(many - 1));
    let infer = "/v2/models/hostile/infer";
    let tensor = |name: &str, shape: &str, datatype: &str, data: &str| {
        format!(r#"{{"inputs":[{{"name":"{name}","shape":{shape},"datatype":"{datatype}","data":{data}}}]}}"#)
    };
    let good = rows("well", &[1.0]).to_string();
    let with = |more: &str| format!("{},{more}}}", good.strip_suffix('}').unwrap());
    for body in [
        tensor("x", &ones, "FP64", "[1]"),
        tensor("x", &ones, "FP64", "[1,2]"),
        tensor(&long, "[1]", "FP64", "[1]"),
        tensor("x", "[1]", &long, "[1]"),
        tensor("x", "[1]", "FP64", &format!("[\"{long}\"]")),
        tensor("x", &format!("\"{long}\""), "FP64", "[1]"),
        rows(&long, &[1.0]).to_string(),
        with(&format!(r#""outputs":[{{"name":"{long}"}}]"#)),
        with(&format!(r#""parameters":{{"timeout":"{long}"}}"#)),
        with(&format!(r#""parameters":{{"invalid_rows":"{long}"}}"#)),
        format!("\"{long}\""),
        long.clone(),
    ] {
        let reply = host.send("POST", &format!("{}{infer}", host.prediction), &[], body.as_bytes());
        assert!(reply.status >= 400, "{}", &body[..60]);
        assert!(reply.text.len() < ERROR_MAX_BYTES, "{} bytes to {}", reply.text.len(), &body[..60]);
    }
    for body in [
        json!({ "instances": [{ &long: 1 }] }),
        json!({ "instances": [&long] }),
        json!({ "instances": [{ "behaviour": &long, "x": &long }] }),
        json!({ "instances": vec![json!({ "behaviour": 1, "x": &long[..1000] }); 2000] }),
        json!({ "instances": [], "parameters": { "invalid_rows": &long } }),
    ] {
        let reply = host.post("/v1/models/hostile:predict", &body);
        assert!(reply.status >= 400 && reply.text.len() < ERROR_MAX_BYTES, "{} bytes", reply.text.len());
    }
    for (path, body) in [
        ("/v1/models/hostile/deploy", json!({ "to": &long })),
        ("/v1/models/hostile/deploy", json!({ &long: 1 })),
        ("/v1/models/hostile/deploy", json!({ "alias": { &long: 1 } })),
        ("/v1/models/hostile/deploy", json!({ "fallback": [{ "model": &long }] })),
        ("/v1/models/hostile/rollback", json!({ "to": &long })),
        ("/v1/models/hostile/circuit", json!({ "state": &long })),
        ("/v1/gc", json!({ "dry_run": &long })),
    ] {
        let reply = host.admin_post(path, body.to_string().as_bytes());
        assert!(reply.status >= 400 && reply.text.len() < ERROR_MAX_BYTES, "{} bytes to {path}", reply.text.len());
    }
    for document in [long.clone(), format!("[models.{long}]\nlive = 1\n"), format!("a = \"{long}\"")] {
        let reply = host.try_admin("PUT", "/v1/desired", document.as_bytes()).unwrap();
        assert!(reply.status >= 400 && reply.text.len() < ERROR_MAX_BYTES, "{} bytes", reply.text.len());
    }
    assert!(host.log().len() < 1 << 20, "{} bytes of log", host.log().len());
}

#[test]
fn errors_with_many_errors_are_cut_and_say_so() {
    let host = Host::with(&format!("{PATIENT}[validation]\nerrors_max = 1000\necho_max_chars = 1000\n"));
    host.publish(&guest("hostile"));
    let wrong = vec![json!({ "behaviour": 1, "x": "x".repeat(1000) }); 1000];
    let reply = host.post("/v1/models/hostile:predict", &json!({ "instances": wrong })).status(422);
    assert!(reply.text.len() < ERROR_MAX_BYTES, "{} bytes", reply.text.len());
    let json = reply.json();
    let errors = json["errors"].as_array().unwrap();
    let last = errors.last().unwrap()["msg"].as_str().unwrap();
    let shown = errors.len() - 1;
    assert_eq!(last, format!("{} more are left out", 1000 - shown));
    assert!(shown > 10, "{shown}");
}

#[test]
fn a_line_of_the_log_is_what_the_host_says_and_nothing_else() {
    let host = host();
    // The guest repeats it, in an answer that is an error.
    host.predict("hostile", FORGED, 1.0).error(500, &[]);
    // As a name, a header and a reference.
    host.predict(&"%0A%1B".repeat(3), FORGED, 1.0).error(404, &[]);
    host.admin_post("/v1/models/hostile/deploy", json!({ "to": FORGED }).to_string().as_bytes()).error(400, &[]);
    eventually("the guest's failure is in the log", || host.log().contains("no such behaviour"));
    let log = host.log();
    assert!(
        log.contains(r"no such behaviour: x\n2030-01-01T00:00:00.000000Z ERROR scry: forged\r\u{0}\u{1b}[2J"),
        "{log}"
    );
    assert!(log.lines().all(|line| !line.starts_with("2030")), "{log}");
    assert!(log.chars().all(|c| c == '\n' || !c.is_control() && !matches!(c, '\u{2028}' | '\u{202e}')), "{log}");
}

#[test]
#[cfg(debug_assertions)]
fn lines_of_json_and_panics_are_escaped_as_text_is() {
    for format in ["text", "json"] {
        let folder = Host::start().kill().dir;
        // The first write after those of a start, of the component, panics; the next one does not.
        let traced = Host::begin(folder, PATIENT, "trace:1+").unwrap();
        let first = 1 + traced.log().lines().filter(|line| line.starts_with("failpoint: passed")).count();
        let config = format!("{PATIENT}[log]\nformat = \"{format}\"\n");
        let host = Host::begin(traced.kill().dir, &config, &format!("panic:{first}")).unwrap();
        host.admin_post("/v1/models", &guest("hostile").bytes()).status(500);
        host.publish(&guest("hostile"));
        host.predict("hostile", FORGED, 1.0).error(500, &[]);
        eventually("the guest's failure is in the log", || host.log().contains("no such behaviour"));
        let log = host.log();
        let slash = if format == "json" { r"\\" } else { r"\" };
        for said in ["failpoint: component\\nforged", "no such behaviour: x\\n2030-01-01T00:00:00.000000Z ERROR"] {
            assert!(log.contains(&said.replace('\\', slash)), "{said}: {log}");
        }
        assert!(log.lines().all(|line| !line.starts_with("2030") && !line.starts_with("forged")), "{log}");
        assert!(log.chars().all(|c| c == '\n' || !c.is_control() && !matches!(c, '\u{2028}' | '\u{202e}')), "{log}");
        let is_json = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        let began = log.lines().position(is_json);
        assert!(format == "text" || began.is_some_and(|began| log.lines().skip(began).all(is_json)), "{log}");
    }
}

#[test]
fn what_a_command_prints_is_no_command_to_a_terminal() {
    let host = host();
    let ran = host.scry(&["circuit", "hostile\x1b[2J\u{202e}"]).code(1);
    assert!(ran.stderr.contains(r"hostile\u{1b}[2J\u{202e}"), "{}", ran.stderr);
    assert!(!ran.stderr.contains(['\x1b', '\u{202e}']), "{}", ran.stderr);
}

#[test]
fn a_warning_is_a_level() {
    let host = Host::with(&format!("{PATIENT}[admin]\ntoken = \"short\"\n[log]\nlevel = \"warning\"\n"));
    assert!(host.log().contains("WARN") && host.log().contains("it can be guessed"), "{}", host.log());
    assert!(!host.log().contains("INFO"), "{}", host.log());
}

#[test]
fn a_body_that_a_host_refuses_is_told_by_its_commands() {
    let host = Host::with(&format!(
        "{PATIENT}[admin]\ncomponent_max_bytes = 100000\n[prediction]\nlisten = \"127.0.0.1:0\"\nbody_max_bytes = 100000\n"
    ));
    let dir = tempfile::tempdir().unwrap();
    let large = dir.path().join("large.wasm");
    std::fs::write(&large, vec![0; 90 << 20]).unwrap();
    let large = large.to_str().unwrap();
    host.scry(&["publish", large]).code(1).says(&["the body is longer than 100000 bytes"]);
    let mut stranger = scry();
    stranger.args(["publish", large]).env("SCRY_ADMIN", &host.admin).env("SCRY_ADMIN_TOKEN", "wrong");
    Ran::of(&mut stranger).code(1).says(&["the admin token is missing or wrong"]);
    let document = dir.path().join("large.toml");
    std::fs::write(&document, vec![b'\n'; 20 << 20]).unwrap();
    host.scry(&["apply", document.to_str().unwrap()]).code(1).says(&["expected at most 16777216 bytes, found more"]);
    // A client that sends it without asking first gets the answer, too.
    let body = std::fs::read(large).unwrap();
    host.admin_post("/v1/models", &body).error(413, &["100000 bytes"]);
}

#[test]
fn where_a_host_listens_may_be_named_and_is_not_where_clients_look() {
    let dir = tempfile::tempdir().unwrap();
    let taken = Host::start();
    let mut command = scry();
    command.args(["serve", "--listen", "localhost:0", "--data"]).arg(dir.path());
    // The client's address is another host's; only `SCRY_ADMIN_LISTEN` is where this one listens.
    let address = taken.admin.strip_prefix("http://").unwrap();
    command.env("SCRY_ADMIN", "http://127.0.0.1:1").env("SCRY_ADMIN_LISTEN", address);
    Ran::of(&mut command).code(1).says(&[address, "--admin-listen"]);
    let mut command = scry();
    command.args(["serve", "--admin-listen", "localhost:0", "--data"]).arg(dir.path());
    let address = taken.prediction.strip_prefix("http://").unwrap();
    Ran::of(command.env("SCRY_LISTEN", address)).code(1).says(&[address, "--listen"]);
    for wrong in ["localhost", "localhost:99999", "http://localhost:1"] {
        let mut command = scry();
        command.args(["serve", "--listen", wrong, "--data"]).arg(dir.path());
        Ran::of(&mut command).code(2).says(&[wrong, "is not an address such as"]);
    }
}
