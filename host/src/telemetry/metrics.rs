//! Prometheus metrics.
//!
//! `model` is a served name or `unknown`; `version` the number of one that is
//! kept ready, or `unknown`; `listener`, outcomes and reasons are fixed names.
//! A series ends with its model or version.

use super::families::{CallFamilies, HostFamilies, ListenerFamilies, ModelFamilies};
use super::{Scrape, TextForm};
use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::proto::{LabelPair, Metric};
use prometheus::{Histogram, IntCounter, IntGauge, Registry};
use scry_card::Tally;
use scry_sandbox::{CodeSource, put_back_mappings};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The label of a model or version that is not there.
pub const UNKNOWN: &str = "unknown";
/// The outcome of a request for one.
pub const NOT_FOUND: &str = "not-found";

/// Everything that `/metrics` shows.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    listeners: ListenerFamilies,
    pub(super) models: ModelFamilies,
    calls: CallFamilies,
    host: HostFamilies,
}

/// What every request of one model counts in.
#[derive(Debug)]
pub(super) struct ModelCounters {
    pub(super) in_flight: IntGauge,
    pub(super) request_bytes: Histogram,
    pub(super) response_bytes: Histogram,
    pub(super) queue_seconds: Histogram,
    pub(super) inline_calls: IntCounter,
    pub(super) instances_put_back: IntCounter,
}

/// What requests with one outcome count in: of one version, or of what has none.
#[derive(Debug)]
pub(super) struct AnsweredCounters {
    pub(super) requests: IntCounter,
    pub(super) seconds: Histogram,
}

/// What every call of one version counts in.
#[derive(Debug)]
pub(super) struct CallCounters {
    pub(super) seconds: Histogram,
    pub(super) memory_bytes: Histogram,
}

/// Counts a live instance until it is dropped.
#[derive(Debug)]
pub struct LiveInstance<'a>(&'a IntGauge);

/// Counts an open connection until it is dropped.
#[derive(Debug)]
pub struct OpenConnection(IntGauge);

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> Result<Self, prometheus::Error> {
        let metrics = Self {
            registry: Registry::new(),
            listeners: ListenerFamilies::new()?,
            models: ModelFamilies::new()?,
            calls: CallFamilies::new()?,
            host: HostFamilies::new()?,
        };
        for collector in metrics.collectors() {
            metrics.registry.register(collector)?;
        }
        Ok(metrics)
    }

    pub(super) fn collectors(&self) -> impl Iterator<Item = Box<dyn Collector>> {
        let (listeners, models) = (self.listeners.collectors(), self.models.collectors());
        listeners.into_iter().chain(models).chain(self.calls.collectors()).chain(self.host.collectors())
    }

    /// The text that Prometheus scrapes, with the versions of this moment. Of
    /// models and versions that are gone a last call may still count something.
    pub fn render(
        &self,
        scrape: &Scrape,
        form: TextForm,
        is_there: impl Fn(&str, Option<u32>) -> bool,
    ) -> Result<String, prometheus::Error> {
        let (held, max) = put_back_mappings();
        self.host.put_back_mappings.set(i64::try_from(held).unwrap_or(i64::MAX));
        self.host.put_back_mappings_max.set(i64::try_from(max).unwrap_or(i64::MAX));
        let mut families = self.registry.gather();
        for family in &mut families {
            let mut metrics = family.take_metric();
            metrics.retain(|metric| !is_gone(metric, &is_there));
            family.set_metric(metrics);
        }
        families.retain(|family| !family.get_metric().is_empty());
        families.extend(scrape.families());
        form.encode(&families, scrape.exemplars())
    }

    /// Lets go of the series of models and versions that are gone.
    pub fn keep(&self, is_there: impl Fn(&str, Option<u32>) -> bool) {
        prune(&self.models.requests, &is_there);
        prune(&self.calls.cpu_seconds, &is_there);
        let counters = [
            &self.models.fallbacks,
            &self.models.findings,
            &self.models.inline_calls,
            &self.calls.instances_put_back,
            &self.models.canaries_rolled_back,
            &self.models.circuit_transitions,
        ];
        counters.into_iter().for_each(|counters| prune(counters, &is_there));
        prune(&self.models.in_flight, &is_there);
        let histograms = [
            &self.models.request_seconds,
            &self.models.request_bytes,
            &self.models.response_bytes,
            &self.models.queue_seconds,
            &self.calls.sandbox_seconds,
            &self.calls.fuel,
            &self.calls.memory_bytes,
            &self.models.batch_requests,
        ];
        histograms.into_iter().for_each(|histograms| prune(histograms, &is_there));
    }

    /// A connection that is open until the result is dropped.
    pub fn connection(&self, listener: &str) -> OpenConnection {
        let open = self.listeners.connections.with_label_values(&[listener]);
        open.inc();
        OpenConnection(open)
    }

    /// A connection for which there was no place.
    pub fn connection_refused(&self, listener: &str) {
        self.listeners.connections_refused.with_label_values(&[listener]).inc();
    }

    /// A connection that did not end by itself.
    pub fn connection_ended(&self, listener: &str, reason: &str) {
        self.listeners.connections_ended.with_label_values(&[listener, reason]).inc();
    }

    /// A request that was not read to its end.
    pub fn request_refused(&self, reason: &str) {
        self.listeners.requests_refused.with_label_values(&[reason]).inc();
    }

    /// A request that its client may not make.
    pub fn access_refused(&self, listener: &str, reason: &str) {
        self.listeners.access_refused.with_label_values(&[listener, reason]).inc();
    }

    /// Lines of the access log that are lost.
    pub(super) fn access_lines_dropped(&self, lines: u64) {
        self.listeners.access_lines_dropped.inc_by(lines);
    }

    /// Whether what a followed file holds is in use.
    pub fn file_in_use(&self, file: &str, is_in_use: bool) {
        self.listeners.files_in_use.with_label_values(&[file]).set(i64::from(is_in_use));
    }

    /// A request that named no model or version that exists.
    pub fn refused(&self, model: &str) {
        self.models.requests.with_label_values(&[model, UNKNOWN, NOT_FOUND]).inc();
    }

    /// The series of one model that every request of it counts in.
    pub(super) fn series(&self, model: &str) -> ModelCounters {
        ModelCounters {
            in_flight: self.models.in_flight.with_label_values(&[model]),
            request_bytes: self.models.request_bytes.with_label_values(&[model]),
            response_bytes: self.models.response_bytes.with_label_values(&[model]),
            queue_seconds: self.models.queue_seconds.with_label_values(&[model]),
            inline_calls: self.models.inline_calls.with_label_values(&[model]),
            instances_put_back: self.calls.instances_put_back.with_label_values(&[model]),
        }
    }

    /// The series of requests by what became of them; the version is one that is kept ready, or unknown.
    pub(super) fn answered(&self, model: &str, version: &str, outcome: &str) -> AnsweredCounters {
        let labels = [model, version, outcome];
        AnsweredCounters {
            requests: self.models.requests.with_label_values(&labels),
            seconds: self.models.request_seconds.with_label_values(&labels),
        }
    }

    /// The upper bounds of the buckets of their times.
    pub(super) fn request_bounds(&self) -> Arc<[f64]> {
        self.models.request_bounds.clone()
    }

    /// The series of one version that every call of it counts in.
    pub(super) fn calls(&self, model: &str, version: u32) -> CallCounters {
        let version = version.to_string();
        let labels = [model, version.as_str()];
        CallCounters {
            seconds: self.calls.sandbox_seconds.with_label_values(&labels),
            memory_bytes: self.calls.memory_bytes.with_label_values(&labels),
        }
    }

    /// The series of a version whose instructions are counted.
    pub(super) fn fuel(&self, model: &str, version: u32) -> Histogram {
        self.calls.fuel.with_label_values(&[model, version.to_string().as_str()])
    }

    /// A request that went to the fallback chain.
    pub fn fell_back(&self, model: &str, reason: &str) {
        self.models.fallbacks.with_label_values(&[model, reason]).inc();
    }

    /// What a request's or an answer's checks found.
    pub fn found(&self, model: &str, side: &str, tallies: &[Tally]) {
        for tally in tallies {
            let labels = [model, side, tally.check.name(), tally.policy.name()];
            self.models.findings.with_label_values(&labels).inc_by(tally.count as u64);
        }
    }

    /// Processor time that a model's calls have used.
    pub fn used_cpu(&self, model: &str, cpu: Duration) {
        self.calls.cpu_seconds.with_label_values(&[model]).inc_by(cpu.as_secs_f64());
    }

    /// Requests that one call answered together.
    pub fn joined(&self, model: &str, requests: usize) {
        self.models.batch_requests.with_label_values(&[model]).observe(requests as f64);
    }

    /// An instance that exists until the result is dropped.
    pub fn instance(&self) -> LiveInstance<'_> {
        self.host.instances.inc();
        LiveInstance(&self.host.instances)
    }

    /// A component that was loaded.
    pub fn loaded(&self, source: CodeSource, took: Duration) {
        let source = match source {
            CodeSource::Cache => "cache",
            CodeSource::Compiled(_) => "compiled",
        };
        self.host.loads.with_label_values(&[source]).inc();
        self.host.compile_seconds.observe(took.as_secs_f64());
    }

    /// A canary that the host took back.
    pub fn canary_rolled_back(&self, model: &str) {
        self.models.canaries_rolled_back.with_label_values(&[model]).inc();
    }

    /// A circuit that came to a state.
    pub fn circuit_changed(&self, model: &str, to: &str) {
        self.models.circuit_transitions.with_label_values(&[model, to]).inc();
    }

    /// Records that are not kept.
    pub fn records_lost(&self, kind: &str, reason: &str, count: u64) {
        self.host.records_lost.with_label_values(&[kind, reason]).inc_by(count);
    }

    /// Records that are not on the disk yet.
    pub fn records_unwritten(&self, kind: &str, count: u64) {
        self.host.records_unwritten.with_label_values(&[kind]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Whether the watched file could be applied.
    pub fn file_applied(&self, applied: bool) {
        self.host.file_applied.with_label_values::<&str>(&[]).set(i64::from(applied));
    }

    /// Spans that a collector has taken.
    pub(super) fn spans_exported(&self, spans: usize) {
        self.host.spans_exported.inc_by(spans as u64);
    }

    /// Spans that none has taken.
    pub(super) fn spans_lost(&self, reason: &str, spans: usize) {
        self.host.spans_lost.with_label_values(&[reason]).inc_by(spans as u64);
    }

    /// A change that is now served.
    pub fn swapped(&self, took: Duration) {
        self.host.swap_seconds.observe(took.as_secs_f64());
    }
}

/// Removes the series of models and versions that are gone.
fn prune<T: MetricVecBuilder>(series: &MetricVec<T>, is_there: &impl Fn(&str, Option<u32>) -> bool) {
    for metric in series.collect().iter().flat_map(|family| family.get_metric()) {
        if is_gone(metric, is_there) {
            let labels: HashMap<&str, &str> =
                metric.get_label().iter().map(|label| (label.name(), label.value())).collect();
            // It may have been removed meanwhile.
            let _ = series.remove(&labels);
        }
    }
}

fn is_gone(metric: &Metric, is_there: &impl Fn(&str, Option<u32>) -> bool) -> bool {
    let label = |name: &str| metric.get_label().iter().find(|label| label.name() == name).map(LabelPair::value);
    let version = label("version").and_then(|version| version.parse().ok());
    label("model").is_some_and(|model| model != UNKNOWN && !is_there(model, version))
}

impl Drop for LiveInstance<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
