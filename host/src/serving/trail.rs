//! What is recorded of a traced request while it is answered: its steps, as they end. A request that is not traced has no
//! trail, and reads no clock for it.
//!
//! Never decides whether a request is traced.

use super::version::ServedVersion;
use crate::telemetry::traces::{Called, Detail, Step, StepKind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The steps of one request; whichever thread takes one adds it.
#[derive(Debug, Default)]
pub(super) struct Trail(Option<Box<Mutex<Vec<Step>>>>);

/// Where the steps of one try are added: that of the version which was asked, or of a fallback.
#[derive(Debug, Clone, Copy)]
pub(super) struct Track<'a> {
    steps: Option<&'a Mutex<Vec<Step>>>,
    is_in_fallback: bool,
}

/// What a component did, as it is recorded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ran<'a> {
    pub(super) target: &'a ServedVersion,
    pub(super) began: Instant,
    /// How much of its time its instance took.
    pub(super) instantiated: Duration,
    pub(super) took: Duration,
    pub(super) was_put_back: bool,
    pub(super) fuel: Option<u64>,
    pub(super) memory_bytes: u64,
    /// Requests that it was to answer together.
    pub(super) requests: usize,
    pub(super) error: Option<&'static str>,
}

impl Trail {
    /// Of a request that is traced.
    pub(super) fn begin() -> Self {
        Self(Some(Box::default()))
    }

    /// What was recorded; what ends later is not.
    pub(super) fn take(&self) -> Vec<Step> {
        let steps = self.0.as_deref().map(|steps| steps.lock().unwrap_or_else(PoisonError::into_inner));
        steps.map(|mut steps| std::mem::take(&mut *steps)).unwrap_or_default()
    }

    /// For the version that was asked.
    pub(super) fn track(&self) -> Track<'_> {
        Track { steps: self.0.as_deref(), is_in_fallback: false }
    }

    /// For a fallback.
    pub(super) fn of_fallback(&self) -> Track<'_> {
        Track { is_in_fallback: true, ..self.track() }
    }
}

impl Track<'_> {
    /// Of what belongs to no request.
    pub(super) const NONE: Self = Self { steps: None, is_in_fallback: false };

    pub(super) fn is_on(self) -> bool {
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

    /// Fallbacks were asked since this moment.
    pub(super) fn fell_back(self, began: Option<Instant>, reason: &'static str, error: Option<&'static str>) {
        if let Some(began) = began {
            self.add(StepKind::Fallback, began, began.elapsed(), error, || Detail::Fallback(reason));
        }
    }

    /// A component ran.
    pub(super) fn ran(self, ran: Ran<'_>) {
        let Ran { target, began, instantiated, took, was_put_back, fuel, memory_bytes, requests, error } = ran;
        self.add(StepKind::Instantiate, began, instantiated, None, || Detail::Instance { was_put_back });
        let called = || {
            let (model, version) = (target.model.clone(), target.version.number);
            let digest = target.digest_text.clone();
            Detail::Call(Box::new(Called { model, version, digest, fuel, memory_bytes, requests }))
        };
        self.add(StepKind::Call, began + instantiated, took.saturating_sub(instantiated), error, called);
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
