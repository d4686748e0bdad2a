//! How many calls of one model may run, and how many may wait. Only numbers:
//! the compute queue keeps to them.

use std::sync::atomic::{AtomicU64, Ordering};

/// The limits of one model's lane in the compute queue.
#[derive(Debug)]
pub struct Admission {
    /// Which lane; none is ever used twice.
    pub(super) lane: u64,
    pub(super) in_flight_max: usize,
    pub(super) queue_max: usize,
}

impl Admission {
    /// A lane for `in_flight_max` running and `queue_max` waiting calls.
    pub fn new(in_flight_max: usize, queue_max: usize) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { lane: NEXT.fetch_add(1, Ordering::Relaxed), in_flight_max: in_flight_max.max(1), queue_max }
    }

    /// Whether the lane has these limits.
    pub fn has_limits(&self, in_flight_max: usize, queue_max: usize) -> bool {
        (self.in_flight_max, self.queue_max) == (in_flight_max.max(1), queue_max)
    }
}
