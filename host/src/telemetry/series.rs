//! The series of one model, looked up once: a look-up by label is a lock and a hash for each request.

use super::metrics::{Metrics, ModelCounters};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// One model's series. They exist from its first request on, so that a model that is not asked costs none.
#[derive(Debug)]
pub struct ModelSeries {
    model: String,
    metrics: Arc<Metrics>,
    counters: OnceLock<ModelCounters>,
}

impl ModelSeries {
    /// Of the model with this name.
    pub fn new(model: &str, metrics: Arc<Metrics>) -> Self {
        Self { model: model.to_owned(), metrics, counters: OnceLock::new() }
    }

    /// A request that was answered, one way or another; the version is one that is kept ready.
    pub fn answered(&self, version: Option<u32>, outcome: &str, took: Duration) {
        self.metrics.count_request(&self.model, version, outcome);
        self.counters().request_seconds.observe(took.as_secs_f64());
    }

    /// A request that ran on the thread that received it: it did not wait.
    pub fn inline_call(&self) {
        self.counters().inline_calls.inc();
        self.queued(Duration::ZERO);
    }

    /// A request that a compute thread took up.
    pub fn queued(&self, took: Duration) {
        self.counters().queue_seconds.observe(took.as_secs_f64());
    }

    /// A call that ran.
    pub fn ran(&self, took: Duration) {
        self.counters().sandbox_seconds.observe(took.as_secs_f64());
    }

    /// A call that had an instance which was put back.
    pub fn put_back(&self) {
        self.counters().instances_put_back.inc();
    }

    fn counters(&self) -> &ModelCounters {
        self.counters.get_or_init(|| self.metrics.series(&self.model))
    }
}
