//! The mixed load of a soak: every kind of client, good and bad, and what each
//! may be answered. Whatever else comes back is unexplained.

use crate::arena::{BEHAVIOURS, health_request, hostile_request};
use crate::client::{Answer, Kind, connect, render};
use crate::models::Model;
use crate::pace::fraction;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

/// Pieces of a body that comes slowly.
const PIECES: usize = 20;
/// How long a client stays who does not wait for the answer.
const STAY_MAX: Duration = Duration::from_millis(30);

/// One kind of client.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) per_s: f64,
    pub(crate) connections: usize,
    pub(crate) requests: Vec<Request>,
}

/// One request, how it is sent, and how it may be answered.
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    pub(crate) manner: Manner,
    pub(crate) expected: Vec<Kind>,
}

/// How a client sends.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Manner {
    /// At once, and waits.
    Well,
    /// In small pieces, with pauses.
    Slowly(Duration),
    /// Half of it, and then nothing.
    Half,
    /// At once, and leaves.
    Leaving,
}

/// All of them.
pub(crate) fn lines(bikeshare: &Model, digits: &Model) -> Vec<Line> {
    let (one, many) = (bikeshare.v2_body(1), bikeshare.v2_body(64));
    let bikeshare = |version: &str, headers: &str, body: &[u8]| {
        render("POST", &format!("/v2/models/bikeshare{version}/infer"), headers, body)
    };
    let well = |bytes| Request::new(bytes, Manner::Well, vec![kind(200, "")]);
    let digits = render("POST", "/v2/models/digits/infer", "", &digits.v2_body(8));
    let keys = (0..50).map(|key| well(bikeshare("", &format!("scry-key: caller-{key}\r\n"), &one))).collect();
    let leaving = [bikeshare("", "", &many), hostile_request("hostile", "loop")];
    let slow = |pause, expected| Request::new(bikeshare("", "", &many), Manner::Slowly(pause), expected);
    let too_slow = vec![kind(408, "body-timeout"), kind(504, "timeout")];
    let line = |name, per_s, connections, requests| Line { name, per_s, connections, requests };
    vec![
        line("one row", 40.0, 2, vec![well(bikeshare("", "", &one))]),
        line("64 rows", 5.0, 1, vec![well(bikeshare("", "", &many))]),
        line("by alias", 10.0, 1, vec![well(bikeshare("/versions/champion", "", &one))]),
        line("with a key", 10.0, 1, keys),
        line("another model", 10.0, 1, vec![well(digits)]),
        line("health", 10.0, 1, vec![well(health_request())]),
        line("malformed", 20.0, 1, malformed(&one)),
        line("hostile", 10.0, 4, hostile()),
        line(
            "leaving",
            10.0,
            1,
            leaving.into_iter().map(|bytes| Request::new(bytes, Manner::Leaving, vec![])).collect(),
        ),
        line("slow client", 4.0, 1, vec![slow(Duration::from_millis(5), vec![kind(200, "")])]),
        line("slower than the deadline", 2.0, 2, vec![slow(Duration::from_millis(60), too_slow)]),
        line(
            "half a body",
            1.0,
            1,
            vec![Request::new(bikeshare("", "", &many), Manner::Half, vec![kind(408, "body-timeout")])],
        ),
    ]
}

fn kind(status: u16, reason: &str) -> Kind {
    Kind { status, reason: reason.to_owned() }
}

/// What no server should choke on.
fn malformed(body: &[u8]) -> Vec<Request> {
    let post = |path: &str, headers: &str, body: &[u8]| render("POST", path, headers, body);
    let (infer, text) = ("/v2/models/bikeshare/infer", String::from_utf8_lossy(body));
    let (unread, invalid) = (kind(400, ""), kind(400, "invalid-input"));
    let cases = [
        (&unread, post(infer, "", b"")),
        (&unread, post(infer, "", b"{")),
        (&unread, post(infer, "", b"\0\xff\xfe")),
        (&unread, post(infer, "", b"[[[[[[[[[[[[[[[[")),
        (&invalid, post(infer, "", br#"{"inputs":[]}"#)),
        (&invalid, post(infer, "", text.replace("FP64", "FP32").replace("INT64", "FP32").as_bytes())),
        (&invalid, post(infer, "", text.replace("\"shape\":[1]", "\"shape\":[7]").as_bytes())),
        (&unread, post(infer, "x-request-timeout-ms: soon\r\n", body)),
        (&kind(404, ""), post("/v2/models/nobody/infer", "", body)),
        (&kind(404, ""), post("/v2/models/bikeshare/versions/999999/infer", "", body)),
        (&kind(404, ""), post("/v2/models/bikeshare/versions/-/infer", "", body)),
        (&kind(404, ""), render("GET", "/nothing", "", b"")),
        (&kind(405, ""), render("GET", infer, "", b"")),
    ];
    cases.map(|(kind, bytes)| Request::new(bytes, Manner::Well, vec![kind.clone()])).into()
}

/// Every behaviour, with and without a fallback. Besides its own failure a guest
/// may meet every limit that the host sets, and whatever keeps it from running.
fn hostile() -> Vec<Request> {
    let limits = ["timeout", "fuel", "overload", "circuit-open"];
    let mut requests = Vec::new();
    for (behaviour, reason) in BEHAVIOURS {
        let reasons = || limits.into_iter().chain([reason]);
        let fallback = reasons().map(|reason| kind(200, reason)).collect();
        let none = reasons().map(|reason| match reason {
            "" => kind(200, ""),
            "timeout" => kind(504, reason),
            "overload" | "circuit-open" => kind(503, reason),
            _ => kind(500, reason),
        });
        let ask = |model| hostile_request(model, behaviour);
        requests.push(Request::new(ask("hostile"), Manner::Well, none.collect()));
        requests.push(Request::new(ask("hostile-fallback"), Manner::Well, fallback));
    }
    requests
}

impl Request {
    fn new(bytes: Vec<u8>, manner: Manner, expected: Vec<Kind>) -> Self {
        Self { bytes, manner, expected }
    }

    /// Sends it on a connection of its own, in any manner but the good one; no
    /// answer where the client does not wait for one.
    pub(crate) fn misbehave(&self, server: SocketAddr, seed: u64) -> io::Result<Option<Answer>> {
        let mut stream = connect(server)?;
        match self.manner {
            Manner::Well => stream.write_all(&self.bytes)?,
            Manner::Slowly(pause) => self.send_slowly(&mut stream, pause)?,
            Manner::Half => stream.write_all(self.bytes.get(..self.bytes.len() / 2).unwrap_or_default())?,
            Manner::Leaving => {
                stream.write_all(&self.bytes)?;
                thread::sleep(STAY_MAX.mul_f64(fraction(seed)));
                return Ok(None);
            }
        }
        Answer::read(&mut BufReader::new(stream)).map(Some)
    }

    fn send_slowly(&self, stream: &mut TcpStream, pause: Duration) -> io::Result<()> {
        for piece in self.bytes.chunks(self.bytes.len().div_ceil(PIECES).max(1)) {
            stream.write_all(piece)?;
            thread::sleep(pause);
        }
        Ok(())
    }
}
