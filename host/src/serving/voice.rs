//! How much of a version's doings reaches the log: guests talk and calls fail
//! as often as callers like, and a disk is full some day.
//!
//! Never decides what a line says.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(1);

/// What one version may write.
#[derive(Debug)]
pub struct Voice {
    /// Lines that the guest logs.
    pub(super) guest: Ration,
    /// Lines about calls that failed.
    pub(super) failures: Ration,
}

impl Default for Voice {
    fn default() -> Self {
        Self { guest: Ration::new(200), failures: Ration::new(20) }
    }
}

/// So many lines, or other things, a second; the rest is counted.
#[derive(Debug)]
pub(super) struct Ration {
    lines_max: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    said: u32,
    kept: u64,
}

impl Ration {
    pub(super) fn new(lines_max: u32) -> Self {
        Self { lines_max, state: Mutex::default() }
    }

    /// Whether one more line may be written; if so, how many were not since the
    /// last one.
    pub(super) fn take(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
            (state.since, state.said) = (Some(now), 0);
        }
        if state.said >= self.lines_max {
            state.kept += 1;
            return None;
        }
        state.said += 1;
        Some(std::mem::take(&mut state.kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted_and_told_with_the_next_line() {
        let (ration, now) = (Ration::new(2), Instant::now());
        let said: Vec<_> = (0..5).map(|_| ration.take(now)).collect();
        assert_eq!(said, [Some(0), Some(0), None, None, None]);
        assert_eq!(ration.take(now + WINDOW / 2), None);
        assert_eq!(ration.take(now + WINDOW), Some(4));
        assert_eq!(ration.take(now + WINDOW), Some(0));
    }
}
