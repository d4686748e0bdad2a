//! How often each step of a version's requests was taken, and how long that took: sums, which statistics in the form of
//! Triton's are made of. Never judges, never reads a clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The steps of one version's requests since it was loaded.
#[derive(Debug, Default)]
pub struct Steps {
    /// Requests that it answered, from arrival to answer.
    pub answered: Timed,
    /// Requests that named it or were routed to it and that it did not answer.
    pub unanswered: Timed,
    /// Waiting for a compute thread.
    pub queue: Timed,
    /// Reading a request and checking it.
    pub read: Timed,
    /// The call of the component; of one that answered several requests, for each of them.
    pub call: Timed,
    /// Writing the answer.
    pub write: Timed,
    calls: AtomicU64,
    rows: AtomicU64,
    last_ms: AtomicU64,
}

/// How often, and how long together.
#[derive(Debug, Default)]
pub struct Timed {
    count: AtomicU64,
    ns: AtomicU64,
}

impl Timed {
    /// One more.
    pub fn add(&self, took: Duration) {
        self.add_all(1, took);
    }

    fn add_all(&self, count: u64, each: Duration) {
        let ns = u64::try_from(each.as_nanos()).unwrap_or(u64::MAX).saturating_mul(count);
        self.count.fetch_add(count, Ordering::Relaxed);
        self.ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// How often, and how many nanoseconds together.
    pub fn seen(&self) -> (u64, u64) {
        (self.count.load(Ordering::Relaxed), self.ns.load(Ordering::Relaxed))
    }
}

impl Steps {
    /// A request has ended, at this Unix time.
    pub(super) fn ended(&self, is_answered: bool, took: Duration, now_ms: u64) {
        if is_answered {
            self.answered.add(took);
            self.last_ms.store(now_ms, Ordering::Relaxed);
        } else {
            self.unanswered.add(took);
        }
    }

    /// One call has answered so many requests, with so many rows together.
    pub(super) fn called(&self, requests: usize, rows: usize, took: Duration) {
        self.call.add_all(requests as u64, took);
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Calls that answered.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Rows that they answered.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// When it last answered a request, in milliseconds of Unix time; 0: never.
    pub fn last_ms(&self) -> u64 {
        self.last_ms.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_joined_call_is_one_call_and_each_of_its_requests_has_its_time() {
        let steps = Steps::default();
        steps.called(1, 2, Duration::from_nanos(10));
        steps.called(3, 7, Duration::from_nanos(100));
        assert_eq!((steps.call.seen(), steps.calls(), steps.rows()), ((4, 310), 2, 9));
    }

    #[test]
    fn only_an_answer_is_the_last_inference() {
        let steps = Steps::default();
        steps.ended(true, Duration::from_nanos(5), 1000);
        steps.ended(false, Duration::from_nanos(7), 2000);
        assert_eq!((steps.answered.seen(), steps.unanswered.seen(), steps.last_ms()), ((1, 5), (1, 7), 1000));
    }
}
