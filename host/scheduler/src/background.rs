//! The thread for work that no client waits for: one job at a time, at the lowest
//! priority, so that it takes no time from requests.
//!
//! Shares no lock with the threads that answer: a thread of the lowest priority
//! may hold a lock for long.

use scry_os::threads::{Priority, give_way};
use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{SyncSender, sync_channel};

/// Jobs that may wait; the rest is refused.
const WAITING_MAX: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// The way to the thread; it ends with the last of them.
#[derive(Debug)]
pub struct Background(SyncSender<Job>);

impl Background {
    /// Starts the thread.
    pub fn start() -> std::io::Result<Self> {
        let (jobs, waiting) = sync_channel::<Job>(WAITING_MAX);
        std::thread::Builder::new().name("scry-background".into()).spawn(move || {
            give_way(Priority::Last);
            for job in waiting {
                // A bug in one job must not end the thread.
                if std::panic::catch_unwind(AssertUnwindSafe(job)).is_err() {
                    tracing::error!("a background job panicked; this is a bug in scry");
                }
            }
        })?;
        Ok(Self(jobs))
    }

    /// Hands over a job, where there is room; never waits.
    pub fn submit(&self, job: impl FnOnce() + Send + 'static) -> bool {
        self.0.try_send(Box::new(job)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_job_that_never_ends_fills_the_room_and_delays_no_caller() {
        let background = Background::start().unwrap();
        let ((hold, held), (say, said)) = (channel::<()>(), channel());
        let begun = say.clone();
        assert!(background.submit(move || {
            begun.send(0).unwrap();
            held.recv().unwrap();
            panic!("on purpose");
        }));
        said.recv().unwrap();
        let accepted = (1..=2 * WAITING_MAX)
            .filter(|&n| {
                let say = say.clone();
                background.submit(move || say.send(n).unwrap())
            })
            .count();
        assert_eq!(accepted, WAITING_MAX);
        hold.send(()).unwrap();
        assert_eq!(
            (1..=WAITING_MAX).map(|_| said.recv().unwrap()).collect::<Vec<_>>(),
            Vec::from_iter(1..=WAITING_MAX)
        );
    }
}
