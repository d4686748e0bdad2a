//! What one version has done since it was loaded: counts that cost a request
//! next to nothing. Never judges, never reads a clock.

use super::inline_policy::InlinePolicy;
use super::steps::Steps;
use scry_catalog::{Evidence, Latencies};
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The record of one version.
#[derive(Debug)]
pub struct Stats {
    /// Every request is in one bucket, so these count the requests too.
    buckets: [AtomicU64; Latencies::BUCKETS],
    errors: AtomicU64,
    /// Since the last look at `p99`.
    recorded: AtomicU64,
    p99_ns: AtomicU64,
    unasked: AtomicU64,
    last_errors: Mutex<VecDeque<LastError>>,
    inline: InlinePolicy,
    steps: Steps,
}

/// One request that the version failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastError {
    /// Unix time.
    pub at_ms: u64,
    /// One of the fixed names.
    pub reason: &'static str,
    /// What happened, for people.
    pub message: String,
}

impl LastError {
    const MESSAGE_MAX_CHARS: usize = 300;

    /// With a message cut to what is worth keeping.
    pub fn new(at_ms: u64, reason: &'static str, message: &str) -> Self {
        Self { at_ms, reason, message: message.chars().take(Self::MESSAGE_MAX_CHARS).collect() }
    }
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            errors: AtomicU64::new(0),
            recorded: AtomicU64::new(0),
            p99_ns: AtomicU64::new(0),
            unasked: AtomicU64::new(0),
            last_errors: Mutex::default(),
            inline: InlinePolicy::default(),
            steps: Steps::default(),
        }
    }
}

impl Stats {
    const LAST_MAX: usize = 8;
    /// Requests between two looks at `p99`, and before the first.
    const LOOK_EVERY: u64 = 32;

    /// Which of its requests are short.
    pub(super) fn inline(&self) -> &InlinePolicy {
        &self.inline
    }

    /// What its requests took, step by step.
    pub fn steps(&self) -> &Steps {
        &self.steps
    }

    /// Counts one request.
    pub fn record(&self, took: Duration, error: Option<LastError>) {
        if let Some(count) = self.buckets.get(Latencies::bucket(took)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if (self.recorded.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(Self::LOOK_EVERY) {
            let p99 = self.latency().quantile(0.99).unwrap_or_default();
            self.p99_ns.store(u64::try_from(p99.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        if let Some(error) = error {
            // The error names its request.
            self.errors.fetch_add(1, Ordering::Release);
            self.note(error);
        }
    }

    /// Keeps an error outside of any request, such as a shadow's.
    pub fn note(&self, error: LastError) {
        let mut last = self.last_errors.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= Self::LAST_MAX {
            last.pop_front();
        }
        last.push_back(error);
    }

    /// Counts one request that its open circuit kept from it. It took no time
    /// that would say anything.
    pub fn record_unasked(&self) {
        self.unasked.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether no request has meant it yet.
    pub fn is_idle(&self) -> bool {
        self.recorded.load(Ordering::Relaxed) == 0 && self.unasked.load(Ordering::Relaxed) == 0
    }

    /// All that was counted so far.
    pub fn evidence(&self) -> Evidence {
        let errors = self.errors.load(Ordering::Acquire);
        let latency = self.latency();
        let unasked = self.unasked.load(Ordering::Relaxed);
        Evidence { requests: latency.total() + unasked, errors: errors + unasked, latency, is_open: false }
    }

    /// What 99 of 100 requests stay below, as of a few requests ago; `None`
    /// until there are enough.
    pub fn p99(&self) -> Option<Duration> {
        let p99_ns = self.p99_ns.load(Ordering::Relaxed);
        (p99_ns > 0).then(|| Duration::from_nanos(p99_ns))
    }

    fn latency(&self) -> Latencies {
        Latencies::of(self.buckets.each_ref().map(|count| count.load(Ordering::Relaxed)))
    }

    /// The last few errors, oldest first.
    pub fn last_errors(&self) -> Vec<LastError> {
        self.last_errors.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_between_threads_and_errors_never_outnumber_requests() {
        let stats = Stats::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..1000 {
                        let error = (n % 2 == 0).then(|| LastError::new(n, "trap", "unreachable"));
                        stats.record(Duration::from_micros(n), error);
                    }
                });
            }
            for _ in 0..1000 {
                let seen = stats.evidence();
                assert!(seen.errors <= seen.requests);
            }
        });
        let seen = stats.evidence();
        assert_eq!((seen.requests, seen.errors), (4000, 2000));
        let mut expected = Latencies::default();
        (0..4000).for_each(|n| expected.record(Duration::from_micros(n % 1000)));
        assert_eq!(seen.latency, expected);
    }

    #[test]
    fn a_p99_is_known_after_enough_requests() {
        let stats = Stats::default();
        (1..Stats::LOOK_EVERY).for_each(|_| stats.record(Duration::from_millis(2), None));
        assert_eq!(stats.p99(), None);
        stats.record(Duration::from_millis(40), None);
        let p99 = stats.p99().unwrap();
        assert!((Duration::from_millis(40)..Duration::from_millis(50)).contains(&p99), "{p99:?}");
    }

    #[test]
    fn a_request_that_was_kept_from_it_is_one_that_it_failed_and_took_no_time() {
        let stats = Stats::default();
        stats.record(Duration::from_millis(1), None);
        stats.record_unasked();
        let seen = stats.evidence();
        assert_eq!((seen.requests, seen.errors, seen.latency.total()), (2, 1, 1));
    }

    #[test]
    fn the_last_errors_are_kept_and_cut() {
        let stats = Stats::default();
        for at_ms in 0..20 {
            stats.record(Duration::ZERO, Some(LastError::new(at_ms, "failed", &"ä".repeat(1000))));
        }
        let last = stats.last_errors();
        assert_eq!(last.iter().map(|error| error.at_ms).collect::<Vec<_>>(), (12..20).collect::<Vec<_>>());
        assert!(last.iter().all(|error| error.message == "ä".repeat(300)));
    }
}
