//! The threads that run guests: a fixed number, apart from those that do I/O.
//!
//! The most urgent call goes first: a fallback, whose request has waited
//! already, overtakes. Never runs more than its queue's limit allows to wait.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A pool of compute threads.
#[derive(Debug)]
pub struct Compute {
    shared: Arc<Shared>,
}

/// The queue has no room.
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
    jobs: BinaryHeap<Job>,
    sequence: u64,
    closed: bool,
    /// Threads that wait for a job.
    idle: usize,
}

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

    /// Hands over a job; the one with the earliest deadline starts first.
    pub(super) fn submit(&self, deadline: Instant, run: impl FnOnce() + Send + 'static) -> Result<(), QueueFull> {
        let mut queue = self.shared.lock();
        if queue.jobs.len() >= self.shared.queue_max {
            return Err(QueueFull);
        }
        queue.sequence += 1;
        let sequence = queue.sequence;
        queue.jobs.push(Job { deadline, sequence, run: Box::new(run) });
        // Waking is a system call even where nobody sleeps.
        let wake = queue.idle > 0;
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
        loop {
            let mut queue = self.lock();
            let job = loop {
                if let Some(job) = queue.jobs.pop() {
                    break job;
                }
                if queue.closed {
                    return;
                }
                queue.idle += 1;
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
            };
            drop(queue);
            // A bug in one call must not cost the pool a thread.
            if std::panic::catch_unwind(AssertUnwindSafe(job.run)).is_err() {
                tracing::error!("a compute job panicked; this is a bug in scry");
            }
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
    /// The heap's greatest is the most urgent.
    fn cmp(&self, other: &Self) -> Ordering {
        other.rank().cmp(&self.rank())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn the_most_urgent_goes_first_and_a_panic_costs_no_thread() {
        let compute = Compute::start(1, 3).unwrap();
        let (hold, held) = mpsc::channel::<()>();
        let (say, said) = mpsc::channel();
        let now = Instant::now();
        compute.submit(now, move || held.recv().unwrap()).unwrap();
        while !compute.shared.lock().jobs.is_empty() {
            std::thread::yield_now();
        }
        for (after, name) in [(30, "late"), (10, "soon")] {
            let say = say.clone();
            compute.submit(now + Duration::from_secs(after), move || say.send(name).unwrap()).unwrap();
        }
        compute.submit(now, || panic!("on purpose")).unwrap();
        assert_eq!(compute.submit(now, || {}), Err(QueueFull));
        hold.send(()).unwrap();
        assert_eq!((said.recv().unwrap(), said.recv().unwrap()), ("soon", "late"));
    }
}
