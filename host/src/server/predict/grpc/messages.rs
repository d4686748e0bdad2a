//! A call's messages as gRPC frames them: whether one is compressed, its length, its bytes. Never looks into one.

use super::coding::Message;
use crate::server::body::SentBody;
use crate::server::compression::Coding;
use crate::server::error::{HttpError, Refusal};
use axum::http::StatusCode;
use bytes::BytesMut;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::timeout;

/// Before each message: a flag and a length.
const PREFIX_BYTES: usize = 5;

/// The messages of a call, one after the other.
pub(super) struct Messages<B> {
    body: B,
    /// What has arrived of the next ones.
    buffer: BytesMut,
    coding: Option<Coding>,
    max_bytes: usize,
}

impl<B: SentBody> Messages<B> {
    /// In a call's body: those that are compressed, in this way; none longer than this.
    pub(super) fn of(body: B, coding: Option<Coding>, max_bytes: usize) -> Self {
        Self { body, buffer: BytesMut::new(), coding, max_bytes }
    }

    /// The only message of a call, which has to end within this time.
    pub(super) async fn only(mut self, time: Duration) -> Result<Message, HttpError> {
        let only = async {
            let first = self.next().await?;
            match (first, self.next().await?) {
                (Some(message), None) => Ok(message),
                (None, _) => Err(unreadable("expected one message, found none")),
                (Some(_), Some(_)) => Err(unreadable("expected one message, found several")),
            }
        };
        timeout(time, only).await.unwrap_or_else(|_| {
            let message = format!("the message took longer than {} ms to arrive", time.as_millis());
            Err(HttpError::refused(Refusal::BodyTimeout, message))
        })
    }

    /// The next; none where the client has sent all.
    pub(super) async fn next(&mut self) -> Result<Option<Message>, HttpError> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(Some(message));
            }
            let frame = poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await;
            let Some(frame) = frame else {
                let is_whole = self.buffer.is_empty();
                return if is_whole { Ok(None) } else { Err(unreadable("expected a whole message, found a part")) };
            };
            if let Ok(data) = frame.map_err(|error| unreadable(&error.to_string()))?.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }

    /// The next, if all of it has come.
    fn take(&mut self) -> Result<Option<Message>, HttpError> {
        let Some(([flag, length @ ..], rest)) = self.buffer.split_first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let coding = match (flag, self.coding) {
            (0, _) => None,
            (1, Some(coding)) => Some(coding),
            // The protocol asks for this code, though it is the client's fault.
            (1, None) => {
                let error = unreadable("it is compressed; metadata `grpc-encoding`: expected how, found nothing");
                return Err(HttpError { status: StatusCode::INTERNAL_SERVER_ERROR, ..error });
            }
            (flag, _) => return Err(unreadable(&format!("expected the flag 0 or 1 before a message, found {flag}"))),
        };
        let (length, max) = (u32::from_be_bytes(*length) as usize, self.max_bytes);
        if length > max {
            let message = format!("the message is longer than {max} bytes: it has {length}");
            return Err(HttpError::refused(Refusal::BodyTooLarge, message));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let bytes = self.buffer.split_to(PREFIX_BYTES + length).freeze().slice(PREFIX_BYTES..);
        Ok(Some(Message { bytes, coding }))
    }
}

fn unreadable(why: &str) -> HttpError {
    HttpError::refused(Refusal::BodyUnreadable, format!("the message could not be read: {why}"))
}

#[cfg(test)]
mod tests;
