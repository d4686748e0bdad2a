//! A listener's connections: each has a place or is refused, and ends when its
//! client does nothing for too long. Never looks into a body, never waits for a
//! client while others do.

use crate::server::edge::{Edge, Ended, FAREWELL_MAX};
use crate::server::error::{Unread, no_place};
use crate::server::http2;
use crate::server::shutdown::{Stage, Stopping};
use crate::server::stream::Stream;
use crate::server::watchdog::{Seen, Watchdog, Watched};
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWrite;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Of a request's line and headers. Hyper takes at most 100 headers.
const HEAD_MAX_BYTES: usize = 32 << 10;
/// Connections that may be refused with an answer at the same time; others are just closed.
const FAREWELLS_MAX: usize = 64;
/// How much a client may still send that has its last answer.
const FAREWELL_MAX_BYTES: usize = 128 << 20;
/// Until it is tried again, when the system has no more files or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Between two lines of the log that say the same.
const LOG_PAUSE: Duration = Duration::from_secs(10);

impl Edge {
    /// Accepts connections until the host drains, then waits for those that are open.
    pub(super) async fn serve(self, socket: TcpListener, mut stopping: Stopping) {
        let edge = Arc::new(self);
        let places = Arc::new(Semaphore::new(edge.connections_max));
        let farewells = Arc::new(Semaphore::new(FAREWELLS_MAX));
        let (mut failed, mut full) = (Seldom::default(), Seldom::default());
        loop {
            let accepted = tokio::select! {
                _ = stopping.after(Stage::Leaving) => break,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((tcp, remote)) => match places.clone().try_acquire_owned() {
                    Ok(place) => drop(tokio::spawn(edge.clone().keep(tcp, remote.ip(), stopping.clone(), place))),
                    Err(_) => {
                        edge.metrics.connection_refused(edge.listener);
                        if full.is_due() {
                            let (listener, open) = (edge.listener, edge.connections_max);
                            tracing::warn!(listener, open, "all connections are taken: others are refused");
                        }
                        // Shaking hands would take the time that is lacking.
                        if edge.tls.is_none()
                            && let Ok(farewell) = farewells.clone().try_acquire_owned()
                        {
                            tokio::spawn(turn_away(Stream::Plain(tcp), farewell));
                        }
                    }
                },
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    if failed.is_due() {
                        tracing::error!(listener = edge.listener, %error, "cannot accept connections; trying again");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(socket);
        let all = u32::try_from(edge.connections_max).unwrap_or(u32::MAX);
        // Every place is free once every connection has ended.
        let _ = places.acquire_many(all).await;
    }

    /// One connection, from its first byte to its end.
    async fn keep(self: Arc<Self>, tcp: TcpStream, remote: IpAddr, stopping: Stopping, _place: OwnedSemaphorePermit) {
        let _open = self.metrics.connection(self.listener);
        // Answers are one write each; waiting to join them only adds latency.
        let _ = tcp.set_nodelay(true);
        let (seen, is_unread) = (Seen::default(), AtomicBool::new(false));
        let watchdog = Watchdog::new(&seen, self.timeouts);
        let mut tcp = match self.shake_hands(tcp).await {
            Ok(stream) => stream,
            Err(ended) => return self.metrics.connection_ended(self.listener, ended.name()),
        };
        let ended = self.converse(&mut tcp, remote, &seen, watchdog, &is_unread, stopping).await;
        if let Some(ended) = ended {
            self.metrics.connection_ended(self.listener, ended.name());
        }
        match ended {
            // The rest of the answer would stay with the system for as long as the client is silent.
            Some(Ended::WriteTimeout) => drop(tcp.set_zero_linger()),
            Some(Ended::BadRequest | Ended::HeadTooLarge) => farewell(tcp).await,
            _ if is_unread.into_inner() => farewell(tcp).await,
            _ => {}
        }
    }

    /// A handshake takes of the time for the first head.
    async fn shake_hands(&self, tcp: TcpStream) -> Result<Stream, Ended> {
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(tcp)) };
        match timeout(self.timeouts.header, tls.accept(tcp)).await {
            Ok(accepted) => accepted.map_err(|_| Ended::TlsHandshake),
            Err(_) => Err(Ended::HeaderTimeout),
        }
    }

    /// Requests and answers, until there are no more.
    async fn converse(
        self: &Arc<Self>,
        tcp: &mut Stream,
        remote: IpAddr,
        seen: &Seen,
        mut watchdog: Watchdog<'_>,
        is_unread: &AtomicBool,
        mut stopping: Stopping,
    ) -> Option<Ended> {
        let is_http2 = tokio::select! {
            biased;
            // First: a request that has come is answered, whatever the stage.
            is_http2 = http2::begins(tcp) => is_http2,
            _ = stopping.after(Stage::Leaving) => return None,
            phase = watchdog.overdue() => return Ended::overdue(phase),
        };
        if is_http2 {
            return Box::pin(http2::converse(self.clone(), tcp, remote, stopping)).await;
        }
        let is_leaving = AtomicBool::new(false);
        let service = service_fn(|request| self.answer(remote, request, seen, is_unread, &is_leaving));
        let io = TokioIo::new(Watched::new(tcp, seen));
        // Hyper's own timeout knows no difference between a head and silence, and sets a timer for each request.
        // A client that has closed its writing side gets its answer; `Watched` finds out whether it is there.
        let mut http = http1::Builder::new();
        http.header_read_timeout(None).max_header_size(HEAD_MAX_BYTES).half_close(true);
        let mut connection = pin!(http.serve_connection(io, service));
        let mut stage = Stage::Serving;
        loop {
            tokio::select! {
                biased;
                // First: an answer that is made after it has to say so.
                later = stopping.after(stage), if stage < Stage::Draining => {
                    stage = later;
                    is_leaving.store(true, Ordering::Relaxed);
                    if stage == Stage::Draining {
                        connection.as_mut().graceful_shutdown();
                    }
                }
                ended = connection.as_mut() => return ended.err().and_then(|error| Ended::of(&error)),
                phase = watchdog.overdue() => return Ended::overdue(phase),
            }
        }
    }

    async fn answer(
        &self,
        remote: IpAddr,
        request: Request<Incoming>,
        seen: &Seen,
        is_unread: &AtomicBool,
        is_leaving: &AtomicBool,
    ) -> Result<Response, Infallible> {
        seen.begins(request.version());
        let mut response = self.respond(remote, request).await;
        seen.is_answered();
        if is_leaving.load(Ordering::Relaxed) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if response.extensions().get::<Unread>().is_some() {
            is_unread.store(true, Ordering::Relaxed);
        }
        Ok(response)
    }
}

/// Tells a connection that there is no place for it.
async fn turn_away(tcp: Stream, _farewell: OwnedSemaphorePermit) {
    say_last(tcp, &no_place()).await;
}

/// Writes a last answer to a client, and lets it read that.
async fn say_last(mut tcp: Stream, answer: &str) {
    let told = timeout(FAREWELL_MAX, async {
        tcp.writable().await?;
        // It fits into the buffer of a connection on which nothing was written yet.
        tcp.try_write(answer.as_bytes())
    });
    if let Ok(Ok(_)) = told.await {
        farewell(tcp).await;
    }
}

/// Lets a client read its last answer: closed while it sends, the connection
/// would be reset, and the answer lost.
async fn farewell(mut tcp: Stream) {
    let sent = async {
        poll_fn(|cx| Pin::new(&mut tcp).poll_shutdown(cx)).await?;
        let (mut bytes, mut left) = (vec![0; 16 << 10], FAREWELL_MAX_BYTES);
        while left > 0 {
            tcp.readable().await?;
            match tcp.try_discard(&mut bytes) {
                Ok(0) => break,
                Ok(read) => left = left.saturating_sub(read),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    // A client that resets or stays has had its chance.
    let _ = timeout(FAREWELL_MAX, sent).await;
}

/// It left before it was accepted: nothing is wrong here.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Keeps the log short while something stays wrong.
#[derive(Default)]
struct Seldom(Option<Instant>);

impl Seldom {
    fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let is_due = self.0.is_none_or(|last| now.duration_since(last) >= LOG_PAUSE);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests;
