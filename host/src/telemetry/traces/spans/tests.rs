use super::*;
use crate::telemetry::Context;
use crate::telemetry::context::Given;
use crate::telemetry::trace_parent::TraceParent;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn counting(from: u64) -> impl FnMut() -> u64 {
    let mut last = from;
    move || {
        last += 1;
        last
    }
}

fn context() -> Context {
    let span = TraceParent::parse(CALLER.as_bytes());
    Context::new(Given { request_id: Some("order-7"), span }, false, counting(0x100))
}

fn made(traced: &Traced) -> Vec<SpanData> {
    spans(traced, &InstrumentationScope::builder("scry").build(), counting(0x500))
}

/// The attributes of a span, as text.
fn attributes(span: &SpanData) -> BTreeMap<&str, String> {
    span.attributes.iter().map(|attribute| (attribute.key.as_str(), attribute.value.to_string())).collect()
}

fn called(fuel: u64, memory_bytes: u64) -> Detail {
    let (model, digest) = ("churn".to_owned(), "sha256:ab".into());
    Detail::Call(Box::new(Called { model, version: 4, digest, fuel: Some(fuel), memory_bytes, requests: 1 }))
}

#[test]
fn a_prediction_is_a_span_of_its_callers_trace_and_its_steps_are_within_it() {
    let mut traced = Traced::answered(context(), Vec::new());
    let kinds = [StepKind::Decode, StepKind::Validate, StepKind::Queue, StepKind::Instantiate];
    traced.steps = (0..).zip(kinds).map(|(at, kind)| Step::after(traced.received, at, kind)).collect();
    let call = Step::after(traced.received, 5, StepKind::Call);
    traced.steps.push(Step { detail: called(700, 65_536), ..call });
    let told = traced.context.span();
    let all = made(&traced);
    let [server, steps @ ..] = &all[..] else { panic!("{all:?}") };
    assert_eq!(server.span_context.span_id(), SpanId::from(told.span_id.get()), "the one that its caller is told");
    assert_eq!(server.parent_span_id.to_string(), "b7ad6b7169203331");
    assert!(server.parent_span_is_remote && server.span_kind == SpanKind::Server);
    assert_eq!((&*server.name, &server.status), ("predict churn", &Status::Unset));
    let expected = [
        ("http.request.body.size", "70"),
        ("http.request.method", "POST"),
        ("http.response.body.size", "90"),
        ("scry.digest", "sha256:ab"),
        ("scry.fuel", "700"),
        ("scry.memory_bytes", "65536"),
        ("scry.model", "churn"),
        ("scry.outcome", "ok"),
        ("scry.request_id", "order-7"),
        ("scry.version", "4"),
    ];
    assert_eq!(attributes(server), expected.map(|(name, value)| (name, value.to_owned())).into());
    assert_eq!(server.end_time, traced.ended_at);
    assert_eq!(server.end_time.duration_since(server.start_time).unwrap(), Duration::from_millis(10));
    let names: Vec<_> = steps.iter().map(|step| &*step.name).collect();
    assert_eq!(names, ["decode", "validate", "queue", "instantiate", "call"]);
    for step in steps {
        assert_eq!(step.parent_span_id, server.span_context.span_id());
        assert!(server.start_time <= step.start_time && step.end_time <= server.end_time);
        assert_eq!(step.end_time.duration_since(step.start_time).unwrap(), Duration::from_millis(1));
    }
    let traces: BTreeSet<_> = all.iter().map(|span| span.span_context.trace_id().to_string()).collect();
    assert_eq!(traces, ["0af7651916cd43dd8448eb211c80319c".to_owned()].into());
    let ids: BTreeSet<_> = all.iter().map(|span| span.span_context.span_id().to_string()).collect();
    assert_eq!(ids.len(), 6);
}

#[test]
fn what_a_fallback_did_is_within_its_span_and_says_why_it_was_asked() {
    let mut traced = Traced::answered(context(), Vec::new());
    let step = |at, kind| Step::after(traced.received, at, kind);
    traced.steps = vec![
        Step { error: Some("trap"), detail: called(5, 10), ..step(1, StepKind::Call) },
        Step { is_in_fallback: true, detail: called(7, 9), ..step(3, StepKind::Call) },
        Step { detail: Detail::Fallback("trap"), ..step(2, StepKind::Fallback) },
    ];
    traced.prediction.outcome = "degraded";
    traced.prediction.degraded = Some("trap");
    let all = made(&traced);
    let [server, trapped, answered, fallback] = &all[..] else { panic!("{all:?}") };
    let parents = [trapped, answered, fallback].map(|span| span.parent_span_id);
    let [server_id, fallback_id] = [server, fallback].map(|span| span.span_context.span_id());
    assert_eq!(parents, [server_id, fallback_id, server_id]);
    assert_eq!((attributes(fallback)["scry.reason"].as_str(), &fallback.status), ("trap", &Status::Unset));
    let of_call = attributes(trapped);
    assert_eq!((of_call["scry.outcome"].as_str(), of_call["error.type"].as_str()), ("trap", "trap"));
    assert_eq!((&trapped.status, attributes(answered)["scry.outcome"].as_str()), (&Status::error("trap"), "ok"));
    let own = attributes(server);
    let [outcome, degraded, fuel, memory] = ["scry.outcome", "scry.degraded", "scry.fuel", "scry.memory_bytes"];
    assert_eq!([outcome, degraded, fuel, memory].map(|name| own[name].as_str()), ["degraded", "trap", "12", "10"]);
    assert_eq!((&server.status, own.get("error.type")), (&Status::Unset, None));
}

#[test]
fn a_prediction_without_an_answer_says_why_and_is_an_error_if_its_caller_cannot_help_it() {
    for (outcome, is_fault, status) in
        [("timeout", true, Status::error("timeout")), ("invalid-input", false, Status::Unset)]
    {
        let mut traced = Traced::answered(context(), Vec::new());
        (traced.response_bytes, traced.prediction.outcome) = (None, outcome);
        (traced.is_fault, traced.is_grpc) = (is_fault, true);
        let [server] = &made(&traced)[..] else { panic!("it has no steps") };
        let own = attributes(server);
        assert_eq!(
            (own["error.type"].as_str(), own["scry.outcome"].as_str(), &server.status),
            (outcome, outcome, &status)
        );
        assert_eq!((own["rpc.system.name"].as_str(), own.get("http.request.method")), ("grpc", None));
    }
}

#[test]
fn predictions_of_one_stream_have_spans_of_their_own() {
    let first = Traced::answered(context(), Vec::new());
    let next = Traced { context: first.context.clone(), ..Traced::answered(context(), Vec::new()) };
    let scope = InstrumentationScope::builder("scry").build();
    let mut random = counting(0x500);
    let [first, next] = [&first, &next].map(|traced| spans(traced, &scope, &mut random).remove(0));
    assert_ne!(first.span_context.span_id(), next.span_context.span_id());
    assert_eq!(first.parent_span_id, next.parent_span_id);
    assert_eq!(first.span_context.trace_id(), next.span_context.trace_id());
}
