//! A request while it is being answered: counted once, by what became of it. Never answers one.

use super::recorded;
use super::request::Request;
use super::routes::Served;
use super::services::Services;
use super::steps::{Steps, Taken};
use crate::telemetry::{ANSWERED, unix_ms};
use scry_sandbox::CallError;
use std::time::{Duration, Instant};

/// A request that is being answered. When it is dropped before, its client
/// went away.
pub(super) struct Asked<'a> {
    services: &'a Services,
    served: &'a Served,
    received: Instant,
    /// Where it was received.
    request: Option<&'a Request>,
}

impl<'a> Asked<'a> {
    /// In flight from here on, until it is counted or dropped.
    pub(super) fn new(
        services: &'a Services,
        served: &'a Served,
        received: Instant,
        request: Option<&'a Request>,
    ) -> Self {
        served.series.began();
        Self { services, served, received, request }
    }

    pub(super) fn answered(self, number: u32, taken: &Taken) {
        self.count(number, ANSWERED, |steps, took| steps.answered(taken, took, unix_ms()));
        std::mem::forget(self);
    }

    pub(super) fn ended(self, number: u32, outcome: &'static str) {
        self.count(number, outcome, Steps::unanswered);
        std::mem::forget(self);
    }

    /// There is no such version.
    pub(super) fn unknown(self) {
        self.services.metrics.refused(&self.served.name);
        self.served.series.ended();
        std::mem::forget(self);
    }

    fn count(&self, number: u32, outcome: &'static str, add: impl FnOnce(&Steps, Duration)) {
        let took = self.received.elapsed();
        // Its time is an example of the trace that its caller records.
        let trace_id = self.request.and_then(|request| request.context.recorded_trace());
        match self.served.versions.get(&number) {
            Some(Ok(target)) => {
                target.series.answered(outcome, took, trace_id);
                add(target.stats.steps(), took);
            }
            Some(Err(_)) => self.served.series.unanswered(Some(number), outcome, took, trace_id),
            // One that is not kept ready has no series of its own.
            None => self.served.series.unanswered(None, outcome, took, trace_id),
        }
        self.served.series.ended();
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.count(self.served.serving.live, CallError::Abandoned.reason(), Steps::unanswered);
        if let Some(request) = self.request {
            recorded::abandoned(&self.services.recording, request);
        }
    }
}
