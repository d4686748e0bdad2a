//! Which requests of a version are known to be short enough for the thread that reads them: no
//! hand-over, no waking, and so most of what a short request costs is saved.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

/// What reading, checking, calling and writing may take together.
const SHORT: Duration = Duration::from_micros(500);

/// What a version's requests have shown.
#[derive(Debug, Default)]
pub(super) struct InlinePolicy {
    /// The largest body that was short.
    bytes_max: AtomicUsize,
    /// Good requests until it is trusted again.
    owed: AtomicU32,
}

impl InlinePolicy {
    /// Good requests after one that wasted a slice or failed, until it is trusted.
    const OWED: u32 = 256;

    /// Whether a body of this size is known to be short.
    pub(super) fn covers(&self, bytes: usize) -> bool {
        bytes <= self.bytes_max.load(Ordering::Relaxed) && self.owed.load(Ordering::Relaxed) == 0
    }

    /// A request that was answered. Counts lost between threads are not missed.
    pub(super) fn answered(&self, bytes: usize, took: Duration) {
        let bytes_max = self.bytes_max.load(Ordering::Relaxed);
        if took > SHORT {
            if bytes <= bytes_max {
                self.bytes_max.store(bytes.saturating_sub(1), Ordering::Relaxed);
            }
            return;
        }
        if bytes > bytes_max {
            self.bytes_max.store(bytes, Ordering::Relaxed);
        }
        let owed = self.owed.load(Ordering::Relaxed);
        if owed > 0 {
            self.owed.store(owed - 1, Ordering::Relaxed);
        }
    }

    /// A request that was not answered.
    pub(super) fn failed(&self) {
        self.owed.store(Self::OWED, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sizes_that_were_short_are_covered() {
        let policy = InlinePolicy::default();
        assert!(!policy.covers(1), "without a record");
        policy.answered(8, SHORT);
        assert!(policy.covers(1) && policy.covers(8) && !policy.covers(9));
        policy.answered(4, SHORT * 2);
        assert!(policy.covers(3) && !policy.covers(4));
    }

    #[test]
    fn a_version_that_failed_proves_itself_first() {
        let policy = InlinePolicy::default();
        policy.answered(8, SHORT);
        policy.failed();
        let proofs = (1..1000).take_while(|_| {
            policy.answered(1, SHORT);
            !policy.covers(8)
        });
        assert_eq!(proofs.count() as u32, InlinePolicy::OWED - 1);
    }
}
