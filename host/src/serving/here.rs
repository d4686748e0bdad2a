//! Calls that the thread that read the request makes itself: no hand-over, no
//! waking, and so most of what a short call costs is saved.
//!
//! Only calls of a size that is known to be short, only where nobody waits, and
//! only while that thread keeps up with its connections. One that takes longer
//! after all is stopped at its slice and made again by the compute threads,
//! which a prediction, a function of its input, does not notice.

use super::Predictor;
use super::budget::Window;
use super::compute::wake_held;
use super::job::tidy;
use super::run::{Attempt, run};
use super::target::Target;
use scry_card::Batch;
use scry_os::threads::thread_cpu;
use scry_sandbox::{Asker, CallError, Spent};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a call takes that may be made here: about as long as reading the
/// largest body that is read here.
const SHORT: Duration = Duration::from_micros(250);
/// Processor time after which it is stopped.
const SLICE: Duration = Duration::from_millis(1);
/// A thread that has not been idle for so long has enough to do: others wait
/// for it, unseen and uncounted, and the compute threads share the work.
const BUSY_MAX: Duration = Duration::from_micros(150);

/// Which calls of a version are known to be short.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// Rows of the largest one.
    rows_max: AtomicUsize,
    /// Good calls until it is trusted again.
    owed: AtomicU32,
}

impl Trust {
    /// A version that wasted a slice here, or failed, shows first that it is well.
    const OWED: u32 = 256;

    fn covers(&self, rows: usize) -> bool {
        rows <= self.rows_max.load(Ordering::Relaxed) && self.owed.load(Ordering::Relaxed) == 0
    }

    /// A call that answered. Counts lost between threads are not missed.
    pub(super) fn answered(&self, rows: usize, took: Duration) {
        if took > SHORT {
            self.rows_max.fetch_min(rows.saturating_sub(1), Ordering::Relaxed);
            return;
        }
        self.rows_max.fetch_max(rows, Ordering::Relaxed);
        let owed = self.owed.load(Ordering::Relaxed);
        if owed > 0 {
            self.owed.store(owed - 1, Ordering::Relaxed);
        }
    }

    /// A call that did not.
    pub(super) fn failed(&self) {
        self.owed.store(Self::OWED, Ordering::Relaxed);
    }
}

thread_local! {
    /// Since when this thread has not been idle, where it says so at all.
    static BUSY_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
    /// What the last call on this thread has left behind.
    static LEFT: Cell<Option<(Arc<Target>, Spent)>> = const { Cell::new(None) };
}

/// A thread that reads requests has answered all it has: what is left is done
/// before it sleeps.
pub fn thread_sleeps() {
    wake_held();
    tidy_left();
}

fn tidy_left() {
    if let Some((target, spent)) = LEFT.take() {
        tidy(&target, spent);
    }
}

/// A thread that reads requests woke up.
pub fn thread_woke() {
    BUSY_SINCE.set(Some(Instant::now()));
}

/// Whether this thread was idle a moment ago.
pub(super) fn keeps_up(now: Instant) -> bool {
    BUSY_SINCE.get().is_none_or(|since| now.saturating_duration_since(since) < BUSY_MAX)
}

/// Whether it was when a request came that it has been at ever since.
pub(super) fn kept_up(received: Instant) -> bool {
    keeps_up(received) && BUSY_SINCE.get().is_none_or(|since| since <= received)
}

/// Loses interest when the slice is over.
#[derive(Debug)]
struct Slice {
    until: Duration,
}

impl Asker for Slice {
    /// Asked by the guest's own thread. Time in which it had no processor is
    /// not the guest's.
    fn has_gone(&self) -> bool {
        thread_cpu() >= self.until
    }
}

impl Predictor {
    /// Makes the call on this thread; nothing when it is none of those that
    /// may be made here, or was too long for it.
    pub(super) fn attempt_here(&self, target: &Arc<Target>, inputs: &Batch, window: &Window) -> Option<Attempt> {
        if !target.observed.trust().covers(inputs.rows) || !keeps_up(Instant::now()) {
            return None;
        }
        tidy_left();
        let place = self.compute.enter(&target.admission)?;
        self.metrics.inline_call(&target.model);
        let slice = Arc::new(Slice { until: place.began() + SLICE });
        let (attempt, spent) = run(target, inputs, 1, window.until, window.fair, Some(slice), &self.metrics);
        drop(place);
        // After the answer: it is written before this thread sleeps.
        LEFT.set(Some((target.clone(), spent)));
        if matches!(attempt, Err(CallError::Abandoned)) {
            target.observed.trust().failed();
            return None;
        }
        Some(attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sizes_that_were_short_are_trusted() {
        let trust = Trust::default();
        assert!(!trust.covers(1), "nobody is trusted unseen");
        trust.answered(8, SHORT);
        assert!(trust.covers(1) && trust.covers(8) && !trust.covers(9));
        trust.answered(4, SHORT * 2);
        assert!(trust.covers(3) && !trust.covers(4));
    }

    #[test]
    fn whoever_failed_proves_itself_first() {
        let trust = Trust::default();
        trust.answered(8, SHORT);
        trust.failed();
        let proofs = (1..1000).take_while(|_| {
            trust.answered(1, SHORT);
            !trust.covers(8)
        });
        assert_eq!(proofs.count() as u32, Trust::OWED - 1);
    }

    #[test]
    fn a_thread_that_is_never_idle_takes_on_nothing_more() {
        let now = Instant::now();
        assert!(keeps_up(now + BUSY_MAX * 2), "one that never says so is not judged");
        thread_woke();
        assert!(keeps_up(now));
        assert!(!keeps_up(Instant::now() + BUSY_MAX));
        assert!(kept_up(now + BUSY_MAX / 2), "what it began in time it may end");
        assert!(!kept_up(now + BUSY_MAX * 2), "it has had others before");
        assert!(!kept_up(now - BUSY_MAX), "it has slept since");
        BUSY_SINCE.set(None);
    }

    #[test]
    fn a_slice_counts_the_time_of_the_processor_only() {
        let slice = Slice { until: thread_cpu() + Duration::from_millis(2) };
        std::thread::sleep(Duration::from_millis(5));
        assert!(!slice.has_gone(), "it slept");
        let until = Instant::now() + Duration::from_secs(10);
        while !slice.has_gone() && Instant::now() < until {}
        assert!(slice.has_gone());
    }
}
