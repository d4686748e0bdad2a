//! A sealed component, run over batches of any size.
//!
//! Never runs outside of the sandbox or beyond the limits of one call, and
//! never answers for a row that a host would refuse.

use super::OfflineError;
use super::tables::{BATCH_ROWS, Piece};
use crate::component::Description;
use crate::config::Config;
use crate::golden::{Budget, GoldenFailure, check_joined};
use crate::registry::limits_of_config;
use crate::sandbox::{CallError, CallLimits, CallReport, Loaded, Metering, Sandbox};
use crate::serving::EffectiveLimits;
use scry_card::{Batch, CheckKind, Checker, Decision, Detail, Echo, Finding, Invalid, Verdict};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How much longer than a request one call may take: nobody waits for it.
const PATIENCE: u32 = 10;
/// What is said of rows that are refused.
const DETAIL: Detail = Detail { errors_max: 5, echo: Echo { max_chars: 40 } };

/// A component that is ready to be run.
#[derive(Debug)]
pub struct Model {
    /// What it says of itself.
    pub description: Description,
    loaded: Loaded,
    inputs: Checker,
    outputs: Checker,
    limits: EffectiveLimits,
    /// Rows that one call is given.
    rows_max: usize,
    /// Whether rows are answered otherwise together than alone.
    is_alone: bool,
    warned_inputs: Warned,
    warned_outputs: Warned,
}

/// What was found in rows that pass all the same.
#[derive(Debug, Default)]
struct Warned {
    rows: u64,
    findings: BTreeMap<(String, CheckKind), u64>,
}

impl Warned {
    fn add(&mut self, batch: &Batch, verdict: &Verdict) {
        let is_warned = |row: &usize| verdict.row_decision(*row) == Decision::Warn;
        self.rows += (0..batch.rows).filter(is_warned).count() as u64;
        for tally in &verdict.tallies {
            *self.findings.entry((tally.field.clone(), tally.check)).or_default() += tally.count as u64;
        }
    }

    fn note(&self, side: &str) -> Option<String> {
        let found = self.findings.iter().map(|((field, check), count)| format!("`{field}`, {check}: {count}"));
        let found = found.collect::<Vec<_>>().join("; ");
        (self.rows > 0).then(|| format!("{} rows pass with a warning about {side} ({found})", self.rows))
    }
}

type Call = fn(&Loaded, &Batch, &CallLimits) -> CallReport;

impl Model {
    /// Reads, compiles and tries a component. Its calls have the limits that
    /// the configuration gives a request, and ten times its time.
    pub fn open(path: &Path, sandbox: &Sandbox, config: &Config) -> Result<Self, OfflineError> {
        let here = || path.to_owned();
        let bytes = std::fs::read(path).map_err(|error| OfflineError::Io { path: here(), error })?;
        let description =
            Description::read(&bytes).map_err(|error| OfflineError::Component { path: here(), error: error.into() })?;
        let mut limits = limits_of_config(config);
        limits.deadline *= PATIENCE;
        let metering = if limits.fuel == 0 { Metering::Off } else { Metering::Fuel };
        let schema = Arc::new(description.card.schema.clone());
        let loaded = sandbox
            .load(&bytes, schema.clone(), metering, None)
            .map_err(|error| OfflineError::Sandbox { path: here(), error })?;
        // Whether rows are independent is the question here, not what they cost.
        let free = || CallLimits { fuel: u64::MAX, ..limits.of_call() };
        let budget = Budget::new(Duration::from_millis(config.catalog.golden_max_ms) * PATIENCE);
        let is_alone = match check_joined(&loaded, &schema, &description.golden, BATCH_ROWS, &budget, free) {
            Ok(()) => false,
            Err(GoldenFailure::Joined { .. }) => true,
            Err(error) => return Err(OfflineError::Golden { path: here(), error: error.into() }),
        };
        let mut checks = description.card.checks.clone();
        // A piece of a file is no request: what is missing of it says nothing.
        checks.fields.values_mut().for_each(|field| field.null_share_max = None);
        let inputs = Checker::new(&schema.inputs, &checks)?;
        let outputs = Checker::outputs(&schema.outputs, &checks);
        let rows_max = if is_alone { 1 } else { BATCH_ROWS };
        let (warned_inputs, warned_outputs) = Default::default();
        Ok(Self { description, loaded, inputs, outputs, limits, rows_max, is_alone, warned_inputs, warned_outputs })
    }

    /// What had to be assumed of it, and what its checks warned of.
    pub(super) fn assumed(&self) -> Vec<String> {
        let alone = "the model answers rows otherwise together than alone: each is a call of its own";
        let alone = self.is_alone.then(|| alone.to_owned());
        let warned = [self.warned_inputs.note("inputs"), self.warned_outputs.note("outputs")];
        alone.into_iter().chain(warned.into_iter().flatten()).collect()
    }

    /// Refuses what a host would not let this model answer.
    pub(super) fn check(&mut self, piece: &Piece<'_>) -> Result<(), OfflineError> {
        let verdict = self.inputs.check(piece.batch, &DETAIL);
        if verdict.decision() < Decision::Fallback {
            self.warned_inputs.add(piece.batch, &verdict);
            return Ok(());
        }
        let mut refused = refused(verdict);
        let before = usize::try_from(piece.first_row).unwrap_or(usize::MAX);
        let rows = refused.iter_mut().filter_map(|finding| finding.invalid.row.as_mut());
        rows.for_each(|row| *row = row.saturating_add(before));
        Err(OfflineError::Refused { path: piece.path.to_owned(), findings: refused })
    }

    /// The features of all rows, in order.
    pub(super) fn transform(&mut self, piece: &Piece<'_>) -> Result<Batch, OfflineError> {
        self.run(Loaded::transform, piece)
    }

    /// The predictions of all rows, in order, that a host would pass on.
    pub(super) fn predict(&mut self, piece: &Piece<'_>) -> Result<Batch, OfflineError> {
        let answers = self.run(Loaded::predict, piece)?;
        let verdict = self.outputs.check(&answers, &DETAIL);
        if verdict.decision() < Decision::Fallback {
            self.warned_outputs.add(&answers, &verdict);
            return Ok(answers);
        }
        match refused(verdict).into_iter().next() {
            None => Ok(answers),
            Some(Finding { invalid, .. }) => Err(OfflineError::Row {
                path: piece.path.to_owned(),
                row: piece.first_row + invalid.row.unwrap_or(0) as u64,
                // The row's number is said once.
                error: CallError::InvalidOutput(Invalid { row: None, ..invalid }.to_string()),
            }),
        }
    }

    /// What fails is halved, and so is every later call: either fewer rows keep
    /// to the limits, or what is left is the row at fault.
    fn run(&mut self, call: Call, piece: &Piece<'_>) -> Result<Batch, OfflineError> {
        let failed = |row: usize, error: CallError| {
            let row = piece.first_row + row as u64;
            OfflineError::Row { path: piece.path.to_owned(), row, error }
        };
        let mut answers = Vec::new();
        let mut done = 0;
        let mut waiting = vec![piece.batch.clone()];
        while let Some(batch) = waiting.pop() {
            if batch.rows <= self.rows_max {
                match call(&self.loaded, &batch, &self.limits.of_call()).outcome {
                    Ok(answer) => {
                        done += batch.rows;
                        answers.push(answer);
                        continue;
                    }
                    Err(error) if batch.rows == 1 => return Err(failed(done, error)),
                    Err(_) => self.rows_max = batch.rows / 2,
                }
            }
            let half = batch.rows / 2;
            let halves = batch.split(&[half, batch.rows - half]).unwrap_or_default();
            waiting.extend(halves.into_iter().rev());
        }
        let all: Vec<_> = answers.iter().collect();
        Batch::join(&all).ok_or_else(|| failed(0, CallError::InvalidOutput("answers of different forms".into())))
    }
}

/// What speaks against the model's own answer, the gravest first.
fn refused(verdict: Verdict) -> Vec<Finding> {
    verdict.findings.into_iter().filter(|finding| Decision::from(finding.policy) >= Decision::Fallback).collect()
}
