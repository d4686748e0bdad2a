//! What was recorded of a prediction as spans of OpenTelemetry: pure. Names that OpenTelemetry has are its own; all others
//! begin with `scry.`.

use super::traced::{Called, Detail, Step, StepKind, Traced};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::borrow::Cow;
use std::num::NonZeroU64;
use std::time::{Instant, SystemTime};

const ERROR_TYPE: &str = "error.type";
const OUTCOME: &str = "scry.outcome";
const MODEL: &str = "scry.model";
const VERSION: &str = "scry.version";
const DIGEST: &str = "scry.digest";
const FUEL: &str = "scry.fuel";
const MEMORY: &str = "scry.memory_bytes";

/// The outcome of a call that answered.
const ANSWERED: &str = "ok";

/// The spans of one prediction: its own, which the answer's `traceparent` names, and one for each step.
pub(super) fn spans(traced: &Traced, scope: &InstrumentationScope, mut random: impl FnMut() -> u64) -> Vec<SpanData> {
    let mut id = || NonZeroU64::new(random()).unwrap_or(NonZeroU64::MIN);
    let of = Spans { traced, scope, state: state(traced) };
    let own = of.traced.context.take_span_id(&mut id);
    let fallback = id();
    let has_fallback = traced.steps.iter().any(|step| step.kind == StepKind::Fallback);
    let mut made = Vec::with_capacity(traced.spans());
    made.push(of.server(own));
    for step in &traced.steps {
        let parent = if step.is_in_fallback && has_fallback { fallback } else { own };
        let span_id = if step.kind == StepKind::Fallback { fallback } else { id() };
        made.push(of.step(step, span_id, parent));
    }
    made
}

/// What the spans of one prediction have in common.
struct Spans<'a> {
    traced: &'a Traced,
    scope: &'a InstrumentationScope,
    state: TraceState,
}

impl Spans<'_> {
    fn server(&self, span_id: NonZeroU64) -> SpanData {
        let Traced { context, model, prediction, request_bytes, response_bytes, .. } = self.traced;
        let mut attributes = vec![
            KeyValue::new(MODEL, prediction.model.clone()),
            KeyValue::new(VERSION, prediction.version.clone()),
            KeyValue::new(OUTCOME, prediction.outcome),
            KeyValue::new("scry.request_id", context.request_id().into_owned()),
        ];
        attributes.extend(prediction.digest.as_ref().map(|digest| KeyValue::new(DIGEST, digest.to_string())));
        attributes.extend(prediction.degraded.map(|reason| KeyValue::new("scry.degraded", reason)));
        let error = response_bytes.is_none().then_some(prediction.outcome);
        attributes.extend(error.map(|error| KeyValue::new(ERROR_TYPE, error)));
        if self.traced.is_grpc {
            attributes.push(KeyValue::new("rpc.system.name", "grpc"));
        } else {
            attributes.push(KeyValue::new("http.request.method", "POST"));
            attributes.push(KeyValue::new("http.request.body.size", whole(*request_bytes)));
            let sent = response_bytes.map(|bytes| KeyValue::new("http.response.body.size", whole(bytes)));
            attributes.extend(sent);
        }
        attributes.extend(self.used());
        let status = match error {
            Some(error) if self.traced.is_fault => Status::error(error),
            _ => Status::Unset,
        };
        SpanData {
            span_kind: SpanKind::Server,
            parent_span_id: SpanId::from(context.parent_id().map_or(0, NonZeroU64::get)),
            parent_span_is_remote: context.parent_id().is_some(),
            status,
            ..self.span(
                Cow::Owned(format!("predict {model}")),
                span_id,
                self.traced.received,
                self.traced.ended,
                attributes,
            )
        }
    }

    fn step(&self, step: &Step, span_id: NonZeroU64, parent: NonZeroU64) -> SpanData {
        let mut attributes = match &step.detail {
            Detail::None => Vec::new(),
            Detail::Instance { was_put_back } => vec![KeyValue::new("scry.instance.was_put_back", *was_put_back)],
            Detail::Fallback(reason) => vec![KeyValue::new("scry.reason", *reason)],
            Detail::Call(called) => of_call(called, step.error.unwrap_or(ANSWERED)),
        };
        attributes.extend(step.error.map(|error| KeyValue::new(ERROR_TYPE, error)));
        SpanData {
            parent_span_id: SpanId::from(parent.get()),
            status: step.error.map_or(Status::Unset, Status::error),
            ..self.span(step.kind.name().into(), span_id, step.began, step.began + step.took, attributes)
        }
    }

    /// Fuel and memory of all calls.
    fn used(&self) -> impl Iterator<Item = KeyValue> {
        let calls = || {
            self.traced.steps.iter().filter_map(|step| match &step.detail {
                Detail::Call(called) => Some(called),
                Detail::None | Detail::Instance { .. } | Detail::Fallback(_) => None,
            })
        };
        let fuel = calls().filter_map(|called| called.fuel).reduce(u64::saturating_add);
        let memory = calls().map(|called| called.memory_bytes).max();
        let attribute = |name: &'static str, value: Option<u64>| Some(KeyValue::new(name, whole(value?)));
        [attribute(FUEL, fuel), attribute(MEMORY, memory)].into_iter().flatten()
    }

    fn span(
        &self,
        name: Cow<'static, str>,
        span_id: NonZeroU64,
        began: Instant,
        ended: Instant,
        attributes: Vec<KeyValue>,
    ) -> SpanData {
        let trace_id = TraceId::from(self.traced.context.span().trace_id.get());
        let (span_id, state) = (SpanId::from(span_id.get()), self.state.clone());
        SpanData {
            span_context: SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, state),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name,
            start_time: self.wall(began),
            end_time: self.wall(ended),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }

    /// A moment by the clock on the wall, which was read once: durations are the steady clock's.
    fn wall(&self, moment: Instant) -> SystemTime {
        let before = self.traced.ended.saturating_duration_since(moment);
        self.traced.ended_at.checked_sub(before).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

fn of_call(called: &Called, outcome: &'static str) -> Vec<KeyValue> {
    let Called { model, version, digest, fuel, memory_bytes, requests } = called;
    let mut attributes = vec![
        KeyValue::new(MODEL, model.clone()),
        KeyValue::new(VERSION, version.to_string()),
        KeyValue::new(DIGEST, digest.to_string()),
        KeyValue::new(OUTCOME, outcome),
        KeyValue::new(MEMORY, whole(*memory_bytes)),
        KeyValue::new("scry.joined_requests", whole(*requests)),
    ];
    attributes.extend(fuel.map(|fuel| KeyValue::new(FUEL, whole(fuel))));
    attributes
}

/// What other systems keep in the trace; nothing where OpenTelemetry reads it otherwise.
fn state(traced: &Traced) -> TraceState {
    traced.context.trace_state().and_then(|state| state.as_str().parse().ok()).unwrap_or_default()
}

/// As OpenTelemetry counts.
fn whole(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
