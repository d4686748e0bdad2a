//! A component, run over the pieces of files.
//!
//! Never answers for a row that a host would refuse.

use super::OfflineError;
use super::runner::{OpenError, RunError, Runner};
use super::tables::Piece;
use crate::config::Config;
use scry_card::{Batch, CheckKind, Decision, Verdict};
use scry_component::Description;
use scry_sandbox::Sandbox;
use std::collections::BTreeMap;
use std::path::Path;

/// Findings that an error lists.
const SHOWN_MAX: usize = 5;

/// A component that is ready to be run, and what its checks have warned of.
#[derive(Debug)]
pub struct Model {
    runner: Runner,
    warned_inputs: Warned,
    warned_outputs: Warned,
}

/// What was found in rows that pass nevertheless.
#[derive(Debug, Default)]
struct Warned {
    rows: u64,
    findings: BTreeMap<(String, CheckKind), u64>,
}

impl Warned {
    fn add(&mut self, rows: usize, verdict: &Verdict) {
        let is_warned = |row: &usize| verdict.row_decision(*row) == Decision::Warn;
        self.rows += (0..rows).filter(is_warned).count() as u64;
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

impl Model {
    /// Reads, compiles and tries a component. Its calls have the limits that
    /// the configuration gives a request, and ten times its time.
    pub fn open(path: &Path, sandbox: &Sandbox, config: &Config) -> Result<Self, OfflineError> {
        let bytes = std::fs::read(path).map_err(|error| OfflineError::Io { path: path.to_owned(), error })?;
        Self::of(&bytes, path, sandbox, config)
    }

    /// As `open`, of a component's bytes, which errors call by a path.
    pub fn of(bytes: &[u8], path: &Path, sandbox: &Sandbox, config: &Config) -> Result<Self, OfflineError> {
        let here = || path.to_owned();
        let description =
            Description::read(bytes).map_err(|error| OfflineError::Component { path: here(), error: error.into() })?;
        let runner =
            Runner::open(bytes, description, sandbox, config, Runner::limits(config)).map_err(|error| match error {
                OpenError::Sandbox(error) => OfflineError::Sandbox { path: here(), error },
                OpenError::Golden(error) => OfflineError::Golden { path: here(), error },
                OpenError::Checks(error) => OfflineError::Column(error),
            })?;
        Ok(Self { runner, warned_inputs: Warned::default(), warned_outputs: Warned::default() })
    }

    /// What it says of itself.
    pub fn description(&self) -> &Description {
        &self.runner.description
    }

    /// What had to be assumed of it, and what its checks warned of.
    pub(super) fn assumed(&self) -> Vec<String> {
        let alone = "the model answers rows otherwise together than alone: each is a call of its own";
        let alone = self.runner.is_alone().then(|| alone.to_owned());
        let warned = [self.warned_inputs.note("inputs"), self.warned_outputs.note("outputs")];
        alone.into_iter().chain(warned.into_iter().flatten()).collect()
    }

    /// Refuses what a host would not let this model answer.
    pub(super) fn check(&mut self, piece: &Piece<'_>) -> Result<(), OfflineError> {
        let verdict = self.runner.check(piece.batch).map_err(|error| placed(error, piece))?;
        self.warned_inputs.add(piece.batch.rows, &verdict);
        Ok(())
    }

    /// The features of all rows, in order.
    pub(super) fn transform(&mut self, piece: &Piece<'_>) -> Result<Batch, OfflineError> {
        self.runner.transform(piece.batch, None).map_err(|error| placed(error, piece))
    }

    /// The predictions of all rows, in order, that a host would pass on.
    pub(super) fn predict(&mut self, piece: &Piece<'_>) -> Result<Batch, OfflineError> {
        let (answers, verdict) = self.runner.predict(piece.batch, None).map_err(|error| placed(error, piece))?;
        self.warned_outputs.add(answers.rows, &verdict);
        Ok(answers)
    }
}

/// The error with the file and its own numbers of rows.
fn placed(error: RunError, piece: &Piece<'_>) -> OfflineError {
    let path = piece.path.to_owned();
    match error {
        RunError::Row(row, error) => OfflineError::Row { path, row: piece.first_row + row as u64, error },
        RunError::Refused(Verdict { mut findings, .. }) => {
            let before = usize::try_from(piece.first_row).unwrap_or(usize::MAX);
            findings.truncate(SHOWN_MAX);
            let rows = findings.iter_mut().filter_map(|finding| finding.invalid.row.as_mut());
            rows.for_each(|row| *row = row.saturating_add(before));
            OfflineError::Refused { path, findings }
        }
    }
}
