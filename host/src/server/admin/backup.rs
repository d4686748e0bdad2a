//! A backup as an answer: written while it is sent, and no faster than its client takes it.
//!
//! One at a time. An answer that fails on its way ends without its last part, so that nobody takes it for a backup.

use super::{App, By, Result};
use crate::server::error::HttpError;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Extension;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use hyper::body::Frame;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The size of a part, in bytes.
const PART_BYTES: usize = 64 << 10;
/// Parts that may wait for the client.
const PARTS_MAX: usize = 4;

/// A state with all that it needs, as a tar file.
pub(super) async fn backup(app: App, Extension(who): By) -> Result<Response> {
    let alone = app.backing_up.clone().try_acquire_owned().map_err(|_| {
        HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "another backup is being made: try again when it is done")
    })?;
    let (sender, parts) = channel(PARTS_MAX);
    let registry = app.registry.clone();
    tokio::task::spawn_blocking(move || {
        // Held until it is written or its client has left.
        let _alone = alone;
        let mut into = BufWriter::with_capacity(PART_BYTES, Parts(sender));
        match registry.back_up(&mut into) {
            Ok(made) => {
                let (state, components, bytes) = (made.about.state, made.components(), made.size_bytes());
                tracing::info!(by = %who.name(), state, components, bytes, "a backup was made");
            }
            Err(error) => {
                tracing::warn!(by = %who.name(), %error, "a backup was not made");
                // A client that has left is told nothing.
                let _ = into.get_ref().0.blocking_send(Err(io::Error::other(error)));
            }
        }
    });
    let mut response = Response::new(Body::new(Streamed(parts)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
    Ok(response)
}

type Part = io::Result<Bytes>;

/// Sends what is written; waits while the client does not take it.
struct Parts(Sender<Part>);

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::Error::new(ErrorKind::BrokenPipe, "the client has left"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The parts as a body.
struct Streamed(Receiver<Part>);

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx).map(|part| part.map(|part| part.map(Frame::data)))
    }
}
