//! A version that runs beside the live one on a sample of its requests.
//!
//! Never on the answer's path: it runs behind everything else, one call at a
//! time, within its own limits, and a sample that finds no room is dropped.

use super::run::run;
use super::target::{Target, spare_inputs, spare_outputs};
use super::{Admission, Compute, Differences};
use crate::catalog::{spread, takes};
use crate::telemetry::Metrics;
use scry_card::{Batch, Field};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Samples that may wait.
const QUEUE_MAX: usize = 16;

/// A shadow that is ready to run.
#[derive(Debug)]
pub struct ShadowArm {
    /// Who runs.
    pub target: Arc<Target>,
    /// On which share of the requests, in percent.
    pub percent: f64,
    /// For each of its inputs: which of the request's columns.
    pub inputs: Vec<Option<usize>>,
    /// For each output of the live version: which of its columns.
    pub outputs: Vec<usize>,
    /// The live version's outputs.
    pub fields: Vec<Field>,
    /// What has been seen, for as long as these two are compared.
    pub seen: Arc<Seen>,
}

/// What a shadow has shown; it outlives the routes that lead to it.
#[derive(Debug)]
pub struct Seen {
    admission: Admission,
    requests: AtomicU64,
    differences: Mutex<Differences>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { admission: Admission::background(QUEUE_MAX), requests: AtomicU64::new(0), differences: Mutex::default() }
    }
}

impl Seen {
    /// How the two differ so far.
    pub fn differences(&self) -> MutexGuard<'_, Differences> {
        self.differences.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ShadowArm {
    /// Runs the shadow on a request that was answered, if it is of the sample.
    pub(super) fn follow(
        self: &Arc<Self>,
        compute: &Compute,
        metrics: &Arc<Metrics>,
        inputs: &Arc<Batch>,
        answer: &Batch,
        live_took: Duration,
    ) {
        if !takes(self.percent, spread(self.seen.requests.fetch_add(1, Ordering::Relaxed))) {
            return;
        }
        let deadline = Instant::now() + self.target.limits.deadline;
        let (arm, metrics, inputs, answer) = (self.clone(), metrics.clone(), inputs.clone(), answer.clone());
        let job = move || arm.compare(&metrics, &inputs, &answer, live_took, deadline);
        if compute.submit(&self.seen.admission, deadline, job).is_err() {
            self.seen.differences().dropped();
        }
    }

    fn compare(&self, metrics: &Metrics, inputs: &Batch, answer: &Batch, live_took: Duration, queued_until: Instant) {
        if Instant::now() >= queued_until {
            return self.seen.differences().dropped();
        }
        let columns = spare_inputs(inputs, &self.target.card.schema.inputs, &self.inputs);
        let outcome = run(&self.target, &columns, Instant::now() + self.target.limits.deadline, metrics);
        let mut differences = self.seen.differences();
        match outcome {
            Ok((outputs, took)) => {
                differences.add(&self.fields, answer, &spare_outputs(&outputs, &self.outputs));
                differences.took(live_took, took);
            }
            Err(error) => differences.failed(error.reason()),
        }
    }
}
