//! A limit a second, for what may be skipped: lines of a log, samples.
//!
//! Never waits.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(1);

/// A limit of things a second; the rest is counted.
#[derive(Debug)]
pub struct RateLimit {
    per_s_max: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    taken: u32,
    refused: u64,
}

impl RateLimit {
    /// At most `per_s_max` a second.
    pub fn new(per_s_max: u32) -> Self {
        Self { per_s_max, state: Mutex::default() }
    }

    /// Whether one more is within the limit; if so, how many were not since the last one.
    pub fn take(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
            (state.since, state.taken) = (Some(now), 0);
        }
        if state.taken >= self.per_s_max {
            state.refused += 1;
            return None;
        }
        state.taken += 1;
        Some(std::mem::take(&mut state.refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted_and_told_with_the_next() {
        let (limit, now) = (RateLimit::new(2), Instant::now());
        let taken: Vec<_> = (0..5).map(|_| limit.take(now)).collect();
        assert_eq!(taken, [Some(0), Some(0), None, None, None]);
        assert_eq!(limit.take(now + WINDOW / 2), None);
        assert_eq!(limit.take(now + WINDOW), Some(4));
        assert_eq!(limit.take(now + WINDOW), Some(0));
    }
}
