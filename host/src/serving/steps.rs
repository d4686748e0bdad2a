//! How often each step of a version's requests was taken, and how long that took: sums, which statistics in the form of
//! Triton's are made of. Never judges, never reads a clock.

use scry_os::threads::thread_index;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Threads of which each counts apart, so that none waits for a number that another has; of more, some share. Each takes
/// memory once it has counted.
const SHARDS: usize = 16;

/// The steps of one version's requests since it was loaded.
#[derive(Debug, Default)]
pub struct Steps([OnceLock<Box<Shard>>; SHARDS]);

/// A step of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// All of one that the version answered, from arrival to answer.
    Answered,
    /// All of one that named the version or was routed to it and that it did not answer.
    Unanswered,
    /// Waiting for a compute thread.
    Queue,
    /// Reading a request and checking it.
    Read,
    /// The call of the component; of one that answered several requests, for each of them.
    Call,
    /// Writing the answer.
    Write,
}

/// What one thread has counted: in cache lines that no other thread's are in.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    steps: [Timed; 6],
    calls: AtomicU64,
    rows: AtomicU64,
    last_ms: AtomicU64,
}

/// How often, and how long together.
#[derive(Debug, Default)]
struct Timed {
    count: AtomicU64,
    ns: AtomicU64,
}

impl Steps {
    /// A step was taken once more.
    pub(super) fn add(&self, step: Step, took: Duration) {
        self.add_all(step, 1, took);
    }

    /// A request has ended, at this Unix time.
    pub(super) fn ended(&self, is_answered: bool, took: Duration, now_ms: u64) {
        self.add(if is_answered { Step::Answered } else { Step::Unanswered }, took);
        if let Some(shard) = self.own().filter(|_| is_answered) {
            shard.last_ms.store(now_ms, Ordering::Relaxed);
        }
    }

    /// One call has answered so many requests, with so many rows together.
    pub(super) fn called(&self, requests: usize, rows: usize, took: Duration) {
        self.add_all(Step::Call, requests as u64, took);
        if let Some(shard) = self.own() {
            shard.calls.fetch_add(1, Ordering::Relaxed);
            shard.rows.fetch_add(rows as u64, Ordering::Relaxed);
        }
    }

    /// How often a step was taken, and how many nanoseconds together.
    pub fn seen(&self, step: Step) -> (u64, u64) {
        let timed = || self.shards().filter_map(|shard| shard.steps.get(step as usize));
        let sum = |of: fn(&Timed) -> &AtomicU64| timed().map(|timed| of(timed).load(Ordering::Relaxed)).sum();
        (sum(|timed| &timed.count), sum(|timed| &timed.ns))
    }

    /// Calls that answered.
    pub fn calls(&self) -> u64 {
        self.shards().map(|shard| shard.calls.load(Ordering::Relaxed)).sum()
    }

    /// Rows that they answered.
    pub fn rows(&self) -> u64 {
        self.shards().map(|shard| shard.rows.load(Ordering::Relaxed)).sum()
    }

    /// When it last answered a request, in milliseconds of Unix time; 0: never.
    pub fn last_ms(&self) -> u64 {
        self.shards().map(|shard| shard.last_ms.load(Ordering::Relaxed)).max().unwrap_or(0)
    }

    fn add_all(&self, step: Step, count: u64, each: Duration) {
        let ns = u64::try_from(each.as_nanos()).unwrap_or(u64::MAX).saturating_mul(count);
        if let Some(timed) = self.own().and_then(|shard| shard.steps.get(step as usize)) {
            timed.count.fetch_add(count, Ordering::Relaxed);
            timed.ns.fetch_add(ns, Ordering::Relaxed);
        }
    }

    fn own(&self) -> Option<&Shard> {
        let shard = self.0.get(thread_index() % SHARDS)?;
        Some(shard.get_or_init(Box::default))
    }

    fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.0.iter().filter_map(|shard| shard.get().map(Box::as_ref))
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
        assert_eq!((steps.seen(Step::Call), steps.calls(), steps.rows()), ((4, 310), 2, 9));
    }

    #[test]
    fn only_an_answer_is_the_last_inference() {
        let steps = Steps::default();
        steps.ended(true, Duration::from_nanos(5), 1000);
        steps.ended(false, Duration::from_nanos(7), 2000);
        assert_eq!((steps.seen(Step::Answered), steps.seen(Step::Unanswered), steps.last_ms()), ((1, 5), (1, 7), 1000));
    }

    #[test]
    fn what_threads_count_apart_is_one_sum() {
        let steps = Steps::default();
        std::thread::scope(|scope| {
            for thread in 1..=2 * SHARDS as u64 {
                let steps = &steps;
                scope.spawn(move || {
                    for _ in 0..100 {
                        steps.add(Step::Queue, Duration::from_nanos(3));
                    }
                    steps.called(2, 5, Duration::from_nanos(7));
                    steps.ended(true, Duration::from_nanos(11), thread);
                });
            }
        });
        let threads = 2 * SHARDS as u64;
        let seen = [Step::Queue, Step::Call, Step::Answered, Step::Write].map(|step| steps.seen(step));
        assert_eq!(seen, [(100, 300), (2, 14), (1, 11), (0, 0)].map(|(count, ns)| (count * threads, ns * threads)));
        assert_eq!((steps.calls(), steps.rows(), steps.last_ms()), (threads, 5 * threads, threads));
    }
}
