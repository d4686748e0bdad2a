//! How a host ends: first it says that it is not ready and goes on answering, so
//! that whatever sends requests can turn to another; then it takes no more, and
//! what is open may finish. Keeps the time, never touches a connection.

use std::future::{Future, pending};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// What makes a host end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM: others may send requests and need time to notice.
    Gracefully,
    /// SIGINT: a person ends it, and nothing needs to notice.
    Promptly,
}

/// How far a host is with its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// It is not ending.
    Serving,
    /// Not ready, takes connections, answers each with its last answer; nothing is changed any more.
    Leaving,
    /// Takes no connections, and ends those that are idle.
    Draining,
}

/// A host's stage, as its connections see it.
#[derive(Debug, Clone)]
pub(super) struct Stopping(watch::Receiver<Stage>);

impl Stopping {
    pub(super) fn new() -> (watch::Sender<Stage>, Self) {
        let (stage, seen) = watch::channel(Stage::Serving);
        (stage, Self(seen))
    }

    pub(super) fn is_serving(&self) -> bool {
        *self.0.borrow() == Stage::Serving
    }

    /// The stage, once it is a later one than this.
    pub(super) async fn after(&mut self, stage: Stage) -> Stage {
        let Ok(later) = self.0.wait_for(|now| *now > stage).await.map(|now| *now) else {
            // The sender is gone, so no later stage comes.
            return if stage < Stage::Draining { Stage::Draining } else { pending().await };
        };
        later
    }
}

/// How long the two phases of an end may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) grace: Duration,
    pub(super) drain: Duration,
}

/// How an end came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Every request was answered.
    Drained,
    /// The time was over first.
    Overdue,
    /// A second signal ended it.
    Cut,
}

/// Leads a host to its end. `again` yields each further stop signal; the first of
/// them ends the current phase.
pub(super) async fn end<T>(
    first: Stop,
    times: Times,
    stage: &watch::Sender<Stage>,
    again: impl Future<Output = Stop>,
    serving: impl Future<Output = T>,
) -> Ended {
    let grace = match first {
        Stop::Gracefully => times.grace,
        Stop::Promptly => Duration::ZERO,
    };
    let phases = async {
        stage.send_replace(Stage::Leaving);
        if !grace.is_zero() {
            sleep(grace).await;
        }
        stage.send_replace(Stage::Draining);
        timeout(times.drain, serving).await.map_or(Ended::Overdue, |_| Ended::Drained)
    };
    tokio::select! {
        biased;
        ended = phases => ended,
        _ = again => Ended::Cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    const TIMES: Times = Times { grace: Duration::from_secs(5), drain: Duration::from_secs(10) };

    async fn after_s<T>(seconds: u64, value: T) -> T {
        sleep(Duration::from_secs(seconds)).await;
        value
    }

    /// How it ended, after how many seconds, and after how many of them each stage began.
    async fn ending(
        first: Stop,
        again: impl Future<Output = Stop>,
        serving: impl Future<Output = ()>,
    ) -> (Ended, u64, Vec<(Stage, u64)>) {
        let (stage, mut stopping) = Stopping::new();
        let began = Instant::now();
        let seen = tokio::spawn(async move {
            let (mut seen, mut now) = (Vec::new(), Stage::Serving);
            while now < Stage::Draining {
                now = stopping.after(now).await;
                seen.push((now, began.elapsed().as_secs()));
            }
            seen
        });
        let ended = end(first, TIMES, &stage, again, serving).await;
        let took = began.elapsed().as_secs();
        drop(stage);
        (ended, took, seen.await.unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn sigterm_leaves_for_the_grace_and_then_drains_until_all_is_answered() {
        let ended = ending(Stop::Gracefully, pending(), after_s(8, ())).await;
        // What is open is waited for only once nothing more is taken.
        assert_eq!(ended, (Ended::Drained, 13, vec![(Stage::Leaving, 0), (Stage::Draining, 5)]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_answered_within_the_drain_time_is_overdue() {
        let ended = ending(Stop::Gracefully, pending(), pending()).await;
        assert_eq!(ended, (Ended::Overdue, 15, vec![(Stage::Leaving, 0), (Stage::Draining, 5)]));
    }

    #[tokio::test(start_paused = true)]
    async fn sigint_drains_at_once() {
        let ended = ending(Stop::Promptly, pending(), after_s(2, ())).await;
        assert_eq!(ended, (Ended::Drained, 2, vec![(Stage::Draining, 0)]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_ends_either_phase_at_once() {
        for (at_s, again) in [(3, Stop::Gracefully), (4, Stop::Promptly), (9, Stop::Gracefully)] {
            let (ended, took, _) = ending(Stop::Gracefully, after_s(at_s, again), pending()).await;
            assert_eq!((ended, took), (Ended::Cut, at_s));
        }
        let (ended, took, _) = ending(Stop::Promptly, after_s(1, Stop::Promptly), pending()).await;
        assert_eq!((ended, took), (Ended::Cut, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn connections_end_with_the_host_that_is_gone() {
        let (stage, mut stopping) = Stopping::new();
        assert!(stopping.is_serving());
        drop(stage);
        assert_eq!(stopping.after(Stage::Serving).await, Stage::Draining);
    }
}
