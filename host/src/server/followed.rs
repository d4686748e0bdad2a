//! What the access log sees of a request and its answer. Never reads a body: it counts bytes.

use crate::telemetry::{AccessLog, Context, Entry, Head};
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, Request, Version, header};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

/// Begins to follow a request.
pub(super) fn begin<B>(
    log: &Arc<AccessLog>,
    listener: &'static str,
    remote: IpAddr,
    context: &Arc<Context>,
    request: &Request<B>,
) -> Entry {
    let header = |name| request.headers().get(name).map(|value| value.as_bytes());
    let protocol = match request.version() {
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    };
    let head = Head {
        listener,
        remote,
        method: request.method().as_str(),
        path: request.uri().path(),
        protocol,
        referer: header(header::REFERER),
        user_agent: header(header::USER_AGENT),
    };
    log.begin(head, context)
}

/// Goes on with an answer until it is sent, or its client has left.
pub(super) fn follow(mut entry: Entry, response: Response) -> Response {
    let reason = response.headers().get("scry-reason").and_then(|value| value.to_str().ok());
    entry.answered(response.status().as_u16(), reason);
    note_end(&mut entry, response.headers());
    response.map(|body| Body::new(FollowedBody { body, entry }))
}

/// How a call of gRPC ended, where these headers or trailers say it.
fn note_end(entry: &mut Entry, headers: &HeaderMap) {
    let code = headers.get("grpc-status").and_then(|code| code.to_str().ok()?.parse().ok());
    if let Some(code) = code {
        entry.ended(code);
    }
}

struct FollowedBody {
    body: Body,
    entry: Entry,
}

impl HttpBody for FollowedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            if let Some(data) = frame.data_ref() {
                self.entry.sent(data.len());
            }
            if let Some(trailers) = frame.trailers_ref() {
                note_end(&mut self.entry, trailers);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
