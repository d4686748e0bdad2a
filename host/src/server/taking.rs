//! Whether the client of a shared connection takes its answer. Flow control lets it read others and leave this one,
//! which the connection does not show. Never looks into an answer.

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// The most of an answer that is handed over at a time, so that the rest is seen to wait.
const PART_MAX_BYTES: usize = 64 << 10;

tokio::task_local! {
    /// The answer of the task's request.
    static ANSWER: Arc<Taking>;
}

/// How far an answer is taken. One task writes and reads it.
#[derive(Debug, Default)]
pub(super) struct Taking {
    /// A part was handed over, and no other asked for yet.
    is_offered: AtomicBool,
    /// Parts that were handed over.
    parts: AtomicU64,
}

/// Nothing of an answer was taken for too long.
#[derive(Debug)]
pub(super) struct Untaken;

impl Taking {
    /// Runs a request whose body is a `TakenBody`, as long as its answer is taken.
    pub(super) async fn follow(request: impl Future<Output = ()>, write_timeout: Duration) -> Result<(), Untaken> {
        let taking = Arc::new(Self::default());
        let mut request = pin!(ANSWER.scope(taking.clone(), request));
        let mut waits: Option<(u64, Pin<Box<Sleep>>)> = None;
        poll_fn(|cx| {
            if request.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            if !taking.is_offered.load(Ordering::Relaxed) {
                waits = None;
                return Poll::Pending;
            }
            let parts = taking.parts.load(Ordering::Relaxed);
            // Most answers are taken at once, and need no timer.
            let (_, alarm) = match &mut waits {
                Some(waits) if waits.0 == parts => waits,
                waits => waits.insert((parts, Box::pin(sleep_until(Instant::now() + write_timeout)))),
            };
            alarm.as_mut().poll(cx).map(|()| Err(Untaken))
        })
        .await
    }
}

/// An answer's body, which says when parts of it are taken.
#[derive(Debug)]
pub(super) struct TakenBody {
    body: Body,
    left: Bytes,
    taking: Option<Arc<Taking>>,
}

impl TakenBody {
    /// Of the answer of this task's request.
    pub(super) fn new(body: Body) -> Self {
        Self { body, left: Bytes::new(), taking: ANSWER.try_with(Clone::clone).ok() }
    }

    fn is_offered(&self, is_offered: bool) {
        if let Some(taking) = &self.taking {
            taking.is_offered.store(is_offered, Ordering::Relaxed);
            taking.parts.fetch_add(u64::from(is_offered), Ordering::Relaxed);
        }
    }
}

impl HttpBody for TakenBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_offered(false);
        if self.left.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.left = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return Poll::Ready(other),
            }
        }
        let part = self.left.len().min(PART_MAX_BYTES);
        let part = self.left.split_to(part);
        self.is_offered(true);
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, left) = (self.body.size_hint(), self.left.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + left);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + left);
        }
        hint
    }
}
