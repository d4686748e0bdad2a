//! Clients that are slow, endless, silent or many: each costs its own
//! connection, is ended in time, and counted.

use crate::support::{Host, PATIENT, eventually, guest, rows};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// How long a test waits for what must happen; only a hang takes as long.
const PATIENCE: Duration = Duration::from_secs(60);

const LIVE: &str = "GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n";

/// A client that does what it likes.
pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    /// To one of the host's listeners.
    pub(crate) fn to(url: &str) -> Self {
        let tcp = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(tcp)
    }

    /// One that has its first answer and says nothing more.
    pub(crate) fn idle(host: &Host) -> Self {
        let mut client = Self::to(&host.prediction);
        client.says(LIVE);
        assert!(client.hears("\"live\":true}").starts_with("HTTP/1.1 200"));
        client
    }

    pub(crate) fn says(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// Whatever comes until a text has come.
    pub(crate) fn hears(&mut self, end: &str) -> String {
        let mut heard = Vec::new();
        while !heard.ends_with(end.as_bytes()) {
            let mut bytes = [0; 4096];
            let read = self.0.read(&mut bytes).unwrap();
            assert!(read > 0, "the end after {}", String::from_utf8_lossy(&heard));
            heard.extend_from_slice(&bytes[..read]);
        }
        String::from_utf8(heard).unwrap()
    }

    /// Whatever comes until the connection ends, one way or the other.
    pub(crate) fn hears_out(&mut self) -> String {
        let mut heard = Vec::new();
        match self.0.read_to_end(&mut heard) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("still open: {error}"),
            _ => String::from_utf8(heard).unwrap(),
        }
    }

    /// An answer is there already.
    fn has_heard(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let peeked = self.0.peek(&mut [0]);
        self.0.set_nonblocking(false).unwrap();
        !matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

fn post(path: &str, headers: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n\r\n")
}

/// A host with `steady` and more keys for its prediction listener.
fn host(prediction: &str) -> Host {
    let host = Host::with(&format!("{PATIENT}[prediction]\nlisten = \"127.0.0.1:0\"\n{prediction}"));
    host.publish(&guest("steady"));
    host
}

fn ended(host: &Host, reason: &str) -> f64 {
    host.metric(&format!(r#"scry_connections_ended_total{{listener="prediction",reason="{reason}"}}"#))
}

fn refused(host: &Host, reason: &str) -> f64 {
    host.metric(&format!(r#"scry_requests_refused_total{{reason="{reason}"}}"#))
}

fn open(host: &Host) -> f64 {
    host.metric(r#"scry_connections{listener="prediction"}"#)
}

/// A whole refusal, in the one shape, that ends its connection.
pub(crate) fn is_refusal(answer: &str, status: u16, reason: &str, says: &[&str]) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("not an answer: {answer:?}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(head.contains(&format!("scry-reason: {reason}")) && head.contains("connection: close"), "{answer}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    for part in says {
        assert!(body["error"].as_str().unwrap().contains(part), "no {part:?} in {answer}");
    }
}

#[test]
fn a_head_that_does_not_come_ends_its_connection() {
    let host = host("header_timeout_ms = 1500\n");
    let began = Instant::now();
    let mut silent = Client::to(&host.prediction);
    let mut dripping = Client::to(&host.prediction);
    let mut second = Client::idle(&host);
    second.says("GET /v2/health/live HTTP/1.1\r\n");
    // A byte now and then buys no time.
    while dripping.0.write_all(b"G").is_ok() {
        assert!(began.elapsed() < PATIENCE, "a head may take for ever");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(silent.hears_out() + second.hears_out().as_str(), "");
    assert!(began.elapsed() >= Duration::from_millis(1500), "{:?}", began.elapsed());
    eventually("three ended", || ended(&host, "header-timeout") == 3.0);
}

#[test]
fn a_body_that_does_not_come_is_408() {
    let host = host("body_timeout_ms = 300\n");
    let mut slow = Client::to(&host.prediction);
    slow.says(&post("/v2/models/steady/infer", "content-length: 1000"));
    slow.says("{\"inputs\":");
    is_refusal(&slow.hears_out(), 408, "body-timeout", &["longer than 300 ms"]);
    assert_eq!(refused(&host, "body-timeout"), 1.0);
}

#[test]
fn a_body_that_is_broken_off_is_counted() {
    let host = host("");
    let mut gone = Client::to(&host.prediction);
    gone.says(&post("/v2/models/steady/infer", "content-length: 1000"));
    gone.says("{\"inputs\":");
    gone.0.shutdown(Shutdown::Write).unwrap();
    gone.hears_out();
    eventually("one counted", || refused(&host, "body-unreadable") == 1.0);
}

#[test]
fn an_endless_body_is_413_at_the_limit() {
    let host = host("body_max_bytes = 100000\n");
    let mut endless = Client::to(&host.prediction);
    endless.says(&post("/v2/models/steady/infer", "transfer-encoding: chunked"));
    let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000));
    let mut sent_bytes = 0;
    while sent_bytes < 100_000 || !endless.has_heard() {
        // It may be over between two looks.
        let Ok(()) = endless.0.write_all(chunk.as_bytes()) else { break };
        sent_bytes += 0x4000;
        assert!(sent_bytes < 1 << 30, "1 GiB was read");
    }
    is_refusal(&endless.hears_out(), 413, "body-too-large", &["100000 bytes"]);
    assert_eq!(refused(&host, "body-too-large"), 1.0);
}

#[test]
fn a_body_that_says_that_it_is_too_long_is_413_before_it_is_sent() {
    let host = host("body_max_bytes = 100000\n");
    for expect in ["", "expect: 100-continue\r\n"] {
        let mut huge = Client::to(&host.prediction);
        huge.says(&post("/v2/models/steady/infer", &format!("{expect}content-length: 1000000000000")));
        is_refusal(&huge.hears("\"}"), 413, "body-too-large", &["100000 bytes"]);
    }
    let mut admin = Client::to(&host.admin);
    let headers = format!("authorization: Bearer {}\r\ncontent-length: 1000000000000", host.token());
    admin.says(&post("/v1/models", &headers));
    is_refusal(&admin.hears("\"}"), 413, "body-too-large", &["67108864 bytes"]);
    assert_eq!(refused(&host, "body-too-large"), 3.0);
}

#[test]
fn a_body_of_an_unknown_coding_is_415_before_it_is_sent() {
    let host = host("");
    let token = format!("authorization: Bearer {}\r\n", host.token());
    for (url, path, more, coding, expected) in [
        (
            &host.prediction,
            "/v2/models/steady/infer",
            "",
            "br",
            "expected none, or one of `gzip`, `deflate` and `identity`",
        ),
        (&host.admin, "/v1/models", token.as_str(), "gzip", "expected none or `identity`"),
    ] {
        let mut client = Client::to(url);
        client.says(&post(path, &format!("{more}content-encoding: {coding}\r\ncontent-length: 1000")));
        let found = format!("found `{coding}`");
        is_refusal(&client.hears("\"}"), 415, "content-encoding", &[expected, &found]);
    }
    let body = rows("", &[1.0]).to_string();
    let url = format!("{}/v2/models/steady/infer", host.prediction);
    host.send("POST", &url, &[("content-encoding", "identity")], body.as_bytes()).status(200);
    assert_eq!(refused(&host, "content-encoding"), 2.0);
}

#[test]
fn a_compressed_body_is_inflated_no_further_than_a_body_may_be_long() {
    use std::io::Write;
    let host = host("body_max_bytes = 1000000\n");
    let gzip = |body: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    };
    let url = format!("{}/v2/models/steady/infer", host.prediction);
    let send = |body: &[u8]| host.send("POST", &url, &[("content-encoding", "gzip")], body);
    let body = rows("", &[1.0]).to_string();
    send(&gzip(body.as_bytes())).status(200);
    // As long as it may be, and a byte longer.
    let padded = |length: usize| gzip(format!("{body}{}", " ".repeat(length - body.len())).as_bytes());
    send(&padded(1_000_000)).status(200);
    let bomb = gzip(&vec![b' '; 100 << 20]);
    for long in [padded(1_000_001), bomb] {
        let refused = send(&long).error(413, &["longer than 1000000 bytes when it is inflated"]);
        assert_eq!(refused.header("scry-reason"), Some("body-too-large"));
    }
    for damaged in [body.as_bytes(), &gzip(body.as_bytes())[..20], b""] {
        let refused = send(damaged).error(400, &["expected whole gzip"]);
        assert_eq!(refused.header("scry-reason"), Some("body-unreadable"));
    }
    assert_eq!((refused(&host, "body-too-large"), refused(&host, "body-unreadable")), (2.0, 3.0));
}

#[test]
fn a_request_that_is_refused_by_its_head_says_that_its_connection_is_over() {
    let host = host("");
    for (line, status) in [("PUT /v1/nothing", 404), ("PUT /v2/models/steady", 405), ("POST /v2/models/%ff/infer", 400)]
    {
        let mut client = Client::to(&host.prediction);
        client.says(&format!("{line} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n"));
        let answer = client.hears("\"}");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        // It may still be sending.
        client.says(&" ".repeat(1000));
        assert_eq!(client.hears_out(), "");
    }
}

#[test]
fn a_head_that_is_too_large_or_no_head_ends_its_connection() {
    let host = host("");
    let mut many = LIVE.trim_end().to_owned();
    (0..100).for_each(|n| write!(many, "\r\nx-{n}: x").unwrap());
    for (head, status) in [
        (format!("{}\r\nx: {}\r\n\r\n", LIVE.trim_end(), "x".repeat(40_000)), 431),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(40_000)), 431),
        (format!("{many}\r\n\r\n"), 431),
        ("GET / HTTP/9\r\n\r\n".to_owned(), 400),
        ("\0\0\0\0".to_owned(), 400),
        (post("/v2", "content-length: many"), 400),
    ] {
        let mut client = Client::to(&host.prediction);
        client.says(&head);
        let answer = client.hears_out();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer} to {}", &head[..40.min(head.len())]);
    }
    Client::to(&host.prediction).says("GET / HT");
    eventually("the one that left is counted", || ended(&host, "client-left") == 1.0);
    eventually("all ended", || (ended(&host, "head-too-large"), ended(&host, "bad-request")) == (3.0, 3.0));
    assert_eq!(host.predict("steady", "", 1.0).status(200).y(), 2.0);
}

#[test]
fn thousands_of_idle_connections_delay_no_answer() {
    const IDLE: u64 = 2000;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    // Other tests have files open at the same time.
    let count = limit.maximum.map_or(IDLE, |most| IDLE.min(most / 2));
    // They are to be idle, not ended, however slow this machine is.
    let host = host("header_timeout_ms = 600000\n");
    let mut idle = Vec::new();
    while idle.len() < count as usize {
        // No more at once than the system queues for a listener.
        idle.extend((0..200).map(|_| Client::to(&host.prediction)));
        eventually("they are open", || open(&host) >= idle.len() as f64);
    }
    for _ in 0..20 {
        host.get("/v2/health/live").status(200);
        assert_eq!(host.predict("steady", "", 2.0).status(200).y(), 4.0);
    }
    drop(idle);
    // The test's own client keeps some of its connections.
    eventually("they are gone", || open(&host) < 10.0);
    assert_eq!(ended(&host, "header-timeout") + ended(&host, "idle-timeout"), 0.0, "they left by themselves");
}

#[test]
fn a_connection_without_a_place_is_told_to_come_back() {
    let host = host("connections_max = 3\nheader_timeout_ms = 60000\n");
    let taken: Vec<_> = (1..=3)
        .map(|count| {
            let client = Client::to(&host.prediction);
            eventually("it has a place", || open(&host) == f64::from(count));
            client
        })
        .collect();
    // Nothing was asked yet.
    let answer = Client::to(&host.prediction).hears_out();
    is_refusal(&answer, 503, "overload", &["too many connections"]);
    assert!(answer.contains("retry-after: 1"), "{answer}");
    let refused = host.metric(r#"scry_connections_refused_total{listener="prediction"}"#);
    assert_eq!(refused, 1.0);
    assert!(host.log().contains("all connections are taken"));
    drop(taken);
    eventually("there is a place again", || open(&host) < 3.0);
    assert_eq!(host.predict("steady", "", 2.0).status(200).y(), 4.0);
}

#[test]
fn idle_connections_that_take_every_place_lose_it() {
    let host = host("connections_max = 2\nidle_timeout_ms = 300\n");
    let mut idle = [Client::idle(&host), Client::idle(&host)];
    eventually("somebody else is answered", || host.get("/v2/health/live").status == 200);
    // To the host a client that vanished is one that says nothing.
    assert_eq!(idle.each_mut().map(Client::hears_out), ["", ""]);
    assert!(ended(&host, "idle-timeout") >= 2.0);
}

#[test]
fn a_client_that_does_not_read_its_answer_loses_it() {
    let host = host("write_timeout_ms = 300\n");
    host.deploy(&["steady", "--deadline-ms", "60000"]).ok();
    // Longer than what the system holds for a client that does not read.
    let body = rows("", &vec![1.234_567_890_123_456_7; 500_000]).to_string();
    let mut deaf = Client::to(&host.prediction);
    deaf.says(&post("/v2/models/steady/infer", &format!("content-length: {}", body.len())));
    deaf.says(&body);
    assert_eq!(deaf.0.peek(&mut [0]).unwrap(), 1, "no answer begins");
    eventually("it is ended", || ended(&host, "write-timeout") == 1.0);
    assert!(!deaf.hears_out().ends_with('}'), "the whole answer was there");
}

#[test]
fn sigint_ends_idle_connections_at_once() {
    // Longer than this test would wait.
    let mut host = host("[shutdown]\ndrain_ms = 600000\n");
    let mut idle = Client::idle(&host);
    host.interrupt();
    assert_eq!(idle.hears_out(), "");
    assert!(host.wait().success());
}

#[test]
fn a_host_that_may_open_no_more_files_says_so_and_goes_on_when_it_may() {
    let host = host("");
    let mut early = Client::idle(&host);
    let pid = Pid::from_raw(i32::try_from(host.id()).unwrap()).unwrap();
    let limit = getrlimit(Resource::Nofile);
    let before = prlimit(Some(pid), Resource::Nofile, Rlimit { current: Some(3), ..limit }).unwrap();
    let mut late = Client::to(&host.prediction);
    late.says(LIVE);
    eventually("it says so", || host.log().contains("cannot accept connections"));
    early.says(LIVE);
    assert!(early.hears("\"live\":true}").starts_with("HTTP/1.1 200"));
    prlimit(Some(pid), Resource::Nofile, before).unwrap();
    assert!(late.hears("\"live\":true}").starts_with("HTTP/1.1 200"));
    let lines = host.log().matches("cannot accept connections").count();
    assert!(lines <= 3, "{lines} lines say the same");
}
