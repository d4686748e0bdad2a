//! A thread that calls others every few milliseconds while something runs, and sleeps when nothing does.
//!
//! One for a process: each tick wakes a processor. Never decides what is overdue.

use crate::threads::be_prompt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::Thread;
use std::time::Duration;

/// Between two ticks.
pub const TICK: Duration = Duration::from_millis(2);
/// Ticks without anything that runs until the thread sleeps: under load it never does, so that no request pays for
/// waking it.
const IDLE_TICKS: u32 = 200;

/// What is called at each tick.
pub trait Tick: Send + Sync {
    /// Does what is due, shortly; says whether the ticks are still needed.
    fn tick(&self) -> bool;
}

/// The ticking thread; it ends when this is dropped.
#[derive(Debug)]
pub struct Ticker {
    state: Arc<State>,
    thread: Thread,
}

#[derive(Default)]
struct State {
    ticked: Mutex<Vec<Weak<dyn Tick>>>,
    /// Something has run since the last tick.
    is_needed: AtomicBool,
    is_asleep: AtomicBool,
    has_stopped: AtomicBool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("is_asleep", &self.is_asleep).finish_non_exhaustive()
    }
}

impl Ticker {
    /// Starts the thread.
    pub fn start() -> std::io::Result<Arc<Self>> {
        let state = Arc::<State>::default();
        let ticking = state.clone();
        let thread = std::thread::Builder::new().name("scry-ticker".into()).spawn(move || ticking.run())?;
        Ok(Arc::new(Self { state, thread: thread.thread().clone() }))
    }

    /// From now on this is called at each tick, for as long as it exists.
    pub fn add(&self, tick: Weak<dyn Tick>) {
        self.state.ticked.lock().unwrap_or_else(PoisonError::into_inner).push(tick);
    }

    /// Something runs: ticks go on. Writes nothing that other threads read where that was said since the last tick.
    pub fn keep_on(&self) {
        // While it sleeps, each caller wakes it: the one that said so first may not have come to that yet.
        if self.state.is_needed.load(Ordering::SeqCst) && !self.state.is_asleep.load(Ordering::SeqCst) {
            return;
        }
        self.state.is_needed.store(true, Ordering::SeqCst);
        if self.state.is_asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.state.has_stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl State {
    fn run(&self) {
        be_prompt();
        let mut idle_ticks = 0;
        while !self.has_stopped.load(Ordering::SeqCst) {
            if idle_ticks < IDLE_TICKS {
                std::thread::sleep(TICK);
            } else {
                self.sleep();
            }
            let has_run = self.is_needed.swap(false, Ordering::SeqCst);
            idle_ticks = if self.tick() || has_run { 0 } else { idle_ticks + 1 };
        }
    }

    fn tick(&self) -> bool {
        let mut is_needed = false;
        self.ticked.lock().unwrap_or_else(PoisonError::into_inner).retain(|tick| match tick.upgrade() {
            Some(tick) => {
                is_needed |= tick.tick();
                true
            }
            None => false,
        });
        is_needed
    }

    fn sleep(&self) {
        // Said before the last look: what runs from now on either is seen here, or sees the thread asleep and wakes it.
        self.is_asleep.store(true, Ordering::SeqCst);
        if !self.is_needed.load(Ordering::SeqCst) && !self.has_stopped.load(Ordering::SeqCst) {
            std::thread::park();
        }
        self.is_asleep.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::time::Instant;

    #[derive(Default)]
    struct Counts(AtomicUsize);

    impl Tick for Counts {
        fn tick(&self) -> bool {
            self.0.fetch_add(1, Ordering::SeqCst);
            false
        }
    }

    fn eventually(holds: impl Fn() -> bool) {
        let until = Instant::now() + Duration::from_secs(20);
        while !holds() {
            assert!(Instant::now() < until);
            std::thread::sleep(TICK);
        }
    }

    #[test]
    fn it_sleeps_when_nothing_runs_and_wakes_for_what_does() {
        let (ticker, counts) = (Ticker::start().unwrap(), Arc::<Counts>::default());
        let tick: Arc<dyn Tick> = counts.clone();
        ticker.add(Arc::downgrade(&tick));
        for _ in 0..2 {
            eventually(|| ticker.state.is_asleep.load(Ordering::SeqCst));
            let before = counts.0.load(Ordering::SeqCst);
            ticker.keep_on();
            eventually(|| counts.0.load(Ordering::SeqCst) > before + 2);
        }
        drop((tick, counts));
        ticker.keep_on();
        eventually(|| ticker.state.ticked.lock().unwrap().is_empty());
    }
}
