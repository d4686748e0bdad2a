//! The thread that looks after the compute threads: takes the priority of those
//! that have been at one call for a whole slice, starts others in their place,
//! wakes whoever was not woken, and keeps the patient ones off the quiet
//! processors while quick models are asked. Sleeps when nothing runs.
//!
//! Never runs a guest, never touches the queue's order.

use super::queue::Class;
use super::{PATIENT_PER_PROMPT, Shared, State, Work, wake};
use crate::serving::admission::SLICE;
use rustix::process::Pid;
use scry_os::rhythm::{Found, Rhythm};
use scry_os::threads::{Priority, be_prompt, cpu_of, demote};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// A call that has been at it for so long is worth a closer look: it may be about
/// to use its slice.
const LONG: Duration = Duration::from_millis(2);
/// How long after a quick call the quiet processors are kept for the next one.
const QUIET: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Overseer {
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

/// What a look at the threads leads to.
#[derive(Debug, Default)]
struct Orders {
    demote: Vec<Pid>,
    start: Vec<Class>,
    /// Which threads keep off the quiet processors, and which no more.
    confine: Vec<(Pid, bool)>,
}

impl Overseer {
    pub(super) fn start<W: Work>(shared: &Arc<Shared<W>>) -> std::io::Result<()> {
        let watched = Arc::downgrade(shared);
        let handle = std::thread::Builder::new().name("scry-overseer".into()).spawn(move || watch(&watched))?;
        // Set once, here.
        let _ = shared.overseer.thread.set(handle.thread().clone());
        Ok(())
    }

    /// After work was handed over.
    pub(super) fn wake(&self) {
        if self.asleep.load(Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}

fn watch<W: Work>(watched: &Weak<Shared<W>>) {
    let mut rhythm = Rhythm::default();
    be_prompt();
    loop {
        let Some(shared) = watched.upgrade() else { return };
        let mut state = shared.lock();
        if state.closed {
            return;
        }
        let now = Instant::now();
        let found = found(&state, now);
        let orders = look(&mut state, shared.prompt_threads, now);
        let forgotten = state.forgotten();
        drop(state);
        wake(forgotten);
        orders.demote.into_iter().for_each(|thread| demote(thread, Priority::Patient));
        orders.confine.into_iter().for_each(|(thread, is_confined)| shared.cores.confine(thread, is_confined));
        for class in orders.start {
            if let Err(error) = shared.start_thread(class) {
                tracing::warn!(%error, "a compute thread could not be started; trying again");
            }
        }
        match rhythm.next(found, now) {
            None => sleep(&shared),
            Some(pause) => {
                drop(shared);
                std::thread::sleep(pause);
            }
        }
    }
}

fn sleep<W: Work>(shared: &Shared<W>) {
    // Said before the last look: work that comes now either is seen here, or
    // sees us asleep and wakes us.
    shared.overseer.asleep.store(true, Ordering::SeqCst);
    let state = shared.lock();
    let may_sleep = state.is_idle() && !state.closed;
    drop(state);
    if may_sleep {
        std::thread::park();
    }
    shared.overseer.asleep.store(false, Ordering::SeqCst);
}

fn found<W: Work>(state: &State<W>, now: Instant) -> Found {
    let is_long = |(since, _)| now.saturating_duration_since(since) >= LONG;
    match state {
        _ if state.is_idle() => Found::Nothing,
        _ if state.threads.iter().filter_map(|thread| thread.busy).any(is_long) => Found::LongCalls,
        _ => Found::Calls,
    }
}

fn look<W: Work>(state: &mut State<W>, prompt_threads: usize, now: Instant) -> Orders {
    let mut orders = Orders::default();
    let patient_max = prompt_threads * PATIENT_PER_PROMPT;
    let mut patient = state.busy_patient();
    for thread in state.threads.iter_mut().filter(|thread| thread.class == Class::Prompt) {
        let (Some((since, used)), Some(tid)) = (thread.busy, thread.tid) else { continue };
        // Waiting for a processor is not using one.
        if now.saturating_duration_since(since) < SLICE || cpu_of(tid).saturating_sub(used) < SLICE / 2 {
            continue;
        }
        if patient < patient_max {
            thread.class = Class::Patient;
            patient += 1;
            orders.demote.push(tid);
        }
    }
    if state.queue.take_quick() {
        state.quiet_until = now + QUIET;
    }
    let is_quiet = now < state.quiet_until;
    for thread in state.threads.iter_mut().filter(|thread| thread.class == Class::Patient) {
        if let Some(tid) = thread.tid
            && thread.is_confined != is_quiet
        {
            thread.is_confined = is_quiet;
            orders.confine.push((tid, is_quiet));
        }
    }
    // Whoever is not known yet may burn as well, and nobody could take the place.
    state.queue.set_crowded(patient >= patient_max);
    let missing = prompt_threads.saturating_sub(state.count(Class::Prompt));
    orders.start.extend(std::iter::repeat_n(Class::Prompt, missing));
    if patient < patient_max && state.idle(Class::Patient).is_empty() && state.queue.has_work(Class::Patient) {
        orders.start.push(Class::Patient);
    }
    orders
}
