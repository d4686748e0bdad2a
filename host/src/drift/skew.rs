//! What the served pipeline makes of live requests, beside what training saw.
//!
//! On a sample, on the background thread; never on the answer's
//! path, and no lock in common with it.

use super::Series;
use scry_card::{Batch, Interrupt};
use scry_catalog::{spread, takes};
use scry_scheduler::RateLimit;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Features of a sample of a version's requests.
#[derive(Debug)]
pub struct Skew {
    /// The counts of those features.
    pub side: Series,
    percent: f64,
    requests: AtomicU64,
    pace: RateLimit,
    sampled: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// What became of the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SkewReport {
    /// Requests whose features were counted.
    pub sampled: u64,
    /// Requests on which the pipeline failed.
    pub failed: u64,
    /// Requests that found no room.
    pub dropped: u64,
}

impl Skew {
    /// Requests a second, at most.
    const PACE_MAX: u32 = 4;

    pub(super) fn new(side: Series, percent: f64) -> Self {
        let [requests, sampled, failed, dropped] = std::array::from_fn(|_| AtomicU64::new(0));
        Self { side, percent, requests, pace: RateLimit::new(Self::PACE_MAX), sampled, failed, dropped }
    }

    /// What became of the sample.
    pub fn report(&self) -> SkewReport {
        let [sampled, failed, dropped] =
            [&self.sampled, &self.failed, &self.dropped].map(|count| count.load(Ordering::Relaxed));
        SkewReport { sampled, failed, dropped }
    }

    /// Whether the next request is of the sample.
    pub(crate) fn takes(&self) -> bool {
        let is_of_sample = takes(self.percent, spread(self.requests.fetch_add(1, Ordering::Relaxed)));
        is_of_sample && self.pace.take(Instant::now()).is_some()
    }

    /// Counts the features of one request of the sample; nothing where the pipeline failed on it.
    pub(crate) fn saw(&self, features: Option<&Batch>) {
        match features {
            Some(features) => {
                self.side.saw(features, &mut Interrupt::never());
                self.sampled.fetch_add(1, Ordering::Relaxed);
            }
            None => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// A request of the sample for which there was no room.
    pub(crate) fn dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}
