//! The access log: a line for each request that was answered, or for those that were not answered well.
//!
//! Never has a request wait: what there is no room for is dropped and counted. Never holds a body.

mod format;
mod writer;

use super::{Context, Metrics};
use crate::config::{AccessLines, Log};
use jiff::Timestamp;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};
use writer::{Message, Writer};

/// Lines that may wait for the disk.
const WAITING_MAX: usize = 4096;
/// How long a host that ends waits for them.
const CLOSE_MAX: Duration = Duration::from_secs(1);
/// Of a path, and of what a client says about itself: of each so many bytes are kept.
const PATH_MAX_BYTES: usize = 2 << 10;
const TEXT_MAX_BYTES: usize = 512;
/// The status of a request whose client left before its answer; nobody was sent it.
const CLIENT_LEFT: u16 = 499;

/// Where lines go.
#[derive(Debug)]
pub struct AccessLog {
    lines: AccessLines,
    sample_percent: f64,
    waiting: SyncSender<Message>,
    metrics: Arc<Metrics>,
}

/// A request's head, as far as it is logged.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// `prediction`, `admin`, or `metrics`.
    pub listener: &'static str,
    /// Who is connected.
    pub remote: IpAddr,
    /// `GET`, `POST`, and so on.
    pub method: &'a str,
    /// Without its query.
    pub path: &'a str,
    /// `HTTP/1.1` and the like.
    pub protocol: &'static str,
    /// The page that led here.
    pub referer: Option<&'a [u8]>,
    /// The client's program.
    pub user_agent: Option<&'a [u8]>,
}

/// A request that is being answered; its line is written when this is dropped.
#[derive(Debug)]
pub struct Entry {
    log: Arc<AccessLog>,
    began: Instant,
    line: Option<Box<Line>>,
}

/// One request.
#[derive(Debug)]
struct Line {
    received: Timestamp,
    listener: &'static str,
    remote: IpAddr,
    method: String,
    path: String,
    protocol: &'static str,
    referer: Option<String>,
    user_agent: Option<String>,
    status: u16,
    grpc_status: Option<u16>,
    bytes: u64,
    took: Duration,
    /// The answer's `scry-reason`.
    reason: Option<String>,
    context: Arc<Context>,
}

impl AccessLog {
    /// As it is configured; none where it is off. Fails where its file cannot be opened.
    pub fn open(settings: &Log, metrics: Arc<Metrics>) -> io::Result<Option<Arc<Self>>> {
        if settings.access == AccessLines::Off {
            return Ok(None);
        }
        let (waiting, lines) = sync_channel(WAITING_MAX);
        let writer = Writer::open(settings.access_file.clone(), settings.access_format, metrics.clone())?;
        std::thread::Builder::new().name("access-log".into()).spawn(move || writer.write_all(&lines))?;
        let sample_percent = settings.access_sample_percent;
        Ok(Some(Arc::new(Self { lines: settings.access, sample_percent, waiting, metrics })))
    }

    /// Begins to follow a request.
    pub fn begin(self: &Arc<Self>, head: Head<'_>, context: &Arc<Context>) -> Entry {
        let text = |bytes: &[u8]| cut(&String::from_utf8_lossy(bytes), TEXT_MAX_BYTES);
        let line = Line {
            received: Timestamp::now(),
            listener: head.listener,
            remote: head.remote,
            method: cut(head.method, TEXT_MAX_BYTES),
            path: cut(head.path, PATH_MAX_BYTES),
            protocol: head.protocol,
            referer: head.referer.map(text),
            user_agent: head.user_agent.map(text),
            status: CLIENT_LEFT,
            grpc_status: None,
            bytes: 0,
            took: Duration::ZERO,
            reason: None,
            context: context.clone(),
        };
        Entry { log: self.clone(), began: Instant::now(), line: Some(Box::new(line)) }
    }

    /// Waits until what was written so far is where it belongs, for a while.
    pub fn close(&self) {
        let (done, is_done) = sync_channel(1);
        if self.waiting.try_send(Message::Flush(done)).is_ok() {
            // What is not written by then is lost.
            let _ = is_done.recv_timeout(CLOSE_MAX);
        }
    }

    fn put(&self, line: Box<Line>) {
        let is_wanted = match self.lines {
            AccessLines::Off => false,
            AccessLines::All => true,
            AccessLines::Errors => line.is_error(),
            AccessLines::Sampled => line.is_error() || line.is_in(self.sample_percent),
        };
        if is_wanted && self.waiting.try_send(Message::Line(line)).is_err() {
            self.metrics.access_lines_dropped(1);
        }
    }
}

impl Entry {
    /// Its answer begins.
    pub fn answered(&mut self, status: u16, reason: Option<&str>) {
        if let Some(line) = &mut self.line {
            line.status = status;
            line.reason = reason.map(|reason| cut(reason, TEXT_MAX_BYTES));
        }
    }

    /// So many more bytes of it were sent.
    pub fn sent(&mut self, bytes: usize) {
        if let Some(line) = &mut self.line {
            line.bytes += bytes as u64;
        }
    }

    /// A call of gRPC ends with this code.
    pub fn ended(&mut self, grpc_status: u16) {
        if let Some(line) = &mut self.line {
            line.grpc_status = Some(grpc_status);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(mut line) = self.line.take() {
            line.took = self.began.elapsed();
            self.log.put(line);
        }
    }
}

impl Line {
    /// Whether someone may want to know why.
    fn is_error(&self) -> bool {
        let has_failed = || self.context.prediction().is_some_and(|prediction| prediction.outcome != "ok");
        self.status >= 400 || self.grpc_status.is_some_and(|code| code != 0) || has_failed()
    }

    /// Whether it is of a sample, which the host alone picks.
    fn is_in(&self, percent: f64) -> bool {
        let share = self.context.span().span_id.get() as f64 / u64::MAX as f64;
        share * 100.0 <= percent
    }
}

/// The beginning of a text.
fn cut(text: &str, max_bytes: usize) -> String {
    text.get(..text.floor_char_boundary(max_bytes)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
