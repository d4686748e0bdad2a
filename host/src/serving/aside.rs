//! The host's own work that grows with a request: large ones are read, and
//! large answers written, by the compute threads, in a lane of the model's, so
//! that it is the model's time.
//!
//! A thread that does I/O does only what is short itself, and the more it has
//! to do, the less is short: all that come after wait for it, refusals too.

use super::here::{keeps_up, kept_up};
use super::job::{Job, Link};
use super::predict::{Asked, Due};
use super::routes::Served;
use super::whole::{is_whole, link_of_whole};
use super::{Admission, PredictError, Predictor};
use scry_card::{Interrupt, Interrupted};
use scry_sandbox::{Asker, CallError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How requests count whose answers cannot be written.
const UNWRITTEN: &str = "failed";
/// JSON that is read or written on the spot.
const SHORT_MAX_BYTES: usize = 64 << 10;
/// The same where others wait for it: as long as a hand-over takes.
const SHORT_BUSY_MAX_BYTES: usize = 4 << 10;

impl Predictor {
    /// Whether reading or writing so much is short enough for this thread. What
    /// will wait for a compute thread anyway is theirs from the beginning.
    pub(super) fn is_short(&self, served: &Served, bytes: usize, received: Instant) -> bool {
        if is_whole() || bytes <= SHORT_BUSY_MAX_BYTES {
            return true;
        }
        let has_time = keeps_up(Instant::now()) || kept_up(received);
        bytes <= SHORT_MAX_BYTES && has_time && !self.compute.is_waited_for(&served.admission, &served.reading)
    }

    /// Reads a request of so many bytes. One that has a spare behind it finds
    /// somebody who does, unless it would keep this thread from all others.
    pub async fn read<T: Send + 'static>(
        &self,
        served: &Served,
        (received, timeout): (Instant, Option<Duration>),
        bytes: usize,
        work: impl FnOnce(&mut Interrupt<'_>) -> Result<T, Interrupted> + Send + 'static,
    ) -> Result<T, PredictError> {
        let asked = Asked { metrics: &self.metrics, served, number: served.serving.live, received };
        let deadline = received + timeout.map_or(served.limits.deadline, |timeout| timeout.min(served.limits.deadline));
        let is_owed = bytes <= SHORT_MAX_BYTES && !served.fallback.is_empty();
        let done = match self.is_short(served, bytes, received) {
            true => now(deadline, work),
            false => self.by_whoever_can(&served.reading, deadline, is_owed, work).await,
        };
        match done {
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

    /// Writes an answer of about so many bytes, and counts its request by what
    /// that comes to. It is there already: where no compute thread has time for
    /// it, this thread takes it, unless it would keep it from all others.
    pub async fn write<T: Send + 'static, E: Send + 'static>(
        &self,
        due: &Due,
        bytes: usize,
        work: impl FnOnce(&mut Interrupt<'_>) -> Result<Result<T, E>, Interrupted> + Send + 'static,
    ) -> Result<Result<T, E>, PredictError> {
        let asked = self.asked_for(due);
        let Due { served, received, deadline, .. } = due;
        let is_owed = bytes <= SHORT_MAX_BYTES;
        let done = match self.is_short(served, bytes, *received) {
            true => now(*deadline, work),
            false => self.by_whoever_can(&served.reading, *deadline, is_owed, work).await,
        };
        asked.answered(match &done {
            Ok(Ok(_)) => due.outcome,
            Ok(Err(_)) => UNWRITTEN,
            Err(error) => error.reason(),
        });
        done.map_err(PredictError::NoAnswer)
    }

    /// Done by the compute threads; where they have no room or time for what is
    /// owed, by this one.
    async fn by_whoever_can<T: Send + 'static>(
        &self,
        lane: &Arc<Admission>,
        deadline: Instant,
        is_owed: bool,
        work: impl FnOnce(&mut Interrupt<'_>) -> Result<T, Interrupted> + Send + 'static,
    ) -> Result<T, CallError> {
        let ours = Arc::new(Mutex::new(Some(work)));
        let theirs = ours.clone();
        match self
            .on_compute(lane, deadline, move |interrupt| take(&theirs).map_or(Err(Interrupted), |work| work(interrupt)))
            .await
        {
            Err(error) if is_owed => take(&ours).map_or(Err(error), |work| now(deadline, work)),
            done => done,
        }
    }

    /// Has the compute threads do something of the host's own, until the
    /// deadline, and as long as this future is there.
    pub(super) async fn on_compute<T: Send + 'static>(
        &self,
        lane: &Arc<Admission>,
        deadline: Instant,
        work: impl FnOnce(&mut Interrupt<'_>) -> Result<T, Interrupted> + Send + 'static,
    ) -> Result<T, CallError> {
        let (answer, answered) = oneshot::channel();
        let link = Arc::<Link>::default();
        let theirs = link.clone();
        let run = Box::new(move || drop(answer.send(until(deadline, Some(&theirs), work))));
        let job = Job::Aside { deadline, link: link.clone(), run };
        match self.wait(lane, job, answered, link, deadline).await {
            Ok(done) => done,
            Err(CallError::Timeout) => Err(CallError::Overdue),
            Err(error) => Err(error),
        }
    }
}

/// Does something of the host's own on this thread, until the deadline. Where
/// that is making a whole request, also as long as its client is there.
pub(super) fn now<T>(
    deadline: Instant,
    work: impl FnOnce(&mut Interrupt<'_>) -> Result<T, Interrupted>,
) -> Result<T, CallError> {
    until(deadline, link_of_whole().as_deref(), work)
}

fn until<T>(
    deadline: Instant,
    link: Option<&Link>,
    work: impl FnOnce(&mut Interrupt<'_>) -> Result<T, Interrupted>,
) -> Result<T, CallError> {
    let is_over = || link.is_some_and(Asker::has_gone) || Instant::now() >= deadline;
    work(&mut Interrupt::when(&is_over)).map_err(|Interrupted| CallError::Overdue)
}

/// The thread that takes it does it.
fn take<W>(work: &Mutex<Option<W>>) -> Option<W> {
    work.lock().unwrap_or_else(PoisonError::into_inner).take()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serving::admission::test_lane;
    use crate::serving::{EffectiveLimits, Reserve, Sizes};
    use crate::telemetry::{Metrics, Scrape, UNKNOWN};
    use scry_catalog::{Catalog, Serving};
    use std::collections::BTreeMap;

    /// A model whose deadline no test meets.
    fn served() -> Arc<Served> {
        let lane = || Arc::new(test_lane(1, 1));
        let limits = EffectiveLimits {
            deadline: Duration::from_secs(3600),
            reserve: Reserve { unmeasured_percent: 25, min: Duration::ZERO },
            fuel: 0,
            memory_max_bytes: 0,
            output_max_bytes: 0,
            batch_max_rows: 0,
        };
        Arc::new(Served {
            name: "m".into(),
            serving: serde_json::from_value::<Serving>(serde_json::json!({ "live": 1 })).unwrap(),
            catalog: Arc::new(Catalog::default()),
            versions: BTreeMap::new(),
            fallback: Vec::new(),
            canary_fallback: Vec::new(),
            shadow: None,
            admission: lane(),
            reading: lane(),
            limits,
            turns: Arc::default(),
        })
    }

    #[tokio::test]
    async fn an_answer_is_written_within_its_requests_deadline_and_counts_as_what_its_client_gets() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let sizes = Sizes { threads: 1, io_threads: 1, queue_max: 1, quiet_cores: 0 };
        let predictor = Predictor::new(Arc::default(), sizes, metrics.clone()).unwrap();
        let due = |deadline| Due { served: served(), number: 1, received: Instant::now(), deadline, outcome: "ok" };
        let (past, hour) = (Instant::now(), Duration::from_secs(3600));
        let write = |interrupt: &mut Interrupt<'_>| interrupt.ask().map(|()| Ok::<_, ()>(7));
        for (deadline, says) in [(past + hour, Ok(Ok(7))), (past, Err("timeout"))] {
            let written = predictor.write(&due(deadline), 1, write).await;
            let written = written.map_err(|error| match error {
                PredictError::NoAnswer(error) => error.reason(),
                other => panic!("{other}"),
            });
            assert_eq!(written, says);
        }
        let failed = predictor.write(&due(past + hour), 1, |_| Ok(Err::<(), _>("no JSON"))).await;
        assert_eq!(failed.unwrap(), Err("no JSON"));
        predictor.unfit(&due(past + hour));
        let told = metrics.render(&Scrape::new().unwrap(), |_, _| true).unwrap();
        for (outcome, count) in [("ok", 1), ("timeout", 1), ("failed", 1), ("invalid-input", 1)] {
            let line = format!(r#"scry_requests_total{{model="m",outcome="{outcome}",version="{UNKNOWN}"}} {count}"#);
            assert!(told.contains(&line), "{line}{told}");
        }
    }
}
