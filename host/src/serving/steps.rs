//! How often each step of a version's requests was taken, and how long that took: sums, which statistics in the form of
//! Triton's are made of. Never judges, never reads a clock.

use crate::recording::record;
use scry_os::threads::thread_index;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Threads of which each counts apart, so that none waits for another; of more, some share. Each takes memory once it has
/// counted.
const SHARDS: usize = 16;

/// The steps of one version's requests since it was loaded.
#[derive(Debug, Default)]
pub struct Steps([OnceLock<Box<Shard>>; SHARDS]);

/// What one thread has counted: in cache lines that no other thread's are in.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<Sums>);

/// The sums at one moment: of a request that was answered, they have every step or none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    /// Requests that it answered, from arrival to answer.
    pub answered: Timed,
    /// Requests that named it or were routed to it and that it did not answer.
    pub unanswered: Timed,
    /// Of a request that was answered: waiting for a compute thread.
    pub queue: Timed,
    /// Reading it and checking it.
    pub read: Timed,
    /// The call of the component; of one that answered several requests, for each of them.
    pub call: Timed,
    /// Writing the answer.
    pub write: Timed,
    /// Calls that answered.
    pub calls: u64,
    /// Rows that they answered.
    pub rows: u64,
    /// When it last answered a request, in milliseconds of Unix time; 0: never.
    pub last_ms: u64,
}

/// How often, and how many nanoseconds together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timed {
    /// How often.
    pub count: u64,
    /// Nanoseconds, all together.
    pub ns: u64,
}

/// What the steps of one request took: whichever thread takes one sets its time.
#[derive(Debug, Default)]
pub struct Taken {
    pub(super) queue: Step,
    pub(super) read: Step,
    pub(super) call: Step,
    pub(super) write: Step,
}

/// Nanoseconds; 0 until it was taken.
#[derive(Debug, Default)]
pub(super) struct Step(AtomicU64);

impl Taken {
    /// As a record has it.
    pub(super) fn recorded(&self) -> record::Steps {
        let Self { queue, read, call, write } = self;
        record::Steps { queue_ns: queue.ns(), read_ns: read.ns(), call_ns: call.ns(), write_ns: write.ns() }
    }
}

impl Step {
    pub(super) fn took(&self, time: Duration) {
        self.0.store(nanoseconds(time), Ordering::Relaxed);
    }

    fn ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Timed {
    fn add(&mut self, ns: u64) {
        self.add_all(Self { count: 1, ns });
    }

    fn add_all(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.ns = self.ns.saturating_add(other.ns);
    }
}

impl Sums {
    fn and(mut self, other: &Self) -> Self {
        self.answered.add_all(other.answered);
        self.unanswered.add_all(other.unanswered);
        self.queue.add_all(other.queue);
        self.read.add_all(other.read);
        self.call.add_all(other.call);
        self.write.add_all(other.write);
        self.calls = self.calls.saturating_add(other.calls);
        self.rows = self.rows.saturating_add(other.rows);
        self.last_ms = self.last_ms.max(other.last_ms);
        self
    }
}

impl Steps {
    /// The sums now.
    pub fn sums(&self) -> Sums {
        let shards = self.0.iter().filter_map(OnceLock::get);
        shards.fold(Sums::default(), |sums, shard| sums.and(&shard.lock()))
    }

    /// It has answered a request, at this Unix time.
    pub(super) fn answered(&self, taken: &Taken, took: Duration, now_ms: u64) {
        let mut sums = self.own().lock();
        sums.answered.add(nanoseconds(took));
        sums.queue.add(taken.queue.ns());
        sums.read.add(taken.read.ns());
        sums.call.add(taken.call.ns());
        sums.write.add(taken.write.ns());
        sums.last_ms = now_ms;
    }

    /// A request has ended that it did not answer.
    pub(super) fn unanswered(&self, took: Duration) {
        self.own().lock().unanswered.add(nanoseconds(took));
    }

    /// One call has answered so many rows, of one request or several.
    pub(super) fn called(&self, rows: usize) {
        let mut sums = self.own().lock();
        sums.calls = sums.calls.saturating_add(1);
        sums.rows = sums.rows.saturating_add(rows as u64);
    }

    fn own(&self) -> &Shard {
        let [first, rest @ ..] = &self.0;
        let shard = rest.get(thread_index() % SHARDS).unwrap_or(first);
        shard.get_or_init(Box::default)
    }
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, Sums> {
        // A thread that panicked while it held the lock has added nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken() -> Taken {
        let taken = Taken::default();
        for (step, ns) in [(&taken.queue, 1), (&taken.read, 2), (&taken.call, 3), (&taken.write, 4)] {
            step.took(Duration::from_nanos(ns));
        }
        taken
    }

    #[test]
    fn only_an_answer_has_steps_and_is_the_last_inference() {
        let steps = Steps::default();
        steps.answered(&taken(), Duration::from_nanos(50), 1000);
        steps.answered(&taken(), Duration::from_nanos(60), 1500);
        steps.unanswered(Duration::from_nanos(7));
        steps.called(9);
        let sums = steps.sums();
        let timed = |count, ns| Timed { count, ns };
        assert_eq!((sums.answered, sums.unanswered), (timed(2, 110), timed(1, 7)));
        assert_eq!(
            (sums.queue, sums.read, sums.call, sums.write),
            (timed(2, 2), timed(2, 4), timed(2, 6), timed(2, 8))
        );
        assert_eq!((sums.calls, sums.rows, sums.last_ms), (1, 9, 1500));
    }

    #[test]
    fn whenever_they_are_read_the_steps_are_of_the_same_requests() {
        let (steps, of_one) = (Steps::default(), taken());
        std::thread::scope(|scope| {
            let adding = [(); SHARDS + 1]
                .map(|()| scope.spawn(|| (0..2_000).for_each(|_| steps.answered(&of_one, Duration::ZERO, 1))));
            while !adding.iter().all(|thread| thread.is_finished()) {
                let Sums { answered, queue, read, call, write, .. } = steps.sums();
                let counts = [queue, read, call, write].map(|timed| timed.count);
                assert_eq!(counts, [answered.count; 4]);
                assert_eq!([queue.ns, read.ns, call.ns, write.ns], [1, 2, 3, 4].map(|ns| ns * answered.count));
            }
        });
        assert_eq!(steps.sums().answered.count, 2_000 * (SHARDS as u64 + 1));
    }
}
