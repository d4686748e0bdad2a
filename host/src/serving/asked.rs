//! A request while it is being answered: counted once, by what became of it. Never answers one.

use super::recorded;
use super::request::{Failure, PredictError, Reply, Request};
use super::routes::Served;
use super::services::Services;
use super::steps::{Steps, Taken};
use super::traced;
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

    /// Its request is over: for whoever keeps something of it, and as a count.
    pub(super) fn over(self, request: &Request, number: u32, ended: &mut Result<Reply, Failure>) {
        if let Ok(reply) = ended {
            self.served.series.sent(reply.body.len());
        }
        recorded::ended(&self.services.recording, request, number, ended);
        traced::ended(self.services.traces.as_deref(), request, number, ended);
        request.context.note(|| request.told(number, ended));
        match ended {
            Ok(reply) if reply.degraded.is_some() => self.ended(number, reply.outcome()),
            Ok(_) => self.answered(number, &request.taken),
            Err(Failure { error: PredictError::Unknown(_), .. }) => self.unknown(),
            Err(Failure { error, .. }) => self.ended(number, error.outcome()),
        }
    }

    fn answered(self, number: u32, taken: &Taken) {
        self.count(number, ANSWERED, |steps, took| steps.answered(taken, took, unix_ms()));
        std::mem::forget(self);
    }

    pub(super) fn ended(self, number: u32, outcome: &'static str) {
        self.count(number, outcome, Steps::unanswered);
        std::mem::forget(self);
    }

    /// There is no such version.
    fn unknown(self) {
        self.services.metrics.refused(&self.served.name);
        self.served.series.ended();
        std::mem::forget(self);
    }

    fn count(&self, number: u32, outcome: &'static str, add: impl FnOnce(&Steps, Duration)) {
        let took = self.received.elapsed();
        // Its time is an example of the trace that is recorded.
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
            traced::abandoned(self.services.traces.as_deref(), request);
        }
    }
}
