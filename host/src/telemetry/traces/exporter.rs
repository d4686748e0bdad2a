//! The thread that sends spans: makes them of what was recorded, a batch at a time, and has OpenTelemetry's exporter send
//! them. Nothing waits for it but a host that ends.

use super::spans::spans;
use super::{State, TracesError, Waiting};
use crate::config::{TraceProtocol, Traces as Settings};
use crate::telemetry::random;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use scry_os::threads::{Priority, give_way};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// The name under which a host's spans are found, where the environment has no other.
const SERVICE: &str = "scry";

pub(super) struct Exporter {
    sends: SpanExporter,
    scope: InstrumentationScope,
    export_max: Duration,
    waiting: Arc<Waiting>,
}

impl Exporter {
    /// Sends what waits, on a thread of its own, until its other side is dropped. Fails where it cannot begin.
    pub(super) fn start(settings: &Settings, collector: String, waiting: Arc<Waiting>) -> Result<(), TracesError> {
        let (settings, (began, has_begun)) = (settings.clone(), sync_channel(1));
        let send = move || {
            give_way(Priority::Patient);
            let ready =
                Builder::new_current_thread().enable_all().build().map_err(TracesError::from).and_then(|runtime| {
                    let exporter = Self::new(&settings, &collector, &runtime, waiting)?;
                    Ok((runtime, exporter))
                });
            match ready {
                Ok((runtime, exporter)) => {
                    // Who started it waits.
                    let _ = began.send(Ok(()));
                    runtime.block_on(exporter.send_all());
                }
                Err(error) => drop(began.send(Err(error))),
            }
        };
        std::thread::Builder::new().name("traces".into()).spawn(send)?;
        has_begun.recv().map_err(std::io::Error::other)?
    }

    fn new(
        settings: &Settings,
        collector: &str,
        runtime: &Runtime,
        waiting: Arc<Waiting>,
    ) -> Result<Self, TracesError> {
        Ok(Self {
            sends: exporter(settings, collector, runtime)?,
            scope: InstrumentationScope::builder(SERVICE).with_version(env!("CARGO_PKG_VERSION")).build(),
            export_max: settings.environment.export_max,
            waiting,
        })
    }

    async fn send_all(self) {
        loop {
            let State { traced, flushing, has_ended, .. } = self.waiting.next().await;
            let mut batch = Vec::new();
            for traced in &traced {
                batch.extend(spans(traced, &self.scope, random));
                if batch.len() >= self.waiting.batch_max {
                    self.send(std::mem::take(&mut batch)).await;
                }
            }
            self.send(batch).await;
            for waits in flushing {
                // It may have lost patience.
                let _ = waits.send(());
            }
            if has_ended {
                return;
            }
        }
    }

    async fn send(&self, mut spans: Vec<SpanData>) {
        while !spans.is_empty() {
            let rest = spans.split_off(spans.len().min(self.waiting.batch_max));
            let count = spans.len();
            match tokio::time::timeout(self.export_max, self.sends.export(spans)).await {
                Ok(Ok(())) => self.waiting.metrics.spans_exported(count),
                Ok(Err(error)) => self.waiting.lost(count, NOT_SENT, &error.to_string()),
                Err(late) => self.waiting.lost(count, NOT_SENT, &late.to_string()),
            }
            spans = rest;
        }
    }
}

/// Why spans are lost that had found room.
const NOT_SENT: &str = "not-sent";

/// OpenTelemetry's own, which also reads the variables for headers and for compression.
fn exporter(settings: &Settings, collector: &str, runtime: &Runtime) -> Result<SpanExporter, TracesError> {
    let wrong = |error: &dyn std::error::Error| TracesError::Exporter(chain(error));
    let attempt_max = settings.environment.attempt_max;
    // A channel of gRPC is of the runtime in which it is made.
    let _entered = runtime.enter();
    let mut exporter = match settings.protocol {
        TraceProtocol::Grpc => {
            let builder = SpanExporter::builder().with_tonic().with_endpoint(collector).with_timeout(attempt_max);
            match collector.starts_with("http://") {
                true => builder.build(),
                false => builder.with_tls_config(ClientTlsConfig::new().with_enabled_roots()).build(),
            }
        }
        TraceProtocol::Http => {
            // Fails when there is one already, which will do.
            let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
            // Spans and the headers that go with them are for the collector that the operator names, and no other.
            let client = reqwest::Client::builder().timeout(attempt_max).redirect(reqwest::redirect::Policy::none());
            let client = client.build().map_err(|error| wrong(&error))?;
            let builder = SpanExporter::builder().with_http().with_http_client(client);
            builder.with_endpoint(collector).with_timeout(attempt_max).build()
        }
    }
    .map_err(|error| wrong(&error))?;
    exporter.set_resource(&resource());
    Ok(exporter)
}

/// What a host says of itself.
fn resource() -> Resource {
    let instance = format!("{:016x}{:016x}", random(), random());
    let resource = Resource::builder_empty()
        .with_service_name(SERVICE)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", instance))
        .with_detectors(&[Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())]);
    match std::env::var("OTEL_SERVICE_NAME") {
        Ok(name) if !name.trim().is_empty() => resource.with_service_name(name).build(),
        _ => resource.build(),
    }
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
