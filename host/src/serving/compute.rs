//! The threads that run guests: a fixed number, apart from those that do I/O.
//!
//! Each model has a lane: so many of its calls run, so many wait, and the rest
//! is refused. Among the lanes that may run, the most urgent call goes first: a
//! fallback, whose request has waited already, overtakes. A slot belongs to the
//! work: a client that goes away frees nothing that still computes.

use super::Admission;
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A pool of compute threads.
#[derive(Debug)]
pub struct Compute {
    shared: Arc<Shared>,
}

/// The model's lane, or the queue as a whole, has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueueFull;

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    queue_max: usize,
}

#[derive(Debug, Default)]
struct Queue {
    /// Only lanes with calls that run or wait.
    lanes: HashMap<u64, Lane>,
    /// Calls that wait, over all lanes.
    waiting: usize,
    sequence: u64,
    closed: bool,
    /// Threads that wait for a job.
    idle: usize,
}

#[derive(Debug)]
struct Lane {
    jobs: BinaryHeap<Reverse<Job>>,
    running: usize,
    in_flight_max: usize,
}

/// Ordered by deadline, then by arrival.
struct Job {
    deadline: Instant,
    sequence: u64,
    run: Box<dyn FnOnce() + Send>,
}

impl Compute {
    /// Starts the threads.
    pub fn start(threads: usize, queue_max: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), wake: Condvar::new(), queue_max });
        for i in 0..threads.max(1) {
            let shared = shared.clone();
            std::thread::Builder::new().name(format!("scry-compute-{i}")).spawn(move || shared.work())?;
        }
        Ok(Self { shared })
    }

    /// Hands over a job; refused at once where there is no room to wait.
    pub(super) fn submit(
        &self,
        admission: &Admission,
        deadline: Instant,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), QueueFull> {
        let mut queue = self.shared.lock();
        let may_run = queue.push(admission, deadline, Box::new(run), self.shared.queue_max)?;
        // Waking is a system call even where nobody sleeps.
        let wake = may_run && queue.idle > 0;
        drop(queue);
        if wake {
            self.shared.wake.notify_one();
        }
        Ok(())
    }
}

impl Drop for Compute {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No job runs under the lock, so a poisoned queue is a sound one.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut queue = self.lock();
        loop {
            let Some((lane, job)) = queue.pop() else {
                if queue.closed {
                    return;
                }
                queue.idle += 1;
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
                continue;
            };
            drop(queue);
            // A bug in one call must not cost the pool a thread.
            if std::panic::catch_unwind(AssertUnwindSafe(job.run)).is_err() {
                tracing::error!("a compute job panicked; this is a bug in scry");
            }
            queue = self.lock();
            queue.done(lane);
        }
    }
}

impl Queue {
    /// Adds a job; says whether its lane may run one more right now.
    fn push(
        &mut self,
        admission: &Admission,
        deadline: Instant,
        run: Box<dyn FnOnce() + Send>,
        queue_max: usize,
    ) -> Result<bool, QueueFull> {
        let Admission { lane, in_flight_max, queue_max: lane_max } = *admission;
        let entry =
            self.lanes.entry(lane).or_insert_with(|| Lane { jobs: BinaryHeap::new(), running: 0, in_flight_max });
        let free = in_flight_max.saturating_sub(entry.running);
        let room = lane_max.saturating_add(free);
        if entry.jobs.len() >= room {
            // Nobody waits for the overdue ones any more.
            let now = Instant::now();
            let before = entry.jobs.len();
            entry.jobs.retain(|Reverse(job)| job.deadline > now);
            self.waiting -= before - entry.jobs.len();
        }
        if entry.jobs.len() >= room || self.waiting >= queue_max {
            self.forget_if_empty(lane);
            return Err(QueueFull);
        }
        self.sequence += 1;
        self.waiting += 1;
        entry.jobs.push(Reverse(Job { deadline, sequence: self.sequence, run }));
        Ok(free > 0)
    }

    /// The most urgent job of all lanes that may run; its lane counts it.
    fn pop(&mut self) -> Option<(u64, Job)> {
        let ready = self.lanes.iter().filter(|(_, lane)| lane.running < lane.in_flight_max);
        let heads = ready.filter_map(|(id, lane)| lane.jobs.peek().map(|Reverse(job)| (job.rank(), *id)));
        let (_, id) = heads.min()?;
        let lane = self.lanes.get_mut(&id)?;
        let Reverse(job) = lane.jobs.pop()?;
        lane.running += 1;
        self.waiting -= 1;
        Some((id, job))
    }

    fn done(&mut self, lane: u64) {
        if let Some(entry) = self.lanes.get_mut(&lane) {
            entry.running -= 1;
        }
        self.forget_if_empty(lane);
    }

    fn forget_if_empty(&mut self, lane: u64) {
        if self.lanes.get(&lane).is_some_and(|lane| lane.running == 0 && lane.jobs.is_empty()) {
            self.lanes.remove(&lane);
        }
    }
}

impl Job {
    fn rank(&self) -> (Instant, u64) {
        (self.deadline, self.sequence)
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Job {}

impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Job {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    /// Occupies a lane until the sender is used; returns once the job runs.
    fn hold(compute: &Compute, lane: &Admission) -> mpsc::Sender<()> {
        let (hold, held) = mpsc::channel::<()>();
        let (say, said) = mpsc::channel();
        let run = move || {
            say.send(()).unwrap();
            held.recv().unwrap();
        };
        compute.submit(lane, Instant::now(), run).unwrap();
        said.recv().unwrap();
        hold
    }

    #[test]
    fn the_most_urgent_goes_first_and_a_panic_costs_no_thread() {
        let (compute, lane) = (Compute::start(1, 3).unwrap(), Admission::new(2, 10));
        let held = hold(&compute, &lane);
        let (say, said) = mpsc::channel();
        let now = Instant::now();
        for (after, name) in [(30, "late"), (10, "soon")] {
            let say = say.clone();
            compute.submit(&lane, now + Duration::from_secs(after), move || say.send(name).unwrap()).unwrap();
        }
        compute.submit(&lane, now, || panic!("on purpose")).unwrap();
        assert_eq!(compute.submit(&lane, now, || {}), Err(QueueFull), "the queue as a whole is bounded");
        held.send(()).unwrap();
        assert_eq!((said.recv().unwrap(), said.recv().unwrap()), ("soon", "late"));
    }

    #[test]
    fn a_model_that_holds_its_lane_leaves_the_other_threads_to_others() {
        let compute = Compute::start(2, 100).unwrap();
        let (greedy, other) = (Admission::new(1, 1), Admission::new(1, 1));
        let later = Instant::now() + Duration::from_secs(60);
        let held = hold(&compute, &greedy);
        let (say, said) = mpsc::channel();
        let again = say.clone();
        compute.submit(&greedy, Instant::now(), move || again.send("greedy").unwrap()).unwrap();
        // Full, but for one that is overdue and makes room.
        compute.submit(&greedy, later, || {}).unwrap();
        assert_eq!(compute.submit(&greedy, later, || {}), Err(QueueFull));
        compute.submit(&other, later, move || say.send("other").unwrap()).unwrap();
        assert_eq!(said.recv(), Ok("other"));
        held.send(()).unwrap();
        // Every lane is forgotten once it is empty.
        while !compute.shared.lock().lanes.is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(compute.shared.lock().waiting, 0);
        assert!(said.recv().is_err(), "the overdue call was dropped");
    }
}
