//! A uniform sample of bounded size of a stream of any length.
//!
//! Never draws from entropy: the choice is a function of seed and order alone.

use std::cmp::Ordering;

/// Keeps everything up to its capacity; past it, every value so far is kept
/// with equal probability.
#[derive(Debug, Clone)]
pub(super) struct Reservoir<T> {
    values: Vec<T>,
    capacity: usize,
    seen: u64,
    random: SplitMix,
}

/// The generator SplitMix64: numbers that look random and are always the same.
#[derive(Debug, Clone)]
pub(super) struct SplitMix(u64);

impl Default for SplitMix {
    fn default() -> Self {
        Self(0x5c71_5eed)
    }
}

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// True half of the time.
    pub(super) fn flip(&mut self) -> bool {
        self.next() >> 63 == 1
    }
}

impl<T: Copy> Reservoir<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { values: Vec::new(), capacity, seen: 0, random: SplitMix::default() }
    }

    /// The same choice of other values.
    pub(super) fn map<U>(self, map: impl Fn(T) -> U) -> Reservoir<U> {
        let Self { values, capacity, seen, random } = self;
        Reservoir { values: values.into_iter().map(map).collect(), capacity, seen, random }
    }

    pub(super) fn push(&mut self, value: T) {
        self.seen += 1;
        if self.values.len() < self.capacity {
            self.values.push(value);
            return;
        }
        let at = self.below(self.seen);
        if let Some(slot) = usize::try_from(at).ok().and_then(|at| self.values.get_mut(at)) {
            *slot = value;
        }
    }

    /// All that was kept, in ascending order, and a uniform choice of
    /// `sample_max` of it, in ascending order too.
    pub(super) fn finish(mut self, sample_max: usize, order: impl Fn(&T, &T) -> Ordering) -> (Vec<T>, Vec<T>) {
        let count = self.values.len();
        let sample_count = count.min(sample_max);
        if sample_count < count {
            for i in 0..sample_count {
                let offset = usize::try_from(self.below((count - i) as u64)).unwrap_or(0);
                self.values.swap(i, i + offset);
            }
        }
        let mut sample: Vec<T> = self.values.iter().take(sample_count).copied().collect();
        sample.sort_unstable_by(&order);
        self.values.sort_unstable_by(order);
        (self.values, sample)
    }

    /// A number below `bound`, uniform to one part in 2^64 / bound.
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.random.next()) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_its_capacity_every_value_is_as_likely() {
        let mut reservoir = Reservoir::new(10_000);
        (0..100_000).for_each(|value| reservoir.push(f64::from(value)));
        let (kept, sample) = reservoir.finish(1_000, f64::total_cmp);
        assert_eq!((kept.len(), sample.len()), (10_000, 1_000));
        // A mean of m uniform values is off by 28,868 / sqrt(m) on average.
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean(&kept) - 50_000.0).abs() < 1_000.0);
        assert!((mean(&sample) - 50_000.0).abs() < 3_000.0);
        assert!(kept.is_sorted() && sample.is_sorted());
    }
}
