//! The way of one piece of work to a compute thread and back.
//!
//! Never outlasts its window: whatever the guest does, the request goes on.

use super::Predictor;
use super::budget::Window;
use super::here::keeps_up;
use super::job::{Call, Job, Link, Waiting};
use super::run::Attempt;
use super::target::Target;
use super::whole::is_whole;
use crate::serving::Admission;
use scry_card::Batch;
use scry_sandbox::CallError;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

impl Predictor {
    /// Runs one component, within its own limits. Dropping the future stops it.
    pub(super) async fn attempt(&self, target: &Arc<Target>, inputs: &Arc<Batch>, window: Window) -> Attempt {
        let now = Instant::now();
        target.admission.can_meet(window.until.saturating_duration_since(now)).map_err(CallError::DeadlineTooShort)?;
        let pass = target.enter()?;
        let made = match is_whole() {
            true => self.attempt_whole(target, inputs, &window),
            false => self.attempt_here(target, inputs, &window),
        };
        if let Some(attempt) = made {
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

    /// Waits for work to be done, within its window.
    pub(super) async fn wait<T>(
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
