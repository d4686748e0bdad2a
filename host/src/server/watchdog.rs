//! What a connection does, since when, and for how long it may. Ends nothing
//! itself and knows no HTTP. A request costs it some plain
//! stores and one look at the clock; its one timer is set once a connection and
//! moved only when it fires or has to fire sooner.

use crate::server::stream::Stream;
use axum::http::Version;
use std::future::poll_fn;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// What a client may take its time for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    /// From a connection, or the first byte of a request, to the end of its head.
    pub(super) header: Duration,
    /// Between two requests.
    pub(super) idle: Duration,
    /// Without taking anything of an answer.
    pub(super) write: Duration,
}

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A request's head is on its way.
    Head,
    /// A request is being read or answered: it has its own deadlines.
    Request,
    /// An answer waits for its client to read.
    Answer,
    /// Nothing, between two requests.
    Idle,
}

/// What was seen of a connection. One task writes and reads it, which may move
/// between threads: hence atomics, and none of them ordered.
#[derive(Debug)]
pub(super) struct Seen {
    has_bytes: AtomicBool,
    /// At most one, unless requests share the connection.
    open_requests: AtomicUsize,
    /// Whether requests share the connection, as they do in HTTP/2.
    is_shared: bool,
    /// An interim answer, which HTTP/1.1 allows before the final one.
    takes_interim: AtomicBool,
    is_stuck: AtomicBool,
    written_bytes: AtomicU64,
}

impl Default for Seen {
    /// A new connection is to send a request.
    fn default() -> Self {
        Self {
            has_bytes: AtomicBool::new(true),
            open_requests: AtomicUsize::new(0),
            is_shared: false,
            takes_interim: AtomicBool::new(false),
            is_stuck: AtomicBool::new(false),
            written_bytes: AtomicU64::new(0),
        }
    }
}

impl Seen {
    /// A connection that requests share. It is idle until the first.
    pub(super) fn shared() -> Self {
        Self { has_bytes: AtomicBool::new(false), is_shared: true, ..Self::default() }
    }

    /// One more request is read or answered on a shared connection.
    pub(super) fn opens(&self) {
        self.open_requests.fetch_add(1, Ordering::Relaxed);
    }

    /// A request of a shared connection has ended: if it was the last, its idle time begins.
    pub(super) fn closes(&self) {
        self.open_requests.fetch_sub(1, Ordering::Relaxed);
        self.written_bytes.fetch_add(1, Ordering::Relaxed);
    }

    /// A request's head was read.
    pub(super) fn begins(&self, version: Version) {
        self.takes_interim.store(version >= Version::HTTP_11, Ordering::Relaxed);
        self.open_requests.store(1, Ordering::Relaxed);
        self.has_bytes.store(false, Ordering::Relaxed);
    }

    /// The request has its answer.
    pub(super) fn is_answered(&self) {
        self.open_requests.store(0, Ordering::Relaxed);
        self.has_bytes.store(false, Ordering::Relaxed);
    }

    fn phase(&self) -> Phase {
        match self {
            _ if self.is_stuck.load(Ordering::Relaxed) => Phase::Answer,
            _ if self.open_requests.load(Ordering::Relaxed) > 0 => Phase::Request,
            _ if self.has_bytes.load(Ordering::Relaxed) => Phase::Head,
            _ => Phase::Idle,
        }
    }

    fn reads(&self) {
        // On a shared connection they may be anything: only a request changes what it does.
        self.has_bytes.store(!self.is_shared, Ordering::Relaxed);
    }

    /// Whether the rest of an answer waits, of which so much was taken meanwhile.
    fn flushes(&self, is_pending: bool, taken_bytes: u64) {
        let was_stuck = self.is_stuck.load(Ordering::Relaxed);
        self.is_stuck.store(is_pending, Ordering::Relaxed);
        // Answers to pings do not make a shared connection less idle.
        if !self.is_shared || was_stuck || self.open_requests.load(Ordering::Relaxed) > 0 {
            let before = self.written_bytes.load(Ordering::Relaxed);
            self.written_bytes.store(before.wrapping_add(taken_bytes), Ordering::Relaxed);
        }
    }

    fn writes(&self, written: &Poll<Result<usize>>) {
        let taken_bytes = if let Poll::Ready(Ok(bytes)) = written { *bytes as u64 } else { 0 };
        self.flushes(written.is_pending(), taken_bytes);
    }
}

/// Says when a connection has been in one phase for too long.
#[derive(Debug)]
pub(super) struct Watchdog<'a> {
    seen: &'a Seen,
    timeouts: Timeouts,
    /// The stretch that is timed: a phase, and how much was written before it.
    phase: Phase,
    written_bytes: u64,
    since: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl<'a> Watchdog<'a> {
    pub(super) fn new(seen: &'a Seen, timeouts: Timeouts) -> Self {
        let (since, alarm) = (Instant::now(), Box::pin(sleep(timeouts.header)));
        Self { seen, timeouts, phase: Phase::Head, written_bytes: 0, since, alarm }
    }

    /// The phase that has lasted too long. Looks whenever the connection's
    /// task has run, so it is to be polled after the connection.
    pub(super) async fn overdue(&mut self) -> Phase {
        poll_fn(|cx| self.poll_overdue(cx)).await
    }

    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<Phase> {
        let (phase, written_bytes) = (self.seen.phase(), self.seen.written_bytes.load(Ordering::Relaxed));
        let is_new = (phase, written_bytes) != (self.phase, self.written_bytes);
        (self.phase, self.written_bytes) = (phase, written_bytes);
        let timeout = match phase {
            Phase::Head => Some(self.timeouts.header),
            Phase::Answer => Some(self.timeouts.write),
            Phase::Idle => Some(self.timeouts.idle),
            Phase::Request => None,
        };
        if is_new && timeout.is_some() {
            self.since = Instant::now();
        }
        let due = timeout.map(|timeout| self.since + timeout);
        if let Some(due) = due.filter(|due| *due < self.alarm.deadline()) {
            self.alarm.as_mut().reset(due);
        }
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            // It may have been set for an earlier stretch.
            let now = Instant::now();
            match due {
                Some(due) if due <= now => return Poll::Ready(phase),
                Some(due) => self.alarm.as_mut().reset(due),
                None => self.alarm.as_mut().reset(now + self.timeouts.idle),
            }
        }
    }
}

/// The time between two checks of a client that has closed its sending side.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// An interim answer: a client ignores it, and sending it fails once the client is gone.
const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A connection's bytes, on their way past `Seen`.
#[derive(Debug)]
pub(super) struct Watched<'a> {
    tcp: &'a mut Stream,
    seen: &'a Seen,
    sent_late_bytes: u64,
    ended: Option<EndedSide>,
}

/// A client that has closed its sending side while its request is answered. Only
/// sending it something shows whether it still waits.
#[derive(Debug)]
struct EndedSide {
    next_look: Pin<Box<Sleep>>,
    is_asked: bool,
}

impl<'a> Watched<'a> {
    pub(super) fn new(tcp: &'a mut Stream, seen: &'a Seen) -> Self {
        Self { tcp, seen, sent_late_bytes: 0, ended: None }
    }

    /// An error once the client is gone whose request is being answered. To be
    /// called when nothing waits to be written: it may write.
    fn look(&mut self, cx: &mut Context<'_>) -> Result<()> {
        // Who shares a connection reads it while answering, and sees its end.
        if self.seen.is_shared || self.seen.phase() != Phase::Request {
            self.ended = None;
            return Ok(());
        }
        let ended = match &mut self.ended {
            Some(ended) => ended,
            None => {
                // Costs no call of the system until something has come.
                match self.tcp.poll_more(cx) {
                    Poll::Ready(Ok(0)) => {}
                    Poll::Ready(Err(error)) => return Err(error),
                    Poll::Ready(Ok(_)) | Poll::Pending => return Ok(()),
                }
                self.ended.insert(EndedSide { next_look: Box::pin(sleep(LOOK_PAUSE)), is_asked: false })
            }
        };
        while ended.next_look.as_mut().poll(cx).is_ready() {
            if let Some(error) = self.tcp.take_error()? {
                return Err(error);
            }
            if !ended.is_asked && self.seen.takes_interim.load(Ordering::Relaxed) {
                ended.is_asked = true;
                match self.tcp.try_write(INTERIM) {
                    Ok(written) if written < INTERIM.len() => return Err(ErrorKind::WriteZero.into()),
                    // A client that has not read its earlier answers has those to read.
                    Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                    _ => {}
                }
            }
            ended.next_look.as_mut().reset(Instant::now() + LOOK_PAUSE);
        }
        Ok(())
    }
}

impl AsyncRead for Watched<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut *self.tcp).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.seen.reads();
        }
        read
    }
}

impl AsyncWrite for Watched<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut *self.tcp).poll_write(cx, buf);
        self.seen.writes(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut *self.tcp).poll_write_vectored(cx, bufs);
        self.seen.writes(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::result::Result<(), Error>> {
        // Everything is written that was to be written.
        if let Err(error) = self.look(cx) {
            return Poll::Ready(Err(error));
        }
        let flushed = Pin::new(&mut *self.tcp).poll_flush(cx);
        let sent_late_bytes = self.tcp.sent_late_bytes();
        self.seen.flushes(flushed.is_pending(), sent_late_bytes.wrapping_sub(self.sent_late_bytes));
        self.sent_late_bytes = sent_late_bytes;
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::result::Result<(), Error>> {
        Pin::new(&mut *self.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const TIMEOUTS: Timeouts =
        Timeouts { header: Duration::from_secs(5), idle: Duration::from_secs(60), write: Duration::from_secs(10) };

    /// What the watchdog says within this many seconds of virtual time.
    async fn within(seconds: u64, watchdog: &mut Watchdog<'_>) -> Option<Phase> {
        timeout(Duration::from_secs(seconds), watchdog.overdue()).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_from_the_connection_on_however_its_bytes_come() {
        let seen = Seen::default();
        let mut watchdog = Watchdog::new(&seen, TIMEOUTS);
        for _ in 0..4 {
            assert_eq!(within(1, &mut watchdog).await, None);
            seen.reads();
        }
        assert_eq!(within(2, &mut watchdog).await, Some(Phase::Head));
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_and_from_a_requests_first_byte_the_time_begins_anew() {
        let seen = Seen::default();
        let mut watchdog = Watchdog::new(&seen, TIMEOUTS);
        for _ in 0..10 {
            seen.reads();
            seen.begins(Version::HTTP_11);
            seen.reads();
            // A request has its own deadlines.
            assert_eq!(within(100, &mut watchdog).await, None);
            seen.is_answered();
            seen.writes(&Poll::Ready(Ok(100)));
            assert_eq!(within(59, &mut watchdog).await, None);
        }
        seen.reads();
        assert_eq!(within(4, &mut watchdog).await, None);
        assert_eq!(within(2, &mut watchdog).await, Some(Phase::Head));
        seen.begins(Version::HTTP_11);
        seen.is_answered();
        seen.writes(&Poll::Ready(Ok(100)));
        assert_eq!(within(59, &mut watchdog).await, None);
        assert_eq!(within(2, &mut watchdog).await, Some(Phase::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_follow_each_other_in_one_go_are_not_one_idle_stretch() {
        let seen = Seen::default();
        let mut watchdog = Watchdog::new(&seen, TIMEOUTS);
        for _ in 0..10 {
            seen.begins(Version::HTTP_11);
            seen.is_answered();
            seen.writes(&Poll::Ready(Ok(100)));
            assert_eq!(within(50, &mut watchdog).await, None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_shared_connection_is_idle_from_its_last_request_on_whatever_else_it_says() {
        let seen = Seen::shared();
        let mut watchdog = Watchdog::new(&seen, TIMEOUTS);
        seen.opens();
        seen.opens();
        seen.closes();
        assert_eq!(within(100, &mut watchdog).await, None);
        seen.closes();
        for _ in 0..5 {
            // A ping, and its answer.
            seen.reads();
            seen.writes(&Poll::Ready(Ok(17)));
            assert_eq!(within(11, &mut watchdog).await, None);
        }
        assert_eq!(within(6, &mut watchdog).await, Some(Phase::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_long_as_long_as_some_of_it_is_taken() {
        let seen = Seen::default();
        let mut watchdog = Watchdog::new(&seen, TIMEOUTS);
        seen.begins(Version::HTTP_11);
        seen.is_answered();
        for _ in 0..20 {
            seen.writes(&Poll::Ready(Ok(1)));
            seen.writes(&Poll::Pending);
            assert_eq!(within(9, &mut watchdog).await, None);
        }
        assert_eq!(within(2, &mut watchdog).await, Some(Phase::Answer));
    }
}
