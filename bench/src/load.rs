//! A load generator: one thread a connection, each kept open, the next request
//! sent when the last is answered.

use crate::client::{Connection, render};
use crate::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What to send, and how.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) path: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) connections: usize,
    /// Requests of all connections together.
    pub(crate) requests: usize,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) latencies: Vec<Duration>,
    pub(crate) wall: Duration,
}

impl Load<'_> {
    /// Sends it all; the first answer that is not 200 ends it.
    pub(crate) fn send(&self, server: SocketAddr) -> Result<Outcome, Error> {
        let each = self.requests.div_ceil(self.connections);
        let started = Instant::now();
        let latencies = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.connections)
                .map(|_| scope.spawn(move || self.connection(server, each).map_err(|error| error.to_string())))
                .collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|_| Err("a connection's thread panicked".into()))
            };
            threads.into_iter().map(join).collect::<Result<Vec<_>, String>>()
        })?;
        Ok(Outcome { latencies: latencies.concat(), wall: started.elapsed() })
    }

    fn connection(&self, server: SocketAddr, requests: usize) -> Result<Vec<Duration>, Error> {
        let mut connection = Connection::new(server);
        let request = render("POST", self.path, "", self.body);
        let mut latencies = Vec::with_capacity(requests);
        for _ in 0..requests {
            let started = Instant::now();
            connection.exchange(&request)?.succeeded()?;
            latencies.push(started.elapsed());
        }
        Ok(latencies)
    }
}

/// One request on a connection of its own, and the body of its answer.
pub(crate) fn post(server: SocketAddr, path: &str, body: &[u8]) -> Result<Vec<u8>, Error> {
    let answer = Connection::new(server).exchange(&render("POST", path, "", body))?;
    Ok(answer.succeeded()?.body)
}
