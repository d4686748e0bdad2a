//! How often a thread looks after calls: each look wakes it, and where little is
//! asked that is a large part of what a request costs. While all calls are short
//! there is hardly anything to see; where one was long, the next is soon.
//!
//! Only times: never looks at a call itself.

use std::time::{Duration, Instant};

/// So soon an overdue call is noticed where one was long a moment ago,
const CLOSE: Duration = Duration::from_millis(2);
/// and so soon where none was.
const CALM: Duration = Duration::from_millis(4);
/// How long a moment is. One that knew of it could keep a thread for `CALM`, so often.
const MOMENT: Duration = Duration::from_secs(1);
/// Without any call, until it sleeps: under load it never does, so that no
/// request pays for waking it.
const IDLE_MAX: Duration = Duration::from_millis(400);

/// What a look has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// No call.
    Nothing,
    /// Calls, all of them short so far.
    Calls,
    /// At least one that is worth a closer look.
    LongCalls,
}

/// One thread's rhythm.
#[derive(Debug, Default)]
pub struct Rhythm {
    close_until: Option<Instant>,
    idle_since: Option<Instant>,
}

impl Rhythm {
    /// How long to the next look; nothing where it may sleep until there is a call.
    pub fn next(&mut self, found: Found, now: Instant) -> Option<Duration> {
        match found {
            Found::Nothing => {
                if now.saturating_duration_since(*self.idle_since.get_or_insert(now)) >= IDLE_MAX {
                    self.idle_since = None;
                    return None;
                }
            }
            Found::Calls => self.idle_since = None,
            Found::LongCalls => (self.idle_since, self.close_until) = (None, Some(now + MOMENT)),
        }
        Some(if self.close_until.is_some_and(|until| now < until) { CLOSE } else { CALM })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_close_for_a_moment_after_a_long_call() {
        let (mut rhythm, begin) = (Rhythm::default(), Instant::now());
        let mut at = |ms, found| rhythm.next(found, begin + Duration::from_millis(ms));
        assert_eq!(at(0, Found::Calls), Some(CALM));
        assert_eq!(at(8, Found::LongCalls), Some(CLOSE));
        assert_eq!(at(1007, Found::Calls), Some(CLOSE));
        assert_eq!(at(1008, Found::Calls), Some(CALM));
    }

    #[test]
    fn it_sleeps_once_nothing_was_called_for_a_while_and_not_before() {
        let (mut rhythm, begin) = (Rhythm::default(), Instant::now());
        let mut at = |ms, found| rhythm.next(found, begin + Duration::from_millis(ms));
        assert_eq!(at(0, Found::Nothing), Some(CALM));
        assert_eq!(at(399, Found::Nothing), Some(CALM));
        assert_eq!(at(400, Found::Nothing), None);
        // It was woken.
        assert_eq!(at(5000, Found::Nothing), Some(CALM));
        assert_eq!(at(5399, Found::Calls), Some(CALM));
        assert_eq!(at(5400, Found::Nothing), Some(CALM));
        assert_eq!(at(5800, Found::Nothing), None);
    }
}
