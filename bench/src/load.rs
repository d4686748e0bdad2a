//! A load generator: one thread a connection, each kept open, the next request
//! sent when the last is answered.

use crate::error::Error;
use crate::servers::Server;
use crate::wire::Request;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What to send, and how.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) request: &'a Request,
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
    /// Sends it all; the first answer that is not a good one ends it.
    pub(crate) fn send(&self, server: &Server) -> Result<Outcome, Error> {
        let (each, address) = (self.requests.div_ceil(self.connections), server.address(self.request));
        let started = Instant::now();
        let latencies = std::thread::scope(|scope| {
            let connection = || self.connection(address, each).map_err(|error| error.to_string());
            let threads: Vec<_> = (0..self.connections).map(|_| scope.spawn(connection)).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|_| Err("a connection's thread panicked".into()))
            };
            threads.into_iter().map(join).collect::<Result<Vec<_>, String>>()
        })?;
        Ok(Outcome { latencies: latencies.concat(), wall: started.elapsed() })
    }

    fn connection(&self, server: SocketAddr, requests: usize) -> Result<Vec<Duration>, Error> {
        let mut client = self.request.client(server)?;
        let mut latencies = Vec::with_capacity(requests);
        for _ in 0..requests {
            let started = Instant::now();
            client.exchange()?;
            latencies.push(started.elapsed());
        }
        Ok(latencies)
    }
}
