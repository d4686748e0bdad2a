//! A request that is traced, from its beginning to what is recorded of it. One that is dropped before has lost its client.

use super::request::{Failure, Reply, Request, unanswered};
use crate::telemetry::Prediction;
use crate::telemetry::traces::{Recorded, Traces};
use scry_protocol::Format;
use scry_sandbox::CallError;
use std::time::{Instant, SystemTime};

/// Handed over when it has ended, one way or another.
pub(super) struct Traced<'a> {
    traces: &'a Traces,
    request: &'a Request,
}

impl<'a> Traced<'a> {
    /// From now on.
    pub(super) fn begin(traces: &'a Traces, request: &'a Request) -> Self {
        Self { traces, request }
    }

    /// It was answered, or refused.
    pub(super) fn ended(self, number: u32, ended: &Result<Reply, Failure>) {
        let is_fault = ended.as_ref().is_err_and(|failure| failure.error.is_fault());
        let response_bytes = ended.as_ref().ok().map(|reply| reply.body.len());
        self.hand_over(self.request.told(number, ended), is_fault, response_bytes);
        std::mem::forget(self);
    }

    fn hand_over(&self, prediction: Prediction, is_fault: bool, response_bytes: Option<usize>) {
        let request = self.request;
        self.traces.hand_over(Recorded {
            context: request.context.clone(),
            model: request.served.name.clone(),
            prediction,
            is_fault,
            is_grpc: matches!(request.format, Format::Grpc),
            received: request.received,
            ended: Instant::now(),
            ended_at: SystemTime::now(),
            request_bytes: request.body.len(),
            response_bytes,
            steps: request.taken.trail.take(),
        });
    }
}

impl Drop for Traced<'_> {
    fn drop(&mut self) {
        let served = &self.request.served;
        let prediction = unanswered(served, Some(served.serving.live), CallError::Abandoned.reason());
        self.hand_over(prediction, false, None);
    }
}
