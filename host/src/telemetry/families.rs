//! Every family of series that is counted as things happen: name, help, labels, buckets. Never counts anything itself.

use prometheus::core::Collector;
use prometheus::{
    CounterVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    exponential_buckets,
};
use std::sync::Arc;

/// The histogram that has exemplars.
pub(super) const REQUEST_SECONDS: &str = "scry_request_seconds";

type Made<T> = Result<T, prometheus::Error>;

/// What listeners count.
#[derive(Debug)]
pub(super) struct ListenerFamilies {
    pub(super) connections: IntGaugeVec,
    pub(super) connections_refused: IntCounterVec,
    pub(super) connections_ended: IntCounterVec,
    pub(super) requests_refused: IntCounterVec,
    pub(super) access_refused: IntCounterVec,
    pub(super) access_lines_dropped: IntCounter,
    pub(super) files_in_use: IntGaugeVec,
}

/// What predictions count, by model.
#[derive(Debug)]
pub(super) struct ModelFamilies {
    pub(super) requests: IntCounterVec,
    pub(super) in_flight: IntGaugeVec,
    pub(super) request_seconds: HistogramVec,
    /// The upper bounds of its buckets.
    pub(super) request_bounds: Arc<[f64]>,
    pub(super) request_bytes: HistogramVec,
    pub(super) response_bytes: HistogramVec,
    pub(super) queue_seconds: HistogramVec,
    pub(super) batch_requests: HistogramVec,
    pub(super) fallbacks: IntCounterVec,
    pub(super) findings: IntCounterVec,
    pub(super) inline_calls: IntCounterVec,
    pub(super) canaries_rolled_back: IntCounterVec,
    pub(super) circuit_transitions: IntCounterVec,
}

/// What calls of components count, by model.
#[derive(Debug)]
pub(super) struct CallFamilies {
    pub(super) sandbox_seconds: HistogramVec,
    pub(super) fuel: HistogramVec,
    pub(super) memory_bytes: HistogramVec,
    pub(super) cpu_seconds: CounterVec,
    pub(super) instances_put_back: IntCounterVec,
}

/// What the host as a whole counts.
#[derive(Debug)]
pub(super) struct HostFamilies {
    pub(super) instances: IntGauge,
    pub(super) put_back_mappings: IntGauge,
    pub(super) put_back_mappings_max: IntGauge,
    pub(super) loads: IntCounterVec,
    pub(super) compile_seconds: Histogram,
    pub(super) swap_seconds: Histogram,
    pub(super) records_lost: IntCounterVec,
    pub(super) records_unwritten: IntGaugeVec,
    /// Without a series until a file is watched.
    pub(super) file_applied: IntGaugeVec,
    pub(super) spans_exported: IntCounter,
    pub(super) spans_lost: IntCounterVec,
}

impl ListenerFamilies {
    pub(super) fn new() -> Made<Self> {
        Ok(Self {
            connections: gauges("scry_connections", "Connections open right now.", &["listener"])?,
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
            files_in_use: gauges(
                "scry_file_in_use",
                "1 when a file's content is in use, 0 when it cannot be.",
                &["file"],
            )?,
        })
    }

    pub(super) fn collectors(&self) -> [Box<dyn Collector>; 7] {
        [
            Box::new(self.connections.clone()),
            Box::new(self.connections_refused.clone()),
            Box::new(self.connections_ended.clone()),
            Box::new(self.requests_refused.clone()),
            Box::new(self.access_refused.clone()),
            Box::new(self.access_lines_dropped.clone()),
            Box::new(self.files_in_use.clone()),
        ]
    }
}

impl ModelFamilies {
    pub(super) fn new() -> Made<Self> {
        let model = ["model"];
        let outcome = ["model", "version", "outcome"];
        let (seconds, bytes) = (short_seconds()?, body_bytes()?);
        Ok(Self {
            requests: counters("scry_requests_total", "Prediction requests by what became of them.", &outcome)?,
            in_flight: gauges("scry_requests_in_flight", "Requests that are read and not answered yet.", &model)?,
            request_seconds: histograms(
                REQUEST_SECONDS,
                "From a request's arrival to its answer.",
                &outcome,
                &seconds,
            )?,
            request_bounds: seconds.as_slice().into(),
            request_bytes: histograms("scry_request_bytes", "Bodies of requests, decompressed.", &model, &bytes)?,
            response_bytes: histograms(
                "scry_response_bytes",
                "Bodies of answers, before they are compressed.",
                &model,
                &bytes,
            )?,
            queue_seconds: histograms(
                "scry_queue_seconds",
                "How long a request, or a call for one, waited for a compute thread.",
                &model,
                &seconds,
            )?,
            batch_requests: histograms(
                "scry_batch_requests",
                "Requests that one call answered together.",
                &model,
                &exponential_buckets(2.0, 2.0, 8)?,
            )?,
            fallbacks: counters(
                "scry_fallbacks_total",
                "Requests that went to the fallback chain, by reason.",
                &["model", "reason"],
            )?,
            findings: counters(
                "scry_validation_findings_total",
                "Checks that failed, by what followed.",
                &["model", "side", "check", "policy"],
            )?,
            inline_calls: counters(
                "scry_inline_calls_total",
                "Requests that the thread which received them answered itself, without a hand-over.",
                &model,
            )?,
            canaries_rolled_back: counters(
                "scry_canary_rollbacks_total",
                "Canaries that the host took back by itself.",
                &model,
            )?,
            circuit_transitions: counters(
                "scry_circuit_transitions_total",
                "Changes of versions' circuits, by the new state.",
                &["model", "to"],
            )?,
        })
    }

    pub(super) fn collectors(&self) -> [Box<dyn Collector>; 12] {
        [
            Box::new(self.requests.clone()),
            Box::new(self.in_flight.clone()),
            Box::new(self.request_seconds.clone()),
            Box::new(self.request_bytes.clone()),
            Box::new(self.response_bytes.clone()),
            Box::new(self.queue_seconds.clone()),
            Box::new(self.batch_requests.clone()),
            Box::new(self.fallbacks.clone()),
            Box::new(self.findings.clone()),
            Box::new(self.inline_calls.clone()),
            Box::new(self.canaries_rolled_back.clone()),
            Box::new(self.circuit_transitions.clone()),
        ]
    }
}

impl CallFamilies {
    pub(super) fn new() -> Made<Self> {
        let version = ["model", "version"];
        Ok(Self {
            sandbox_seconds: histograms(
                "scry_sandbox_seconds",
                "From an instance to its copied-out answer.",
                &version,
                &short_seconds()?,
            )?,
            // A thousand to ten billion.
            fuel: histograms(
                "scry_call_fuel",
                "Instructions of a call, roughly, where they are counted.",
                &version,
                &exponential_buckets(1e3, 10.0, 8)?,
            )?,
            // 1 MiB to 1 GiB.
            memory_bytes: histograms(
                "scry_call_memory_bytes",
                "Linear memory of an instance at the end of a call.",
                &version,
                &exponential_buckets(f64::from(1 << 20), 2.0, 11)?,
            )?,
            cpu_seconds: CounterVec::new(
                Opts::new("scry_cpu_seconds_total", "Processor time of the compute threads, by whose calls used it."),
                &["model"],
            )?,
            instances_put_back: counters(
                "scry_instances_put_back_total",
                "Calls whose instance had answered before and was put back to the snapshot; others had a new one.",
                &["model"],
            )?,
        })
    }

    pub(super) fn collectors(&self) -> [Box<dyn Collector>; 5] {
        [
            Box::new(self.sandbox_seconds.clone()),
            Box::new(self.fuel.clone()),
            Box::new(self.memory_bytes.clone()),
            Box::new(self.cpu_seconds.clone()),
            Box::new(self.instances_put_back.clone()),
        ]
    }
}

impl HostFamilies {
    pub(super) fn new() -> Made<Self> {
        let seconds =
            |name: &str, help: &str| Histogram::with_opts(HistogramOpts::new(name, help).buckets(long_seconds()?));
        Ok(Self {
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
            compile_seconds: seconds("scry_compile_seconds", "Loading a component: from the cache or by compiling.")?,
            swap_seconds: seconds("scry_swap_seconds", "From a change's request to its being served.")?,
            records_lost: counters(
                "scry_records_lost_total",
                "Records of predictions that are not kept, by what is recorded and why.",
                &["kind", "reason"],
            )?,
            records_unwritten: gauges(
                "scry_records_unwritten",
                "Records of predictions that are not on the disk yet.",
                &["kind"],
            )?,
            file_applied: gauges(
                "scry_desired_state_applied",
                "1 when the watched file is what was applied last, 0 when it could not be.",
                &[],
            )?,
            spans_exported: IntCounter::new("scry_spans_exported_total", "Spans that the collector has taken.")?,
            spans_lost: counters(
                "scry_spans_lost_total",
                "Spans that no collector has taken, by reason.",
                &["reason"],
            )?,
        })
    }

    pub(super) fn collectors(&self) -> [Box<dyn Collector>; 11] {
        [
            Box::new(self.instances.clone()),
            Box::new(self.put_back_mappings.clone()),
            Box::new(self.put_back_mappings_max.clone()),
            Box::new(self.loads.clone()),
            Box::new(self.compile_seconds.clone()),
            Box::new(self.swap_seconds.clone()),
            Box::new(self.records_lost.clone()),
            Box::new(self.records_unwritten.clone()),
            Box::new(self.file_applied.clone()),
            Box::new(self.spans_exported.clone()),
            Box::new(self.spans_lost.clone()),
        ]
    }
}

/// 50 µs to 1.6 s.
fn short_seconds() -> Made<Vec<f64>> {
    exponential_buckets(50e-6, 2.0, 16)
}

/// 1 ms to 65 s.
fn long_seconds() -> Made<Vec<f64>> {
    exponential_buckets(1e-3, 2.0, 17)
}

/// 256 bytes to 64 MiB.
fn body_bytes() -> Made<Vec<f64>> {
    exponential_buckets(256.0, 8.0, 7)
}

fn counters(name: &str, help: &str, labels: &[&str]) -> Made<IntCounterVec> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> Made<IntGaugeVec> {
    IntGaugeVec::new(Opts::new(name, help), labels)
}

fn histograms(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> Made<HistogramVec> {
    HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)
}
