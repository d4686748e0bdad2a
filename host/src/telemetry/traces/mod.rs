//! Traces: the spans of predictions, for a collector that speaks OTLP.
//!
//! Never has a request wait: a prediction hands over what was recorded of it, in one step, when it is over. What there is no
//! room for, and what the collector does not take, is dropped and counted.

mod exporter;
mod sampler;
mod spans;
mod traced;

pub use sampler::Sampler;
pub use traced::{Called, Detail, Step, StepKind, Traced};

use super::Metrics;
use crate::config::Traces as Settings;
use exporter::Exporter;
use scry_scheduler::RateLimit;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// Why traces cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// There is no thread, or no runtime, for them.
    #[error("traces: {0}")]
    Io(#[from] std::io::Error),
    /// The exporter does not take its settings.
    #[error("traces cannot be sent with these settings of `[traces]` and the variables `OTEL_…`: {0}")]
    Exporter(String),
}

/// Where predictions are handed over.
#[derive(Debug)]
pub struct Traces {
    waiting: Arc<Waiting>,
}

/// What waits to be sent, for the thread that sends it.
#[derive(Debug)]
struct Waiting {
    /// Spans that may wait, and so many are sent together.
    max: usize,
    batch_max: usize,
    batch_delay: Duration,
    state: Mutex<State>,
    /// Something waits.
    begun: Notify,
    /// It should not wait any longer.
    due: Notify,
    metrics: Arc<Metrics>,
    told: RateLimit,
}

#[derive(Debug, Default)]
struct State {
    traced: Vec<Traced>,
    spans: usize,
    /// Who waits until everything before was sent.
    flushing: Vec<oneshot::Sender<()>>,
    has_ended: bool,
}

/// Lines about losses, a second.
const LOSSES_TOLD_MAX: u32 = 1;

impl Traces {
    /// As it is configured; none where nothing is traced. Sends from a thread of its own.
    pub fn open(settings: &Settings, metrics: Arc<Metrics>) -> Result<Option<Self>, TracesError> {
        let Some(collector) = settings.collector() else { return Ok(None) };
        let environment = &settings.environment;
        let waiting = Arc::new(Waiting {
            max: environment.waiting_max,
            batch_max: environment.batch_max,
            batch_delay: environment.batch_delay,
            state: Mutex::default(),
            begun: Notify::new(),
            due: Notify::new(),
            metrics,
            told: RateLimit::new(LOSSES_TOLD_MAX),
        });
        Exporter::start(settings, collector, waiting.clone())?;
        Ok(Some(Self { waiting }))
    }

    /// Takes what was recorded of a prediction.
    pub fn hand_over(&self, traced: Traced) {
        self.waiting.add(traced);
    }

    /// Waits until everything that was handed over is sent, or lost.
    pub async fn flush(&self) {
        let (sent, is_sent) = oneshot::channel();
        self.waiting.state().flushing.push(sent);
        self.waiting.begun.notify_one();
        self.waiting.due.notify_one();
        // The sender is dropped only with the thread that sends.
        let _ = is_sent.await;
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        self.waiting.state().has_ended = true;
        self.waiting.begun.notify_one();
        self.waiting.due.notify_one();
    }
}

impl Waiting {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in there is half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, traced: Traced) {
        let spans = traced.spans();
        let mut state = self.state();
        if state.spans + spans > self.max {
            drop(state);
            return self.lost(spans, "queue-full", "they are traced faster than the collector takes them");
        }
        let (is_first, before) = (state.traced.is_empty(), state.spans);
        state.traced.push(traced);
        state.spans += spans;
        let is_batch = before < self.batch_max && state.spans >= self.batch_max;
        drop(state);
        // The thread is woken once for a batch, not for each prediction.
        if is_first {
            self.begun.notify_one();
        }
        if is_batch {
            self.due.notify_one();
        }
    }

    /// What waits, once it is a batch or has waited long enough.
    async fn next(&self) -> State {
        self.begun.notified().await;
        tokio::select! {
            () = tokio::time::sleep(self.batch_delay) => {}
            () = self.due.notified() => {}
        }
        let mut state = self.state();
        let has_ended = state.has_ended;
        State { has_ended, ..std::mem::take(&mut *state) }
    }

    /// Spans that nobody will see.
    fn lost(&self, spans: usize, reason: &'static str, why: &str) {
        self.metrics.spans_lost(reason, spans);
        if let Some(unsaid) = self.told.take(Instant::now()) {
            tracing::warn!(spans, reason, why, unsaid, "spans are lost");
        }
    }
}

#[cfg(test)]
mod tests;
