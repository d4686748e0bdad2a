//! A load generator: one thread a connection, each kept open, the next request
//! sent when the last is answered.

use crate::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
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
        let (mut stream, mut answers) = connect(server)?;
        let request = request(server, self.path, "", self.body);
        let mut latencies = Vec::with_capacity(requests);
        for _ in 0..requests {
            let started = Instant::now();
            stream.write_all(&request)?;
            read_answer(&mut answers)?;
            latencies.push(started.elapsed());
        }
        Ok(latencies)
    }
}

/// One request on a connection of its own, and the body of its answer.
pub(crate) fn post(server: SocketAddr, path: &str, headers: &str, body: &[u8]) -> Result<Vec<u8>, Error> {
    let (mut stream, mut answers) = connect(server)?;
    stream.write_all(&request(server, path, headers, body))?;
    read_answer(&mut answers)
}

fn connect(server: SocketAddr) -> Result<(TcpStream, BufReader<TcpStream>), Error> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let answers = BufReader::new(stream.try_clone()?);
    Ok((stream, answers))
}

fn request(server: SocketAddr, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {server}\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn read_answer(answers: &mut impl BufRead) -> Result<Vec<u8>, Error> {
    let (mut status, mut line, mut length) = (String::new(), String::new(), 0);
    answers.read_line(&mut status)?;
    loop {
        line.clear();
        answers.read_line(&mut line)?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    answers.read_exact(&mut body)?;
    match status.split(' ').nth(1) {
        Some("200") => Ok(body),
        _ => Err(format!("{}: {}", status.trim(), String::from_utf8_lossy(&body)).into()),
    }
}
