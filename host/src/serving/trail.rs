//! Where a request leaves what happens to it, beside the times that are counted: its trail has each step for its trace, and
//! is there only where it is traced; its calls go to what is noted for its record. Whoever runs it knows only a track.
//!
//! Never decides whether a request is traced, or recorded.

use super::version::ServedVersion;
use crate::recording::Noted;
use crate::recording::record::{Call, Failed, Limits, Used};
use crate::telemetry::traces::{Called, Detail, Step, StepKind};
use scry_sandbox::{CallError, CallReport};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The steps of one request; whichever thread takes one adds it. One that is not traced has none, and reads no clock for
/// them.
#[derive(Debug, Default)]
pub struct Trail(Option<Box<Mutex<Vec<Step>>>>);

/// Where one try of a request leaves what it does: that of the version which was asked, or of a fallback.
#[derive(Debug, Clone, Copy)]
pub(super) struct Track<'a> {
    noted: &'a Noted,
    steps: Option<&'a Mutex<Vec<Step>>>,
    is_in_fallback: bool,
}

/// What a component did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ran<'a> {
    pub(super) target: &'a ServedVersion,
    pub(super) report: &'a CallReport,
    pub(super) began: Instant,
    /// The time that it had.
    pub(super) had: Duration,
    /// Requests that it was to answer together.
    pub(super) requests: usize,
}

impl Trail {
    /// Of a request that is traced, or is not.
    pub(super) fn of(is_traced: bool) -> Self {
        Self(is_traced.then(Box::default))
    }

    /// The steps of one that is traced; those that end later are lost.
    pub(super) fn take(&self) -> Option<Vec<Step>> {
        let mut steps = self.0.as_deref()?.lock().unwrap_or_else(PoisonError::into_inner);
        Some(std::mem::take(&mut *steps))
    }
}

impl<'a> Track<'a> {
    pub(super) fn new(noted: &'a Noted, trail: &'a Trail, is_in_fallback: bool) -> Self {
        Self { noted, steps: trail.0.as_deref(), is_in_fallback }
    }

    pub(super) fn is_traced(self) -> bool {
        self.steps.is_some()
    }

    /// The time, where someone wants to know it.
    pub(super) fn now(self) -> Option<Instant> {
        self.steps.map(|_| Instant::now())
    }

    /// A step whose time was taken.
    pub(super) fn took(self, kind: StepKind, began: Instant, took: Duration, error: Option<&'static str>) {
        self.add(kind, began, took, error, || Detail::None);
    }

    /// A step that ends now, and the beginning of the next.
    pub(super) fn lap(self, kind: StepKind, began: Instant, error: Option<&'static str>) -> Instant {
        let Some(now) = self.now() else { return began };
        self.took(kind, began, now.saturating_duration_since(began), error);
        now
    }

    /// It has waited for a thread, in vain where there was none.
    pub(super) fn unqueued(self, queued: Instant, error: &CallError) {
        if matches!(error, CallError::Overload) {
            self.lap(StepKind::Queue, queued, Some(error.reason()));
        }
    }

    /// Fallbacks were asked since this moment.
    pub(super) fn fell_back(self, began: Option<Instant>, reason: &'static str, error: Option<&'static str>) {
        if let Some(began) = began {
            self.add(StepKind::Fallback, began, began.elapsed(), error, || Detail::Fallback(reason));
        }
    }

    /// A component ran.
    pub(super) fn ran(self, ran: Ran<'_>) {
        self.note(ran);
        let Ran { target, report, began, requests, .. } = ran;
        let (instantiated, was_put_back) = (report.instantiated.unwrap_or_default(), report.was_put_back);
        self.add(StepKind::Instantiate, began, instantiated, None, || Detail::Instance { was_put_back });
        let error = report.outcome.as_ref().err().map(CallError::reason);
        let called = || {
            Detail::Call(Box::new(Called {
                model: target.model.clone(),
                version: target.version.number,
                digest: target.digest_text.clone(),
                fuel: report.fuel,
                memory_bytes: report.memory_bytes,
                requests,
            }))
        };
        self.add(StepKind::Call, began + instantiated, report.duration.saturating_sub(instantiated), error, called);
    }

    /// For its record: a call that failed, or any where a record is to have all.
    fn note(self, Ran { target, report, had, requests, .. }: Ran<'_>) {
        let failure = report.outcome.as_ref().err().filter(|error| {
            // Each is made again: alone, or on the pool.
            requests == 1 && !matches!(error, CallError::Abandoned)
        });
        self.noted.called(failure.is_some(), || Call {
            model: target.model.as_str().into(),
            version: target.version.number,
            digest: target.digest_text.clone(),
            used: Used { fuel: report.fuel, memory_bytes: report.memory_bytes, duration: report.duration },
            limits: Limits { fuel: target.limits.fuel, memory_max_bytes: target.limits.memory_max_bytes, time: had },
            requests,
            failure: failure.map(|error| Failed {
                reason: error.reason(),
                cause: error.cause(),
                backtrace: report.backtrace.clone(),
            }),
        });
    }

    fn add(
        self,
        kind: StepKind,
        began: Instant,
        took: Duration,
        error: Option<&'static str>,
        detail: impl FnOnce() -> Detail,
    ) {
        if let Some(steps) = self.steps {
            let step = Step { kind, began, took, is_in_fallback: self.is_in_fallback, error, detail: detail() };
            steps.lock().unwrap_or_else(PoisonError::into_inner).push(step);
        }
    }
}
