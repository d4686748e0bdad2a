//! The way of one piece of work to a compute thread and back.
//!
//! Never outlasts its window: whatever the guest does, the request goes on.

use super::budget::Window;
use super::here::keeps_up;
use super::job::{Call, Job, Link, Waiting};
use super::predict::Asked;
use super::routes::Served;
use super::run::Attempt;
use super::target::Target;
use super::{PredictError, Predictor};
use crate::sandbox::CallError;
use crate::serving::Admission;
use scry_card::Batch;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

impl Predictor {
    /// Runs one component, within its own limits. Dropping the future stops it.
    pub(super) async fn attempt(&self, target: &Arc<Target>, inputs: &Arc<Batch>, window: Window) -> Attempt {
        let now = Instant::now();
        target.admission.can_meet(window.until.saturating_duration_since(now)).map_err(CallError::DeadlineTooShort)?;
        let pass = target.enter()?;
        if let Some(attempt) = self.attempt_here(target, inputs, &window) {
            pass.tell(&attempt);
            return attempt;
        }
        let (answer, answered) = oneshot::channel();
        let link = Arc::<Link>::default();
        let call = Call {
            pass,
            target: target.clone(),
            inputs: inputs.clone(),
            until: window.until,
            fair: window.fair,
            queued: now,
            link: link.clone(),
            answer,
            metrics: self.metrics.clone(),
        };
        self.wait(&target.admission, Job::Call(Box::new(call)), answered, link, window.give_up).await?
    }

    /// Work of the host's own that grows with a request: done by the compute
    /// threads, in a lane of the model's, so that it is the model's time.
    pub async fn aside<T: Send + 'static>(
        &self,
        served: &Served,
        received: Instant,
        timeout: Option<Duration>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PredictError> {
        let asked = Asked { metrics: &self.metrics, served, number: served.serving.live, received };
        let deadline = received + timeout.map_or(served.limits.deadline, |timeout| timeout.min(served.limits.deadline));
        match self.on_compute(&served.reading, deadline, work).await {
            Ok(done) => {
                asked.goes_on();
                Ok(done)
            }
            Err(error) => {
                asked.answered(error.reason());
                Err(PredictError::NoAnswer(error))
            }
        }
    }

    /// Has the compute threads do something of the host's own.
    pub(super) async fn on_compute<T: Send + 'static>(
        &self,
        lane: &Arc<Admission>,
        deadline: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CallError> {
        let (answer, answered) = oneshot::channel();
        let link = Arc::<Link>::default();
        let run = Box::new(move || drop(answer.send(work())));
        let job = Job::Aside { deadline, link: link.clone(), run };
        self.wait(lane, job, answered, link, deadline).await
    }

    async fn wait<T>(
        &self,
        admission: &Arc<Admission>,
        job: Job,
        answered: oneshot::Receiver<T>,
        link: Arc<Link>,
        give_up: Instant,
    ) -> Result<T, CallError> {
        let submitted = match admission.is_brief() && !keeps_up(Instant::now()) {
            true => self.compute.submit_brief(admission, job),
            false => self.compute.submit(admission, job),
        };
        submitted.map_err(|_| CallError::Overload)?;
        let waiting = Waiting(link);
        match tokio::time::timeout_at(give_up.into(), answered).await {
            Ok(Ok(outcome)) => Ok(outcome),
            // It waited too long, and was dropped.
            _ if !waiting.0.has_started() => Err(CallError::Overload),
            Ok(Err(_)) => Err(CallError::Trap("the host dropped the call; this is a bug in scry".into())),
            Err(_) => Err(CallError::Timeout),
        }
    }
}
