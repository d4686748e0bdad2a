//! What the served pipeline makes of live requests, beside what training saw.
//!
//! On a sample, on the background thread; never on the answer's
//! path, and no lock in common with it.

use super::Side;
use crate::serving::EffectiveLimits;
use crate::serving::target::Target;
use crate::serving::voice::Ration;
use scry_card::{Batch, Interrupt};
use scry_catalog::{spread, takes};
use scry_sandbox::Loaded;
use scry_scheduler::Background;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Features of a sample of a version's requests.
#[derive(Debug)]
pub struct Skew {
    /// What was counted of them.
    pub side: Side,
    percent: f64,
    requests: AtomicU64,
    pace: Ration,
    sampled: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// What became of the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SkewReport {
    /// Requests whose features were counted.
    pub sampled: u64,
    /// Those on which the pipeline failed.
    pub failed: u64,
    /// Those that found no room.
    pub dropped: u64,
}

impl Skew {
    /// Requests a second, at most.
    const PACE_MAX: u32 = 4;

    pub(super) fn new(side: Side, percent: f64) -> Self {
        let [requests, sampled, failed, dropped] = std::array::from_fn(|_| AtomicU64::new(0));
        Self { side, percent, requests, pace: Ration::new(Self::PACE_MAX), sampled, failed, dropped }
    }

    /// What became of the sample.
    pub fn report(&self) -> SkewReport {
        let [sampled, failed, dropped] =
            [&self.sampled, &self.failed, &self.dropped].map(|count| count.load(Ordering::Relaxed));
        SkewReport { sampled, failed, dropped }
    }

    fn takes(&self) -> bool {
        let is_of_sample = takes(self.percent, spread(self.requests.fetch_add(1, Ordering::Relaxed)));
        is_of_sample && self.pace.take(Instant::now()).is_some()
    }

    fn count(&self, loaded: &Loaded, limits: &EffectiveLimits, inputs: &Batch) {
        match loaded.apart().transform(inputs, &limits.of_call()).outcome {
            Ok(features) => {
                self.side.saw(&features, &mut Interrupt::never());
                self.sampled.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

impl Target {
    fn skew(&self) -> Option<&Skew> {
        self.watch.as_ref()?.features.as_ref()
    }

    /// Counts the features of a request that was answered, if it is of the
    /// sample.
    pub(in crate::serving) fn sample_features(self: &Arc<Self>, background: &Background, inputs: &Arc<Batch>) {
        let Some(skew) = self.skew().filter(|skew| skew.takes()) else { return };
        let (target, inputs) = (self.clone(), inputs.clone());
        let count = move || {
            if let Some(skew) = target.skew() {
                skew.count(&target.loaded, &target.limits, &inputs);
            }
        };
        if !background.submit(count) {
            skew.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}
