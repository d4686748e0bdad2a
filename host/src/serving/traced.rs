//! The end of a request as a trace: a traced one is handed over with its steps. Never waits, and changes nothing of an answer.

use super::request::{Failure, Reply, Request, unanswered};
use crate::telemetry::Prediction;
use crate::telemetry::traces::{Traced, Traces};
use scry_protocol::Format;
use scry_sandbox::CallError;
use std::time::{Instant, SystemTime};

/// A prediction that has ended; `number` is the version that was asked.
pub(super) fn ended(traces: Option<&Traces>, request: &Request, number: u32, ended: &Result<Reply, Failure>) {
    let is_fault = ended.as_ref().is_err_and(|failure| failure.error.is_fault());
    let response_bytes = ended.as_ref().ok().map(|reply| reply.body.len());
    hand_over(traces, request, || request.told(number, ended), is_fault, response_bytes);
}

/// A request whose client has left.
pub(super) fn abandoned(traces: Option<&Traces>, request: &Request) {
    let served = &request.served;
    let told = || unanswered(served, Some(served.serving.live), CallError::Abandoned.reason());
    hand_over(traces, request, told, false, None);
}

fn hand_over(
    traces: Option<&Traces>,
    request: &Request,
    told: impl FnOnce() -> Prediction,
    is_fault: bool,
    response_bytes: Option<usize>,
) {
    let Some((traces, steps)) = traces.zip(request.trail.take()) else { return };
    traces.hand_over(Traced {
        context: request.context.clone(),
        model: request.served.name.clone(),
        prediction: told(),
        is_fault,
        is_grpc: matches!(request.format, Format::Grpc),
        received: request.received,
        ended: Instant::now(),
        ended_at: SystemTime::now(),
        request_bytes: request.body.len(),
        response_bytes,
        steps,
    });
}
