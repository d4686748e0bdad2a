//! What refusing may cost: a share of what answering does. Callers that come back
//! at once, and again, would have the time that the others need; so beyond that
//! share they wait for their refusal.
//!
//! Never keeps a refusal for long, nor for more than a share of its request's time.

use super::here::keeps_up;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Where nothing is answered, refusals of one reading thread are so far apart in
/// the long run. Each takes processors some 40 µs, the system's part included:
/// a sixth of one.
const EACH: Duration = Duration::from_micros(250);
/// Answers that pay for one more: there are two for each refusal where half as
/// much again is asked as can be answered.
const ANSWERS_EACH: u32 = 2;
/// So much unused time may be used at once: overload comes in waves.
const SAVED_MAX: Duration = Duration::from_secs(1);
/// A few callers are held for so long, where the thread that reads has time: they
/// would come back thousands of times a second. Of a crowd the others come anyway.
const HELD: Duration = Duration::from_millis(1);
const HELD_MAX: usize = 8;
/// What a refusal may wait, and of the time that it has left.
const WAIT_MAX: Duration = Duration::from_millis(40);
const WAIT_SHARE: u32 = 8;

/// When the next one is due.
#[derive(Debug)]
pub(super) struct Refusals {
    each: Duration,
    /// Until when the share is used.
    used_until: Mutex<Instant>,
    /// Answers that have not paid yet.
    answers: AtomicU32,
    /// For those who are held.
    places: Semaphore,
}

impl Refusals {
    pub(super) fn new(io_threads: usize) -> Self {
        let threads = u32::try_from(io_threads).unwrap_or(u32::MAX).max(1);
        let (used_until, places) = (Mutex::new(Instant::now()), Semaphore::new(HELD_MAX));
        Self { each: EACH / threads, used_until, answers: AtomicU32::new(0), places }
    }

    /// A request was answered by whom it was meant for.
    pub(super) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until one may be sent.
    pub(super) async fn wait(&self, deadline: Instant) {
        let now = Instant::now();
        let place = self.places.try_acquire().ok().filter(|_| keeps_up(now));
        let held = if place.is_some() { HELD } else { Duration::ZERO };
        let due = self.due(now, held, deadline);
        if due > now {
            tokio::time::sleep_until(due.into()).await;
        }
    }

    /// When one that is decided now may be sent.
    fn due(&self, now: Instant, held: Duration, deadline: Instant) -> Instant {
        let mut used_until = self.used_until.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = now + (deadline.saturating_duration_since(now) / WAIT_SHARE).min(WAIT_MAX);
        let saved = now.checked_sub(SAVED_MAX).unwrap_or(now);
        let paid = self.each * self.answers.swap(0, Ordering::Relaxed) / ANSWERS_EACH;
        let owed = used_until.checked_sub(paid).unwrap_or(saved);
        // What comes in spite of the share is not owed for ever.
        *used_until = (owed.max(saved) + self.each).min(latest);
        used_until.max(now + held).min(latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DEADLINE: Duration = Duration::from_millis(300);

    #[test]
    fn a_wave_is_refused_at_once_and_a_flood_at_its_pace() {
        let (refusals, now) = (Refusals::new(1), Instant::now());
        let wait = |after: Duration| {
            let now = now + after;
            refusals.due(now, Duration::ZERO, now + DEADLINE).saturating_duration_since(now)
        };
        let quiet = Duration::from_secs(1);
        let wave = u32::try_from(SAVED_MAX.as_micros() / EACH.as_micros()).unwrap();
        assert!((0..wave).all(|_| wait(quiet).is_zero()));
        let flood: Vec<Duration> = (0..20).map(|_| wait(quiet)).collect();
        assert_eq!(flood, (1..=20).map(|i| EACH * i).collect::<Vec<_>>());
        (0..ANSWERS_EACH * 20).for_each(|_| refusals.answered());
        assert_eq!(wait(quiet), EACH, "twenty are paid for");
        assert!(wait(quiet * 2).is_zero(), "after a quiet moment it is as before");
        assert_eq!(refusals.due(now + quiet * 3, HELD, now + quiet * 4), now + quiet * 3 + HELD);
        assert_eq!(Refusals::new(4).each, EACH / 4, "each thread has its share");
    }

    proptest! {
        #[test]
        fn nobody_waits_for_longer_than_a_share_of_the_time_that_is_left(
            came in prop::collection::vec((0..300u64, 0..1000u64, 0..3u32), 1..800)
        ) {
            let (refusals, mut now) = (Refusals::new(1), Instant::now());
            for (pause_us, left_ms, answers) in came {
                (0..answers).for_each(|_| refusals.answered());
                now += Duration::from_micros(pause_us);
                let left = Duration::from_millis(left_ms);
                prop_assert!(refusals.due(now, HELD, now + left) <= now + WAIT_MAX.min(left / WAIT_SHARE));
            }
        }
    }
}
