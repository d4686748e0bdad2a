//! A version that can be called.
//!
//! Never decides which version answers.

use super::circuit::{Circuit, Pass};
use super::limits::EffectiveLimits;
use super::log_limits::LogLimits;
use super::stats::Stats;
use super::validation::{Checked, Refusal, Validation};
use crate::drift::{Arm, DriftMonitor, Paired};
use crate::telemetry::{Metrics, VersionSeries};
use scry_card::{Batch, Card, Golden, Interrupt, Interrupted};
use scry_catalog::Version;
use scry_protocol::Rows;
use scry_sandbox::{CallError, Loaded, Spent};
use scry_scheduler::Lane;
use std::sync::Arc;

/// A version that can be called.
#[derive(Debug)]
pub struct ServedVersion {
    /// The model's name.
    pub model: String,
    /// Number and digest.
    pub version: Version,
    /// The digest, as every answer shows it.
    pub digest_text: Arc<str>,
    /// The model card.
    pub card: Arc<Card>,
    /// What the original model answered.
    pub golden: Arc<Golden>,
    /// The compiled component.
    pub loaded: Loaded,
    /// What one call may use: the model's own limits, also as a fallback.
    pub limits: EffectiveLimits,
    /// The model's own gate.
    pub lane: Arc<Lane>,
    /// The lane of the model's calls.
    pub stats: Arc<Stats>,
    /// Whether it is called at all.
    pub circuit: Arc<Circuit>,
    /// Where its requests and calls count.
    pub series: VersionSeries,
    /// What is checked of its inputs and answers.
    pub validation: Validation,
    /// What it may write to the log.
    pub log_limits: LogLimits,
    /// Its live rows beside its training data, where it says what that was.
    pub drift: Option<Arc<DriftMonitor>>,
    /// The version that it shares the requests with, while there is one.
    pub paired: Option<Arc<Paired>>,
}

impl ServedVersion {
    /// Checks a request. Rows that are kept from the version because of how it
    /// stands are counted, too: it could not come back otherwise.
    pub(super) fn check(
        &self,
        rows: Rows<'_>,
        by_row: bool,
        metrics: &Metrics,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<Result<Checked, Refusal>, Interrupted> {
        let checked = self.validation.check(&self.model, &self.card, rows, by_row, metrics, interrupt)?;
        if let (Ok(checked), Some(watch)) = (&checked, &self.drift)
            && checked.is_kept_from_version()
        {
            watch.saw_inputs(&checked.batch, interrupt);
        }
        Ok(checked)
    }

    /// Counts rows that it has answered, while the client waits. Nothing depends on
    /// the count.
    pub(super) fn saw(&self, inputs: &Batch, outputs: &Batch, interrupt: &mut Interrupt<'_>) {
        if let Some(watch) = &self.drift {
            watch.saw(inputs, outputs, interrupt);
        }
        if let Some(paired) = &self.paired {
            let arm = if self.version.number == paired.live { Arm::Live } else { Arm::Other };
            paired.saw(arm, inputs, outputs, interrupt);
        }
    }

    /// The right to call it. A request that its failures keep from it is one
    /// more that it has not answered; what an operator does is not its fault.
    pub(super) fn enter(&self) -> Result<Pass, CallError> {
        self.circuit.enter().map_err(|open| {
            if !open.is_forced {
                self.stats.record_unasked();
            }
            CallError::CircuitOpen
        })
    }
}

impl ServedVersion {
    /// Keeps what a call has left for the next one, on a thread that has no time to make a new instance.
    pub(super) fn put_back(&self, spent: Spent) {
        self.loaded.put_back(spent, self.lane.limits().in_flight_max);
    }

    /// Why a call would be refused at once, whatever its inputs; asks nothing of the circuit.
    pub(super) fn refuses(&self) -> Option<CallError> {
        self.circuit.refuses().map(|open| {
            if !open.is_forced {
                self.stats.record_unasked();
            }
            CallError::CircuitOpen
        })
    }

    /// Has an instance ready ahead of the next call; without one, that call makes its own.
    pub(super) fn restock(&self, spent: Spent) {
        let each = self.lane.limits().in_flight_max;
        if let Err(error) = self.loaded.restock(spent, each, &self.limits.of_call()) {
            tracing::debug!(model = %self.model, %error, "no instance was made ahead");
        }
    }
}
