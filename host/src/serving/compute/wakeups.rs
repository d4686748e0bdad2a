//! Threads are woken for a few calls at once, where the thread that hands them
//! over has more to do: to be woken and to fall asleep costs more than a brief
//! call.
//!
//! Nobody waits for long: the last wake-up of a thread comes before it sleeps
//! itself, and the overseer looks for forgotten work at each of its ticks.

use std::cell::RefCell;
use std::sync::Arc;

/// Calls that are handed over before somebody is woken for them.
const HELD_MAX: u32 = 4;

/// Who is woken.
pub(super) trait Wake: Send + Sync {
    /// Has a thread look for work, where there is any and one sleeps.
    fn wake_for_work(&self);
}

thread_local! {
    /// How many calls this thread has handed over since, and whom to wake for them.
    static HELD: RefCell<Option<(u32, Arc<dyn Wake>)>> = const { RefCell::new(None) };
}

/// A call was handed over; somebody is to be woken for it, not just now.
pub(super) fn hold(wake: &Arc<impl Wake + 'static>) {
    let held = HELD.with_borrow_mut(|held| {
        let (calls, _) = held.get_or_insert_with(|| (0, wake.clone()));
        *calls += 1;
        *calls
    });
    if held >= HELD_MAX {
        wake_held();
    }
}

/// A thread that hands over calls is about to sleep: who is to be woken is woken now.
pub(in crate::serving) fn wake_held() {
    if let Some((_, wake)) = HELD.take() {
        wake.wake_for_work();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake_for_work(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn one_is_woken_for_a_few_and_nobody_is_forgotten() {
        let woken = Arc::<Woken>::default();
        let after = |calls: u32| {
            (0..calls).for_each(|_| hold(&woken));
            woken.0.load(Ordering::Relaxed)
        };
        assert_eq!(after(HELD_MAX - 1), 0);
        assert_eq!(after(1), 1);
        assert_eq!(after(2 * HELD_MAX + 1), 3);
        wake_held();
        assert_eq!(after(0), 4);
        wake_held();
        assert_eq!(after(HELD_MAX - 1), 4, "it began anew");
        wake_held();
    }
}
