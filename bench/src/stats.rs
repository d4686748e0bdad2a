//! Medians and other ranks: means would report the neighbours' noise.

use std::time::Duration;

/// Durations, in the order of their size.
pub(crate) struct Sample(Vec<Duration>);

impl Sample {
    pub(crate) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time that this share of the others stays below, in microseconds.
    pub(crate) fn rank_us(&self, share: f64) -> f64 {
        let at = (self.0.len().saturating_sub(1)) as f64 * share;
        self.0.get(at.round() as usize).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
    }

    /// The middle time.
    pub(crate) fn median(&self) -> Duration {
        self.0.get(self.0.len() / 2).copied().unwrap_or_default()
    }
}

/// The middle value.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
