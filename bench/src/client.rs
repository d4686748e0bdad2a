//! A blocking HTTP client that keeps what says how a request was answered:
//! status, reason, whether to come back.
//!
//! Never retries: a request that is lost is a finding.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Far beyond every deadline: a wait of this length is a bug.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest body that is taken.
const BODY_MAX_BYTES: usize = 64 << 20;

/// A connection that is opened when it is needed, and again after the server
/// has ended it.
pub(crate) struct Connection {
    server: SocketAddr,
    open: Option<BufReader<TcpStream>>,
}

/// One answer.
pub(crate) struct Answer {
    pub(crate) kind: Kind,
    pub(crate) retry_after: bool,
    pub(crate) body: Vec<u8>,
    /// How many bytes of it are JSON, where tensors as bytes come behind it.
    pub(crate) json_bytes: Option<usize>,
    /// Whether the server ends the connection.
    pub(crate) closes: bool,
}

/// What an answer was: its status, and the host's reason for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    pub(crate) status: u16,
    /// `scry-reason`, or `scry-degraded`; empty where there is none.
    pub(crate) reason: String,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, " {}", self.reason) }
    }
}

impl Kind {
    /// Whether this is a good answer of the model that was asked.
    pub(crate) fn is_ok(&self) -> bool {
        self.status == 200 && self.reason.is_empty()
    }
}

impl Connection {
    pub(crate) fn new(server: SocketAddr) -> Self {
        Self { server, open: None }
    }

    /// Sends a request and takes its answer.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => BufReader::new(connect(self.server)?),
        };
        open.get_mut().write_all(request)?;
        let answer = Answer::read(&mut open)?;
        if !answer.closes {
            self.open = Some(open);
        }
        Ok(answer)
    }
}

impl Answer {
    /// The body as text, shortened.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(300).collect()
    }

    /// Itself, where it is 200; an error otherwise.
    pub(crate) fn succeeded(self) -> io::Result<Self> {
        match self.kind.status {
            200 => Ok(self),
            status => Err(io::Error::other(format!("{status}: {}", self.text()))),
        }
    }

    pub(crate) fn read(from: &mut impl BufRead) -> io::Result<Self> {
        let (mut line, mut length) = (String::new(), 0);
        if from.read_line(&mut line)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended without an answer"));
        }
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| malformed(&line))?;
        let mut answer = Self {
            kind: Kind { status, reason: String::new() },
            retry_after: false,
            body: Vec::new(),
            json_bytes: None,
            closes: false,
        };
        loop {
            line.clear();
            from.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().map_err(|_| malformed(&line))?,
                "scry-reason" | "scry-degraded" => answer.kind.reason = value.to_owned(),
                "inference-header-content-length" => {
                    answer.json_bytes = Some(value.parse().map_err(|_| malformed(&line))?);
                }
                "retry-after" => answer.retry_after = true,
                "connection" => answer.closes = value.eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
        if length > BODY_MAX_BYTES {
            return Err(malformed("a body without measure"));
        }
        answer.body.resize(length, 0);
        from.read_exact(&mut answer.body)?;
        Ok(answer)
    }
}

/// The answer that these bytes are, once it is whole.
pub(crate) fn reads_whole(mut came: &[u8]) -> io::Result<Option<Answer>> {
    if !came.windows(4).any(|end| end == b"\r\n\r\n") {
        return Ok(None);
    }
    match Answer::read(&mut came) {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not an answer: {what:?}"))
}

/// A connection without delays of its own.
pub(crate) fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    stream.set_write_timeout(Some(ANSWER_TIME_MAX))?;
    Ok(stream)
}

/// A request as bytes; `headers` are lines with their ends.
pub(crate) fn render(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
