//! What a thread may have of the processors, and what it has used.
//!
//! Never decides which thread loses what.

use rustix::process::Pid;
use std::time::Duration;

/// How much less than the host's own threads a thread gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// A tenth: enough to notice a deadline on a machine that is busy with
    /// something else.
    Patient,
    /// Only what no other thread wants.
    Last,
}

impl Priority {
    fn nice(self) -> i32 {
        match self {
            Self::Patient => 10,
            Self::Last => 19,
        }
    }
}

/// How long a thread keeps a processor that another wants. With the
/// system's own slice of some milliseconds, a thread that wakes up beside a loop
/// waits for that long, however low the loop's priority. A thread with a shorter
/// slice than the one that runs need not wait at all: so threads that read requests
/// go before those that compute, and these before those that burn.
const PROMPT_SLICE: Duration = Duration::from_micros(100);
const COMPUTE_SLICE: Duration = Duration::from_micros(200);
const PATIENT_SLICE: Duration = Duration::from_micros(400);

/// The calling thread does short pieces of work that others wait for.
pub fn be_prompt() {
    slice(PROMPT_SLICE);
}

/// The calling thread runs calls, at the host's own priority.
pub fn compute() {
    slice(COMPUTE_SLICE);
}

/// Where the system does not know slices, nothing changes.
fn slice(slice: Duration) {
    let nice = rustix::process::getpriority_process(None).unwrap_or(0);
    if let Err(error) = schedule(rustix::thread::gettid(), nice, slice) {
        tracing::debug!(%error, "a thread keeps the system's slice");
    }
}

/// Takes a thread's priority, for good.
pub fn demote(thread: Pid, to: Priority) {
    let lowered = schedule(thread, to.nice(), PATIENT_SLICE).or_else(|_| {
        // Some sandboxes of the system allow only this.
        rustix::process::setpriority_process(Some(thread), to.nice()).map_err(std::io::Error::from)
    });
    if let Err(error) = lowered {
        tracing::warn!(%error, "a thread keeps its priority");
    }
}

/// Demotes the calling thread.
pub fn give_way(to: Priority) {
    demote(rustix::thread::gettid(), to);
}

/// Does something that others should not wait for, on a thread of its own.
pub fn patiently<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let patient = || {
            give_way(Priority::Patient);
            work()
        };
        scope.spawn(patient).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn schedule(thread: Pid, nice: i32, slice: Duration) -> std::io::Result<()> {
    let attributes = libc::sched_attr {
        size: u32::try_from(size_of::<libc::sched_attr>()).map_err(std::io::Error::other)?,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: 0,
        sched_nice: nice,
        sched_priority: 0,
        // A slice, for this policy; kernels before 6.12 ignore it.
        sched_runtime: slice.as_nanos() as u64,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel reads a structure of the size that it says, which
    // outlives the call, and keeps nothing of it. A thread that is gone is an error.
    let set =
        unsafe { libc::syscall(libc::SYS_sched_setattr, thread.as_raw_nonzero().get(), &raw const attributes, 0) };
    if set == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Processor time that the calling thread has used.
pub fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A number of the calling thread, from 0: for counts that each thread keeps apart.
pub fn thread_index() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static INDEX: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    INDEX.with(|index| *index)
}

/// Another thread's processors; where the system does not say, all that it may use.
pub fn cpu_of(thread: Pid) -> Duration {
    let path = format!("/proc/self/task/{}/schedstat", thread.as_raw_nonzero());
    let stat = std::fs::read_to_string(path).ok();
    let nanos = stat.as_deref().and_then(|stat| stat.split(' ').next()?.parse().ok());
    nanos.map_or(Duration::MAX, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_demoted_says_so() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let given_way = std::thread::spawn(move || {
            give_way(Priority::Last);
            nice()
        });
        assert_eq!(given_way.join().unwrap(), Priority::Last.nice());
        assert_eq!(patiently(nice), Priority::Patient.nice());
    }

    #[test]
    fn what_a_thread_used_is_known_from_both_sides() {
        let tid = rustix::thread::gettid();
        let until = thread_cpu() + Duration::from_millis(20);
        while thread_cpu() < until {}
        // The system's own books are written at its ticks.
        assert!(cpu_of(tid) + Duration::from_millis(15) >= until);
        assert_eq!(cpu_of(Pid::from_raw(i32::MAX).unwrap()), Duration::MAX);
    }
}
