//! Reading a request's body, within limits of size and time. Never looks into it.

use crate::server::error::{HttpError, Refusal};
use axum::body::{Bytes, HttpBody};
use std::fmt::Display;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

/// Room that is made for a body that comes in parts before they are there.
const ROOM_MAX_BYTES: usize = 64 << 10;

/// A body on its way.
pub(super) trait SentBody: HttpBody<Data = Bytes, Error: Display> + Unpin {}
impl<B: HttpBody<Data = Bytes, Error: Display> + Unpin> SentBody for B {}

/// Reads a body within its limits of size and time.
pub(super) async fn read_body(body: impl SentBody, max_bytes: usize, timeout: Duration) -> Result<Bytes, HttpError> {
    let room = usize::try_from(body.size_hint().lower()).unwrap_or(ROOM_MAX_BYTES).min(ROOM_MAX_BYTES);
    let (mut first, mut all) = (Bytes::new(), Vec::new());
    read_parts(body, max_bytes, timeout, |part| {
        if first.is_empty() {
            first = part;
            return;
        }
        if all.is_empty() {
            all.reserve(room);
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&part);
    })
    .await?;
    Ok(if all.is_empty() { first } else { all.into() })
}

/// Reads a body part by part; nothing of one that says that it is too long.
pub(super) async fn read_parts<B: SentBody>(
    mut body: B,
    max_bytes: usize,
    timeout: Duration,
    mut take: impl FnMut(Bytes),
) -> Result<(), HttpError> {
    let too_large = || HttpError::refused(Refusal::BodyTooLarge, format!("the body is longer than {max_bytes} bytes"));
    let unreadable =
        |error: B::Error| HttpError::refused(Refusal::BodyUnreadable, format!("the body could not be read: {error}"));
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(too_large());
    }
    let parts = async {
        let mut left = max_bytes;
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            if let Ok(part) = frame.map_err(unreadable)?.into_data() {
                left = left.checked_sub(part.len()).ok_or_else(too_large)?;
                take(part);
            }
        }
        Ok(())
    };
    tokio::time::timeout(timeout, parts).await.unwrap_or_else(|_| {
        let message = format!("the body took longer than {} ms to arrive", timeout.as_millis());
        Err(HttpError::refused(Refusal::BodyTimeout, message))
    })
}
