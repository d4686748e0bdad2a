//! The threads that run what waits, apart from those that do I/O.
//!
//! As many *prompt* threads as configured, at the host's own priority, and
//! *patient* ones at a low one. A call that has used a slice of processor time
//! gives up its place: its thread turns patient on the spot and a new prompt
//! one takes over, so a call that burns its limits takes no time from others.
//! A place in a lane belongs to the work, so a client that goes away frees nothing that
//! still computes.

use crate::lane::Lane;
use crate::queue::{Class, Pick, Picked, Queue, Refused};
use crate::work::Work;
use rustix::process::Pid;
use scry_os::threads::{Priority, compute, demote, thread_cpu};
use scry_os::ticker::{Tick, Ticker};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Busy patient threads for each prompt one, at most: each holds a call that
/// outlived its slice.
pub(crate) const PATIENT_PER_PROMPT: usize = 8;

/// A pool of compute threads.
pub struct Pool<W: Work> {
    pub(crate) shared: Arc<Shared<W>>,
}

impl<W: Work> std::fmt::Debug for Pool<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("prompt_threads", &self.shared.prompt_threads).finish_non_exhaustive()
    }
}

pub(crate) struct Shared<W: Work> {
    state: Mutex<State<W>>,
    /// Is told what processor time a lane's work has used.
    account: Account,
    ticker: Arc<Ticker>,
    /// Itself, for the threads that it starts.
    me: Weak<Self>,
    pub(crate) prompt_threads: usize,
}

pub(crate) struct State<W: Work> {
    pub(crate) queue: Queue<W>,
    pub(crate) threads: Vec<Thread>,
    /// Threads that sleep, of each class; the one that slept last is woken
    /// first, since its memory is still at hand.
    idle: [Vec<Sleeper>; 2],
    next_id: u64,
    pub(crate) closed: bool,
}

#[derive(Debug)]
pub(crate) struct Sleeper {
    id: u64,
    thread: std::thread::Thread,
}

/// A compute thread, as the supervisor sees it.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) id: u64,
    /// The system's number of it, once it runs.
    pub(crate) tid: Option<Pid>,
    pub(crate) class: Class,
    /// Since when it has been at one call, and the processor time it had used before.
    pub(crate) busy: Option<(Instant, Duration)>,
}

/// Is told what processor time each call has used.
type Account = Box<dyn Fn(&Lane, Duration) + Send + Sync>;

/// The most threads that there can be, idle patient ones included: each may
/// hold an instance.
pub fn threads_max(threads: usize) -> usize {
    threads.max(1) * (2 + PATIENT_PER_PROMPT)
}

impl<W: Work> Pool<W> {
    /// Starts the threads, which are looked after at each tick. `account` is told the processor time of each call.
    pub fn start(
        threads: usize,
        queue_max: usize,
        ticker: Arc<Ticker>,
        account: impl Fn(&Lane, Duration) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let state = State {
            queue: Queue::new(queue_max),
            threads: Vec::new(),
            idle: Default::default(),
            next_id: 0,
            closed: false,
        };
        let shared = Arc::new_cyclic(|me| Shared {
            state: Mutex::new(state),
            account: Box::new(account),
            ticker,
            me: me.clone(),
            prompt_threads: threads.max(1),
        });
        for _ in 0..shared.prompt_threads {
            shared.start_thread(Class::Prompt)?;
            shared.start_thread(Class::Patient)?;
        }
        let tick: Weak<dyn Tick> = shared.me.clone();
        shared.ticker.add(tick);
        Ok(Self { shared })
    }

    /// Hands over a call; refused at once where there is no room to wait, or
    /// the wait would be too long.
    pub fn submit(&self, lane: &Arc<Lane>, work: W) -> Result<(), Refused> {
        let mut state = self.shared.lock();
        let ready = state.queue.push(lane, work, Instant::now())?;
        let sleeper = ready.and_then(|class| state.idle(class).pop());
        drop(state);
        wake(sleeper);
        self.shared.ticker.keep_on();
        Ok(())
    }

    /// A place for a call that the asking thread makes itself: where the lane
    /// has one, and no other call waits for it.
    pub fn enter<'a>(&'a self, lane: &'a Lane) -> Option<Permit<'a, W>> {
        let may_enter = lane.limits.batch_max_rows < 2 && !lane.is_waited_for();
        let is_in = may_enter && lane.enter();
        is_in.then(|| Permit {
            shared: &self.shared,
            lane,
            since: Instant::now(),
            began: thread_cpu(),
            is_measured: false,
        })
    }

    /// Whether a call would be refused just now: worth knowing before a large
    /// request is read.
    pub fn has_room(&self, lane: &Lane, reading: &Lane) -> bool {
        self.shared.lock().queue.has_room(lane, reading, Instant::now())
    }
}

/// A place among a lane's running calls, held by a thread outside the pool.
pub struct Permit<'a, W: Work> {
    shared: &'a Shared<W>,
    lane: &'a Lane,
    since: Instant,
    began: Duration,
    is_measured: bool,
}

impl<W: Work> std::fmt::Debug for Permit<'_, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permit").field("lane", &self.lane).finish_non_exhaustive()
    }
}

impl<W: Work> Permit<'_, W> {
    /// The processor time that this thread had used before.
    pub fn began(&self) -> Duration {
        self.began
    }

    /// What is done here is what the lane is measured by.
    pub fn is_measured(&mut self) {
        self.is_measured = true;
    }
}

impl<W: Work> Drop for Permit<'_, W> {
    fn drop(&mut self) {
        let cpu = thread_cpu().saturating_sub(self.began);
        if self.is_measured {
            self.lane.ran(self.since.elapsed(), cpu);
        }
        self.lane.used(cpu);
        (self.shared.account)(self.lane, cpu);
        self.lane.leave();
        if self.lane.is_waited_for() {
            let mut state = self.shared.lock();
            let class = state.queue.class_of(self.lane);
            let sleeper = state.idle(class).pop();
            drop(state);
            wake(sleeper);
        }
    }
}

impl<W: Work> Drop for Pool<W> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        for class in [Class::Prompt, Class::Patient] {
            state.idle(class).drain(..).for_each(|sleeper| sleeper.thread.unpark());
        }
    }
}

impl<W: Work> State<W> {
    pub(crate) fn idle(&mut self, class: Class) -> &mut Vec<Sleeper> {
        let [prompt, patient] = &mut self.idle;
        if class == Class::Prompt { prompt } else { patient }
    }

    pub(crate) fn thread(&mut self, id: u64) -> Option<&mut Thread> {
        self.threads.iter_mut().find(|thread| thread.id == id)
    }

    /// Whether nothing runs and nothing waits for a thread.
    pub(crate) fn is_idle(&self) -> bool {
        let has_work = |class| self.queue.has_work(class);
        self.threads.iter().all(|thread| thread.busy.is_none()) && !has_work(Class::Prompt) && !has_work(Class::Patient)
    }

    /// A thread that sleeps though it would find something.
    pub(crate) fn forgotten(&mut self) -> Option<Sleeper> {
        let mut of = |class| if self.queue.has_work(class) { self.idle(class).pop() } else { None };
        of(Class::Prompt).or_else(|| of(Class::Patient))
    }

    pub(crate) fn busy_patient(&self) -> usize {
        self.threads.iter().filter(|thread| thread.class == Class::Patient && thread.busy.is_some()).count()
    }

    pub(crate) fn count(&self, class: Class) -> usize {
        self.threads.iter().filter(|thread| thread.class == class).count()
    }
}

impl<W: Work> Shared<W> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<W>> {
        // No work runs under the lock, so a poisoned queue is a sound one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a thread; it inherits the priority of the thread that starts it, so no
    /// patient thread ever does.
    pub(crate) fn start_thread(&self, class: Class) -> std::io::Result<()> {
        let Some(shared) = self.me.upgrade() else { return Ok(()) };
        let mut state = self.lock();
        state.next_id += 1;
        let id = state.next_id;
        state.threads.push(Thread { id, tid: None, class, busy: None });
        drop(state);
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
                    let (lane, charged) = (picked.lane.clone(), picked.charged());
                    let is_measured = run(picked);
                    let (wall, before) = (now.elapsed(), used);
                    used = thread_cpu();
                    let cpu = used.saturating_sub(before);
                    if is_measured {
                        lane.ran(wall, cpu);
                    }
                    (self.account)(&lane, cpu);
                    state = self.lock();
                    state.queue.done(&lane, charged, cpu);
                    let Some(thread) = state.thread(id) else { return };
                    thread.busy = None;
                    class = thread.class;
                    // What it cost may make the lane the other threads' to serve.
                    let others = state.queue.class_of(&lane);
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
        // No other thread woke it: the time was over, or it woke by itself.
        state.idle(class).retain(|sleeper| sleeper.id != id);
        state
    }
}

/// Best done without the lock, which the thread that wakes wants first.
pub(crate) fn wake(sleeper: Option<Sleeper>) {
    if let Some(sleeper) = sleeper {
        sleeper.thread.unpark();
    }
}

fn run<W: Work>(picked: Picked<W>) -> bool {
    // A bug in one call must not cost the pool a thread.
    std::panic::catch_unwind(AssertUnwindSafe(|| picked.work.run(picked.joined))).unwrap_or_else(|_| {
        tracing::error!("a compute job panicked; this is a bug in scry");
        true
    })
}
