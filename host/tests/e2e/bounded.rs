//! What a card or a request can make long ends with its request: at the
//! deadline, or when the client leaves. Meanwhile others are answered.

use crate::drift::{references, with};
use crate::ontime::{answers, asks_for, host, runs, within};
use crate::support::{Host, eventually, guest, rows};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read};
use std::net::TcpStream;

/// Words for a card: so many rules of 443 steps a row, all of them true where x is not negative.
fn costly(rules: usize) -> Value {
    let expression = vec!["x>=0"; 111].join("&&");
    let rule = |number| json!({ "name": format!("rule {number}"), "expression": expression });
    json!({ "checks": { "rules": (0..rules).map(rule).collect::<Vec<_>>() } })
}

/// `steady` with as many of those rules as a card may have: 7,974 steps a row.
fn publish_costly(host: &Host) {
    let bytes = with(&guest("steady"), &references(0.0), &costly(18));
    host.admin_post("/v1/models", &bytes).status(200);
}

/// A minute's work and more for a single thread.
fn endless() -> Value {
    rows("", &vec![1.0; 2_000_000])
}

fn has_answer(client: &TcpStream) -> bool {
    !matches!(client.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// A model whose large requests are looked at one after the other.
const ONE: &str = "in_flight_max = 1\n";

/// Whether the model's only place for reading and checking is free: for a request whose rules take too long for the
/// thread that reads, and which is read before it waits, since its body says a deadline.
fn is_free(host: &Host, within_ms: u64) -> bool {
    let mut body = rows("", &vec![1.0; 800]);
    body["parameters"] = json!({ "timeout": 60_000_000 });
    within(host, within_ms, "steady", &body).status == 200
}

/// All that it did for a request has ended.
fn rests(host: &Host) {
    eventually("another is looked at", || is_free(host, 5_000));
}

#[test]
fn rules_that_cost_too_much_are_refused_by_name_when_they_are_published() {
    let host = Host::start();
    let refused = |words: &Value| {
        host.admin_post("/v1/models", &with(&guest("steady"), &references(0.0), words)).status(422).text
    };
    let said = refused(&costly(64));
    let expected = "rule `rule 18`: expected at most 8192 steps a row in all rules together, \
                    found 8417 with this one, which takes 443";
    assert!(said.contains(expected), "{said}");
    let sum = vec!["1"; 300].join("+") + ">x";
    let said = refused(&json!({ "checks": { "rules": [{ "name": "a sum", "expression": sum }] } }));
    assert!(said.contains("rule `a sum`: expected at most 512 steps a row, found 601"), "{said}");
}

#[test]
fn rules_end_at_the_deadline_of_their_request() {
    let host = host(ONE);
    publish_costly(&host);
    let reply = within(&host, 1_000, "steady", &endless()).error(504, &["the deadline passed before"]);
    assert_eq!(reply.header("scry-reason"), Some("timeout"));
    rests(&host);
    assert_eq!((answers(&host, "steady", "timeout"), runs(&host, "steady")), (1.0, 1.0));
    // As records they are checked elsewhere, and end all the same.
    let records = json!({ "instances": vec![json!({ "behaviour": "", "x": 1.0 }); 300_000] }).to_string();
    let url = format!("{}/v1/models/steady:predict", host.prediction);
    host.send("POST", &url, &[("x-request-timeout-ms", "2000")], records.as_bytes()).status(504);
    rests(&host);
    assert_eq!((answers(&host, "steady", "timeout"), runs(&host, "steady")), (2.0, 2.0));
}

#[test]
fn rules_end_when_their_client_leaves_and_others_are_answered_meanwhile() {
    let host = host(ONE);
    publish_costly(&host);
    let client = asks_for(&host, "steady", &endless());
    eventually("its rules are run", || !is_free(&host, 200));
    for _ in 0..20 {
        host.get("/v2/health/live").status(200);
    }
    assert!(!has_answer(&client), "the rules are run meanwhile");
    drop(client);
    rests(&host);
    eventually("it is counted", || answers(&host, "steady", "abandoned") == 1.0);
    assert_eq!(host.post("/v2/models/steady/infer", &rows("", &[3.0])).status(200).y(), 6.0);
}

#[test]
fn the_thread_that_reads_runs_no_long_rules() {
    // There is one such thread; what it did itself, the health check would wait for.
    let host = Host::with("compute.io_threads = 1\n[limits]\ndeadline_ms = 60000\n");
    publish_costly(&host);
    // A body that it reads itself.
    let mut client = asks_for(&host, "steady", &rows("", &vec![1.0; 8_000]));
    host.get("/v2/health/live").status(200);
    assert!(!has_answer(&client), "the health check was answered first");
    client.set_nonblocking(false).unwrap();
    let mut start = [0; 12];
    client.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
}
