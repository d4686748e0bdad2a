//! A sealed component, run over batches of any size.
//!
//! Never runs outside of the sandbox or beyond the limits of one call, and
//! never answers for a row that a host would refuse.

use super::OfflineError;
use super::tables::{BATCH_ROWS, Piece};
use crate::component::Description;
use crate::config::Config;
use crate::golden::{GoldenFailure, check_joined};
use crate::registry::limits_of_config;
use crate::sandbox::{CallError, CallLimits, CallReport, Loaded, Metering, Sandbox};
use crate::serving::EffectiveLimits;
use scry_card::{Batch, check};
use std::path::Path;
use std::sync::Arc;

/// How much longer than a request one call may take: nobody waits for it.
const PATIENCE: u32 = 10;
/// Errors in the rows of a batch that are shown.
const ERRORS_MAX: usize = 5;

/// A component that is ready to be run.
#[derive(Debug)]
pub struct Model {
    /// What it says of itself.
    pub description: Description,
    loaded: Loaded,
    limits: EffectiveLimits,
    /// Rows that one call is given.
    rows_max: usize,
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
        let rows_max = match check_joined(&loaded, &schema, &description.golden, BATCH_ROWS, free) {
            Ok(()) => BATCH_ROWS,
            Err(GoldenFailure::Joined { .. }) => 1,
            Err(error) => return Err(OfflineError::Golden { path: here(), error: error.into() }),
        };
        Ok(Self { description, loaded, limits, rows_max })
    }

    /// What had to be assumed of it.
    pub(super) fn assumed(&self) -> Option<String> {
        let alone = self.rows_max == 1;
        alone.then(|| "the model answers rows otherwise together than alone: each is a call of its own".to_owned())
    }

    /// Refuses what a host would refuse.
    pub(super) fn check(&self, piece: &Piece<'_>) -> Result<(), OfflineError> {
        let mut errors = check(&self.description.card.schema.inputs, piece.batch, ERRORS_MAX);
        if errors.is_empty() {
            return Ok(());
        }
        let before = usize::try_from(piece.first_row).unwrap_or(usize::MAX);
        errors.iter_mut().filter_map(|error| error.row.as_mut()).for_each(|row| *row = row.saturating_add(before));
        Err(OfflineError::Refused { path: piece.path.to_owned(), errors })
    }

    /// The features of all rows, in order.
    pub(super) fn transform(&mut self, piece: &Piece<'_>) -> Result<Batch, OfflineError> {
        self.run(Loaded::transform, piece)
    }

    /// The predictions of all rows, in order.
    pub(super) fn predict(&mut self, piece: &Piece<'_>) -> Result<Batch, OfflineError> {
        self.run(Loaded::predict, piece)
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
