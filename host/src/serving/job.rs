//! What the compute threads do for a request: one call of a component, or a
//! piece of the host's own work that grows with the request.
//!
//! Never decides what follows from a failure.

use super::circuit::Pass;
use super::compute::Work;
use super::run::{Attempt, run};
use super::target::Target;
use crate::telemetry::Metrics;
use scry_card::Batch;
use scry_sandbox::{Asker, CallError, Spent};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What the one who waits and the work know of each other.
#[derive(Debug, Default)]
pub(super) struct Link {
    started: AtomicBool,
    gone: AtomicBool,
}

impl Link {
    /// Takes the work up; of all who try, one does.
    pub(super) fn begin(&self) -> bool {
        !self.started.swap(true, Ordering::Relaxed)
    }

    pub(super) fn has_started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }
}

impl Asker for Link {
    fn has_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}

/// The end of the one who waits: the work is stopped when it is dropped.
#[derive(Debug)]
pub(super) struct Waiting(pub(super) Arc<Link>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.gone.store(true, Ordering::Relaxed);
    }
}

/// Work for a compute thread.
pub(super) enum Job {
    Call(Box<Call>),
    /// The host's own.
    Aside {
        deadline: Instant,
        link: Arc<Link>,
        run: Box<dyn FnOnce() + Send>,
    },
}

/// One call of a component.
pub(super) struct Call {
    pub(super) target: Arc<Target>,
    pub(super) inputs: Arc<Batch>,
    /// When the guest is stopped.
    pub(super) until: Instant,
    /// With less time, running out of it is not the version's fault.
    pub(super) fair: Duration,
    pub(super) queued: Instant,
    pub(super) link: Arc<Link>,
    /// The circuit's leave to make it.
    pub(super) pass: Pass,
    pub(super) answer: oneshot::Sender<Attempt>,
    pub(super) metrics: Arc<Metrics>,
}

impl Work for Job {
    fn deadline(&self) -> Instant {
        match self {
            Self::Call(call) => call.until,
            Self::Aside { deadline, .. } => *deadline,
        }
    }

    fn is_abandoned(&self) -> bool {
        match self {
            Self::Call(call) => call.link.has_gone(),
            Self::Aside { link, .. } => link.has_gone(),
        }
    }

    fn rows(&self) -> usize {
        match self {
            Self::Call(call) => call.inputs.rows,
            Self::Aside { .. } => 0,
        }
    }

    fn joins(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Call(a), Self::Call(b)) => Arc::ptr_eq(&a.target, &b.target),
            _ => false,
        }
    }

    fn run(self, joined: Vec<Self>) {
        match self {
            Self::Aside { link, run, .. } => {
                if link.begin() {
                    run();
                }
            }
            Self::Call(call) if joined.is_empty() => {
                call.begin();
                call.alone();
            }
            Self::Call(call) => {
                let others = joined.into_iter().filter_map(|job| match job {
                    Self::Call(call) => Some(*call),
                    Self::Aside { .. } => None,
                });
                together(std::iter::once(*call).chain(others).collect());
            }
        }
    }
}

impl Call {
    fn begin(&self) {
        self.link.started.store(true, Ordering::Relaxed);
        self.metrics.queued(&self.target.model, self.queued.elapsed());
    }

    fn alone(self) {
        let (attempt, spent) =
            run(&self.target, &self.inputs, 1, self.until, self.fair, Some(self.link), &self.metrics);
        // Before the answer: whoever has it meets what follows from it.
        self.pass.tell(&attempt);
        // The receiver is gone when the request has gone on without this job.
        let _ = self.answer.send(attempt);
        tidy(&self.target, spent);
    }
}

/// One call for all; each gets the answer that it would have had alone. Where
/// there is no answer for all, each is asked for alone.
fn together(calls: Vec<Call>) {
    let Some(first) = calls.first() else { return };
    let (target, metrics) = (first.target.clone(), first.metrics.clone());
    // Half of the time: one that never ends must leave the others theirs.
    let now = Instant::now();
    let until = calls.iter().map(|call| call.until).min().unwrap_or(first.until);
    let until = now + until.saturating_duration_since(now) / 2;
    let inputs = Batch::join(&calls.iter().map(|call| &*call.inputs).collect::<Vec<_>>());
    let rows: Vec<usize> = calls.iter().map(|call| call.inputs.rows).collect();
    let everyone = Arc::new(Everyone(calls.iter().map(|call| call.link.clone()).collect()));
    calls.iter().for_each(Call::begin);
    if let Some(inputs) = inputs {
        let (attempt, spent) = run(&target, &inputs, calls.len(), until, Duration::ZERO, Some(everyone), &metrics);
        let answers = attempt.and_then(|(outputs, took)| {
            let parts = outputs.split(&rows).ok_or_else(|| CallError::InvalidOutput("rows are missing".into()))?;
            Ok(parts.into_iter().map(move |part| (part, took)))
        });
        match answers {
            Ok(parts) => {
                metrics.joined(&target.model, calls.len());
                for (call, part) in calls.into_iter().zip(parts) {
                    let answer = Ok(part);
                    call.pass.tell(&answer);
                    let _ = call.answer.send(answer);
                }
                return tidy(&target, spent);
            }
            Err(_) => drop(spent),
        }
    }
    calls.into_iter().filter(|call| !call.link.has_gone()).for_each(Call::alone);
}

/// After the answer: the instance is put back for the next call, or another made.
pub(super) fn tidy(target: &Target, spent: Spent) {
    target.restock(spent);
}

/// Gone when all are.
#[derive(Debug)]
struct Everyone(Vec<Arc<Link>>);

impl Asker for Everyone {
    fn has_gone(&self) -> bool {
        self.0.iter().all(|link| link.has_gone())
    }
}
