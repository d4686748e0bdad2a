//! A call's answer: messages in gRPC's frames, then how it ended. Makes none of them.

use super::coding::{Message, USED};
use crate::server::compression::Coding;
use crate::server::identity;
use crate::telemetry::{self, current};
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures_util::stream::Stream;
use hyper::body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tonic::Status;

/// Messages, with metadata before them; those that are compressed, in this way. An error is the last. What ends them says
/// of which request they were.
pub(super) fn answer<M>(metadata: HeaderMap, coding: Option<Coding>, messages: M) -> Response
where
    M: Stream<Item = Result<Message, Status>> + Send + Unpin + 'static,
{
    let mut response = Response::new(Body::new(Answer { messages, context: current(), has_ended: false }));
    *response.headers_mut() = metadata;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    if let Some(coding) = coding {
        headers.insert(&USED, HeaderValue::from_static(coding.name()));
    }
    response
}

struct Answer<M> {
    messages: M,
    context: Arc<telemetry::Context>,
    has_ended: bool,
}

impl<M: Stream<Item = Result<Message, Status>> + Unpin> HttpBody for Answer<M> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let next = ready!(Pin::new(&mut self.messages).poll_next(cx)).map(|next| next.and_then(|next| framed(&next)));
        let status = match next {
            Some(Ok(frame)) => return Poll::Ready(Some(Ok(Frame::data(frame)))),
            Some(Err(status)) => status,
            None => Status::ok(""),
        };
        self.has_ended = true;
        let mut trailers = HeaderMap::new();
        if let Err(status) = status.add_header(&mut trailers) {
            trailers.insert(Status::GRPC_STATUS, HeaderValue::from(i32::from(status.code())));
        }
        identity::tell(&self.context, &mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended
    }
}

/// A message behind its prefix.
pub(super) fn framed(message: &Message) -> Result<Bytes, Status> {
    let length = message.bytes.len();
    let too_long =
        |_| Status::resource_exhausted(format!("the answer is longer than {} bytes: it has {length}", u32::MAX));
    let told = u32::try_from(length).map_err(too_long)?;
    let flag = u8::from(message.coding.is_some());
    Ok([&[flag][..], &told.to_be_bytes(), &message.bytes].concat().into())
}
