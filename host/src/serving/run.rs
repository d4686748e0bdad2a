//! One call on a compute thread: within the version's limits, counted, and told
//! to operators where it fails.
//!
//! Never decides what follows from a failure.

use super::observed::LastError;
use super::target::Target;
use crate::sandbox::{CallError, CallLimits};
use crate::telemetry::{Metrics, unix_ms};
use scry_card::Batch;
use std::time::{Duration, Instant};

/// What became of one component's try, and how long it ran.
pub(super) type Attempt = Result<(Batch, Duration), CallError>;

/// Runs a version; operators see what the client won't.
pub(super) fn run(target: &Target, inputs: &Batch, until: Instant, metrics: &Metrics) -> Attempt {
    let limits = CallLimits {
        deadline: until,
        fuel: target.limits.fuel,
        memory_max_bytes: target.limits.memory_max_bytes,
        output_max_bytes: target.limits.output_max_bytes,
    };
    let _live = metrics.instance();
    let report = target.loaded.predict(inputs, &limits);
    metrics.ran(&target.model, report.duration);
    let (model, version) = (&target.model, target.version.number);
    for line in &report.logs {
        tracing::info!(target: "scry::guest", %model, version, level = %line.level, "{}", line.message);
    }
    if report.logs_dropped > 0 {
        tracing::warn!(target: "scry::guest", %model, version, dropped = report.logs_dropped, "the guest logged too much");
    }
    match &report.outcome {
        Ok(_) => target.observed.record(report.duration, None),
        // No instance was free: that says nothing about the version.
        Err(CallError::Overload) => {}
        Err(error) => {
            let (digest, cause) = (target.version.digest, error.to_string());
            target.observed.record(report.duration, Some(LastError::new(unix_ms(), error.reason(), &cause)));
            tracing::warn!(%model, version, %digest, reason = error.reason(), rows = inputs.rows, %cause, "a call failed");
        }
    }
    report.outcome.map(|outputs| (outputs, report.duration))
}
