//! One call on the thread that it was given: within the version's limits,
//! counted, and told to operators where it fails.
//!
//! Never decides what follows from a failure.

use super::stats::LastError;
use super::trail::{Ran, Track};
use super::version::ServedVersion;
use crate::telemetry::{Metrics, unix_ms};
use scry_card::{Batch, Interrupt, Interrupted};
use scry_sandbox::{CallError, CallLimits, Client, Spent};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What became of one component's try, and how long it ran.
pub(super) type Attempt = Result<(Batch, Duration), CallError>;

/// Runs a version; operators see what the client won't. With less time than
/// `fair`, running out of it is not the version's fault. Each request has a track;
/// a call for several that fails has no culprit yet: each request is made again alone.
pub(super) fn invoke(
    target: &ServedVersion,
    inputs: &Batch,
    requests: &[Track<'_>],
    until: Instant,
    fair: Duration,
    stop: Option<Arc<dyn Client>>,
    metrics: &Metrics,
) -> (Attempt, Spent) {
    let is_awaited = stop.is_some();
    let is_timed = requests.iter().any(|track| track.is_traced());
    let limits = CallLimits { deadline: until, client: stop.clone(), is_timed, ..target.limits.of_call() };
    let has_gone = || stop.as_ref().is_some_and(|stop| stop.has_gone());
    let is_over = || has_gone() || Instant::now() >= until;
    let mut interrupt = Interrupt::when(&is_over);
    let now = Instant::now();
    let had = until.saturating_duration_since(now);
    let live = metrics.instance();
    let mut report = match is_awaited {
        true => target.loaded.predict(inputs, &limits),
        false => target.loaded.apart().predict(inputs, &limits),
    };
    drop(live);
    if had < fair && matches!(report.outcome, Err(CallError::Timeout)) {
        report.outcome = Err(CallError::ShortOfTime);
    }
    if let Ok(answer) = &report.outcome {
        match target.validation.check_answer(&target.model, answer, metrics, &mut interrupt) {
            Ok(Ok(())) => {}
            Ok(Err(wrong)) => report.outcome = Err(CallError::InvalidOutput(wrong)),
            Err(Interrupted) if has_gone() => report.outcome = Err(CallError::Abandoned),
            Err(Interrupted) => report.outcome = Err(CallError::Overdue),
        }
    }
    target.series.ran(report.duration, report.memory_bytes, report.fuel);
    if report.was_put_back {
        target.series.put_back();
    }
    let ran = Ran { target, report: &report, began: now, had, requests: requests.len() };
    requests.iter().for_each(|track| track.ran(ran));
    let (model, version) = (&target.model, target.version.number);
    for line in &report.logs {
        if let Some(unsaid) = target.log_limits.guest.take(now) {
            tracing::info!(target: "scry::guest", %model, version, level = %line.level, unsaid, "{}", line.message);
        }
    }
    if report.logs_dropped > 0
        && let Some(unsaid) = target.log_limits.guest.take(now)
    {
        let dropped = report.logs_dropped;
        tracing::warn!(target: "scry::guest", %model, version, dropped, unsaid, "the guest logged too much");
    }
    match &report.outcome {
        // A shadow's call is not a request and does not count against the requested model.
        Ok(_) if !is_awaited => {}
        Ok(outputs) => {
            target.lane.succeeded(report.duration);
            target.saw(inputs, outputs, &mut interrupt);
            target.stats.steps().called(inputs.rows);
            requests.iter().for_each(|_| target.stats.record(report.duration, None));
        }
        Err(error) if requests.len() > 1 => {
            let requests = requests.len();
            tracing::debug!(%model, version, reason = error.reason(), requests, "a joined call failed");
        }
        // That says nothing about the version.
        Err(
            CallError::Overload
            | CallError::Abandoned
            | CallError::ShortOfTime
            | CallError::Late { .. }
            | CallError::Overdue,
        ) => {}
        Err(error) => {
            // A client's mistake does not count against the model.
            if is_awaited && !matches!(error, CallError::InvalidInput(_)) {
                target.lane.failed();
            }
            let (digest, cause) = (target.version.digest, error.to_string());
            let last = LastError::new(unix_ms(), error.reason(), &error.cause());
            match is_awaited {
                true => {
                    target.stats.inline().failed();
                    target.stats.record(report.duration, Some(last));
                }
                false => target.stats.note(last),
            }
            if let Some(unsaid) = target.log_limits.failures.take(now) {
                let (reason, rows) = (error.reason(), inputs.rows);
                tracing::warn!(%model, version, %digest, reason, rows, %cause, unsaid, "a call failed");
            }
        }
    }
    (report.outcome.map(|outputs| (outputs, report.duration)), report.spent)
}
