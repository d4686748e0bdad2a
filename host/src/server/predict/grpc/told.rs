//! The answer of a service that others wrote, whose end says of which request it was. Changes nothing else of it.

use crate::server::identity;
use crate::telemetry::{self, current};
use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pub(super) struct Told<B> {
    body: B,
    context: Arc<telemetry::Context>,
}

impl<B> Told<B> {
    /// Of the request that is answered here.
    pub(super) fn new(body: B) -> Self {
        Self { body, context: current() }
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Told<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let next = Pin::new(&mut self.body).poll_frame(cx);
        next.map_ok(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                identity::tell(&self.context, trailers);
            }
            frame
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
