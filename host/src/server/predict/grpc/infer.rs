//! Predictions over gRPC: a message to a request, the reply to a message. Reads no tensor.

use super::answer::answer;
use super::coding::{Codings, Message};
use super::messages::Messages;
use super::permit::Permit;
use super::status::{refuse, refused, status_of};
use crate::access::Need;
use crate::recording::Noted;
use crate::server::compression::{COMPRESSED_MIN_BYTES, Wrong};
use crate::server::edge::Answering;
use crate::server::error::{HttpError, Refusal};
use crate::server::head::shown;
use crate::server::predict::request::{self, describe, header_key, header_timeout, parse_version, shorter};
use crate::server::predict::state::Shared;
use crate::server::shutdown::Stage;
use crate::serving::{Reply, Request as Predict, Served, Taken, Trail};
use crate::telemetry::{Context, current, scope};
use axum::body::Bytes;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::Response;
use futures_util::stream::{Stream, StreamExt, iter, unfold};
use hyper::body::Incoming;
use scry_names::text::whole_number;
use scry_protocol::Format;
use scry_protocol::grpc::{failed_in_stream, head, in_stream, model_of};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tonic::Status;

/// What a call says beside its messages.
#[derive(Debug, Clone)]
struct Asked {
    /// Until when there is to be an answer.
    until: Option<Instant>,
    key: Option<String>,
    codings: Codings,
    permit: Permit,
    context: Arc<Context>,
}

/// What is inflated of a message to find its model, which clients write first.
const BEGINNING_MAX_BYTES: usize = 4 << 10;

impl Asked {
    fn of<B>(request: &Request<B>) -> Result<Self, HttpError> {
        let headers = request.headers();
        let timeouts = [call_timeout(headers)?, header_timeout(headers)?];
        let until = timeouts.into_iter().flatten().min().map(|timeout| Instant::now() + timeout);
        Ok(Self {
            until,
            key: header_key(headers)?,
            codings: Codings::of(headers)?,
            permit: Permit::of(request),
            context: current(),
        })
    }
}

/// `ModelInfer`.
pub(super) fn one(app: &Arc<Shared>, request: Request<Incoming>) -> Answering {
    let app = app.clone();
    Box::pin(async move {
        let answered = answered(&app, request).await;
        answered.unwrap_or_else(|error| refused(&app, error).into_http())
    })
}

async fn answered(app: &Shared, request: Request<Incoming>) -> Result<Response, HttpError> {
    let asked = Asked::of(&request)?;
    let messages = Messages::of(request.into_body(), asked.codings.sent, app.body_max_bytes);
    let message = messages.only(app.body_timeout).await?;
    let received = Instant::now();
    let message = inflated(app, message, &asked, received).await?;
    let (served, mut reply) = infer(app, message, &asked, received).await?;
    let mut metadata = HeaderMap::new();
    describe(&reply, &mut metadata);
    let message = compressed(app, &served, received, std::mem::take(&mut reply.body), &asked).await;
    Ok(answer(metadata, message.coding, iter([Ok(message)])))
}

/// `ModelStreamInfer`.
pub(super) fn stream(app: &Arc<Shared>, request: Request<Incoming>) -> Answering {
    let asked = match Asked::of(&request) {
        Ok(asked) => asked,
        Err(error) => return refuse(refused(app, error)),
    };
    let Codings { sent, wanted } = asked.codings;
    let messages = Messages::of(request.into_body(), sent, app.body_max_bytes);
    let answers = answers(app.clone(), messages, asked);
    Box::pin(std::future::ready(answer(HeaderMap::new(), wanted, answers.boxed())))
}

/// An answer for each message, in their order: the next is read once the one before is answered.
fn answers(
    app: Arc<Shared>,
    messages: Messages<Incoming>,
    asked: Asked,
) -> impl Stream<Item = Result<Message, Status>> + Send + 'static {
    unfold(Some((app, messages, asked)), |state| async {
        let (app, mut messages, asked) = state?;
        let mut stopping = app.stopping.clone();
        let next = tokio::select! {
            biased;
            _ = stopping.after(Stage::Leaving) => return Some((Err(status_of(HttpError::stopping())), None)),
            next = timeout(app.idle_timeout, messages.next()) => next,
        };
        let message = match next {
            Ok(Ok(message)) => message?,
            Ok(Err(error)) => return Some((Err(refused(&app, error)), None)),
            Err(_) => {
                let message = format!("no message came within {} ms", app.idle_timeout.as_millis());
                return Some((Err(Status::deadline_exceeded(message)), None));
            }
        };
        let answer = scope(asked.context.clone(), answer_in_stream(&app, message, &asked)).await;
        Some((Ok(answer), Some((app, messages, asked))))
    })
}

async fn answer_in_stream(app: &Shared, message: Message, asked: &Asked) -> Message {
    let received = Instant::now();
    let mut plain = if message.coding.is_none() { message.bytes.clone() } else { Bytes::new() };
    let answered = async {
        asked.permit.one_more(app)?;
        plain = inflated(app, message, asked, received).await?;
        infer(app, plain.clone(), asked, received).await
    };
    match answered.await {
        Ok((served, reply)) => compressed(app, &served, received, in_stream(&reply.body), asked).await,
        Err(error) => {
            // A message in a stream has no metadata of its own.
            let record = error.record.map(|id| format!(" (error id {id})")).unwrap_or_default();
            let told = failed_in_stream(&plain, &format!("{}{record}", refused(app, error).message()));
            Message { bytes: told.into(), coding: None }
        }
    }
}

/// What a message was before its client compressed it.
async fn inflated(app: &Shared, message: Message, asked: &Asked, received: Instant) -> Result<Bytes, HttpError> {
    let Message { bytes, coding } = message;
    let Some(coding) = coding else { return Ok(bytes) };
    let begun = coding.beginning(&bytes, BEGINNING_MAX_BYTES);
    if begun.is_empty() {
        return Err(Wrong::Damaged.to_error(coding, app.body_max_bytes));
    }
    let model = model_of(&begun).ok_or_else(|| {
        let expected = format!("expected `model_name` within the first {BEGINNING_MAX_BYTES} bytes");
        let message = format!("the message is compressed: {expected}, found none");
        HttpError::refused(Refusal::BodyUnreadable, message)
    })?;
    let served = asked_for(app, model, asked, received)?;
    request::inflated(app, &served, coding, received, bytes).await
}

/// The model that a message names, if its client may ask it and it has room.
fn asked_for(app: &Shared, model: &str, asked: &Asked, received: Instant) -> Result<Arc<Served>, HttpError> {
    asked.permit.check(app, Need::Predict(model.to_owned()))?;
    let served = app.predictor.asked(model)?;
    match app.predictor.refusal(&served, received) {
        Some(refused) => Err(refused.into()),
        None => Ok(served),
    }
}

/// The answer of the model that a message names.
async fn infer(
    app: &Shared,
    message: Bytes,
    asked: &Asked,
    received: Instant,
) -> Result<(Arc<Served>, Reply), HttpError> {
    let head = head(&message)?;
    let served = asked_for(app, head.model, asked, received)?;
    let version = Some(head.version).filter(|version| !version.is_empty()).map(parse_version).transpose()?;
    let left = asked.until.map(|until| until.saturating_duration_since(received));
    let timeout = head.timeout.into_iter().chain(left).min();
    let request = Predict {
        served: served.clone(),
        version,
        key: asked.key.clone(),
        timeout,
        received,
        body: message,
        format: Format::Grpc,
        picked: OnceLock::new(),
        taken: Taken::default(),
        noted: Noted::default(),
        trail: Trail::default(),
        context: asked.context.clone(),
    };
    let reply = app.predictor.predict(request).await?;
    Ok((served, reply))
}

/// A long answer, compressed where that is wanted, and where there is time for it.
async fn compressed(app: &Shared, served: &Served, received: Instant, answer: Vec<u8>, asked: &Asked) -> Message {
    let (bytes, coding) = (Bytes::from(answer), asked.codings.wanted);
    let Some(coding) = coding.filter(|_| bytes.len() >= COMPRESSED_MIN_BYTES) else {
        return Message { bytes, coding: None };
    };
    match shorter(app, served, coding, received, &bytes).await {
        Some(bytes) => Message { bytes, coding: Some(coding) },
        None => Message { bytes, coding: None },
    }
}

/// `grpc-timeout`: how long the client waits.
fn call_timeout(headers: &HeaderMap) -> Result<Option<Duration>, HttpError> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let read = text.split_at_checked(text.len().saturating_sub(1)).and_then(|(digits, unit)| {
        let number = whole_number(digits).filter(|_| digits.len() <= 8)?;
        Some(match unit {
            "H" => Duration::from_secs(number * 3600),
            "M" => Duration::from_secs(number * 60),
            "S" => Duration::from_secs(number),
            "m" => Duration::from_millis(number),
            "u" => Duration::from_micros(number),
            "n" => Duration::from_nanos(number),
            _ => return None,
        })
    });
    let wrong = || {
        let found = shown(value);
        let expected = "a number of up to eight digits and one of H, M, S, m, u, n";
        HttpError::new(StatusCode::BAD_REQUEST, format!("metadata `grpc-timeout`: expected {expected}, found {found}"))
    };
    read.map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_timeout_is_read_as_the_protocol_writes_it() {
        let read = |text: &'static str| {
            let headers = HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), HeaderValue::from_static(text))]);
            call_timeout(&headers).map_err(|error| error.message)
        };
        for (text, nanos) in [
            ("1H", 3_600_000_000_000),
            ("2M", 120_000_000_000),
            ("3S", 3_000_000_000),
            ("99999999m", 99_999_999_000_000),
            ("5u", 5_000),
            ("6n", 6),
            ("0n", 0),
        ] {
            assert_eq!(read(text), Ok(Some(Duration::from_nanos(nanos))), "{text}");
        }
        for wrong in ["", "1", "H", "1s", "123456789m", "+1m", "-1m", "1.5S", "1 m"] {
            assert!(read(wrong).unwrap_err().ends_with(&format!("found `{wrong}`")), "{wrong}");
        }
        assert_eq!(call_timeout(&HeaderMap::new()).map_err(|error| error.message), Ok(None));
    }
}
