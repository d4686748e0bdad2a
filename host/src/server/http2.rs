//! A connection that speaks HTTP/2: many requests at a time, each a task of its own. The same limits as for HTTP/1.1
//! hold, and those that only HTTP/2 needs. Never looks into a body.

use crate::server::edge::{Edge, Ended, FAREWELL_MAX};
use crate::server::shutdown::{Stage, Stopping};
use crate::server::stream::Stream;
use crate::server::taking::{TakenBody, Taking};
use crate::server::tls::ALPN_HTTP2;
use crate::server::watchdog::{Phase, Seen, Watchdog, Watched};
use axum::http::{Request, Response, header};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::error::Error;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// What an HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Until a client that has sent part of the preface is looked at again.
const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// Requests of one connection that are open at the same time.
const STREAMS_MAX: u32 = 256;
/// Of a request's headers, as HTTP/2 counts them.
const HEADERS_MAX_BYTES: u32 = 16 << 10;
/// Requests that a client has taken back before they were looked at. More end the connection.
const RESETS_PENDING_MAX: usize = 32;
/// Requests that were reset since they broke the protocol. More end the connection.
const RESETS_OF_ERRORS_MAX: usize = 64;
/// While requests are open, a silent client is asked so often whether it is there, and has so long to say so.
const PING_PAUSE: Duration = Duration::from_secs(20);
const PONG_MAX: Duration = Duration::from_secs(10);

/// Whether a connection speaks HTTP/2: in plain it begins so, over TLS the handshake says so. Takes nothing of what it
/// reads.
pub(super) async fn begins(stream: &Stream) -> bool {
    let tcp = match stream {
        Stream::Plain(tcp) => tcp,
        Stream::Tls(tls) => return tls.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2),
    };
    let mut first = [0; PREFACE.len()];
    loop {
        let Ok(read) = tcp.peek(&mut first).await else { return false };
        let sent = first.get(..read).unwrap_or_default();
        if sent.is_empty() || !PREFACE.starts_with(sent) {
            return false;
        }
        if sent.len() == PREFACE.len() {
            return true;
        }
        // What is there stays readable, so that nothing says when there is more.
        sleep(LOOK_PAUSE).await;
    }
}

/// What the requests of a connection share.
struct Shared {
    edge: Arc<Edge>,
    remote: IpAddr,
    seen: Seen,
    is_leaving: AtomicBool,
    /// A request was answered while the host was leaving.
    last_answer: Notify,
}

/// Requests and answers, until there are no more.
pub(super) async fn converse(
    edge: Arc<Edge>,
    stream: &mut Stream,
    remote: IpAddr,
    mut stopping: Stopping,
) -> Option<Ended> {
    let timeouts = edge.timeouts;
    let (seen, is_leaving, last_answer) = (Seen::shared(), AtomicBool::new(false), Notify::new());
    let shared = Arc::new(Shared { edge, remote, seen, is_leaving, last_answer });
    let asked = shared.clone();
    let service = service_fn(move |request| answer(asked.clone(), request));
    let io = TokioIo::new(Watched::new(stream, &shared.seen));
    let mut connection = pin!(builder(shared.clone()).serve_connection(io, service));
    let mut watchdog = Watchdog::new(&shared.seen, timeouts);
    let mut stage = Stage::Serving;
    loop {
        tokio::select! {
            biased;
            later = stopping.after(stage), if stage < Stage::Draining => {
                stage = later;
                shared.is_leaving.store(true, Ordering::Relaxed);
                if stage == Stage::Draining {
                    connection.as_mut().graceful_shutdown();
                }
            }
            // Whatever the client sends from now on, it sends again elsewhere.
            () = shared.last_answer.notified() => connection.as_mut().graceful_shutdown(),
            ended = connection.as_mut() => return ended.err().and_then(|error| of(&error)),
            phase = watchdog.overdue() => {
                if phase == Phase::Idle {
                    // A request may be on its way.
                    connection.as_mut().graceful_shutdown();
                    let _ = timeout(FAREWELL_MAX, connection).await;
                }
                return Ended::overdue(phase);
            }
        }
    }
}

fn builder(shared: Arc<Shared>) -> http2::Builder<Streams> {
    let mut http = http2::Builder::new(Streams(shared));
    http.timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADERS_MAX_BYTES)
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(RESETS_OF_ERRORS_MAX)
        .keep_alive_interval(PING_PAUSE)
        .keep_alive_timeout(PONG_MAX);
    http
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<TakenBody>, Infallible> {
    let mut response = shared.edge.respond(shared.remote, request).await;
    // The connection is not its to close: what was not read of the body is reset.
    response.headers_mut().remove(header::CONNECTION);
    if shared.is_leaving.load(Ordering::Relaxed) {
        shared.last_answer.notify_one();
    }
    Ok(response.map(TakenBody::new))
}

/// Runs each request as a task, which ends when its answer is not taken.
#[derive(Clone)]
struct Streams(Arc<Shared>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let open = OpenStream::new(self.0.clone());
        let write = self.0.edge.timeouts.write;
        tokio::spawn(async move {
            if Taking::follow(stream, write).await.is_err() {
                open.0.edge.metrics.connection_ended(open.0.edge.listener, Ended::WriteTimeout.name());
            }
        });
    }
}

/// Counts a request while it is open.
struct OpenStream(Arc<Shared>);

impl OpenStream {
    fn new(shared: Arc<Shared>) -> Self {
        shared.seen.opens();
        Self(shared)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.seen.closes();
    }
}

fn of(error: &hyper::Error) -> Option<Ended> {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    match cause {
        Some(cause) if cause.is_io() || cause.is_remote() => Some(Ended::ClientLeft),
        Some(_) => Some(Ended::BadRequest),
        None => Ended::of(error),
    }
}
