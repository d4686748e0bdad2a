//! Prometheus metrics.
//!
//! `model` is a published name or `unknown`; `version` a number; outcomes and
//! reasons are the fixed names of `CallError`.

use crate::sandbox::CodeSource;
use prometheus::{
    CounterVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, core::Collector, exponential_buckets,
};
use std::time::Duration;

/// Everything that `/metrics` shows.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    queue_seconds: HistogramVec,
    sandbox_seconds: HistogramVec,
    cpu_seconds: CounterVec,
    batch_requests: HistogramVec,
    fallbacks: IntCounterVec,
    instances: IntGauge,
    loads: IntCounterVec,
    compile_seconds: Histogram,
    swap_seconds: Histogram,
    canaries_rolled_back: IntCounterVec,
    circuit_transitions: IntCounterVec,
    file_applied: IntGauge,
}

/// Counts a live instance until it is dropped.
#[derive(Debug)]
pub struct LiveInstance<'a>(&'a IntGauge);

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
        let metrics = Self {
            registry: Registry::new(),
            requests: IntCounterVec::new(
                Opts::new("scry_requests_total", "Prediction requests by what became of them."),
                &["model", "version", "outcome"],
            )?,
            request_seconds: seconds("scry_request_seconds", "From a request's arrival to its answer.")?,
            queue_seconds: seconds("scry_queue_seconds", "How long a call waited for a compute thread.")?,
            sandbox_seconds: seconds("scry_sandbox_seconds", "From a fresh instance to its copied-out answer.")?,
            cpu_seconds: CounterVec::new(
                Opts::new("scry_cpu_seconds_total", "Processor time of the compute threads, by whose calls used it."),
                &["model"],
            )?,
            batch_requests: HistogramVec::new(
                HistogramOpts::new("scry_batch_requests", "Requests that one call answered together, where any were joined.")
                    .buckets(exponential_buckets(2.0, 2.0, 8)?),
                &["model"],
            )?,
            fallbacks: IntCounterVec::new(
                Opts::new("scry_fallbacks_total", "Requests that went to the fallback chain, by reason."),
                &["model", "reason"],
            )?,
            instances: IntGauge::new("scry_instances_live", "Guest instances that exist right now.")?,
            loads: IntCounterVec::new(
                Opts::new("scry_component_loads_total", "Components loaded, by where their code came from."),
                &["source"],
            )?,
            compile_seconds: Histogram::with_opts(
                HistogramOpts::new("scry_compile_seconds", "Loading a component: from the cache or by compiling.")
                    .buckets(slow.clone()),
            )?,
            swap_seconds: Histogram::with_opts(
                HistogramOpts::new("scry_swap_seconds", "From a change's request to its being served.").buckets(slow),
            )?,
            canaries_rolled_back: IntCounterVec::new(
                Opts::new("scry_canary_rollbacks_total", "Canaries that the host took back by itself."),
                &["model"],
            )?,
            circuit_transitions: IntCounterVec::new(
                Opts::new("scry_circuit_transitions_total", "Changes of versions' circuits, by the new state."),
                &["model", "to"],
            )?,
            file_applied: IntGauge::new(
                "scry_desired_state_applied",
                "1 when the watched file is what was applied last, 0 when it could not be.",
            )?,
        };
        let registry = &metrics.registry;
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.request_seconds.clone()))?;
        registry.register(Box::new(metrics.queue_seconds.clone()))?;
        registry.register(Box::new(metrics.sandbox_seconds.clone()))?;
        registry.register(Box::new(metrics.cpu_seconds.clone()))?;
        registry.register(Box::new(metrics.batch_requests.clone()))?;
        registry.register(Box::new(metrics.fallbacks.clone()))?;
        registry.register(Box::new(metrics.instances.clone()))?;
        registry.register(Box::new(metrics.loads.clone()))?;
        registry.register(Box::new(metrics.compile_seconds.clone()))?;
        registry.register(Box::new(metrics.swap_seconds.clone()))?;
        registry.register(Box::new(metrics.canaries_rolled_back.clone()))?;
        registry.register(Box::new(metrics.circuit_transitions.clone()))?;
        registry.register(Box::new(metrics.file_applied.clone()))?;
        Ok(metrics)
    }

    /// The text that Prometheus scrapes; `circuits`: of which version of which
    /// model, and whether it is open.
    pub fn render<'a>(
        &self,
        circuits: impl Iterator<Item = (&'a str, u32, bool)>,
    ) -> Result<String, prometheus::Error> {
        // Made for each scrape: a version that is let go of leaves nothing behind.
        let opts = Opts::new("scry_circuit_open", "1 while a version is not called, but for a probe; else 0.");
        let open = IntGaugeVec::new(opts, &["model", "version"])?;
        for (model, version, is_open) in circuits {
            open.with_label_values(&[model, version.to_string().as_str()]).set(i64::from(is_open));
        }
        let mut families = self.registry.gather();
        families.extend(open.collect().into_iter().filter(|family| !family.get_metric().is_empty()));
        TextEncoder::new().encode_to_string(&families)
    }

    /// A request that named no model or version that exists.
    pub fn refused(&self, model: &str) {
        self.requests.with_label_values(&[model, "unknown", "not-found"]).inc();
    }

    /// A request that was answered, one way or another.
    pub fn answered(&self, model: &str, version: u32, outcome: &str, took: Duration) {
        self.requests.with_label_values(&[model, version.to_string().as_str(), outcome]).inc();
        self.request_seconds.with_label_values(&[model]).observe(took.as_secs_f64());
    }

    /// A request that went to the fallback chain.
    pub fn fell_back(&self, model: &str, reason: &str) {
        self.fallbacks.with_label_values(&[model, reason]).inc();
    }

    /// A call that a compute thread took up.
    pub fn queued(&self, model: &str, took: Duration) {
        self.queue_seconds.with_label_values(&[model]).observe(took.as_secs_f64());
    }

    /// Processor time that a model's calls have used.
    pub fn used_cpu(&self, model: &str, cpu: Duration) {
        self.cpu_seconds.with_label_values(&[model]).inc_by(cpu.as_secs_f64());
    }

    /// Requests that one call answered together.
    pub fn joined(&self, model: &str, requests: usize) {
        self.batch_requests.with_label_values(&[model]).observe(requests as f64);
    }

    /// A call that ran.
    pub fn ran(&self, model: &str, took: Duration) {
        self.sandbox_seconds.with_label_values(&[model]).observe(took.as_secs_f64());
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
            CodeSource::Compiled => "compiled",
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
        self.file_applied.set(i64::from(applied));
    }

    /// A change that is now served.
    pub fn swapped(&self, took: Duration) {
        self.swap_seconds.observe(took.as_secs_f64());
    }
}

impl Drop for LiveInstance<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
