//! HTTP/1.1 as RFC 9112 says, byte by byte on both listeners: what one server
//! takes for one request and the next for two is a way around both.

use crate::edge::{Client, is_refusal};
use crate::support::{Host, PATIENT, guest, rows};
use serde_json::json;
use std::net::Shutdown;

/// Bytes, the status that RFC 9112 or 9110 asks for, and the name of the refusal where it is Scry's own.
/// `PATH` is one that answers a GET, and `MORE` whatever else the listener wants to be told.
const REQUESTS: &[(&str, &str, &str)] = &[
    // 3.2: one valid Host, and none only before HTTP/1.1.
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\n\r\n", "200 OK", ""),
    ("GET PATH HTTP/1.1\r\nhost: [::1]:8080\r\nMORE\r\n\r\n", "200 OK", ""),
    ("GET PATH HTTP/1.1\r\nhost:\r\nMORE\r\n\r\n", "200 OK", ""),
    ("GET PATH HTTP/1.0\r\nMORE\r\n\r\n", "200 OK", ""),
    ("GET PATH HTTP/1.1\r\nMORE\r\n\r\n", "400 Bad Request", "host"),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nhost: x\r\nMORE\r\n\r\n", "400 Bad Request", "host"),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\nHOST: y\r\n\r\n", "400 Bad Request", "host"),
    ("GET PATH HTTP/1.0\r\nhost: x\r\nhost: y\r\nMORE\r\n\r\n", "400 Bad Request", "host"),
    ("GET PATH HTTP/1.1\r\nhost: a b\r\nMORE\r\n\r\n", "400 Bad Request", "host"),
    ("GET PATH HTTP/1.1\r\nhost: x, y\r\nMORE\r\n\r\n", "400 Bad Request", "host"),
    ("GET PATH HTTP/1.1\r\nhost: x:port\r\nMORE\r\n\r\n", "400 Bad Request", "host"),
    ("GET PATH HTTP/1.1\r\nhost: user@x\r\nMORE\r\n\r\n", "400 Bad Request", "host"),
    ("GET PATH HTTP/1.1\r\nhost: x/y\r\nMORE\r\n\r\n", "400 Bad Request", "host"),
    ("GET PATH HTTP/1.1\r\nhost: http://x\r\nMORE\r\n\r\n", "400 Bad Request", "host"),
    // 3.2.2: a whole URL is taken, whatever Host says beside it.
    ("GET http://other:80PATH HTTP/1.1\r\nhost: x\r\nMORE\r\n\r\n", "200 OK", ""),
    ("GET http://otherPATH HTTP/1.1\r\nMORE\r\n\r\n", "400 Bad Request", "host"),
    ("GET ftp://xPATH HTTP/1.1\r\nhost: x\r\nMORE\r\n\r\n", "400 Bad Request", "target"),
    ("GET http://user@xPATH HTTP/1.1\r\nhost: x\r\nMORE\r\n\r\n", "400 Bad Request", "target"),
    // 2.2, 3, 5: the form of lines.
    ("\r\nGET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\n\r\n", "200 OK", ""),
    ("GET  PATH HTTP/1.1\r\nhost: x\r\nMORE\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH http/1.1\r\nhost: x\r\nMORE\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/2.0\r\nhost: x\r\nMORE\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\nhost : x\r\nMORE\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\n host: x\r\nMORE\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\nx: a\r\n b\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\nx: a\r\n\tb\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\nx: a\rb\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\nx: a\0b\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\nx(y): a\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\n: a\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\nno colon\r\n\r\n", "400 Bad Request", ""),
    // 6.1: only `chunked`, and not before HTTP/1.1.
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "200 OK", ""),
    (
        "GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "501 Not Implemented",
        "transfer-encoding",
    ),
    (
        "GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "501 Not Implemented",
        "transfer-encoding",
    ),
    (
        "GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "501 Not Implemented",
        "transfer-encoding",
    ),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\ntransfer-encoding: chunked, gzip\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\ntransfer-encoding: gzip\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\ntransfer-encoding: xchunked\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.0\r\nhost: x\r\nMORE\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "400 Bad Request", ""),
    // 6.3: one length, in digits.
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n", "200 OK", ""),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\ncontent-length: 0\r\ncontent-length: 5\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\ncontent-length: 0, 5\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\ncontent-length: +0\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\ncontent-length: -1\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\ncontent-length: 0x0\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\ncontent-length: 0 0\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\ncontent-length:\r\n\r\n", "400 Bad Request", ""),
    ("GET PATH HTTP/1.1\r\nhost: x\r\nMORE\r\ncontent-length: 99999999999999999999\r\n\r\n", "400 Bad Request", ""),
];

/// Chunks of RFC 9112, 7.1, that are none, after a head that says that they come.
const CHUNKS: &[&str] = &[
    "5\r\nwhole0\r\n\r\n",
    "5\r\nwholeX\r\n0\r\n\r\n",
    "-1\r\nx\r\n0\r\n\r\n",
    "+2\r\n{}\r\n0\r\n\r\n",
    "0x2\r\n{}\r\n0\r\n\r\n",
    "\r\n{}\r\n0\r\n\r\n",
    "2\n{}\r\n0\r\n\r\n",
    "10000000000000002\r\n{}\r\n0\r\n\r\n",
    "FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n",
];

/// The listeners, what each answers a GET on, where it reads a body, and what it wants to be told.
fn listeners(host: &Host) -> [(String, &'static str, &'static str, String); 2] {
    let authorization = format!("authorization: Bearer {}", host.token());
    [
        (host.prediction.clone(), "/v2/health/live", "/v2/models/steady/infer", "x-some: thing".to_owned()),
        (host.admin.clone(), "/v1/state", "/v1/gc", authorization),
    ]
}

fn host() -> Host {
    let host = Host::with(&format!("admin.hosts = [\"x\", \"other\"]\n{PATIENT}"));
    host.publish(&guest("steady"));
    host
}

#[test]
fn whatever_a_head_is_each_listener_says_what_the_standard_does() {
    let host = host();
    for (url, path, _, more) in listeners(&host) {
        for (request, status, reason) in REQUESTS {
            let bytes = request.replace("PATH", path).replace("MORE", &format!("{more}\r\nconnection: close"));
            let mut client = Client::to(&url);
            client.says(&bytes);
            let answer = client.hears_out();
            let (line, _) = answer.split_once("\r\n").unwrap_or_default();
            assert_eq!(line.split_once(' ').unwrap_or_default().1, *status, "{bytes:?} got {answer:?}");
            // Before HTTP/1.1 that goes without saying.
            let says_close = answer.contains("connection: close\r\n") || line.starts_with("HTTP/1.0 ");
            assert!(says_close, "{bytes:?} got {answer:?}");
            if !reason.is_empty() {
                let answer = answer.replacen("HTTP/1.0 ", "HTTP/1.1 ", 1);
                is_refusal(&answer, status[..3].parse().unwrap(), reason, &["expected", "found"]);
            }
            let answers = answer.lines().filter(|line| line.starts_with("HTTP/")).count();
            assert_eq!(answers, 1, "{bytes:?} got {answer:?}");
        }
    }
    for reason in ["host", "target", "transfer-encoding"] {
        let each = REQUESTS.iter().filter(|(_, _, named)| *named == reason).count();
        let counted = host.metric(&format!(r#"scry_requests_refused_total{{reason="{reason}"}}"#));
        assert_eq!(counted, 2.0 * each as f64, "{reason}, on both listeners");
    }
}

#[test]
fn a_length_beside_chunks_is_no_second_request() {
    let host = host();
    for (url, path, _, more) in listeners(&host) {
        for framing in [
            "transfer-encoding: chunked\r\ncontent-length: 5",
            "content-length: 5\r\ntransfer-encoding: chunked",
            "content-length: 500\r\ntransfer-encoding: chunked",
        ] {
            let mut client = Client::to(&url);
            // To whatever goes by the length, the second request is a body, or begins later.
            let next = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n\r\n");
            client.says(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n{framing}\r\n\r\n0\r\n\r\n{next}"));
            let answer = client.hears_out();
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("connection: close\r\n"), "{answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        }
    }
}

#[test]
fn chunks_that_are_none_end_their_connection() {
    let host = host();
    for (url, _, path, more) in listeners(&host) {
        for chunks in CHUNKS {
            let mut client = Client::to(&url);
            client.says(&format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\n{more}\r\ntransfer-encoding: chunked\r\n\r\n{chunks}GET / HTTP/1.1\r\nhost: x\r\n\r\n"
            ));
            let answer = client.hears_out();
            is_refusal(&answer, 400, "body-unreadable", &["could not be read"]);
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        }
    }
}

#[test]
fn a_client_that_has_said_all_gets_its_answer() {
    let host = host();
    let body = rows("", &[2.0]).to_string();
    for (url, path, _, more) in listeners(&host) {
        let mut client = Client::to(&url);
        client.says(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n\r\n"));
        client.0.shutdown(Shutdown::Write).unwrap();
        assert!(client.hears_out().contains("HTTP/1.1 200 OK\r\n"));
    }
    // Each of several, too.
    let mut client = Client::to(&host.prediction);
    let length = body.len();
    let request = format!("POST /v2/models/steady/infer HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}");
    client.says(&request.repeat(3));
    client.0.shutdown(Shutdown::Write).unwrap();
    let answers = client.hears_out();
    assert_eq!(answers.matches("\"data\":[4.0]").count(), 3, "{answers}");
}

#[test]
fn a_client_that_waits_for_a_slow_answer_with_its_side_ended_gets_it() {
    let host = Host::with("[limits]\ndeadline_ms = 2000\nfuel = 0\n");
    host.publish(&guest("hostile"));
    let body = rows("loop", &[2.0]).to_string();
    // RFC 9110, 15.2: interim answers may come before the one, but not before HTTP/1.1.
    for (version, begins) in [("1.1", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 504 "), ("1.0", "HTTP/1.0 504 ")] {
        let mut client = Client::to(&host.prediction);
        let length = body.len();
        client.says(&format!(
            "POST /v2/models/hostile/infer HTTP/{version}\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
        client.0.shutdown(Shutdown::Write).unwrap();
        let answer = client.hears_out();
        assert!(answer.starts_with(begins) && answer.contains("scry-reason: timeout"), "{answer}");
    }
}

#[test]
fn a_number_has_one_form_wherever_it_is_written() {
    let host = Host::with(&format!("{PATIENT}[history]\nchanges_max = 10\n"));
    host.publish(&guest("steady"));
    let steady = format!("{}/v2/models/steady", host.prediction);
    host.get("/v2/models/steady/versions/1").status(200);
    for version in ["01", "+1", "%2B1", "1%20", "%201", "-1", "0", "00", "1.0", "1e0", "0x1", "4294967297"] {
        for rest in ["", "/ready"] {
            host.send("GET", &format!("{steady}/versions/{version}{rest}"), &[], b"").error(404, &["is not a version"]);
        }
        host.send("POST", &format!("{steady}/versions/{version}/infer"), &[], b"{}").error(404, &["is not a version"]);
        let records = format!("{}/v1/models/steady/versions/{version}:predict", host.prediction);
        assert_eq!(host.send("POST", &records, &[], b"{}").status, 404, "{version}");
        host.admin_get(&format!("/v1/models/steady/circuit?version={version}")).error(400, &[]);
    }
    for to in ["01", "+1", "steady@01"] {
        host.admin_post("/v1/models/steady/deploy", json!({ "to": to }).to_string().as_bytes()).error(400, &["`to`"]);
        host.deploy(&["steady", "--to", to]).code(2);
    }
    for limit in ["%2B1", "01", "-1", "1.0", ""] {
        host.admin_get(&format!("/v1/history?limit={limit}")).error(400, &["limit", "whole number"]);
    }
    host.admin_get("/v1/history?limit=1").status(200);
    let body = rows("", &[2.0]).to_string();
    for (millis, status) in [("10000", 200), ("+10000", 400), ("010000", 400), ("1e4", 400), ("", 400)] {
        let headers = [("x-request-timeout-ms", millis)];
        host.send("POST", &format!("{steady}/infer"), &headers, body.as_bytes()).status(status);
    }
}
