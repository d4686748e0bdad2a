//! A version that can be called, and how one version's columns become another's.
//!
//! Never decides which version answers.

use super::budget::Reserve;
use super::circuit::{Circuit, Pass};
use super::predict::PredictError;
use super::validation::Checked;
use super::watch::Arm;
use super::{Admission, Beside, Observed, Rows, Validation, Voice, Watch};
use crate::telemetry::Metrics;
use scry_card::{Batch, Card, Field, Interrupt, Interrupted, Schema, ShownShape, Tensor, Values};
use scry_catalog::Version;
use scry_sandbox::{CallError, CallLimits, Loaded, Spent};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A version that can be called.
#[derive(Debug)]
pub struct Target {
    /// The model's name.
    pub model: String,
    /// Number and digest.
    pub version: Version,
    /// The digest, as every answer shows it.
    pub digest_text: Arc<str>,
    /// The model card.
    pub card: Arc<Card>,
    /// The compiled component.
    pub loaded: Loaded,
    /// What one call may use: the model's own limits, whoever it stands in for.
    pub limits: EffectiveLimits,
    /// The model's own gate.
    pub admission: Arc<Admission>,
    /// What became of its calls.
    pub observed: Arc<Observed>,
    /// Whether it is called at all.
    pub circuit: Arc<Circuit>,
    /// What is checked of its inputs and answers.
    pub validation: Validation,
    /// What it may write to the log.
    pub voice: Voice,
    /// Its live rows beside its training data, where it says what that was.
    pub watch: Option<Arc<Watch>>,
    /// The version that it shares the requests with, while there is one.
    pub beside: Option<Arc<Beside>>,
}

impl Target {
    /// Checks a request. Rows that are kept from the version because of how it
    /// stands are counted all the same: it could not come back otherwise.
    pub(super) fn check(
        &self,
        rows: Rows,
        by_row: bool,
        metrics: &Metrics,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<Result<Checked, PredictError>, Interrupted> {
        let checked = self.validation.check(&self.model, &self.card, rows, by_row, metrics, interrupt)?;
        if let (Ok(checked), Some(watch)) = (&checked, &self.watch)
            && checked.is_kept_from_version()
        {
            watch.saw_inputs(&checked.batch, interrupt);
        }
        Ok(checked)
    }

    /// Counts rows that it has answered, while the client waits. Nothing depends on
    /// the count.
    pub(super) fn saw(&self, inputs: &Batch, outputs: &Batch, interrupt: &mut Interrupt<'_>) {
        if let Some(watch) = &self.watch {
            watch.saw(inputs, outputs, interrupt);
        }
        if let Some(beside) = &self.beside {
            let arm = if self.version.number == beside.live { Arm::Live } else { Arm::Other };
            beside.saw(arm, inputs, outputs, interrupt);
        }
    }

    /// The right to call it. A request that its failures keep from it is one
    /// more that it has not answered; what an operator does is not its fault.
    pub(super) fn enter(&self) -> Result<Pass, CallError> {
        self.circuit.enter().map_err(|open| {
            if !open.is_forced {
                self.observed.record_unasked();
            }
            CallError::CircuitOpen
        })
    }
}

/// The configured limits with the deployment's on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EffectiveLimits {
    /// From arrival to answer.
    pub deadline: Duration,
    /// What is kept back of it for the fallback chain.
    pub reserve: Reserve,
    /// Instructions, roughly; 0: not counted.
    pub fuel: u64,
    /// Linear memory.
    pub memory_max_bytes: u64,
    /// Answer.
    pub output_max_bytes: u64,
    /// Rows of waiting requests that one call may answer together; below 2 none are joined.
    pub batch_max_rows: usize,
}

impl EffectiveLimits {
    /// A call's limits, its time counted from now.
    pub fn of_call(&self) -> CallLimits {
        CallLimits {
            deadline: Instant::now() + self.deadline,
            fuel: self.fuel,
            memory_max_bytes: self.memory_max_bytes,
            output_max_bytes: self.output_max_bytes,
            asker: None,
        }
    }
}

impl Target {
    /// Has an instance ready ahead of the next call; without one, that call makes its own.
    pub(super) fn restock(&self, spent: Spent) {
        let each = self.admission.limits.in_flight_max;
        if let Err(error) = self.loaded.restock(spent, each, &self.limits.of_call()) {
            tracing::debug!(model = %self.model, %error, "no instance was made ahead");
        }
    }
}

/// A fallback that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{spare} cannot be a fallback for `{model}`: {message}")]
pub struct FallbackError {
    /// The spare.
    pub spare: String,
    /// The model that needs one.
    pub model: String,
    /// Which field, expected and found.
    pub message: String,
}

/// How a spare's columns correspond to a model's: for each of its inputs which
/// of the request's, for each output of the model which of its own; or why it
/// cannot stand in.
pub fn correspond(
    model: &str,
    schema: &Schema,
    spare: &str,
    version: Version,
    theirs: &Schema,
) -> Result<(Vec<Option<usize>>, Vec<usize>), FallbackError> {
    let spare = format!("`{spare}` version {}", version.number);
    let wrong = |message: String| FallbackError { spare: spare.clone(), model: model.to_owned(), message };
    let mut inputs = Vec::with_capacity(theirs.inputs.len());
    for field in &theirs.inputs {
        let at = schema.inputs.iter().position(|ours| ours.name == field.name);
        match at.and_then(|at| schema.inputs.get(at)) {
            Some(ours) => accepts(field, ours).map_err(|m| wrong(format!("input `{}`: {m}", field.name)))?,
            None if field.nullable => {}
            None => return Err(wrong(format!("it needs an input `{}`", field.name))),
        }
        inputs.push(at);
    }
    let mut outputs = Vec::with_capacity(schema.outputs.len());
    for ours in &schema.outputs {
        let at = theirs.outputs.iter().position(|field| field.name == ours.name);
        let Some((at, field)) = at.and_then(|at| theirs.outputs.get(at).map(|field| (at, field))) else {
            return Err(wrong(format!("it has no output `{}`", ours.name)));
        };
        if (field.datatype, &field.shape) != (ours.datatype, &ours.shape) {
            return Err(wrong(format!(
                "output `{}`: expected {} {}, found {} {}",
                ours.name,
                ours.datatype,
                ShownShape(&ours.shape),
                field.datatype,
                ShownShape(&field.shape)
            )));
        }
        outputs.push(at);
    }
    Ok((inputs, outputs))
}

/// Whether every value of `ours` fits a spare's field.
fn accepts(field: &Field, ours: &Field) -> Result<(), String> {
    if (field.datatype, &field.shape) != (ours.datatype, &ours.shape) {
        let (expected, found) = (ShownShape(&field.shape), ShownShape(&ours.shape));
        return Err(format!("expected {} {expected}, found {} {found}", field.datatype, ours.datatype));
    }
    if ours.nullable && !field.nullable {
        return Err("expected a nullable field, found a required one".into());
    }
    Ok(())
}

/// The request's columns in a spare's order.
pub(super) fn spare_inputs(batch: &Batch, fields: &[Field], from: &[Option<usize>]) -> Batch {
    let column = |(field, at): (&Field, &Option<usize>)| match at.and_then(|at| batch.columns.get(at)) {
        Some(tensor) => tensor.clone(),
        None => {
            let count = batch.rows * field.elements_per_row().unwrap_or(1);
            Tensor {
                shape: field.batch_shape(batch.rows as u64),
                values: Values::neutral(field.datatype, count),
                validity: Some(vec![false; count]),
            }
        }
    };
    Batch { rows: batch.rows, columns: fields.iter().zip(from).map(column).collect() }
}

/// A spare's columns in the requested model's order.
pub(super) fn spare_outputs(answer: &Batch, from: &[usize]) -> Batch {
    Batch { rows: answer.rows, columns: from.iter().filter_map(|&at| answer.columns.get(at).cloned()).collect() }
}
