//! What refusing may cost: a share of what answering does. Callers that come back
//! at once, and again, would have the time that the others need; so beyond that
//! share they wait for their refusal, and a flood of them has but a quarter of it.
//!
//! Never keeps a refusal for long, nor for more than a share of its request's time.

use super::here::keeps_up;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Where nothing is answered, refusals of one reading thread are so far apart in
/// the long run. Each takes processors some 40 to 60 µs, the system's part included:
/// a fifth of one.
const EACH: Duration = Duration::from_micros(250);
/// Answers that pay for one more: there are two for each refusal where half as
/// much again is asked as can be answered.
const ANSWERS_EACH: u32 = 2;
/// So much unused time may be used at once: overload comes in waves.
const SAVED_MAX: Duration = Duration::from_millis(100);
/// More are to be refused than that: a flood. What it gets is cut to a quarter,
/// since all of it would be paid with answers.
const FLOOD_TIMES: u32 = 4;
/// It is over when it has left so much of that unused,
const CALM: Duration = Duration::from_millis(10);
/// or is looked at again after this time,
const FLOOD: Duration = Duration::from_secs(2);
/// with so much to be used at once.
const AGAIN: Duration = Duration::from_millis(25);
/// Those that wait in it go out together, so often: one alone wakes a thread
/// that reads, and the request that follows it another time.
const BUNCH: Duration = Duration::from_millis(4);
/// What is neither paid nor so rare comes from callers that come back at once,
const RARE: Duration = Duration::from_millis(5);
/// thousands of times a second: a few are held for so long, where the thread that
/// reads has time. Of a crowd the others come anyway.
const HELD: Duration = Duration::from_millis(1);
const HELD_MAX: usize = 8;
/// What a refusal may wait, and of the time that it has left.
const WAIT_MAX: Duration = Duration::from_millis(40);
const WAIT_SHARE: u32 = 8;

/// When the next one is due.
#[derive(Debug)]
pub(super) struct Refusals {
    each: Duration,
    pace: Mutex<Pace>,
    /// Answers that have not paid yet.
    answers: AtomicU32,
    /// For those who are held.
    places: Semaphore,
}

#[derive(Debug)]
struct Pace {
    /// Until when the share is used.
    used_until: Instant,
    /// Until when what may be refused without holding anybody is.
    rare_until: Instant,
    /// Since when there is a flood, where there is one.
    flood_since: Option<Instant>,
}

impl Refusals {
    pub(super) fn new(io_threads: usize) -> Self {
        let threads = u32::try_from(io_threads).unwrap_or(u32::MAX).max(1);
        let now = Instant::now();
        let pace = Mutex::new(Pace { used_until: now, rare_until: now, flood_since: None });
        Self { each: EACH / threads, pace, answers: AtomicU32::new(0), places: Semaphore::new(HELD_MAX) }
    }

    /// A request was answered by whom it was meant for.
    pub(super) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until one may be sent; whether that was long, as it is in a flood.
    pub(super) async fn wait(&self, deadline: Instant) -> bool {
        let now = Instant::now();
        let place = self.places.try_acquire().ok().filter(|_| keeps_up(now));
        let held = if place.is_some() { HELD } else { Duration::ZERO };
        let due = self.due(now, held, deadline);
        if due > now {
            tokio::time::sleep_until(due.into()).await;
        }
        due > now + held
    }

    /// When one that is decided now may be sent.
    fn due(&self, now: Instant, held: Duration, deadline: Instant) -> Instant {
        let latest = now + (deadline.saturating_duration_since(now) / WAIT_SHARE).min(WAIT_MAX);
        let answers = self.answers.swap(0, Ordering::Relaxed);
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let before = |time: Instant, by: Duration| time.checked_sub(by).unwrap_or(now);
        let unused = |until, each: Duration| before(until, each * answers / ANSWERS_EACH).max(before(now, SAVED_MAX));
        let rare_until = unused(pace.rare_until, RARE) + RARE;
        let held = if rare_until > now { held } else { Duration::ZERO };
        pace.rare_until = rare_until.min(now);
        let mut used_until = unused(pace.used_until, self.each);
        if pace.flood_since.is_some_and(|since| now >= since + FLOOD || used_until + CALM <= now) {
            pace.flood_since = None;
            used_until = used_until.min(before(now, AGAIN));
        }
        used_until += self.each * if pace.flood_since.is_some() { FLOOD_TIMES } else { 1 };
        if used_until > now && pace.flood_since.is_none() {
            pace.flood_since = Some(now);
        }
        // What comes in spite of the share is not owed for ever.
        pace.used_until = used_until.min(latest);
        let due = pace.used_until.max(now + held).min(latest);
        pace.flood_since.map_or(due, |since| bunched(due, since).max(now))
    }
}

/// The last time up to this one at which a bunch of a flood goes out.
fn bunched(due: Instant, since: Instant) -> Instant {
    let over = due.saturating_duration_since(since).as_nanos() % BUNCH.as_nanos();
    due - Duration::from_nanos(u64::try_from(over).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DEADLINE: Duration = Duration::from_millis(300);

    /// How long each of so many waits that are decided at once.
    fn waits(refusals: &Refusals, now: Instant, count: u32) -> Vec<Duration> {
        let wait = |_| refusals.due(now, Duration::ZERO, now + DEADLINE).saturating_duration_since(now);
        (0..count).map(wait).collect()
    }

    fn is_flood(refusals: &Refusals) -> bool {
        refusals.pace.lock().unwrap().flood_since.is_some()
    }

    #[test]
    fn a_wave_is_refused_at_once_and_a_flood_at_its_pace() {
        let (refusals, begin) = (Refusals::new(1), Instant::now());
        let quiet = begin + Duration::from_secs(1);
        let wave = u32::try_from(SAVED_MAX.as_micros() / EACH.as_micros()).unwrap();
        assert!(waits(&refusals, quiet, wave).iter().all(Duration::is_zero) && !is_flood(&refusals));
        let price = EACH * FLOOD_TIMES;
        // Together with those that are due a little later, and never before they are decided.
        let bunched = |wait: Duration| bunched(quiet + wait, quiet) - quiet;
        assert_eq!(waits(&refusals, quiet, 10), (0..10).map(|i| bunched(EACH + price * i)).collect::<Vec<_>>());
        assert!(is_flood(&refusals));
        (0..ANSWERS_EACH * FLOOD_TIMES * 5).for_each(|_| refusals.answered());
        assert_eq!(waits(&refusals, quiet, 1), [bunched(EACH + price * 5)], "five are paid for");
        let calm = quiet + EACH + price * 5 + CALM;
        let again = u32::try_from(AGAIN.as_micros() / EACH.as_micros()).unwrap();
        assert!(waits(&refusals, calm, again).iter().all(Duration::is_zero) && !is_flood(&refusals));
        waits(&refusals, calm, 1);
        assert!(is_flood(&refusals));
        assert_eq!(Refusals::new(4).each, EACH / 4, "each thread has its share");
    }

    #[test]
    fn what_is_rare_or_paid_is_not_held() {
        let (refusals, begin) = (Refusals::new(1), Instant::now());
        let mut now = begin + Duration::from_secs(1);
        let mut next = |pause| {
            now += pause;
            refusals.due(now, HELD, now + DEADLINE) - now
        };
        let rare = SAVED_MAX.as_micros() / RARE.as_micros();
        assert!((0..rare).all(|_| next(Duration::ZERO).is_zero()));
        assert!((0..rare).all(|_| next(Duration::from_micros(100)) == HELD));
        assert!((0..1000).all(|_| next(RARE).is_zero()));
        (0..ANSWERS_EACH * 10).for_each(|_| refusals.answered());
        assert!((0..10).all(|_| next(Duration::ZERO).is_zero()) && next(Duration::ZERO) == HELD);
        assert!(!is_flood(&refusals));
    }

    #[tokio::test(start_paused = true)]
    async fn only_in_a_flood_somebody_has_to_wait_and_is_told_so() {
        let refusals = Refusals::new(1);
        let deadline = Instant::now() + DEADLINE;
        assert!(!refusals.wait(deadline).await, "held for a moment");
        let _others: Vec<_> = (0..HELD_MAX).map(|_| refusals.places.try_acquire().unwrap()).collect();
        assert!(!refusals.wait(deadline).await);
        waits(&refusals, Instant::now(), 1000);
        let before = tokio::time::Instant::now();
        assert!(is_flood(&refusals) && refusals.wait(deadline).await);
        assert!(before.elapsed() > WAIT_MAX / 2, "{:?}", before.elapsed());
    }

    #[test]
    fn a_bunch_goes_out_every_so_often() {
        let since = Instant::now();
        let at = |percent: u32| (bunched(since + BUNCH * percent / 100, since) - since).as_micros();
        let bunch = BUNCH.as_micros();
        assert_eq!([0, 1, 99, 100, 101, 250].map(at), [0, 0, 0, bunch, bunch, 2 * bunch]);
    }

    /// What becomes of so many refusals a second beside so many answers, ten
    /// milliseconds at a time: how many waited, and how many were paid for.
    fn second(refusals: &Refusals, begin: Instant, per_s: u32, answers_per_s: u32) -> (usize, usize) {
        let (mut waited, mut paid) = (0, 0);
        for i in 0..100 {
            let now = begin + Duration::from_millis(10) * i;
            (0..answers_per_s / 100).for_each(|_| refusals.answered());
            for _ in 0..per_s / 100 {
                waited += usize::from(refusals.due(now, Duration::ZERO, now + DEADLINE) > now);
                paid += usize::from(refusals.pace.lock().unwrap().used_until < now + DEADLINE / WAIT_SHARE);
            }
        }
        (waited, paid)
    }

    #[test]
    fn half_as_much_again_never_waits_and_a_flood_leaves_no_trace() {
        let refusals = Refusals::new(1);
        let mut now = Instant::now();
        let mut next = |per_s| {
            now += Duration::from_secs(1);
            second(&refusals, now, per_s, 5000)
        };
        assert_eq!([next(3000).0, next(3000).0, next(3000).0], [0; 3]);
        next(15_000);
        for _ in 0..4 {
            let (waited, paid) = next(15_000);
            // A quarter of 6,500, and what is used at once when it is looked at again.
            assert!(waited > 14_500 && (1500..1900).contains(&paid), "{waited} waited, {paid} were paid for");
        }
        (0..FLOOD.as_secs()).for_each(|_| _ = next(3000));
        assert_eq!([next(3000).0, next(3000).0], [0; 2]);
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
