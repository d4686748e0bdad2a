//! Collectors that a host sends spans to: one by the official messages, and what stands between.

use crate::clients::{clients, environment_of};
use crate::support::eventually;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

/// `otlp.py`, until the test ends.
pub(crate) struct Collector {
    child: Child,
    scheme: &'static str,
    ports: [String; 2],
    taken: Arc<Mutex<Vec<Value>>>,
}

/// The two ways in which spans come.
pub(crate) const PROTOCOLS: [&str; 2] = ["grpc", "http/protobuf"];

impl Collector {
    pub(crate) fn start(options: &[&str]) -> Self {
        let mut command = Command::new(environment_of("otlp"));
        command.arg(clients().join("otlp.py")).args(options).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.next().unwrap().unwrap();
        let port = |key: &str| ready.split(' ').find_map(|word| word.strip_prefix(key)).unwrap().to_owned();
        let ports = [port("grpc="), port("http=")];
        let taken = Arc::new(Mutex::new(Vec::new()));
        let keeping = taken.clone();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                keeping.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        let scheme = if options.contains(&"--tls") { "https" } else { "http" };
        Self { child, scheme, ports, taken }
    }

    /// Its address for one of the protocols.
    pub(crate) fn address(&self, protocol: &str) -> String {
        let host = if self.scheme == "https" { "localhost" } else { "127.0.0.1" };
        format!("{}://{host}:{}", self.scheme, self.port(protocol))
    }

    pub(crate) fn port(&self, protocol: &str) -> &str {
        &self.ports[PROTOCOLS.iter().position(|known| *known == protocol).unwrap()]
    }

    /// The requests that it has taken.
    pub(crate) fn taken(&self) -> Vec<Value> {
        self.taken.lock().unwrap().clone()
    }

    /// The spans that it has taken.
    pub(crate) fn spans(&self) -> Vec<Value> {
        self.taken().iter().flat_map(|request| request["spans"].as_array().unwrap().clone()).collect()
    }

    /// The spans of a trace, once it has that of the prediction itself; its own first.
    pub(crate) fn trace(&self, trace_id: &str) -> Vec<Value> {
        let of_trace = || {
            let mut spans = self.spans();
            spans.retain(|span| span["trace_id"] == trace_id);
            spans.sort_by_key(|span| span["kind"] != "server");
            spans
        };
        eventually("the spans of a trace", || of_trace().first().is_some_and(|span| span["kind"] == "server"));
        of_trace()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes on what comes, and keeps it: what a collector's library hides from it.
pub(crate) fn wiretap(port: &str) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let (listener, heard) = (TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(Mutex::new(Vec::new())));
    let (own, port, hearing) = (listener.local_addr().unwrap().port(), port.to_owned(), heard.clone());
    thread::spawn(move || {
        for from in listener.incoming().map_while(Result::ok) {
            let to = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
            let back = (to.try_clone().unwrap(), from.try_clone().unwrap());
            let hearing = hearing.clone();
            thread::spawn(move || pass(from, to, |bytes| hearing.lock().unwrap().extend_from_slice(bytes)));
            thread::spawn(move || pass(back.0, back.1, |_| {}));
        }
    });
    (own, heard)
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut hear: impl FnMut(&[u8])) {
    let mut bytes = [0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        hear(&bytes[..read]);
        if to.write_all(&bytes[..read]).is_err() {
            return;
        }
    }
}
