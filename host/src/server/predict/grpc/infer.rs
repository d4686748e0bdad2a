//! Predictions over gRPC: a message to a request, the reply to a message. Reads no tensor.

use super::arriving::Arriving;
use super::codec::Whole;
use super::permit::Permit;
use super::status::{refuse, status_of};
use crate::access::Need;
use crate::server::edge::Answering;
use crate::server::error::HttpError;
use crate::server::predict::request::{describe, header_key, header_timeout, parse_version};
use crate::server::predict::state::Shared;
use crate::server::shutdown::Stage;
use crate::serving::{Reply, Request as Predict, Taken};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use futures_util::stream::{Stream, unfold};
use hyper::body::Incoming;
use scry_names::text::whole_number;
use scry_protocol::Format;
use scry_protocol::grpc::{failed_in_stream, head, in_stream};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tonic::metadata::MetadataMap;
use tonic::server::Grpc;
use tonic::{Extensions, Response, Status, Streaming};
use tower::service_fn;

/// What a call says beside its messages.
#[derive(Debug, Clone)]
struct Asked {
    /// Until when there is to be an answer.
    until: Option<Instant>,
    key: Option<String>,
    permit: Permit,
}

impl Asked {
    fn of<B>(request: &Request<B>) -> Result<Self, HttpError> {
        let headers = request.headers();
        let timeouts = [call_timeout(headers)?, header_timeout(headers)?];
        let until = timeouts.into_iter().flatten().min().map(|timeout| Instant::now() + timeout);
        Ok(Self { until, key: header_key(headers)?, permit: Permit::of(request) })
    }
}

/// `ModelInfer`.
pub(super) fn one(app: &Arc<Shared>, request: Request<Incoming>) -> Answering {
    let asked = match Asked::of(&request) {
        Ok(asked) => asked,
        Err(error) => return refuse(status_of(error)),
    };
    let (app, mut grpc) = (app.clone(), calls(app));
    let request = request.map(|body| Arriving::new(body, app.body_timeout));
    let answer = service_fn(move |message: tonic::Request<Bytes>| {
        let (app, asked) = (app.clone(), asked.clone());
        async move {
            let reply = infer(&app, message.into_inner(), &asked).await.map_err(status_of)?;
            let mut metadata = HeaderMap::new();
            describe(&reply, &mut metadata);
            Ok(Response::from_parts(MetadataMap::from_headers(metadata), reply.body, Extensions::new()))
        }
    });
    Box::pin(async move { grpc.unary(answer, request).await.map(Body::new) })
}

/// `ModelStreamInfer`.
pub(super) fn stream(app: &Arc<Shared>, request: Request<Incoming>) -> Answering {
    let asked = match Asked::of(&request) {
        Ok(asked) => asked,
        Err(error) => return refuse(status_of(error)),
    };
    let (app, mut grpc) = (app.clone(), calls(app));
    let answer = service_fn(move |messages: tonic::Request<Streaming<Bytes>>| {
        let answers = answers(app.clone(), messages.into_inner(), asked.clone());
        async move { Ok::<_, Status>(Response::new(answers)) }
    });
    Box::pin(async move { grpc.streaming(answer, request).await.map(Body::new) })
}

fn calls(app: &Shared) -> Grpc<Whole> {
    Grpc::new(Whole).max_decoding_message_size(app.body_max_bytes)
}

/// An answer for each message, in their order: the next is read once the one before is answered.
fn answers(
    app: Arc<Shared>,
    messages: Streaming<Bytes>,
    asked: Asked,
) -> impl Stream<Item = Result<Vec<u8>, Status>> + Send + 'static {
    unfold(Some((app, messages, asked)), |state| async {
        let (app, mut messages, asked) = state?;
        let mut stopping = app.stopping.clone();
        let next = tokio::select! {
            biased;
            _ = stopping.after(Stage::Leaving) => return Some((Err(status_of(HttpError::stopping())), None)),
            next = timeout(app.idle_timeout, messages.message()) => next,
        };
        let message = match next {
            Ok(Ok(message)) => message?,
            Ok(Err(unread)) => return Some((Err(unread), None)),
            Err(_) => {
                let message = format!("no message came within {} ms", app.idle_timeout.as_millis());
                return Some((Err(Status::deadline_exceeded(message)), None));
            }
        };
        let answered = match asked.permit.one_more(&app) {
            Ok(()) => infer(&app, message.clone(), &asked).await,
            Err(error) => Err(error),
        };
        let answer = match answered {
            Ok(reply) => in_stream(&reply.body),
            Err(error) => failed_in_stream(&message, status_of(error).message()),
        };
        Some((Ok(answer), Some((app, messages, asked))))
    })
}

async fn infer(app: &Shared, message: Bytes, asked: &Asked) -> Result<Reply, HttpError> {
    let received = Instant::now();
    let head = head(&message)?;
    asked.permit.check(app, Need::Predict(head.model.to_owned()))?;
    let version = Some(head.version).filter(|version| !version.is_empty()).map(parse_version).transpose()?;
    let served = app.predictor.asked(head.model)?;
    app.predictor.admit(&served, received)?;
    let left = asked.until.map(|until| until.saturating_duration_since(received));
    let timeout = head.timeout.into_iter().chain(left).min();
    let key = asked.key.clone();
    let request = Predict {
        served,
        version,
        key,
        timeout,
        received,
        body: message.clone(),
        format: Format::Grpc,
        picked: OnceLock::new(),
        taken: Taken::default(),
    };
    app.predictor.predict(request).await.map_err(|failure| failure.error.into())
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
        let found = String::from_utf8_lossy(value.as_bytes()).chars().take(40).collect::<String>();
        let expected = "a number of up to eight digits and one of H, M, S, m, u, n";
        HttpError::new(
            StatusCode::BAD_REQUEST,
            format!("metadata `grpc-timeout`: expected {expected}, found `{found}`"),
        )
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
