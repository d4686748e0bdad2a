//! A version that runs beside the live one on a sample of its requests.
//!
//! Never on the answer's path: it runs on a thread of its own, one call at a
//! time, within its own limits, and a sample that finds no room is dropped.

mod diff;

pub use diff::{DifferenceReport, Differences, FieldDifference, Pair};

use super::fallback::{fallback_inputs, fallback_outputs};
use super::invoke::invoke;
use super::version::ServedVersion;
use crate::drift::{Arm, Paired};
use crate::telemetry::{Metrics, current, enter};
use scry_card::{Batch, Field, Interrupt};
use scry_catalog::{spread, takes};
use scry_scheduler::Background;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A shadow that is ready to run.
#[derive(Debug)]
pub struct ShadowArm {
    /// The version that runs.
    pub target: Arc<ServedVersion>,
    /// On which share of the requests, in percent.
    pub percent: f64,
    /// For each of its inputs: which of the request's columns.
    pub inputs: Vec<Option<usize>>,
    /// For each output of the live version: which of the shadow's columns.
    pub outputs: Vec<usize>,
    /// The live version's outputs.
    pub fields: Vec<Field>,
    /// The distribution of both sides' outputs, where the live version says
    /// what its own was.
    pub paired: Option<Arc<Paired>>,
    /// What has been seen, for as long as these two are compared.
    pub seen: Arc<ShadowRecord>,
}

/// What a shadow has shown; it outlives the routes that lead to it.
#[derive(Debug, Default)]
pub struct ShadowRecord {
    requests: AtomicU64,
    /// Samples that found no room.
    dropped: AtomicU64,
    differences: Mutex<Differences>,
}

impl ShadowRecord {
    /// How the two differ so far.
    pub fn report(&self) -> DifferenceReport {
        self.differences().report(self.dropped.load(Ordering::Relaxed))
    }

    fn differences(&self) -> MutexGuard<'_, Differences> {
        self.differences.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ShadowArm {
    /// Runs the shadow on a request that was answered, if it is of the sample.
    pub(super) fn follow(
        self: &Arc<Self>,
        background: &Background,
        metrics: &Arc<Metrics>,
        inputs: &Arc<Batch>,
        answer: &Batch,
        live_took: Duration,
    ) {
        if !takes(self.percent, spread(self.seen.requests.fetch_add(1, Ordering::Relaxed))) {
            return;
        }
        let (arm, metrics, inputs, answer) = (self.clone(), metrics.clone(), inputs.clone(), answer.clone());
        let context = current();
        let compare = move || enter(context, || arm.compare(&metrics, &inputs, &answer, live_took));
        if !background.submit(compare) {
            self.seen.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn compare(&self, metrics: &Metrics, inputs: &Batch, answer: &Batch, live_took: Duration) {
        let columns = fallback_inputs(inputs, &self.target.card.schema.inputs, &self.inputs);
        let until = Instant::now() + self.target.limits.deadline;
        let (outcome, _spent) = invoke(&self.target, &columns, &[], until, Duration::ZERO, None, metrics);
        let mut differences = self.seen.differences();
        match outcome {
            Ok((outputs, took)) => {
                if let Some(paired) = &self.paired {
                    let mut interrupt = Interrupt::never();
                    paired.saw(Arm::Live, inputs, answer, &mut interrupt);
                    paired.saw(Arm::Other, &columns, &outputs, &mut interrupt);
                }
                differences.add(&self.fields, answer, &fallback_outputs(&outputs, &self.outputs));
                differences.took(live_took, took);
            }
            Err(error) => differences.failed(error.reason()),
        }
    }
}
