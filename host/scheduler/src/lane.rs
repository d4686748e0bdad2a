//! A lane: how many of its calls may run at once, how many may wait and for how long, and
//! what its calls have cost so far.
//!
//! A call that runs where its request was read takes its place here, without a lock that
//! others share.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// A call that takes longer than this on a processor gives up its place: it
/// goes on at a low priority, and another call takes the place.
pub const SLICE: Duration = Duration::from_millis(5);

/// What a lane may have of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneLimits {
    /// Calls that may run at once; 0 would run none.
    pub in_flight_max: usize,
    /// Calls that may wait.
    pub queue_max: usize,
    /// How long one may wait.
    pub queue_time_max: Duration,
    /// Rows that waiting requests are joined to; below 2 none are.
    pub batch_max_rows: usize,
    /// How long a request is held back for others to join it.
    pub batch_delay: Duration,
}

/// One lane in the queue: its limits, and the measure of it.
#[derive(Debug)]
pub struct Lane {
    /// Which lane; none is ever used twice.
    pub(crate) id: u64,
    name: String,
    pub(crate) limits: LaneLimits,
    /// Calls that run, wherever they do.
    running: AtomicUsize,
    /// Calls that wait in the queue.
    waiting: AtomicUsize,
    /// Processor time of inline calls that the queue has not charged yet.
    uncharged_ns: AtomicU64,
    wall: Pace,
    cpu: Pace,
    /// What a call that succeeds takes at least, roughly.
    quick: Quick,
    failing: Share,
    /// Calls that had too little time.
    refused: AtomicU64,
}

impl Lane {
    /// A lane of its own; several may have one name.
    pub fn new(name: &str, limits: LaneLimits) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            name: name.to_owned(),
            limits,
            running: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            uncharged_ns: AtomicU64::new(0),
            wall: Pace::default(),
            cpu: Pace::default(),
            quick: Quick::default(),
            failing: Share::default(),
            refused: AtomicU64::new(1),
        }
    }

    /// Whose it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it may have.
    pub fn limits(&self) -> &LaneLimits {
        &self.limits
    }

    /// Takes a place for a call; false where all are taken.
    ///
    /// Sequentially consistent, as [`Self::waits`] is: a call that is queued while another ends either finds the place
    /// free, or is found waiting.
    pub(crate) fn enter(&self) -> bool {
        let more = |running| (running < self.limits.in_flight_max).then_some(running + 1);
        self.running.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }

    /// Gives a place back.
    pub(crate) fn leave(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }

    /// Places that are free.
    pub(crate) fn free(&self) -> usize {
        self.limits.in_flight_max.saturating_sub(self.running.load(Ordering::SeqCst))
    }

    /// Whether a call waits in the queue.
    pub fn is_waited_for(&self) -> bool {
        self.waiting() > 0
    }

    /// Calls that wait in the queue.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// The queue says how many wait.
    pub(crate) fn waits(&self, calls: usize) {
        self.waiting.store(calls, Ordering::SeqCst);
    }

    /// Processor time that a call outside the queue has used.
    pub(crate) fn used(&self, cpu: Duration) {
        self.uncharged_ns.fetch_add(nanos(cpu), Ordering::Relaxed);
    }

    /// What the queue has not charged yet.
    pub(crate) fn uncharged(&self) -> Duration {
        Duration::from_nanos(self.uncharged_ns.load(Ordering::Relaxed))
    }

    /// The queue charges it.
    pub(crate) fn take_uncharged(&self) -> Duration {
        Duration::from_nanos(self.uncharged_ns.swap(0, Ordering::Relaxed))
    }

    /// Its calls usually take longer than a slice, or fail: they start at a low
    /// priority, so that the others lose no time.
    pub(crate) fn is_patient(&self) -> bool {
        self.cpu.get() > SLICE || self.failing.is_most()
    }

    /// Whether any of its calls has ended yet.
    pub(crate) fn is_known(&self) -> bool {
        !self.cpu.get().is_zero()
    }

    /// What the next call will use of a processor, as far as one can tell.
    pub(crate) fn expected_cpu(&self) -> Duration {
        self.cpu.get()
    }

    /// How long one more call would wait behind this many.
    pub(crate) fn expected_wait(&self, waiting: usize) -> Duration {
        let rounds = waiting as f64 / self.limits.in_flight_max.max(1) as f64;
        self.wall.get().mul_f64(rounds)
    }

    /// What a call takes at least, once that is known.
    pub fn least(&self) -> Duration {
        self.quick.get()
    }

    /// Whether a call may end within what is left; otherwise what it takes.
    /// Now and then one is let through nevertheless, so that the measure stays true.
    pub fn can_meet(&self, left: Duration) -> Result<(), Duration> {
        const TRIED_EACH: u64 = 32;
        let least = self.least();
        let is_refused = least > left && !self.refused.fetch_add(1, Ordering::Relaxed).is_multiple_of(TRIED_EACH);
        if is_refused { Err(least) } else { Ok(()) }
    }

    /// A call has ended.
    pub(crate) fn ran(&self, wall: Duration, cpu: Duration) {
        self.wall.record(wall);
        self.cpu.record(cpu);
    }

    /// A call that answered.
    pub fn succeeded(&self, took: Duration) {
        self.quick.record(took);
        self.failing.record(false);
    }

    /// A call that failed by the component's fault.
    pub fn failed(&self) {
        self.failing.record(true);
    }
}

/// A mean that forgets: the last eight or so count.
#[derive(Debug, Default)]
struct Pace(AtomicU64);

impl Pace {
    fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// A count lost between threads is not missed.
    fn record(&self, took: Duration) {
        let (mean, took) = (self.0.load(Ordering::Relaxed), nanos(took));
        let next = if mean == 0 { took } else { mean - mean / 8 + took / 8 };
        self.0.store(next, Ordering::Relaxed);
    }
}

/// A share that forgets: the last sixteen or so count.
#[derive(Debug, Default)]
struct Share(AtomicU32);

impl Share {
    const ALL: u32 = 1 << 16;
    const LAST: u32 = 16;

    fn is_most(&self) -> bool {
        self.0.load(Ordering::Relaxed) > Self::ALL / 2
    }

    /// A count lost between threads is not missed.
    fn record(&self, counts: bool) {
        let share = self.0.load(Ordering::Relaxed);
        let more = if counts { Self::ALL / Self::LAST } else { 0 };
        self.0.store(share - share / Self::LAST + more, Ordering::Relaxed);
    }
}

/// A minimum that drifts up, so that one lucky call does not stand for ever.
#[derive(Debug, Default)]
struct Quick(AtomicU64);

impl Quick {
    fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn record(&self, took: Duration) {
        let (least, took) = (self.0.load(Ordering::Relaxed), nanos(took));
        let next = if least == 0 || took < least { took } else { least + (took - least) / 64 };
        self.0.store(next, Ordering::Relaxed);
    }
}

fn nanos(took: Duration) -> u64 {
    u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) use tests::lane as test_lane;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn lane(in_flight_max: usize, queue_max: usize) -> Lane {
        Lane::new(
            "m",
            LaneLimits {
                in_flight_max,
                queue_max,
                queue_time_max: Duration::from_secs(60),
                batch_max_rows: 0,
                batch_delay: Duration::ZERO,
            },
        )
    }

    #[test]
    fn a_model_that_burns_its_slices_turns_patient_and_recovers() {
        let lane = lane(2, 10);
        assert!(!lane.is_patient(), "without a record");
        lane.ran(Duration::from_millis(225), Duration::from_millis(225));
        assert!(lane.is_patient());
        assert_eq!(lane.expected_wait(4), Duration::from_millis(450));
        let calls = (1..100).take_while(|_| {
            lane.ran(Duration::from_micros(50), Duration::from_micros(50));
            lane.is_patient()
        });
        assert!((20..40).contains(&calls.count()), "it takes some good calls");
    }

    #[test]
    fn a_model_that_mostly_fails_turns_patient_and_one_that_seldom_does_never() {
        let lane = lane(2, 10);
        for _ in 0..1000 {
            (0..3).for_each(|_| lane.failed());
            (0..7).for_each(|_| lane.succeeded(Duration::from_micros(50)));
            assert!(!lane.is_patient(), "three of ten");
        }
        let failures = (1..100).take_while(|_| {
            lane.failed();
            !lane.is_patient()
        });
        assert!((5..12).contains(&failures.count()));
        (0..10_000).for_each(|_| lane.failed());
        let good = (1..100).take_while(|_| {
            lane.succeeded(Duration::from_micros(50));
            lane.is_patient()
        });
        assert!((8..14).contains(&good.count()), "it recovers");
    }

    proptest! {
        #[test]
        fn measures_stay_within_what_was_measured(took in prop::collection::vec(1..1_000_000_000u64, 1..200)) {
            let lane = lane(1, 1);
            for &took in &took {
                lane.ran(Duration::from_nanos(took), Duration::ZERO);
                lane.succeeded(Duration::from_nanos(took));
            }
            let (least, most) = (took.iter().min().unwrap(), took.iter().max().unwrap());
            // Divisions round down: each step may lose a few nanoseconds.
            prop_assert!((least.saturating_sub(16)..=*most).contains(&nanos(lane.expected_wait(1))));
            prop_assert!((*least..=*most).contains(&nanos(lane.least())));
        }
    }
}
