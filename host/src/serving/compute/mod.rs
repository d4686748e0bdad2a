//! The threads that run guests, apart from those that do I/O.
//!
//! As many *prompt* threads as configured, at the host's own priority, and
//! *patient* ones at a low one. A call that has used a slice of processor time
//! gives up its place: its thread turns patient on the spot and a new prompt
//! one takes over, so a call that burns its limits takes no time from others.
//! What follows from a lane's record is the queue's to say; a slot belongs to
//! the work, so a client that goes away frees nothing that still computes.

mod overseer;
mod queue;
mod wakeups;

pub(super) use queue::Refused;
pub(super) use wakeups::wake_held;

use super::Admission;
use overseer::Overseer;
use queue::{Class, Pick, Picked, Queue};
use scry_os::threads::{Cores, Priority, compute, demote, thread_cpu};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wakeups::{Wake, hold};

/// Busy patient threads for each prompt one, at most: each holds a call that
/// outlived its slice.
const PATIENT_PER_PROMPT: usize = 8;

/// What the threads run.
pub(super) trait Work: Send + Sized + 'static {
    /// When its client stops waiting.
    fn deadline(&self) -> Instant;

    /// Whether the client has gone.
    fn is_abandoned(&self) -> bool;

    /// How large it is.
    fn rows(&self) -> usize;

    /// Whether one call may answer both.
    fn joins(&self, other: &Self) -> bool;

    /// Does it, together with those that joined it.
    fn run(self, joined: Vec<Self>);
}

/// A pool of compute threads.
pub(super) struct Compute<W: Work> {
    shared: Arc<Shared<W>>,
}

impl<W: Work> std::fmt::Debug for Compute<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compute").field("prompt_threads", &self.shared.prompt_threads).finish_non_exhaustive()
    }
}

struct Shared<W: Work> {
    state: Mutex<State<W>>,
    /// Is told what processor time a lane's work has used.
    account: Account,
    overseer: Overseer,
    prompt_threads: usize,
    /// Where patient threads may be while quick models are asked.
    cores: Cores,
}

struct State<W: Work> {
    queue: Queue<W>,
    threads: Vec<Thread>,
    /// Threads that sleep, of each class; the one that slept last is woken
    /// first, since its memory is still at hand.
    idle: [Vec<Sleeper>; 2],
    next_id: u64,
    /// Until when some processors are kept quiet.
    quiet_until: Instant,
    closed: bool,
}

#[derive(Debug)]
struct Sleeper {
    id: u64,
    thread: std::thread::Thread,
}

/// A compute thread, as the overseer sees it.
#[derive(Debug)]
struct Thread {
    id: u64,
    /// The system's number of it, once it runs.
    tid: Option<rustix::process::Pid>,
    class: Class,
    /// Whether it is kept off the quiet processors.
    is_confined: bool,
    /// Since when it has been at one call, and the processor time it had used before.
    busy: Option<(Instant, Duration)>,
}

/// Who keeps the books of processor time.
pub(super) type Account = Box<dyn Fn(&Admission, Duration) + Send + Sync>;

/// The most threads that there can be, idle patient ones included: each may
/// hold an instance.
pub fn threads_max(threads: usize) -> usize {
    threads.max(1) * (2 + PATIENT_PER_PROMPT)
}

impl<W: Work> Compute<W> {
    /// Starts the threads, and the one that oversees them.
    pub(super) fn start(threads: usize, queue_max: usize, cores: Cores, account: Account) -> std::io::Result<Self> {
        let state = State {
            queue: Queue::new(queue_max),
            threads: Vec::new(),
            idle: Default::default(),
            next_id: 0,
            quiet_until: Instant::now(),
            closed: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            account,
            overseer: Overseer::default(),
            prompt_threads: threads.max(1),
            cores,
        });
        for _ in 0..shared.prompt_threads {
            shared.start_thread(Class::Prompt)?;
            shared.start_thread(Class::Patient)?;
        }
        Overseer::start(&shared)?;
        Ok(Self { shared })
    }

    /// Hands over a call; refused at once where there is no room to wait, or
    /// waiting would be in vain.
    pub(super) fn submit(&self, admission: &Arc<Admission>, work: W) -> Result<(), Refused> {
        let mut state = self.shared.lock();
        let ready = state.queue.push(admission, work, Instant::now())?;
        let sleeper = ready.and_then(|class| state.idle(class).pop());
        drop(state);
        wake(sleeper);
        self.shared.overseer.wake();
        Ok(())
    }

    /// The same for a brief call, from a thread that has more to do: a thread is
    /// woken for a few of them.
    pub(super) fn submit_brief(&self, admission: &Arc<Admission>, work: W) -> Result<(), Refused> {
        if self.shared.lock().queue.push(admission, work, Instant::now())?.is_some() {
            hold(&self.shared);
        }
        self.shared.overseer.wake();
        Ok(())
    }

    /// A place for a call that the asking thread makes itself: where the lane
    /// has one, and nobody waits for it.
    pub(super) fn enter<'a>(&'a self, admission: &'a Arc<Admission>) -> Option<Place<'a, W>> {
        let entered = self.shared.lock().queue.enter(admission);
        entered.then(|| Place { shared: &self.shared, admission, since: Instant::now(), began: thread_cpu() })
    }

    /// Whether a call would be refused just now: worth knowing before a large
    /// request is read.
    pub(super) fn has_room(&self, admission: &Admission, reading: &Admission) -> bool {
        self.shared.lock().queue.has_room(admission, reading, Instant::now())
    }

    /// Whether others wait in this lane already.
    pub(super) fn is_waited_for(&self, admission: &Admission, reading: &Admission) -> bool {
        self.shared.lock().queue.is_waited_for(admission, reading)
    }
}

/// A place among a lane's running calls, held by a thread of somebody else.
pub(super) struct Place<'a, W: Work> {
    shared: &'a Shared<W>,
    admission: &'a Admission,
    since: Instant,
    began: Duration,
}

impl<W: Work> Place<'_, W> {
    /// The processor time that this thread had used before.
    pub(super) fn began(&self) -> Duration {
        self.began
    }
}

impl<W: Work> Drop for Place<'_, W> {
    fn drop(&mut self) {
        let cpu = thread_cpu().saturating_sub(self.began);
        self.admission.ran(self.since.elapsed(), cpu);
        (self.shared.account)(self.admission, cpu);
        let mut state = self.shared.lock();
        let class = state.queue.done(self.admission, Duration::ZERO, cpu);
        // Calls that came meanwhile wait for this place.
        let sleeper = class.and_then(|class| state.idle(class).pop());
        drop(state);
        wake(sleeper);
    }
}

impl<W: Work> Drop for Compute<W> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        for class in [Class::Prompt, Class::Patient] {
            state.idle(class).drain(..).for_each(|sleeper| sleeper.thread.unpark());
        }
        drop(state);
        self.shared.overseer.wake();
    }
}

impl<W: Work> State<W> {
    fn idle(&mut self, class: Class) -> &mut Vec<Sleeper> {
        let [prompt, patient] = &mut self.idle;
        if class == Class::Prompt { prompt } else { patient }
    }

    fn thread(&mut self, id: u64) -> Option<&mut Thread> {
        self.threads.iter_mut().find(|thread| thread.id == id)
    }

    /// Whether nothing runs and nothing waits for a thread.
    fn is_idle(&self) -> bool {
        let has_work = |class| self.queue.has_work(class);
        self.threads.iter().all(|thread| thread.busy.is_none()) && !has_work(Class::Prompt) && !has_work(Class::Patient)
    }

    /// A thread that sleeps though it would find something.
    fn forgotten(&mut self) -> Option<Sleeper> {
        let mut of = |class| if self.queue.has_work(class) { self.idle(class).pop() } else { None };
        of(Class::Prompt).or_else(|| of(Class::Patient))
    }

    fn busy_patient(&self) -> usize {
        self.threads.iter().filter(|thread| thread.class == Class::Patient && thread.busy.is_some()).count()
    }

    fn count(&self, class: Class) -> usize {
        self.threads.iter().filter(|thread| thread.class == class).count()
    }
}

impl<W: Work> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        // No work runs under the lock, so a poisoned queue is a sound one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a thread; it inherits the priority of whoever starts it, so no
    /// patient thread ever does.
    fn start_thread(self: &Arc<Self>, class: Class) -> std::io::Result<()> {
        let mut state = self.lock();
        state.next_id += 1;
        let id = state.next_id;
        state.threads.push(Thread { id, tid: None, class, is_confined: false, busy: None });
        drop(state);
        let shared = self.clone();
        let started = std::thread::Builder::new().name(format!("scry-compute-{id}")).spawn(move || shared.work(id));
        if let Err(error) = started {
            self.lock().threads.retain(|thread| thread.id != id);
            return Err(error);
        }
        Ok(())
    }

    fn work(&self, id: u64) {
        let tid = rustix::thread::gettid();
        let mut state = self.lock();
        let Some(thread) = state.thread(id) else { return };
        thread.tid = Some(tid);
        let mut class = thread.class;
        match class {
            Class::Prompt => compute(),
            Class::Patient => demote(tid, Priority::Patient),
        }
        let mut used = thread_cpu();
        loop {
            let now = Instant::now();
            match state.queue.pop(class, now) {
                Pick::Run(picked) => {
                    if let Some(thread) = state.thread(id) {
                        thread.busy = Some((now, used));
                    }
                    drop(state);
                    let (admission, charged) = (picked.admission.clone(), picked.charged());
                    run(picked);
                    let (wall, before) = (now.elapsed(), used);
                    used = thread_cpu();
                    let cpu = used.saturating_sub(before);
                    admission.ran(wall, cpu);
                    (self.account)(&admission, cpu);
                    state = self.lock();
                    let _ = state.queue.done(&admission, charged, cpu);
                    let Some(thread) = state.thread(id) else { return };
                    thread.busy = None;
                    class = thread.class;
                    // What it cost may make the lane the other threads' to serve.
                    let others = state.queue.class_of(&admission);
                    if others != class {
                        wake(state.idle(others).pop());
                    }
                }
                _ if state.closed => return,
                // More were needed for a while; they are not any more.
                Pick::Nothing if class == Class::Patient && state.count(class) > self.prompt_threads => {
                    state.threads.retain(|thread| thread.id != id);
                    return;
                }
                pick => state = self.sleep(state, id, class, &pick),
            }
        }
    }

    fn sleep<'a>(
        &'a self,
        mut state: MutexGuard<'a, State<W>>,
        id: u64,
        class: Class,
        pick: &Pick<W>,
    ) -> MutexGuard<'a, State<W>> {
        state.idle(class).push(Sleeper { id, thread: std::thread::current() });
        drop(state);
        match pick {
            Pick::At(until) => std::thread::park_timeout(until.saturating_duration_since(Instant::now())),
            _ => std::thread::park(),
        }
        let mut state = self.lock();
        // Nobody else woke it: the time was over, or it woke by itself.
        state.idle(class).retain(|sleeper| sleeper.id != id);
        state
    }
}

impl<W: Work> Wake for Shared<W> {
    fn wake_for_work(&self) {
        let sleeper = self.lock().forgotten();
        wake(sleeper);
    }
}

/// Best done without the lock, which whoever wakes wants first.
fn wake(sleeper: Option<Sleeper>) {
    if let Some(sleeper) = sleeper {
        sleeper.thread.unpark();
    }
}

fn run<W: Work>(picked: Picked<W>) {
    // A bug in one call must not cost the pool a thread.
    if std::panic::catch_unwind(AssertUnwindSafe(|| picked.work.run(picked.joined))).is_err() {
        tracing::error!("a compute job panicked; this is a bug in scry");
    }
}

#[cfg(test)]
mod tests;
