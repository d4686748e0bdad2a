//! A component that answers batches of any size, checked as a host checks them.
//!
//! Never runs outside of the sandbox or beyond the limits of one call, and never touches a file.

use super::tables::BATCH_ROWS;
use crate::config::Config;
use crate::golden::{Budget, GoldenFailure, check_joined};
use crate::registry::{limits_of_config, metering};
use crate::serving::EffectiveLimits;
use scry_card::{Batch, Checker, Decision, Detail, Echo, Finding, Invalid, Verdict};
use scry_component::Description;
use scry_sandbox::{CallError, CallLimits, CallReport, Client, Loaded, Sandbox, SandboxError};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How much longer than a request one call may take: no client waits for it.
const PATIENCE: u32 = 10;
/// What is said of rows that are refused.
const DETAIL: Detail = Detail { errors_max: 16, echo: Echo { max_chars: 40 } };

/// A component that is ready to be run, by several threads at once.
#[derive(Debug)]
pub struct Runner {
    /// What it says of itself.
    pub description: Description,
    loaded: Loaded,
    inputs: Checker,
    outputs: Checker,
    limits: EffectiveLimits,
    /// Rows that one call is given.
    rows_max: AtomicUsize,
    is_alone: bool,
}

/// Why a component does not become ready.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It does not load.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// It does not answer its own examples.
    #[error("{0}; `scry test` shows more")]
    Golden(#[from] Box<GoldenFailure>),
    /// One of its checks cannot be run.
    #[error(transparent)]
    Checks(#[from] Box<Invalid>),
}

/// Why rows have no answer.
#[derive(Debug)]
pub enum RunError {
    /// The checks refuse them.
    Refused(Verdict),
    /// The model does not answer this row.
    Row(usize, CallError),
}

type Call = fn(&Loaded, &Batch, &CallLimits) -> CallReport;

impl Runner {
    /// The limits that the configuration gives a request, and ten times its time.
    pub fn limits(config: &Config) -> EffectiveLimits {
        let limits = limits_of_config(config);
        EffectiveLimits { deadline: limits.deadline * PATIENCE, ..limits }
    }

    /// Compiles a component and tries it with its examples. Each call has these limits.
    pub fn open(
        bytes: &[u8],
        description: Description,
        sandbox: &Sandbox,
        config: &Config,
        limits: EffectiveLimits,
    ) -> Result<Self, OpenError> {
        let schema = Arc::new(description.card.schema.clone());
        let loaded = sandbox.load(bytes, schema.clone(), metering(&limits), None)?;
        // Whether rows are independent is the question here, not what they cost.
        let free = || CallLimits { fuel: u64::MAX, ..limits.of_call() };
        let budget = Budget::new(Duration::from_millis(config.catalog.golden_max_ms) * PATIENCE);
        let is_alone = match check_joined(&loaded, &schema, &description.golden, BATCH_ROWS, &budget, free) {
            Ok(()) => false,
            Err(GoldenFailure::Joined { .. }) => true,
            Err(error) => return Err(Box::new(error).into()),
        };
        Ok(Self::of(description, loaded, limits, is_alone)?)
    }

    fn of(
        description: Description,
        loaded: Loaded,
        limits: EffectiveLimits,
        is_alone: bool,
    ) -> Result<Self, Box<Invalid>> {
        let mut checks = description.card.checks.clone();
        // A piece of a table is no request: what is missing of it says nothing.
        checks.fields.values_mut().for_each(|field| field.null_share_max = None);
        let inputs = Checker::new(&description.card.schema.inputs, &checks)?;
        let outputs = Checker::outputs(&description.card.schema.outputs, &checks);
        let rows_max = AtomicUsize::new(if is_alone { 1 } else { BATCH_ROWS });
        Ok(Self { description, loaded, inputs, outputs, limits, rows_max, is_alone })
    }

    /// Moves it to another sandbox, without compiling it again.
    pub fn moved(&self, sandbox: &Sandbox) -> Result<Self, OpenError> {
        let loaded = sandbox.adopt(&self.loaded)?;
        Ok(Self::of(self.description.clone(), loaded, self.limits, self.is_alone)?)
    }

    /// Whether rows are answered otherwise together than alone: each is then a call of its own.
    pub fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Refuses what a host would not let this model answer; what is left of the findings are warnings.
    pub fn check(&self, batch: &Batch) -> Result<Verdict, RunError> {
        let mut verdict = self.inputs.check(batch, &DETAIL);
        if verdict.decision() < Decision::Fallback {
            return Ok(verdict);
        }
        verdict.findings.retain(is_grave);
        Err(RunError::Refused(verdict))
    }

    /// The features of all rows, in order. Ends early when the client has gone.
    pub fn transform(&self, batch: &Batch, client: Option<&Arc<dyn Client>>) -> Result<Batch, RunError> {
        self.run(Loaded::transform, batch, client)
    }

    /// The predictions of all rows, in order, that a host would pass on, and what is warned of. Ends early when the
    /// client has gone.
    pub fn predict(&self, batch: &Batch, client: Option<&Arc<dyn Client>>) -> Result<(Batch, Verdict), RunError> {
        let answers = self.run(Loaded::predict, batch, client)?;
        let verdict = self.outputs.check(&answers, &DETAIL);
        if verdict.decision() < Decision::Fallback {
            return Ok((answers, verdict));
        }
        match verdict.findings.iter().find(|finding| is_grave(finding)) {
            None => Ok((answers, verdict)),
            Some(Finding { invalid, .. }) => {
                // The row's number is said once.
                let wrong = Invalid { row: None, ..invalid.clone() }.to_string();
                Err(RunError::Row(invalid.row.unwrap_or(0), CallError::InvalidOutput(wrong)))
            }
        }
    }

    /// What fails is halved: either fewer rows keep to the limits, and later calls have no more, or what is left is
    /// the row at fault.
    fn run(&self, call: Call, batch: &Batch, client: Option<&Arc<dyn Client>>) -> Result<Batch, RunError> {
        let mut rows_max = self.rows_max.load(Ordering::Relaxed);
        let mut answers = Vec::new();
        let mut done = 0;
        let mut waiting = vec![batch.clone()];
        while let Some(batch) = waiting.pop() {
            if batch.rows <= rows_max {
                let limits = CallLimits { client: client.cloned(), ..self.limits.of_call() };
                match call(&self.loaded, &batch, &limits).outcome {
                    Ok(answer) => {
                        done += batch.rows;
                        answers.push(answer);
                        continue;
                    }
                    Err(error) if batch.rows <= 1 || has_gone(client) => return Err(RunError::Row(done, error)),
                    Err(error) => {
                        rows_max = batch.rows / 2;
                        if matches!(error, CallError::Timeout | CallError::Fuel | CallError::Memory) {
                            self.rows_max.fetch_min(rows_max, Ordering::Relaxed);
                        }
                    }
                }
            }
            if has_gone(client) {
                return Err(RunError::Row(done, CallError::Abandoned));
            }
            let half = batch.rows / 2;
            let halves = batch.split(&[half, batch.rows - half]).unwrap_or_default();
            waiting.extend(halves.into_iter().rev());
        }
        let all: Vec<_> = answers.iter().collect();
        let unlike = || RunError::Row(0, CallError::InvalidOutput("answers of different forms".into()));
        Batch::join(&all).ok_or_else(unlike)
    }
}

fn has_gone(client: Option<&Arc<dyn Client>>) -> bool {
    client.is_some_and(|client| client.has_gone())
}

/// Whether it speaks against the model's own answer.
fn is_grave(finding: &Finding) -> bool {
    Decision::from(finding.policy) >= Decision::Fallback
}
