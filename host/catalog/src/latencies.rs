//! How long calls took: a histogram small enough to copy.
//!
//! Four buckets for each power of two, so that an edge is at most 25 % from
//! what it stands for, from 1 µs to 36 min; below that, steps of 256 ns. Only
//! numbers: never measures anything.

use std::time::Duration;

/// The smallest step.
const UNIT_LOG2: u32 = 8;

/// A snapshot of durations, by bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latencies {
    buckets: [u64; Self::BUCKETS],
}

impl Default for Latencies {
    fn default() -> Self {
        Self { buckets: [0; Self::BUCKETS] }
    }
}

impl Latencies {
    /// How many buckets there are.
    pub const BUCKETS: usize = 128;

    /// The bucket of a duration; the last one takes whatever is longer.
    pub fn bucket(took: Duration) -> usize {
        let units = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) >> UNIT_LOG2;
        let bucket = match units.checked_ilog2() {
            Some(log2 @ 2..) => 4 * (log2 as usize - 1) + (units >> (log2 - 2)) as usize % 4,
            _ => units as usize,
        };
        bucket.min(Self::BUCKETS - 1)
    }

    /// Where a bucket begins, which is where the one before it ends.
    fn edge(bucket: usize) -> Duration {
        let units = match bucket / 4 {
            0 => bucket as u64,
            group => (4 + bucket as u64 % 4) << (group - 1),
        };
        Duration::from_nanos(units << UNIT_LOG2)
    }

    /// From the count of each bucket.
    pub fn of(buckets: [u64; Self::BUCKETS]) -> Self {
        Self { buckets }
    }

    /// Counts one call.
    pub fn record(&mut self, took: Duration) {
        if let Some(count) = self.buckets.get_mut(Self::bucket(took)) {
            *count += 1;
        }
    }

    /// How many calls are counted.
    pub fn total(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// What this share of the calls, 0 to 1, did not exceed: the upper edge of
    /// a bucket. `None` when nothing is counted.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = ((share * self.total() as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let at = self.buckets.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        at.map(|bucket| Self::edge(bucket + 1))
    }

    /// How many calls took at least this long for sure, and how many there are:
    /// a bucket that only may have is left out.
    pub fn share_above(&self, limit: Duration) -> (u64, u64) {
        let above = self.buckets.iter().enumerate().filter(|(bucket, _)| Self::edge(*bucket) >= limit);
        (above.map(|(_, count)| count).sum(), self.total())
    }

    /// What came since an earlier snapshot.
    pub fn minus(&self, earlier: &Self) -> Self {
        self.with(earlier, u64::saturating_sub)
    }

    /// Both together.
    pub fn plus(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    fn with(&self, other: &Self, change: fn(u64, u64) -> u64) -> Self {
        let mut buckets = self.buckets;
        for (count, other) in buckets.iter_mut().zip(other.buckets) {
            *count = change(*count, other);
        }
        Self { buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edges_are_close_and_in_order() {
        for bucket in 0..Latencies::BUCKETS {
            let (low, high) = (Latencies::edge(bucket), Latencies::edge(bucket + 1));
            assert_eq!(Latencies::bucket(low), bucket);
            assert_eq!(Latencies::bucket(high - Duration::from_nanos(1)), bucket);
            assert!(bucket < 4 || (high - low) * 4 <= low, "{low:?} to {high:?}");
        }
        assert_eq!(Latencies::edge(4), Duration::from_nanos(1024));
        assert_eq!(Latencies::bucket(Duration::MAX), Latencies::BUCKETS - 1);
        assert_eq!(Latencies::default().quantile(0.5), None);
    }

    proptest! {
        #[test]
        fn quantiles_and_shares_are_what_a_sorted_list_says(
            mut list in prop::collection::vec(1_000u64..1 << 40, 1..200),
            share in 0.0..1.0f64,
            limit in 1_000u64..1 << 40,
        ) {
            let mut all = Latencies::default();
            list.iter().for_each(|&nanos| all.record(Duration::from_nanos(nanos)));
            list.sort_unstable();
            let exact = list[((share * list.len() as f64).ceil() as usize).max(1) - 1] as f64;
            let quantile = all.quantile(share).unwrap().as_nanos() as f64;
            prop_assert!(exact <= quantile && quantile <= exact * 1.25 + 256.0, "{} {}", exact, quantile);
            let (above, total) = all.share_above(Duration::from_nanos(limit));
            let least = |limit: f64| list.iter().filter(|&&nanos| nanos as f64 >= limit).count() as u64;
            prop_assert!(least(limit as f64 * 1.25 + 256.0) <= above && above <= least(limit as f64));
            prop_assert_eq!(total, list.len() as u64);
        }

        #[test]
        fn what_is_added_can_be_taken_away(
            first in prop::collection::vec(any::<u64>(), 0..50),
            second in prop::collection::vec(any::<u64>(), 0..50),
        ) {
            let of = |list: &[u64]| {
                let mut all = Latencies::default();
                list.iter().for_each(|&nanos| all.record(Duration::from_nanos(nanos)));
                all
            };
            let both = of(&first).plus(&of(&second));
            prop_assert_eq!(both.total() as usize, first.len() + second.len());
            prop_assert_eq!(both.minus(&of(&first)), of(&second));
        }
    }
}
