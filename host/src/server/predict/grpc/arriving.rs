//! A call's messages on their way, for a limited time. Never looks into them.

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};
use tonic::Status;

/// The body of a call, all of which is to arrive within its time.
pub(super) struct Arriving {
    body: Incoming,
    time: Duration,
    /// Set once there is something to wait for.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Arriving {
    pub(super) fn new(body: Incoming, time: Duration) -> Self {
        Self { body, time, alarm: None }
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Self { body, time, alarm } = &mut *self;
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            let unread = |error: hyper::Error| Status::cancelled(format!("the message could not be read: {error}"));
            return Poll::Ready(frame.map(|frame| frame.map_err(unread)));
        }
        let alarm = alarm.get_or_insert_with(|| Box::pin(sleep(*time)));
        alarm.as_mut().poll(cx).map(|()| {
            let message = format!("the message took longer than {} ms to arrive", time.as_millis());
            Some(Err(Status::deadline_exceeded(message)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
