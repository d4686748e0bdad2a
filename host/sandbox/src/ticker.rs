//! Advances the engines' epochs while calls run, so that overdue guests are
//! noticed. Sleeps when nothing runs: an idle host uses no time.

use scry_os::rhythm::{Found, Rhythm};
use scry_os::threads::be_prompt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Instant;
use wasmtime::Engine;

/// The ticking thread, for the life of a sandbox.
#[derive(Debug)]
pub(super) struct Ticker {
    state: Arc<State>,
    thread: Thread,
}

/// Keeps the ticker awake until it is dropped.
#[derive(Debug)]
pub(super) struct Awake(Arc<State>);

#[derive(Debug, Default)]
struct State {
    running: AtomicUsize,
    has_long: AtomicBool,
    asleep: AtomicBool,
    stopped: AtomicBool,
}

impl Ticker {
    /// Starts a thread of its own: timers of a busy runtime slip.
    pub(super) fn start(engines: Vec<Engine>) -> std::io::Result<Self> {
        let state = Arc::<State>::default();
        let ticking = state.clone();
        let thread = std::thread::Builder::new().name("scry-ticker".into()).spawn(move || ticking.tick(&engines))?;
        Ok(Self { state, thread: thread.thread().clone() })
    }

    /// Ticks until the result is dropped.
    pub(super) fn awake(&self) -> Awake {
        self.state.running.fetch_add(1, Ordering::SeqCst);
        if self.state.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Awake(self.state.clone())
    }

    /// A call was stopped, or has met a second tick.
    pub(super) fn met_long_call(&self) {
        self.state.has_long.store(true, Ordering::Relaxed);
    }
}

impl State {
    fn tick(&self, engines: &[Engine]) {
        let mut rhythm = Rhythm::default();
        be_prompt();
        while !self.stopped.load(Ordering::SeqCst) {
            let found = match self.running.load(Ordering::SeqCst) {
                _ if self.has_long.swap(false, Ordering::Relaxed) => Found::LongCalls,
                0 => Found::Nothing,
                _ => Found::Calls,
            };
            match rhythm.next(found, Instant::now()) {
                Some(pause) => std::thread::sleep(pause),
                None => self.sleep(),
            }
            engines.iter().for_each(Engine::increment_epoch);
        }
    }

    fn sleep(&self) {
        // Said before the last look: a call that starts now either is seen
        // here, or sees us asleep and wakes us.
        self.asleep.store(true, Ordering::SeqCst);
        if self.running.load(Ordering::SeqCst) == 0 && !self.stopped.load(Ordering::SeqCst) {
            std::thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}
