//! The series of one model and of one version, looked up once: a look-up by label is a lock and a hash for each request.
//!
//! They begin with the first request, so that a model that is not asked costs none.

use super::exemplars::{Exemplar, Exemplars};
use super::metrics::{AnsweredCounters, CallCounters, Metrics, ModelCounters, UNKNOWN};
use prometheus::Histogram;
use std::collections::BTreeMap;
use std::num::NonZeroU128;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// The outcome of a request that its version answered.
pub const ANSWERED: &str = "ok";

/// One model's series.
#[derive(Debug)]
pub struct ModelSeries {
    model: String,
    metrics: Arc<Metrics>,
    counters: OnceLock<ModelCounters>,
    ends: Mutex<BTreeMap<End, Arc<Answered>>>,
}

/// A version that is kept ready, if it was one, and an outcome.
type End = (Option<u32>, &'static str);

/// Requests that ended in one way.
#[derive(Debug)]
struct Answered {
    counters: AnsweredCounters,
    exemplars: Exemplars,
}

/// One version's series.
#[derive(Debug)]
pub struct VersionSeries {
    of: Arc<ModelSeries>,
    version: u32,
    ok: OnceLock<Arc<Answered>>,
    calls: OnceLock<CallCounters>,
    fuel: OnceLock<Histogram>,
}

impl ModelSeries {
    /// Of the model with this name.
    pub fn new(model: &str, metrics: Arc<Metrics>) -> Self {
        Self { model: model.to_owned(), metrics, counters: OnceLock::new(), ends: Mutex::default() }
    }

    /// Whether a request has meant it.
    pub fn has_begun(&self) -> bool {
        self.counters.get().is_some()
    }

    /// A request that is to be answered from now on, until [`Self::ended`].
    pub fn began(&self) {
        self.counters().in_flight.inc();
    }

    /// A request is not waited for any more.
    pub fn ended(&self) {
        self.counters().in_flight.dec();
    }

    /// A request by what became of it; the version is one that is kept ready. The trace is one that its caller records.
    pub fn unanswered(
        &self,
        version: Option<u32>,
        outcome: &'static str,
        took: Duration,
        trace_id: Option<NonZeroU128>,
    ) {
        self.ended_as((version, outcome)).count(took, trace_id);
    }

    /// Lets go of the series of versions that are gone, after [`Metrics::keep`]: one that comes back finds its series anew.
    pub fn keep(&self, is_there: impl Fn(u32) -> bool) {
        self.ends().retain(|(version, _), _| version.is_none_or(&is_there));
    }

    /// The exemplars of all its series, with the values of their labels in the order of the labels' names.
    pub(super) fn exemplars(&self) -> Vec<(Vec<String>, Vec<Exemplar>)> {
        let ends = self.ends();
        let series = |((version, outcome), of): (&End, &Arc<Answered>)| {
            let labels = vec![self.model.clone(), (*outcome).to_owned(), version_label(*version)];
            (labels, of.exemplars.now())
        };
        ends.iter().map(series).collect()
    }

    /// A request whose body was read.
    pub fn received(&self, bytes: usize) {
        self.counters().request_bytes.observe(bytes as f64);
    }

    /// An answer that was written.
    pub fn sent(&self, bytes: usize) {
        self.counters().response_bytes.observe(bytes as f64);
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

    fn counters(&self) -> &ModelCounters {
        self.counters.get_or_init(|| self.metrics.series(&self.model))
    }

    fn ended_as(&self, end: End) -> Arc<Answered> {
        let fresh = || {
            let (version, outcome) = end;
            let counters = self.metrics.answered(&self.model, &version_label(version), outcome);
            Arc::new(Answered { counters, exemplars: Exemplars::new(self.metrics.request_bounds()) })
        };
        self.ends().entry(end).or_insert_with(fresh).clone()
    }

    fn ends(&self) -> MutexGuard<'_, BTreeMap<End, Arc<Answered>>> {
        // Whoever panics with it has added nothing or all.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VersionSeries {
    /// Of a version of this model.
    pub fn new(of: Arc<ModelSeries>, version: u32) -> Self {
        Self { of, version, ok: OnceLock::new(), calls: OnceLock::new(), fuel: OnceLock::new() }
    }

    /// The model's.
    pub fn model(&self) -> &ModelSeries {
        &self.of
    }

    /// A request that was answered, one way or another. The trace is one that its caller records.
    pub fn answered(&self, outcome: &'static str, took: Duration, trace_id: Option<NonZeroU128>) {
        match outcome {
            ANSWERED => {
                let ok = || self.of.ended_as((Some(self.version), ANSWERED));
                self.ok.get_or_init(ok).count(took, trace_id);
            }
            _ => self.of.unanswered(Some(self.version), outcome, took, trace_id),
        }
    }

    /// A call that ran: how long, with how much memory, and how many instructions, where they are counted.
    pub fn ran(&self, took: Duration, memory_bytes: u64, fuel: Option<u64>) {
        let calls = self.calls.get_or_init(|| self.of.metrics.calls(&self.of.model, self.version));
        calls.seconds.observe(took.as_secs_f64());
        calls.memory_bytes.observe(memory_bytes as f64);
        if let Some(fuel) = fuel {
            let counted = self.fuel.get_or_init(|| self.of.metrics.fuel(&self.of.model, self.version));
            counted.observe(fuel as f64);
        }
    }

    /// A call that had an instance which was put back.
    pub fn put_back(&self) {
        self.of.counters().instances_put_back.inc();
    }
}

impl Answered {
    fn count(&self, took: Duration, trace_id: Option<NonZeroU128>) {
        self.counters.requests.inc();
        self.counters.seconds.observe(took.as_secs_f64());
        if let Some(trace_id) = trace_id {
            self.exemplars.counted(trace_id, took);
        }
    }
}

fn version_label(version: Option<u32>) -> String {
    version.map_or_else(|| UNKNOWN.to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::{Scrape, TextForm};
    use super::*;
    use std::path::Path;

    fn shown(metrics: &Metrics, is_there: impl Fn(&str, Option<u32>) -> bool) -> String {
        let scrape = Scrape::new(Path::new(".")).unwrap();
        metrics.render(&scrape, TextForm::Prometheus, is_there).unwrap()
    }

    #[test]
    fn a_version_that_comes_back_is_shown_again() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let model = Arc::new(ModelSeries::new("m", metrics.clone()));
        let requests = |text: &str, version: u32| {
            let line = format!("scry_requests_total{{model=\"m\",outcome=\"ok\",version=\"{version}\"}} ");
            text.lines().find_map(|shown| shown.strip_prefix(&line)?.parse::<u32>().ok())
        };
        let versions = [1, 2].map(|number| VersionSeries::new(model.clone(), number));
        versions.iter().for_each(|version| version.answered(ANSWERED, Duration::from_millis(1), None));
        assert_eq!([1, 2].map(|number| requests(&shown(&metrics, |_, _| true), number)), [Some(1); 2]);
        metrics.keep(|_, version| version != Some(1));
        model.keep(|number| number != 1);
        // A request that was under way when its version was let go of.
        versions[0].answered(ANSWERED, Duration::from_millis(1), None);
        assert_eq!([1, 2].map(|number| requests(&shown(&metrics, |_, _| true), number)), [None, Some(1)]);
        VersionSeries::new(model, 1).answered(ANSWERED, Duration::from_millis(1), None);
        assert_eq!([1, 2].map(|number| requests(&shown(&metrics, |_, _| true), number)), [Some(1); 2]);
    }

    #[test]
    fn a_request_counts_once_and_in_flight_until_it_ends() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let model = ModelSeries::new("m", metrics.clone());
        assert!(!model.has_begun() && !shown(&metrics, |_, _| true).contains("model=\"m\""));
        model.began();
        assert!(model.has_begun() && shown(&metrics, |_, _| true).contains("scry_requests_in_flight{model=\"m\"} 1\n"));
        model.unanswered(None, "overload", Duration::from_millis(1), NonZeroU128::new(7));
        model.ended();
        let text = shown(&metrics, |_, _| true);
        let labels = "model=\"m\",outcome=\"overload\",version=\"unknown\"";
        for line in
            ["scry_requests_in_flight{model=\"m\"} 0".to_owned(), format!("scry_request_seconds_count{{{labels}}} 1")]
        {
            assert!(text.lines().any(|shown| shown == line), "no {line} in {text}");
        }
        let [(values, exemplars)] = &model.exemplars()[..] else { panic!("one series") };
        assert_eq!((&values[..], exemplars.len()), (&["m", "overload", "unknown"].map(str::to_owned)[..], 1));
    }
}
