//! A host that is asked to end while clients send requests: it says so, goes on
//! answering, and no request is lost.

use crate::edge::Client;
use crate::support::{Host, PATIENT, eventually, guest, rows};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Longer than any test would wait.
const LONG: &str = "[shutdown]\ngrace_ms = 600000\ndrain_ms = 600000\n";
const LIVE: &str = "GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n";

fn is_leaving(host: &Host) -> bool {
    let ready = host.get("/v2/health/ready");
    ready.status == 503 && ready.header("scry-reason") == Some("stopping")
}

#[test]
fn after_sigterm_a_host_says_that_it_leaves_and_goes_on_answering() {
    let mut host = Host::with(&format!("{PATIENT}{LONG}"));
    let steady = guest("steady");
    host.publish(&steady);
    let mut idle = Client::idle(&host);
    host.terminate();
    eventually("it is not ready", || is_leaving(&host));
    host.get("/v2/health/ready").error(503, &["stopping"]);
    host.get("/v2/models/steady/ready").error(503, &["stopping"]);
    let live = host.get("/v2/health/live").status(200);
    assert_eq!(live.header("connection"), Some("close"));
    // The one that was open is not cut: its next answer is its last one.
    idle.says(LIVE);
    let answer = idle.hears_out();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("connection: close\r\n"), "{answer}");
    // New ones are taken, and answered alike.
    let reply = host.predict("steady", "", 2.0).status(200);
    assert_eq!((reply.y(), reply.header("connection")), (4.0, Some("close")));
    // Operators see what there is, and change nothing.
    assert_eq!(host.admin_get("/v1/state").status(200).json()["number"], 1);
    host.admin_get("/metrics").status(200);
    let refused = [
        host.admin_post("/v1/models", &std::fs::read(&steady.path).unwrap()),
        host.admin_post("/v1/models/steady/deploy", b"{}"),
        host.admin_post("/v1/models/steady/withdraw", b""),
        host.admin_post("/v1/models/steady/circuit", br#"{"state":"open"}"#),
        host.admin_post("/v1/gc", b""),
        host.try_admin("PUT", "/v1/desired", b"x").unwrap(),
    ];
    for reply in refused {
        let reply = reply.error(503, &["stopping"]);
        assert_eq!(reply.header("scry-reason"), Some("stopping"));
    }
    host.scry(&["withdraw", "steady"]).code(1).says(&["the host is stopping"]);
    assert!(host.is_running());
    // It would wait for long yet.
    host.terminate();
    assert!(host.wait().success());
    assert!(host.log().contains("a second time"));
}

#[test]
fn a_second_signal_ends_a_drain_at_once() {
    let mut host = Host::with(&format!("[limits]\ndeadline_ms = 600000\nfuel = 0\n{LONG}"));
    host.publish(&guest("hostile"));
    let body = rows("loop", &[1.0]).to_string();
    let mut client = Client::to(&host.prediction);
    let length = body.len();
    client
        .says(&format!("POST /v2/models/hostile/infer HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"));
    eventually("a guest that runs", || host.metric("scry_instances_live") == 1.0);
    host.interrupt();
    let address = host.prediction.strip_prefix("http://").unwrap().to_owned();
    // SIGINT has no grace: the listeners close.
    eventually("nothing is taken any more", || TcpStream::connect(&address).is_err());
    assert!(host.is_running());
    host.interrupt();
    assert!(host.wait().success());
    assert_eq!(client.hears_out(), "");
}

/// Hosts that take turns, as whatever spreads requests over them sees them.
struct Fleet {
    addresses: Mutex<Vec<String>>,
    is_over: AtomicBool,
    answered: AtomicUsize,
    failed: Mutex<Vec<String>>,
}

/// A connection that is kept until an answer says that it was the last.
struct Kept(Option<(String, TcpStream)>);

impl Kept {
    /// An answer's status line and body.
    fn ask(&mut self, address: &str, request: &str) -> std::io::Result<String> {
        let mut tcp = match self.0.take() {
            Some((to, tcp)) if to == address => tcp,
            _ => TcpStream::connect(address)?,
        };
        tcp.set_read_timeout(Some(Duration::from_secs(60)))?;
        tcp.write_all(request.as_bytes())?;
        let (mut heard, mut bytes) = (String::new(), [0; 4096]);
        let body_from = loop {
            let read = tcp.read(&mut bytes)?;
            if read == 0 {
                return Err(std::io::Error::other(format!("the end after {heard:?}")));
            }
            heard.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            let Some((head, body)) = heard.split_once("\r\n\r\n") else { continue };
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                break head.len() + 4;
            }
        };
        if !heard[..body_from].contains("connection: close") {
            self.0 = Some((address.to_owned(), tcp));
        }
        Ok(heard)
    }
}

impl Fleet {
    /// Sends requests to a host that says that it is ready, until it is stopped.
    fn load(&self) {
        let ready = "GET /v2/health/ready HTTP/1.1\r\nhost: x\r\n\r\n";
        let body = rows("", &[2.0]).to_string();
        let length = body.len();
        let infer =
            format!("POST /v2/models/steady/infer HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}");
        let (mut kept, mut turn) = ([Kept(None), Kept(None)], 0);
        while !self.is_over.load(Ordering::Relaxed) {
            turn += 1;
            let at = turn % 2;
            let address = self.addresses.lock().unwrap()[at].clone();
            // One that does not answer is not asked for anything else.
            if !kept[at].ask(&address, ready).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 ")) {
                continue;
            }
            match kept[at].ask(&address, &infer) {
                Ok(answer) if answer.starts_with("HTTP/1.1 200 ") && answer.contains("[4.0]") => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                }
                other => self.failed.lock().unwrap().push(format!("{other:?}")),
            }
        }
    }

    /// Waits until more requests were answered.
    fn answers_more(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        eventually("more answers", || self.answered.load(Ordering::Relaxed) > before + 50);
    }
}

fn address(host: &Host) -> String {
    host.prediction.strip_prefix("http://").unwrap().to_owned()
}

#[test]
fn a_rolling_restart_under_load_loses_no_request() {
    let begin = || {
        // Longer than a client needs between asking whether a host is ready and its request.
        let host = Host::with(&format!("{PATIENT}[shutdown]\ngrace_ms = 1500\n"));
        host.publish(&guest("steady"));
        host
    };
    let mut hosts = [begin(), begin()];
    let fleet = Fleet {
        addresses: Mutex::new(hosts.iter().map(address).collect()),
        is_over: AtomicBool::new(false),
        answered: AtomicUsize::new(0),
        failed: Mutex::default(),
    };
    thread::scope(|scope| {
        (0..4).for_each(|_| drop(scope.spawn(|| fleet.load())));
        for (at, host) in hosts.iter_mut().enumerate() {
            fleet.answers_more();
            host.terminate();
            // Its last requests are answered while it leaves.
            eventually("it leaves", || is_leaving(host));
            assert!(host.wait().success());
            fleet.answers_more();
            *host = begin();
            fleet.addresses.lock().unwrap()[at] = address(host);
        }
        fleet.answers_more();
        fleet.is_over.store(true, Ordering::Relaxed);
    });
    let failed = fleet.failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} failed, the first: {}", failed.len(), failed[0]);
    for host in &hosts {
        let state: Value = host.admin_get("/v1/state").json();
        assert_eq!(state["number"], 1);
    }
}
