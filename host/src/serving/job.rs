//! What the compute threads do for a request: all of it, one call of a component, or a piece of
//! the host's own work that grows with the request.
//!
//! Never decides what follows from a failure.

use super::circuit::Pass;
use super::invoke::{Attempt, invoke};
use super::request::Request;
use super::stop::Stop;
use super::trail::Track;
use super::version::ServedVersion;
use crate::telemetry::traces::StepKind;
use crate::telemetry::{Metrics, enter};
use scry_card::Batch;
use scry_sandbox::CallError;
use scry_scheduler::{CancelToken, Lane, Pool, Work};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Work for a compute thread.
pub(super) enum Job {
    /// A call, which others may join.
    Call(Box<Call>),
    /// Anything else; it says whether a component was called.
    Task { deadline: Instant, token: CancelToken, run: Box<dyn FnOnce() -> bool + Send> },
}

/// One call of a component.
pub(super) struct Call {
    /// The request that waits for it.
    pub(super) request: Arc<Request>,
    /// Whether a fallback is called.
    pub(super) is_fallback: bool,
    pub(super) target: Arc<ServedVersion>,
    pub(super) inputs: Arc<Batch>,
    /// When the guest is stopped.
    pub(super) until: Instant,
    /// With less time, running out of it is not the version's fault.
    pub(super) fair: Duration,
    pub(super) queued: Instant,
    pub(super) token: CancelToken,
    /// The circuit's leave to make it.
    pub(super) pass: Pass,
    pub(super) answer: oneshot::Sender<Attempt>,
    pub(super) metrics: Arc<Metrics>,
}

impl Work for Job {
    fn deadline(&self) -> Instant {
        match self {
            Self::Call(call) => call.until,
            Self::Task { deadline, .. } => *deadline,
        }
    }

    fn is_abandoned(&self) -> bool {
        match self {
            Self::Call(call) => call.token.is_cancelled(),
            Self::Task { token, .. } => token.is_cancelled(),
        }
    }

    fn rows(&self) -> usize {
        match self {
            Self::Call(call) => call.inputs.rows,
            Self::Task { .. } => 0,
        }
    }

    fn joins(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Call(a), Self::Call(b)) => Arc::ptr_eq(&a.target, &b.target),
            _ => false,
        }
    }

    fn run(self, joined: Vec<Self>) -> bool {
        match self {
            Self::Task { token, run, .. } => {
                token.begin();
                run()
            }
            Self::Call(call) if joined.is_empty() => {
                call.begin();
                call.alone();
                true
            }
            Self::Call(call) => {
                let others = joined.into_iter().filter_map(|job| match job {
                    Self::Call(call) => Some(*call),
                    Self::Task { .. } => None,
                });
                together(std::iter::once(*call).chain(others).collect());
                true
            }
        }
    }
}

impl Call {
    fn begin(&self) {
        self.token.begin();
        let waited = self.queued.elapsed();
        self.target.series.model().queued(waited);
        self.request.taken.queue.took(waited);
        self.track().took(StepKind::Queue, self.queued, waited, None);
    }

    /// Where its steps are recorded.
    fn track(&self) -> Track<'_> {
        self.request.track(self.is_fallback)
    }

    /// Its lines in the log are its request's.
    fn alone(self) {
        enter(self.request.context.clone(), || self.answer());
    }

    fn answer(self) {
        let (stop, track) = (Arc::new(Stop::Client(self.token)), self.request.track(self.is_fallback));
        let (attempt, spent) =
            invoke(&self.target, &self.inputs, &[track], self.until, self.fair, Some(stop), &self.metrics);
        // Before the answer: its receiver must see the circuit's new state.
        self.pass.tell(&attempt);
        // The receiver is gone when the request has gone on without this job.
        let _ = self.answer.send(attempt);
        self.target.restock(spent);
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
    let stop = Arc::new(Stop::Clients(calls.iter().map(|call| call.token.clone()).collect()));
    calls.iter().for_each(Call::begin);
    if let Some(inputs) = inputs {
        let requests: Vec<_> = calls.iter().map(Call::track).collect();
        let (attempt, spent) = invoke(&target, &inputs, &requests, until, Duration::ZERO, Some(stop), &metrics);
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
                return target.restock(spent);
            }
            Err(_) => drop(spent),
        }
    }
    calls.into_iter().filter(|call| !call.token.is_cancelled()).for_each(Call::alone);
}

/// Has work done by the pool, within its window. Dropping the future stops it.
pub(super) async fn run<T>(
    pool: &Pool<Job>,
    lane: &Arc<Lane>,
    job: Job,
    answered: oneshot::Receiver<T>,
    token: CancelToken,
    give_up: Instant,
) -> Result<T, CallError> {
    pool.submit(lane, job).map_err(|_| CallError::Overload)?;
    let _waiting = token.cancel_on_drop();
    match tokio::time::timeout_at(give_up.into(), answered).await {
        Ok(Ok(outcome)) => Ok(outcome),
        // It waited too long, and was dropped.
        _ if !token.has_begun() => Err(CallError::Overload),
        Ok(Err(_)) => Err(CallError::Trap("the host dropped the call; this is a bug in scry".into())),
        Err(_) => Err(CallError::Timeout),
    }
}
