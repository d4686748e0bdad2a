//! HTTP/2 on the ports of HTTP/1.1: the same answers, and limits that hold for clients that keep to no rule.

use crate::edge::Client;
use crate::support::{Host, PATIENT, Ran, eventually, guest, rows};
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::process::Command;
use std::time::{Duration, Instant};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// `:status` 200 as the first field of an answer's headers.
const OK: u8 = 0x88;

#[derive(Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// The code of an RST_STREAM, or of a GOAWAY.
    fn code(&self) -> u32 {
        let from = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[from..from + 4].try_into().unwrap())
    }
}

/// A client that writes frames as it likes.
struct Http2(Client);

impl Http2 {
    /// Has said hello, with these settings.
    fn to(url: &str, settings: &[(u16, u32)]) -> Self {
        let mut http = Self(Client::to(url));
        http.0.says("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let payload: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        http.says(SETTINGS, 0, 0, &payload);
        http
    }

    fn says(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.writes(&frame(kind, flags, stream, payload)).unwrap();
    }

    fn writes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.0.write_all(bytes)
    }

    fn posts(&mut self, stream: u32, path: &str, body: &str) {
        self.says(HEADERS, END_HEADERS, stream, &head("POST", path, &[]));
        self.says(DATA, END_STREAM, stream, body.as_bytes());
    }

    fn gets(&mut self, stream: u32, path: &str) {
        self.says(HEADERS, END_HEADERS | END_STREAM, stream, &head("GET", path, &[]));
    }

    /// The next frame; nothing once the connection has ended.
    fn hears(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        match self.0.0.read_exact(&mut head) {
            Err(error) if [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset].contains(&error.kind()) => {
                return None;
            }
            read => read.unwrap(),
        }
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.0.read_exact(&mut payload).unwrap();
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The next frame of a kind.
    fn hears_a(&mut self, kind: u8) -> Frame {
        while let Some(frame) = self.hears() {
            if frame.kind == kind {
                return frame;
            }
        }
        panic!("the connection has ended before a frame of kind {kind}");
    }

    /// A request's answer: whether its status is 200, and its body.
    fn answer(&mut self, stream: u32) -> (bool, String) {
        let (mut is_ok, mut body) = (false, Vec::new());
        loop {
            let frame = self.hears().expect("the connection has ended");
            if frame.stream != stream {
                continue;
            }
            match frame.kind {
                HEADERS => is_ok = frame.payload[0] == OK,
                DATA => body.extend_from_slice(&frame.payload),
                kind => panic!("a frame of kind {kind}"),
            }
            if frame.flags & END_STREAM != 0 {
                return (is_ok, String::from_utf8(body).unwrap());
            }
        }
    }

    /// Everything up to the end of the connection.
    fn hears_out(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.hears()).collect()
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Headers of a request, none of them compressed.
fn head(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    fn text(text: &str, into: &mut Vec<u8>) {
        let mut length = text.len();
        if length < 127 {
            into.push(u8::try_from(length).unwrap());
        } else {
            into.push(127);
            length -= 127;
            while length >= 128 {
                into.push((length % 128 + 128) as u8);
                length /= 128;
            }
            into.push(length as u8);
        }
        into.extend_from_slice(text.as_bytes());
    }
    // From the static table: the method, `http`, and the names `:path` and `:authority`.
    let mut block = vec![if method == "GET" { 0x82 } else { 0x83 }, 0x86, 0x04];
    text(path, &mut block);
    block.push(0x01);
    text("127.0.0.1", &mut block);
    for (name, value) in more {
        block.push(0x00);
        text(name, &mut block);
        text(value, &mut block);
    }
    block
}

fn host(prediction: &str) -> Host {
    Host::with(&format!("{PATIENT}[prediction]\nlisten = \"127.0.0.1:0\"\n{prediction}"))
}

fn ended(host: &Host, reason: &str) -> f64 {
    host.metric(&format!(r#"scry_connections_ended_total{{listener="prediction",reason="{reason}"}}"#))
}

const INFER: &str = "/v2/models/steady/infer";

#[test]
fn http2_has_the_answers_of_http1_and_many_at_a_time() {
    let host = Host::start();
    host.publish(&guest("steady"));
    let plain = host.predict("steady", "", 2.0).status(200);
    let body = rows("", &[2.0]).to_string();
    let mut http = Http2::to(&host.prediction, &[]);
    for request in 0..50 {
        http.posts(2 * request + 1, INFER, &body);
    }
    let mut open: Vec<_> = (0..50).map(|request| 2 * request + 1).collect();
    while !open.is_empty() {
        let frame = http.hears().unwrap();
        if frame.kind == DATA && frame.flags & END_STREAM != 0 {
            open.retain(|stream| *stream != frame.stream);
            assert_eq!(frame.payload, plain.text.as_bytes());
        }
    }
    http.gets(101, "/v2/health/live");
    assert_eq!(http.answer(101), (true, r#"{"live":true}"#.to_owned()));
    http.gets(103, "/nothing");
    let (is_ok, body) = http.answer(103);
    assert!(!is_ok && body.contains("no such path"), "{body}");
    // The admin listener speaks it, too, and wants its token.
    let mut admin = Http2::to(&host.admin, &[]);
    admin.gets(1, "/v1/state");
    assert!(!admin.answer(1).0);

    // A client of others.
    let curl = |version: &str| {
        let mut command = Command::new("curl");
        command.args(["-sS", "-w", "\n%{http_version} %{http_code}", version, "-d", &rows("", &[3.0]).to_string()]);
        Ran::of(command.arg(format!("{}{INFER}", host.prediction))).ok().stdout
    };
    let (two, one) = (curl("--http2-prior-knowledge"), curl("--http1.1"));
    let (body, version) = two.rsplit_once('\n').unwrap();
    assert_eq!((Some(body), version), (one.rsplit_once('\n').map(|(body, _)| body), "2 200"));
}

#[test]
fn a_request_whose_host_is_not_the_connections_is_refused() {
    let host = Host::start();
    let mut http = Http2::to(&host.prediction, &[]);
    http.says(HEADERS, END_HEADERS | END_STREAM, 1, &head("GET", "/v2/health/live", &[("host", "other.example")]));
    let (is_ok, body) = http.answer(1);
    assert!(!is_ok && body.contains("found `other.example`"), "{body}");
    http.says(HEADERS, END_HEADERS | END_STREAM, 3, &head("GET", "/v2/health/live", &[("host", "127.0.0.1")]));
    assert!(http.answer(3).0);
}

#[test]
fn requests_of_one_connection_are_limited_in_number() {
    let host = host("body_timeout_ms = 600000\n");
    host.publish(&guest("steady"));
    let mut http = Http2::to(&host.prediction, &[]);
    let settings = http.hears_a(SETTINGS).payload;
    let most = settings.chunks(6).find(|setting| setting[..2] == [0, 3]).unwrap();
    let most = u32::from_be_bytes(most[2..].try_into().unwrap());
    assert_eq!(most, 256);
    // Their bodies do not come.
    for request in 0..most + 1 {
        http.says(HEADERS, END_HEADERS, 2 * request + 1, &head("POST", INFER, &[]));
    }
    let refused = http.hears_a(RST_STREAM);
    assert_eq!((refused.stream, refused.code()), (2 * most + 1, REFUSED_STREAM));
    // Others are answered.
    assert_eq!(host.predict("steady", "", 1.0).status(200).y(), 2.0);
}

#[test]
fn requests_that_are_taken_back_at_once_end_their_connection() {
    let host = host("");
    host.publish(&guest("steady"));
    let mut http = Http2::to(&host.prediction, &[]);
    let reset = |request: u32| {
        let stream = 2 * request + 1;
        let begun = frame(HEADERS, END_HEADERS, stream, &head("POST", INFER, &[]));
        [begun, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
    };
    let all: Vec<u8> = (0..2_000).flat_map(reset).collect();
    // It may end before it has heard all.
    let _ = http.writes(&all);
    let away = http.hears_out().into_iter().filter(|frame| frame.kind == GOAWAY).map(|frame| frame.code());
    assert_eq!(away.collect::<Vec<_>>(), [ENHANCE_YOUR_CALM]);
    eventually("it is counted", || ended(&host, "bad-request") == 1.0);
    assert_eq!(host.predict("steady", "", 1.0).status(200).y(), 2.0);
}

#[test]
fn headers_are_limited_and_what_is_no_http2_ends() {
    let host = host("header_timeout_ms = 1500\n");
    let mut http = Http2::to(&host.prediction, &[]);
    let long = "x".repeat(15_000);
    let block = head("GET", "/v2/health/live", &[("x-long", &long), ("y-long", &long)]);
    let (first, rest) = block.split_at(16_000);
    http.says(HEADERS, END_STREAM, 1, first);
    http.says(9, END_HEADERS, 1, rest);
    let answer = http.hears_a(HEADERS);
    assert!(answer.payload[0] != OK, "{answer:?}");

    let mut odd = Http2::to(&host.prediction, &[]);
    odd.says(DATA, 0, 1, b"no request");
    assert!(odd.hears_out().iter().any(|frame| frame.kind == GOAWAY));
    eventually("it is counted", || ended(&host, "bad-request") == 1.0);

    // Half a preface has the time of a head.
    let began = Instant::now();
    let mut half = Client::to(&host.prediction);
    half.says("PRI * HTTP/2.0\r\n\r\n");
    half.hears_out();
    assert!(began.elapsed() >= Duration::from_millis(1500));
    assert_eq!(ended(&host, "header-timeout"), 1.0);
}

#[test]
fn pings_do_not_keep_an_idle_connection() {
    let host = host("idle_timeout_ms = 1000\n");
    let mut http = Http2::to(&host.prediction, &[]);
    http.gets(1, "/v2/health/live");
    assert!(http.answer(1).0);
    let began = Instant::now();
    let away = loop {
        http.says(PING, 0, 0, b"whatever");
        let frame = http.hears().expect("it ends with a GOAWAY");
        if frame.kind == GOAWAY {
            break frame;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "it stays open");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(away.code(), 0);
    assert!(began.elapsed() >= Duration::from_millis(900));
    http.hears_out();
    eventually("it is counted", || ended(&host, "idle-timeout") == 1.0);
}

#[test]
fn headers_that_trickle_keep_a_connection_no_longer_than_silence() {
    let host = host("idle_timeout_ms = 1000\n");
    let mut http = Http2::to(&host.prediction, &[]);
    http.gets(1, "/v2/health/live");
    assert!(http.answer(1).0);
    let (began, slow) = (Instant::now(), frame(HEADERS, END_STREAM, 3, &[b'x'; 2000]));
    for byte in slow {
        // Until the host has closed.
        if http.writes(&[byte]).is_err() {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "it stays open");
        std::thread::sleep(Duration::from_millis(25));
    }
    assert!(began.elapsed() >= Duration::from_millis(900));
    eventually("it is counted", || ended(&host, "idle-timeout") == 1.0);
}

#[test]
fn an_answer_that_is_not_taken_ends_and_others_go_on() {
    const WINDOW: u16 = 4;
    let host = host("write_timeout_ms = 1000\n");
    host.publish(&guest("steady"));
    // No answer may have a byte of a body.
    let mut http = Http2::to(&host.prediction, &[(WINDOW, 0)]);
    http.gets(1, "/v2/models/steady");
    let reset = http.hears_a(RST_STREAM);
    assert_eq!(reset.stream, 1);
    eventually("it is counted", || ended(&host, "write-timeout") == 1.0);
    http.says(SETTINGS, 0, 0, &[&WINDOW.to_be_bytes()[..], &65_535_u32.to_be_bytes()].concat());
    http.gets(3, "/v2/health/live");
    assert!(http.answer(3).0);
}

#[test]
fn a_request_that_is_taken_back_stops_its_guest() {
    let host = Host::with("[limits]\ndeadline_ms = 600000\nfuel = 0\n");
    host.publish(&guest("hostile"));
    let running = || host.metric("scry_instances_live");
    let mut http = Http2::to(&host.prediction, &[]);
    http.posts(1, "/v2/models/hostile/infer", &rows("loop", &[1.0]).to_string());
    eventually("a guest that runs", || running() == 1.0);
    http.says(RST_STREAM, 0, 1, &8_u32.to_be_bytes());
    eventually("it has stopped", || running() == 0.0);
    http.gets(3, "/v2/health/live");
    assert!(http.answer(3).0);

    http.posts(5, "/v2/models/hostile/infer", &rows("loop", &[1.0]).to_string());
    eventually("a guest that runs", || running() == 1.0);
    drop(http);
    eventually("it has stopped with its connection", || running() == 0.0);
}

#[test]
fn a_host_that_leaves_says_so_with_the_last_answer() {
    let mut host = Host::with(&format!("{PATIENT}[shutdown]\ngrace_ms = 600000\ndrain_ms = 600000\n"));
    host.publish(&guest("steady"));
    let mut http = Http2::to(&host.prediction, &[]);
    let mut idle = Http2::to(&host.prediction, &[]);
    for http in [&mut http, &mut idle] {
        http.gets(1, "/v2/health/live");
        assert!(http.answer(1).0);
    }
    host.terminate();
    eventually("it is not ready", || host.get("/v2/health/ready").status == 503);
    http.posts(3, INFER, &rows("", &[2.0]).to_string());
    let mut heard = Vec::new();
    while let Some(frame) = http.hears() {
        if frame.kind == PING && frame.flags & ACK == 0 {
            http.says(PING, ACK, 0, &frame.payload);
        }
        heard.push(frame);
    }
    let answer: Value =
        serde_json::from_slice(&heard.iter().find(|frame| frame.kind == DATA).unwrap().payload).unwrap();
    assert_eq!(answer["outputs"][0]["data"][0], 4.0);
    assert!(heard.iter().any(|frame| frame.kind == GOAWAY && frame.code() == 0));
    // The idle one stays until nothing is taken any more.
    assert!(host.is_running());
    host.interrupt();
    while let Some(frame) = idle.hears() {
        if frame.kind == PING && frame.flags & ACK == 0 {
            idle.says(PING, ACK, 0, &frame.payload);
        }
    }
    assert!(host.wait().success());
}
