//! Prometheus metrics.
//!
//! `model` is a served name or `unknown`; `version` the number of one that is
//! kept ready, or `unknown`; `listener`, outcomes and reasons are fixed names.
//! A series ends with its model or version.

use super::Scrape;
use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::proto::{LabelPair, Metric};
use prometheus::{
    CounterVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder, exponential_buckets,
};
use scry_card::Tally;
use scry_sandbox::{CodeSource, put_back_mappings};
use std::collections::HashMap;
use std::time::Duration;

/// The label of a model or version that is not there.
pub const UNKNOWN: &str = "unknown";
/// The outcome of a request for one.
pub const NOT_FOUND: &str = "not-found";

/// Everything that `/metrics` shows.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    connections: IntGaugeVec,
    connections_refused: IntCounterVec,
    connections_ended: IntCounterVec,
    requests_refused: IntCounterVec,
    access_refused: IntCounterVec,
    access_lines_dropped: IntCounter,
    files_in_use: IntGaugeVec,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    queue_seconds: HistogramVec,
    sandbox_seconds: HistogramVec,
    cpu_seconds: CounterVec,
    batch_requests: HistogramVec,
    fallbacks: IntCounterVec,
    findings: IntCounterVec,
    inline_calls: IntCounterVec,
    instances_put_back: IntCounterVec,
    instances: IntGauge,
    put_back_mappings: IntGauge,
    put_back_mappings_max: IntGauge,
    loads: IntCounterVec,
    compile_seconds: Histogram,
    swap_seconds: Histogram,
    canaries_rolled_back: IntCounterVec,
    circuit_transitions: IntCounterVec,
    /// Without a series until a file is watched.
    file_applied: IntGaugeVec,
    spans_exported: IntCounter,
    spans_lost: IntCounterVec,
}

/// What every request of one model counts in.
#[derive(Debug)]
pub(super) struct ModelCounters {
    pub(super) request_seconds: Histogram,
    pub(super) queue_seconds: Histogram,
    pub(super) sandbox_seconds: Histogram,
    pub(super) inline_calls: IntCounter,
    pub(super) instances_put_back: IntCounter,
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
        // 50 µs to 1.6 s, doubling.
        let fast = exponential_buckets(50e-6, 2.0, 16)?;
        // 1 ms to 65 s.
        let slow = exponential_buckets(1e-3, 2.0, 17)?;
        let seconds = |name: &str, help: &str| {
            HistogramVec::new(HistogramOpts::new(name, help).buckets(fast.clone()), &["model"])
        };
        let counters = |name: &str, help: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let metrics = Self {
            registry: Registry::new(),
            connections: IntGaugeVec::new(Opts::new("scry_connections", "Connections open right now."), &["listener"])?,
            connections_refused: counters(
                "scry_connections_refused_total",
                "Connections for which there was no place.",
                &["listener"],
            )?,
            connections_ended: counters(
                "scry_connections_ended_total",
                "Connections that did not end by themselves, by reason.",
                &["listener", "reason"],
            )?,
            requests_refused: counters(
                "scry_requests_refused_total",
                "Requests that were not read to their end, by reason.",
                &["reason"],
            )?,
            access_refused: counters(
                "scry_access_refused_total",
                "Requests that their client may not make, by reason.",
                &["listener", "reason"],
            )?,
            access_lines_dropped: IntCounter::new(
                "scry_access_log_dropped_total",
                "Lines of the access log for which there was no room, or that could not be written.",
            )?,
            files_in_use: IntGaugeVec::new(
                Opts::new("scry_file_in_use", "1 when a file's content is in use, 0 when it cannot be."),
                &["file"],
            )?,
            requests: counters(
                "scry_requests_total",
                "Prediction requests by what became of them.",
                &["model", "version", "outcome"],
            )?,
            request_seconds: seconds("scry_request_seconds", "From a request's arrival to its answer.")?,
            queue_seconds: seconds(
                "scry_queue_seconds",
                "How long a request, or a call for one, waited for a compute thread.",
            )?,
            sandbox_seconds: seconds("scry_sandbox_seconds", "From an instance to its copied-out answer.")?,
            cpu_seconds: CounterVec::new(
                Opts::new("scry_cpu_seconds_total", "Processor time of the compute threads, by whose calls used it."),
                &["model"],
            )?,
            batch_requests: HistogramVec::new(
                HistogramOpts::new("scry_batch_requests", "Requests that one call answered together.")
                    .buckets(exponential_buckets(2.0, 2.0, 8)?),
                &["model"],
            )?,
            fallbacks: counters(
                "scry_fallbacks_total",
                "Requests that went to the fallback chain, by reason.",
                &["model", "reason"],
            )?,
            inline_calls: counters(
                "scry_inline_calls_total",
                "Requests that the thread which received them answered itself, without a hand-over.",
                &["model"],
            )?,
            instances_put_back: counters(
                "scry_instances_put_back_total",
                "Calls whose instance had answered before and was put back to the snapshot; others had a new one.",
                &["model"],
            )?,
            findings: counters(
                "scry_validation_findings_total",
                "Checks that failed, by what followed.",
                &["model", "side", "check", "policy"],
            )?,
            instances: IntGauge::new("scry_instances_live", "Guest instances that exist right now.")?,
            put_back_mappings: IntGauge::new(
                "scry_put_back_mappings",
                "Memory mappings of the process that putting instances back takes, as an estimate.",
            )?,
            put_back_mappings_max: IntGauge::new(
                "scry_put_back_mappings_max",
                "Memory mappings that it may take; at this many, new instances are not put back.",
            )?,
            loads: counters(
                "scry_component_loads_total",
                "Components loaded, by where their code came from.",
                &["source"],
            )?,
            compile_seconds: Histogram::with_opts(
                HistogramOpts::new("scry_compile_seconds", "Loading a component: from the cache or by compiling.")
                    .buckets(slow.clone()),
            )?,
            swap_seconds: Histogram::with_opts(
                HistogramOpts::new("scry_swap_seconds", "From a change's request to its being served.").buckets(slow),
            )?,
            canaries_rolled_back: counters(
                "scry_canary_rollbacks_total",
                "Canaries that the host took back by itself.",
                &["model"],
            )?,
            circuit_transitions: IntCounterVec::new(
                Opts::new("scry_circuit_transitions_total", "Changes of versions' circuits, by the new state."),
                &["model", "to"],
            )?,
            file_applied: IntGaugeVec::new(
                Opts::new(
                    "scry_desired_state_applied",
                    "1 when the watched file is what was applied last, 0 when it could not be.",
                ),
                &[],
            )?,
            spans_exported: IntCounter::new("scry_spans_exported_total", "Spans that the collector has taken.")?,
            spans_lost: counters(
                "scry_spans_lost_total",
                "Spans that no collector has taken, by reason.",
                &["reason"],
            )?,
        };
        for collector in metrics.collectors() {
            metrics.registry.register(collector)?;
        }
        Ok(metrics)
    }

    pub(super) fn collectors(&self) -> [Box<dyn Collector>; 28] {
        [
            Box::new(self.connections.clone()),
            Box::new(self.connections_refused.clone()),
            Box::new(self.connections_ended.clone()),
            Box::new(self.requests_refused.clone()),
            Box::new(self.access_refused.clone()),
            Box::new(self.access_lines_dropped.clone()),
            Box::new(self.files_in_use.clone()),
            Box::new(self.requests.clone()),
            Box::new(self.request_seconds.clone()),
            Box::new(self.queue_seconds.clone()),
            Box::new(self.sandbox_seconds.clone()),
            Box::new(self.cpu_seconds.clone()),
            Box::new(self.batch_requests.clone()),
            Box::new(self.fallbacks.clone()),
            Box::new(self.findings.clone()),
            Box::new(self.inline_calls.clone()),
            Box::new(self.instances_put_back.clone()),
            Box::new(self.instances.clone()),
            Box::new(self.put_back_mappings.clone()),
            Box::new(self.put_back_mappings_max.clone()),
            Box::new(self.loads.clone()),
            Box::new(self.compile_seconds.clone()),
            Box::new(self.swap_seconds.clone()),
            Box::new(self.canaries_rolled_back.clone()),
            Box::new(self.circuit_transitions.clone()),
            Box::new(self.file_applied.clone()),
            Box::new(self.spans_exported.clone()),
            Box::new(self.spans_lost.clone()),
        ]
    }

    /// The text that Prometheus scrapes, with the versions of this moment. Of
    /// models and versions that are gone a last call may still count something.
    pub fn render(
        &self,
        scrape: &Scrape,
        is_there: impl Fn(&str, Option<u32>) -> bool,
    ) -> Result<String, prometheus::Error> {
        let (held, max) = put_back_mappings();
        self.put_back_mappings.set(i64::try_from(held).unwrap_or(i64::MAX));
        self.put_back_mappings_max.set(i64::try_from(max).unwrap_or(i64::MAX));
        let mut families = self.registry.gather();
        for family in &mut families {
            let mut metrics = family.take_metric();
            metrics.retain(|metric| !is_gone(metric, &is_there));
            family.set_metric(metrics);
        }
        families.retain(|family| !family.get_metric().is_empty());
        families.extend(scrape.families());
        TextEncoder::new().encode_to_string(&families)
    }

    /// Lets go of the series of models and versions that are gone.
    pub fn keep(&self, is_there: impl Fn(&str, Option<u32>) -> bool) {
        prune(&self.requests, &is_there);
        prune(&self.cpu_seconds, &is_there);
        let counters = [
            &self.fallbacks,
            &self.findings,
            &self.inline_calls,
            &self.instances_put_back,
            &self.canaries_rolled_back,
            &self.circuit_transitions,
        ];
        counters.into_iter().for_each(|counters| prune(counters, &is_there));
        let histograms = [&self.request_seconds, &self.queue_seconds, &self.sandbox_seconds, &self.batch_requests];
        histograms.into_iter().for_each(|histograms| prune(histograms, &is_there));
    }

    /// A connection that is open until the result is dropped.
    pub fn connection(&self, listener: &str) -> OpenConnection {
        let open = self.connections.with_label_values(&[listener]);
        open.inc();
        OpenConnection(open)
    }

    /// A connection for which there was no place.
    pub fn connection_refused(&self, listener: &str) {
        self.connections_refused.with_label_values(&[listener]).inc();
    }

    /// A connection that did not end by itself.
    pub fn connection_ended(&self, listener: &str, reason: &str) {
        self.connections_ended.with_label_values(&[listener, reason]).inc();
    }

    /// A request that was not read to its end.
    pub fn request_refused(&self, reason: &str) {
        self.requests_refused.with_label_values(&[reason]).inc();
    }

    /// A request that its client may not make.
    pub fn access_refused(&self, listener: &str, reason: &str) {
        self.access_refused.with_label_values(&[listener, reason]).inc();
    }

    /// Lines of the access log that are lost.
    pub(super) fn access_lines_dropped(&self, lines: u64) {
        self.access_lines_dropped.inc_by(lines);
    }

    /// Whether what a followed file holds is in use.
    pub fn file_in_use(&self, file: &str, is_in_use: bool) {
        self.files_in_use.with_label_values(&[file]).set(i64::from(is_in_use));
    }

    /// A request that named no model or version that exists.
    pub fn refused(&self, model: &str) {
        self.requests.with_label_values(&[model, UNKNOWN, NOT_FOUND]).inc();
    }

    /// The series of one model that every request of it counts in.
    pub(super) fn series(&self, model: &str) -> ModelCounters {
        ModelCounters {
            request_seconds: self.request_seconds.with_label_values(&[model]),
            queue_seconds: self.queue_seconds.with_label_values(&[model]),
            sandbox_seconds: self.sandbox_seconds.with_label_values(&[model]),
            inline_calls: self.inline_calls.with_label_values(&[model]),
            instances_put_back: self.instances_put_back.with_label_values(&[model]),
        }
    }

    /// A request by what became of it; the version is one that is kept ready.
    pub(super) fn count_request(&self, model: &str, version: Option<u32>, outcome: &str) {
        let version = version.map_or_else(|| UNKNOWN.to_owned(), |number| number.to_string());
        self.requests.with_label_values(&[model, version.as_str(), outcome]).inc();
    }

    /// A request that went to the fallback chain.
    pub fn fell_back(&self, model: &str, reason: &str) {
        self.fallbacks.with_label_values(&[model, reason]).inc();
    }

    /// What a request's or an answer's checks found.
    pub fn found(&self, model: &str, side: &str, tallies: &[Tally]) {
        for tally in tallies {
            let labels = [model, side, tally.check.name(), tally.policy.name()];
            self.findings.with_label_values(&labels).inc_by(tally.count as u64);
        }
    }

    /// Processor time that a model's calls have used.
    pub fn used_cpu(&self, model: &str, cpu: Duration) {
        self.cpu_seconds.with_label_values(&[model]).inc_by(cpu.as_secs_f64());
    }

    /// Requests that one call answered together.
    pub fn joined(&self, model: &str, requests: usize) {
        self.batch_requests.with_label_values(&[model]).observe(requests as f64);
    }

    /// An instance that exists until the result is dropped.
    pub fn instance(&self) -> LiveInstance<'_> {
        self.instances.inc();
        LiveInstance(&self.instances)
    }

    /// A component that was loaded.
    pub fn loaded(&self, source: CodeSource, took: Duration) {
        let source = match source {
            CodeSource::Cache => "cache",
            CodeSource::Compiled(_) => "compiled",
        };
        self.loads.with_label_values(&[source]).inc();
        self.compile_seconds.observe(took.as_secs_f64());
    }

    /// A canary that the host took back.
    pub fn canary_rolled_back(&self, model: &str) {
        self.canaries_rolled_back.with_label_values(&[model]).inc();
    }

    /// A circuit that came to a state.
    pub fn circuit_changed(&self, model: &str, to: &str) {
        self.circuit_transitions.with_label_values(&[model, to]).inc();
    }

    /// Whether the watched file could be applied.
    pub fn file_applied(&self, applied: bool) {
        self.file_applied.with_label_values::<&str>(&[]).set(i64::from(applied));
    }

    /// Spans that a collector has taken.
    pub(super) fn spans_exported(&self, spans: usize) {
        self.spans_exported.inc_by(spans as u64);
    }

    /// Spans that none has taken.
    pub(super) fn spans_lost(&self, reason: &str, spans: usize) {
        self.spans_lost.with_label_values(&[reason]).inc_by(spans as u64);
    }

    /// A change that is now served.
    pub fn swapped(&self, took: Duration) {
        self.swap_seconds.observe(took.as_secs_f64());
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
