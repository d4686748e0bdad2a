//! How many calls of one model may run, and how many may wait.
//!
//! A permit travels with the work: a client that goes away does not free a
//! slot that is still computing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The gate of one model.
#[derive(Debug)]
pub struct Admission {
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
    in_flight_max: usize,
    queue_max: usize,
}

/// No place before the deadline, or no room to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused;

impl Admission {
    /// A gate for `in_flight_max` running and `queue_max` waiting calls.
    pub fn new(in_flight_max: usize, queue_max: usize) -> Self {
        let in_flight_max = in_flight_max.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            running: Arc::new(Semaphore::new(in_flight_max)),
            waiting: AtomicUsize::new(0),
            in_flight_max,
            queue_max,
        }
    }

    /// Whether the gate has these limits.
    pub fn has_limits(&self, in_flight_max: usize, queue_max: usize) -> bool {
        (self.in_flight_max, self.queue_max) == (in_flight_max, queue_max)
    }

    /// Waits for a place until the deadline; refused at once when the queue is full.
    pub(super) async fn enter(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Refused> {
        if let Ok(permit) = self.running.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _place = Place::take(&self.waiting, self.queue_max).ok_or(Refused)?;
        let permit = self.running.clone().acquire_owned();
        match tokio::time::timeout_at(deadline.into(), permit).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Refused),
        }
    }
}

/// A place in the queue, given back when it is dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        let taken = waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < max).then_some(n + 1));
        taken.ok().map(|_| Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_refuses_at_once_and_a_waiting_call_at_its_deadline() {
        let gate = Arc::new(Admission::new(1, 1));
        let deadline = || tokio::time::Instant::now().into_std() + Duration::from_millis(50);
        let running = gate.enter(deadline()).await.unwrap();
        let waiting = tokio::spawn({
            let (gate, deadline) = (gate.clone(), deadline());
            async move { gate.enter(deadline).await.map(drop) }
        });
        tokio::task::yield_now().await;
        let asked = tokio::time::Instant::now();
        assert_eq!(gate.enter(deadline()).await.map(drop), Err(Refused));
        assert_eq!(asked.elapsed(), Duration::ZERO);
        assert_eq!(waiting.await.unwrap(), Err(Refused));
        assert_eq!(asked.elapsed(), Duration::from_millis(50));
        drop(running);
        assert!(gate.enter(deadline()).await.is_ok());
    }
}
