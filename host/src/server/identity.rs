//! Who a request is: read from its headers, and given back with its answer. Never refuses one.

use crate::telemetry::context::{Context, Given, is_request_id};
use crate::telemetry::random;
use crate::telemetry::trace_parent::TraceParent;
use crate::telemetry::trace_state::TraceState;
use crate::telemetry::traces::Sampler;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// In requests, in answers, and in the metadata of calls.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");

/// A request's identity, of its caller's headers: what is absent or does not read is made.
pub(super) fn of(headers: &HeaderMap, is_followed: bool, sampler: Sampler) -> Context {
    let id = only(headers, &REQUEST_ID).filter(|id| is_request_id(id.as_bytes()));
    let span = only(headers, &TRACE_PARENT).and_then(|value| TraceParent::parse(value.as_bytes()));
    let context = Context::new(Given { request_id: id.and_then(|id| id.to_str().ok()), span }, is_followed, random);
    let context = context.sampled_by(sampler);
    if span.is_none() {
        return context;
    }
    let lines = headers.get_all(&TRACE_STATE).iter();
    context.with_state(TraceState::parse(lines.map(HeaderValue::as_bytes)))
}

/// Puts a request's identity into its answer, or what ends a call.
pub(super) fn tell(context: &Context, headers: &mut HeaderMap) {
    let mut put = |name: &'static HeaderName, text: String| {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    };
    put(&REQUEST_ID, context.request_id().into_owned());
    put(&TRACE_PARENT, context.span().to_text());
    if let Some(state) = context.trace_state() {
        put(&TRACE_STATE, state.as_str().to_owned());
    }
}

/// A header that comes once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn answered(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut sent = HeaderMap::new();
        for (name, value) in lines {
            sent.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let mut headers = HeaderMap::new();
        tell(&of(&sent, false, Sampler::default()), &mut headers);
        headers
    }

    fn told(lines: &[(&'static str, &'static str)]) -> (String, String) {
        let headers = answered(lines);
        let text = |name: &str| headers[name].to_str().unwrap().to_owned();
        (text("x-request-id"), text("traceparent"))
    }

    #[test]
    fn what_reads_is_kept_and_what_does_not_is_made() {
        let (id, span) = told(&[("x-request-id", "order-7"), ("traceparent", SENT)]);
        assert_eq!((&*id, &span[..36], &span[52..]), ("order-7", &SENT[..36], "-01"));
        assert_ne!(span, SENT, "the host has a span of its own");
        for lines in [
            &[][..],
            &[("x-request-id", "a b"), ("traceparent", "00-0-0-0")],
            &[("x-request-id", "a"), ("x-request-id", "a"), ("traceparent", SENT), ("traceparent", SENT)],
        ] {
            let ((id, span), (other, _)) = (told(lines), told(lines));
            assert_eq!((id.len(), &span[3..35], &span[52..]), (32, &*id, "-00"), "{lines:?}");
            assert_ne!(id, other);
        }
    }

    #[test]
    fn a_trace_keeps_what_others_have_in_it_and_a_new_one_has_nothing() {
        let state = |lines: &[(&'static str, &'static str)]| {
            answered(lines).get("tracestate").map(|value| value.to_str().unwrap().to_owned())
        };
        let (theirs, more) = (("tracestate", "a=1"), ("tracestate", "b=2"));
        assert_eq!(state(&[("traceparent", SENT), theirs, more]).as_deref(), Some("a=1,b=2"));
        assert_eq!(state(&[("traceparent", SENT), theirs, ("tracestate", "B")]), None);
        assert_eq!(state(&[("traceparent", SENT)]), None);
        assert_eq!(state(&[theirs]), None);
        assert_eq!(state(&[("traceparent", "00-0-0-0"), theirs]), None);
    }
}
