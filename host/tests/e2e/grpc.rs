//! Calls over gRPC that end before they are answered, whose messages are compressed, or too long, by clients that others
//! wrote.

use crate::clients::{clients, environment};
use crate::support::{Host, PATIENT, Ran, eventually, example, guest};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

#[test]
fn a_call_that_is_late_or_cancelled_stops_its_guest() {
    let host = Host::with("[limits]\ndeadline_ms = 600000\nfuel = 0\n");
    host.publish(&guest("hostile"));
    // However often it fails.
    host.scry(&["circuit", "hostile", "--closed"]).ok();
    let program = clients().join("grpc_calls.py");
    let mut command = Command::new(environment());
    command.arg(program).args([&host.prediction, "hostile"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let running = || host.metric("scry_instances_live");
    let outcomes = |outcome: &str| {
        host.metric(&format!(r#"scry_requests_total{{model="hostile",outcome="{outcome}",version="1"}}"#))
    };
    for (said, guests) in [
        ("late", 0.0),
        ("late by itself", 0.0),
        ("running", 1.0),
        ("cancelled", 0.0),
        ("streaming", 1.0),
        ("stopped", 0.0),
    ] {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), said);
        eventually(said, || running() == guests);
        stdin.write_all(b"\n").unwrap();
    }
    assert!(child.wait().unwrap().success());
    eventually("clients that left are counted", || outcomes("abandoned") >= 2.0);
    assert!(outcomes("timeout") >= 1.0);
}

#[test]
fn messages_are_compressed_both_ways_and_are_no_longer_than_they_may_be() {
    let host = Host::with(&format!("prediction.body_max_bytes = 1048576\n{PATIENT}"));
    host.publish(&example("digits"));
    let mut command = Command::new(environment());
    command.arg(clients().join("grpc_compression.py")).args([&host.prediction, "digits", "image", "1048576"]);
    assert!(Ran::of(&mut command).ok().stdout.contains("compressed both ways"));
    let refused = |reason: &str| host.metric(&format!(r#"scry_requests_refused_total{{reason="{reason}"}}"#));
    // Four as they are, and two in each of the two ways.
    assert_eq!(refused("body-too-large"), 8.0);
    assert_eq!(refused("body-unreadable"), 2.0);
}

/// The headers of the answer to a call with this body.
fn told(host: &Host, encoding: Option<&str>, body: &[u8]) -> String {
    let url = format!("{}/inference.GRPCInferenceService/ModelInfer", host.prediction);
    let file = host.data().join("call");
    std::fs::write(&file, body).unwrap();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "60", "--http2-prior-knowledge", "--dump-header", "-"]);
    curl.args(["--header", "content-type: application/grpc", "--header", "te: trailers"]);
    if let Some(encoding) = encoding {
        curl.args(["--header", &format!("grpc-encoding: {encoding}")]);
    }
    curl.arg("--data-binary").arg(format!("@{}", file.display())).arg(url);
    // Which fails where its answer comes while it sends: a race that it loses now and then.
    const LOST: Option<i32> = Some(92);
    (0..20).map(|_| Ran::of(&mut curl)).find(|ran| ran.code != LOST).unwrap().ok().stdout
}

#[test]
fn what_is_no_message_is_refused_with_the_code_that_the_protocol_has_for_it() {
    let host = Host::start();
    host.publish(&guest("steady"));
    let framed = |flag: u8, bytes: &[u8]| [&[flag], &(bytes.len() as u32).to_be_bytes()[..], bytes].concat();
    // A message that names the model, and one whose end is cut off.
    let whole = [&b"\x0a\x06steady\x1a\xc8\x01"[..], &[b'x'; 200]].concat();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(&whole).unwrap();
    let gzip = gzip.finish().unwrap();
    for (encoding, body, code, says) in [
        (None, framed(0, &whole), 3, "inputs"),
        (Some("gzip"), framed(1, &gzip), 3, "inputs"),
        (Some("gzip"), framed(1, &gzip[..gzip.len() - 9]), 3, "expected%20whole%20gzip"),
        (Some("deflate"), framed(1, &gzip), 3, "expected%20whole%20deflate"),
        (Some("zstd"), framed(0, &whole), 12, "found%20`zstd`"),
        (None, framed(1, &gzip), 13, "grpc-encoding"),
        (None, framed(2, &whole), 3, "found%202"),
        (None, framed(0, &whole)[..9].to_vec(), 3, "found%20a%20part"),
        (None, framed(0, &whole).repeat(2), 3, "found%20several"),
        (None, Vec::new(), 3, "found%20none"),
    ] {
        let told = told(&host, encoding, &body);
        assert!(told.contains(&format!("grpc-status: {code}\r\n")), "{says}: {told}");
        let message = told.lines().find_map(|line| line.strip_prefix("grpc-message: "));
        assert!(message.is_some_and(|message| message.replace("%60", "`").contains(says)), "{says}: {told}");
        assert_eq!(told.contains("grpc-accept-encoding: identity,deflate,gzip"), code == 12, "{told}");
    }
    let refused = |reason: &str| host.metric(&format!(r#"scry_requests_refused_total{{reason="{reason}"}}"#));
    assert!(refused("content-encoding") >= 1.0 && refused("body-unreadable") >= 7.0);
}
