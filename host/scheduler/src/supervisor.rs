//! Looks after the compute threads at each tick: takes the priority of those that have been
//! at one call for a whole slice, starts others in their place, and wakes one where work
//! waits and none was woken.
//!
//! Never runs a guest, never touches the queue's order.

use crate::lane::SLICE;
use crate::pool::{PATIENT_PER_PROMPT, Shared, State, wake};
use crate::queue::Class;
use crate::work::Work;
use rustix::process::Pid;
use scry_os::threads::{Priority, cpu_of, demote};
use scry_os::ticker::Tick;
use std::time::{Duration, Instant};

/// A thread that has been at one call for a slice by the clock.
struct Suspect {
    id: u64,
    tid: Pid,
    since: Instant,
    used: Duration,
}

impl<W: Work> Tick for Shared<W> {
    fn tick(&self) -> bool {
        let (now, state) = (Instant::now(), self.lock());
        if state.closed || state.is_idle() {
            return false;
        }
        let suspects = suspects(&state, now);
        drop(state);
        // The system is asked without the lock.
        let burns = |suspect: &Suspect| cpu_of(suspect.tid).saturating_sub(suspect.used) >= SLICE / 2;
        let burners: Vec<_> = suspects.into_iter().filter(burns).collect();
        for class in mend(self, burners) {
            if let Err(error) = self.start_thread(class) {
                tracing::warn!(%error, "a compute thread could not be started; trying again");
            }
        }
        true
    }
}

/// Waiting for a processor is not using one: these are yet to be asked about.
fn suspects<W: Work>(state: &State<W>, now: Instant) -> Vec<Suspect> {
    let prompt = state.threads.iter().filter(|thread| thread.class == Class::Prompt);
    let suspect = |thread: &crate::pool::Thread| {
        let ((since, used), tid) = (thread.busy?, thread.tid?);
        let is_long = now.saturating_duration_since(since) >= SLICE;
        is_long.then_some(Suspect { id: thread.id, tid, since, used })
    };
    prompt.filter_map(suspect).collect()
}

/// Takes the priority of threads that burn, wakes one that was forgotten; which are to be started.
fn mend<W: Work>(shared: &Shared<W>, burners: Vec<Suspect>) -> Vec<Class> {
    let mut state = shared.lock();
    let patient_max = shared.prompt_threads * PATIENT_PER_PROMPT;
    let mut patient = state.busy_patient();
    for Suspect { id, tid, since, .. } in burners {
        let Some(thread) = state.thread(id) else { continue };
        let is_still_at_it = thread.busy.is_some_and(|(begun, _)| begun == since);
        if is_still_at_it && patient < patient_max {
            thread.class = Class::Patient;
            patient += 1;
            // Under the lock: a thread cannot end meanwhile and leave its number to another.
            demote(tid, Priority::Patient);
        }
    }
    // A lane without a record may burn as well, and no thread could take the place.
    state.queue.set_crowded(patient >= patient_max);
    let missing = shared.prompt_threads.saturating_sub(state.count(Class::Prompt));
    let mut start = vec![Class::Prompt; missing];
    if patient < patient_max && state.idle(Class::Patient).is_empty() && state.queue.has_work(Class::Patient) {
        start.push(Class::Patient);
    }
    let forgotten = state.forgotten();
    drop(state);
    wake(forgotten);
    start
}
