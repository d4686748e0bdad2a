//! Whether a thread that reads requests has time for more than reading: the others that it serves wait for it, unseen
//! and uncounted.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// A thread that has not been idle for this long has enough to do: the pool shares the work.
const BUSY_MAX: Duration = Duration::from_micros(150);

thread_local! {
    /// Since when this thread has not been idle, where it says so at all.
    static BUSY_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// This thread, which reads requests, woke up.
pub fn thread_woke() {
    BUSY_SINCE.set(Some(Instant::now()));
}

/// Whether this thread was idle a moment ago.
pub fn is_idle_enough(now: Instant) -> bool {
    BUSY_SINCE.get().is_none_or(|since| now.saturating_duration_since(since) < BUSY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_never_idle_takes_on_nothing_more() {
        let now = Instant::now();
        assert!(is_idle_enough(now + BUSY_MAX * 2), "one that never says so is not judged");
        thread_woke();
        assert!(is_idle_enough(now));
        assert!(!is_idle_enough(Instant::now() + BUSY_MAX));
        BUSY_SINCE.set(None);
    }
}
