//! Calls over gRPC that end before they are answered, by clients that others wrote.

use crate::clients::{clients, environment};
use crate::support::{Host, eventually, guest};
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
