//! What a version's checks find in a request, and what follows: who answers
//! which of its rows, and what the answer says of them.
//!
//! Never carries it out, and never sees a request's bytes.

use super::predict::{Answer, PredictError, Remarks};
use crate::sandbox::CallError;
use crate::telemetry::Metrics;
use scry_card::{
    Batch, Card, CheckKind, Checker, Checks, ChecksPatch, Decision, Detail, Field, Finding, Invalid, NamedTensor,
    Policy, Tally, Verdict, assemble_all, batch_from_records_all,
};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A request's rows, as they came.
#[derive(Debug)]
pub enum Rows {
    /// Columns with their types.
    Columns(Vec<NamedTensor>),
    /// One object a row.
    Records(Vec<Map<String, Value>>),
}

impl Rows {
    /// More values than this are put in order by the compute threads.
    const FEW_VALUES: usize = 8192;

    /// Whether this takes time that a thread that reads requests has not.
    pub(super) fn are_many(&self) -> bool {
        let values: usize = match self {
            Self::Columns(named) => named.iter().map(|column| column.tensor.values.len()).sum(),
            Self::Records(rows) => rows.len().saturating_mul(rows.first().map_or(0, Map::len)),
        };
        values > Self::FEW_VALUES
    }

    /// Leaves out what is no such field.
    pub(super) fn keep_only(&mut self, fields: &[Field]) {
        let is_known = |name: &str| fields.iter().any(|field| field.name == name);
        match self {
            Self::Columns(named) => named.retain(|column| is_known(&column.name)),
            Self::Records(rows) => rows.iter_mut().for_each(|row| row.retain(|name, _| is_known(name))),
        }
    }

    /// The columns in the schema's order, or everything that is wrong with their form.
    pub(super) fn in_order(self, fields: &[Field], detail: &Detail) -> Result<Batch, Vec<Invalid>> {
        match self {
            Self::Columns(named) => assemble_all(fields, named, detail),
            Self::Records(rows) => batch_from_records_all(fields, &rows, detail),
        }
    }
}

/// A version's checks, as its operator wants them.
#[derive(Debug)]
pub struct Validation {
    /// The author's, with the operator's on top.
    pub checks: Checks,
    /// What was found so far.
    pub found: Arc<Found>,
    inputs: Checker,
    outputs: Checker,
    detail: Detail,
}

/// Why a request, or some rows of one, are refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, the gravest first.
    pub findings: Vec<Finding>,
    /// Findings that are not among them.
    pub unlisted: usize,
}

/// A request that may be answered, all of it or a part.
#[derive(Debug)]
pub(super) struct Checked {
    /// The rows to answer.
    pub(super) batch: Arc<Batch>,
    /// Whether the spare is to answer them.
    pub(super) is_the_spares: bool,
    /// Which rows they are of how many, where some are refused.
    part: Option<(Vec<usize>, usize)>,
    found: Refusal,
}

impl Validation {
    /// The checks of a card with an operator's patch. Fails where a rule cannot
    /// be run.
    pub fn new(card: &Card, patch: &ChecksPatch, detail: Detail, found: Arc<Found>) -> Result<Self, Invalid> {
        let checks = card.checks.overridden(patch);
        let inputs = Checker::new(&card.schema.inputs, &checks)?;
        let outputs = Checker::outputs(&card.schema.outputs, &checks);
        Ok(Self { checks, found, inputs, outputs, detail })
    }

    /// Puts a request's columns in order and checks their values. With
    /// `by_row`, bad rows are refused alone.
    pub(super) fn check(
        &self,
        model: &str,
        card: &Card,
        rows: Rows,
        by_row: bool,
        metrics: &Metrics,
    ) -> Result<Checked, PredictError> {
        let batch = rows.in_order(&card.schema.inputs, &self.detail).map_err(|errors| {
            let refusal = Refusal::of_form(errors);
            self.count(model, 0, Decision::Reject, &refusal.tallies(), &refusal.findings, metrics);
            PredictError::InvalidInput(refusal)
        })?;
        let verdict = self.inputs.check(&batch, &self.detail);
        let decision = verdict.decision();
        self.count(model, batch.rows, decision, &verdict.tallies, &verdict.findings, metrics);
        let parted = by_row && decision == Decision::Reject && verdict.batch_decision() < Decision::Reject;
        let rows = batch.rows;
        let keeps = |row: &usize| verdict.row_decision(*row) < Decision::Reject;
        let kept: Vec<usize> = if parted { (0..rows).filter(keeps).collect() } else { Vec::new() };
        if decision == Decision::Reject && kept.is_empty() {
            return Err(PredictError::InvalidInput(verdict.into()));
        }
        let is_the_spares = match parted {
            true => kept.iter().any(|&row| verdict.row_decision(row) == Decision::Fallback),
            false => decision == Decision::Fallback,
        };
        let batch = if parted { batch.select(&kept) } else { Some(batch) };
        let Some(batch) = batch else { return Err(PredictError::InvalidInput(verdict.into())) };
        let part = parted.then_some((kept, rows));
        Ok(Checked { batch: Arc::new(batch), is_the_spares, part, found: verdict.into() })
    }

    /// Checks what the model answered; what must not be answered is an error
    /// that says the first thing that is wrong.
    pub(super) fn check_answer(&self, model: &str, answer: &Batch, metrics: &Metrics) -> Result<(), String> {
        let verdict = self.outputs.check(answer, &self.detail);
        if verdict.tallies.is_empty() {
            return Ok(());
        }
        metrics.found(model, "outputs", &verdict.tallies);
        self.found.answers(&verdict.tallies);
        match verdict.decision() {
            Decision::Accept | Decision::Warn => Ok(()),
            Decision::Fallback | Decision::Reject => {
                Err(verdict.findings.first().map(|finding| finding.invalid.to_string()).unwrap_or_default())
            }
        }
    }

    fn count(
        &self,
        model: &str,
        rows: usize,
        decision: Decision,
        tallies: &[Tally],
        findings: &[Finding],
        metrics: &Metrics,
    ) {
        self.found.request(rows, decision);
        if !tallies.is_empty() {
            metrics.found(model, "inputs", tallies);
            self.found.inputs(tallies, findings);
        }
    }
}

impl Checked {
    /// The answer to the whole request: refused rows are missing in it, and it
    /// says what was found.
    pub(super) fn complete(self, answer: Answer) -> Result<Answer, PredictError> {
        let missing = || PredictError::NoAnswer(CallError::InvalidOutput("rows are missing".into()));
        let outputs = match &self.part {
            Some((kept, rows)) => answer.outputs.scatter(kept, *rows).ok_or_else(missing)?,
            None => answer.outputs,
        };
        let refused_rows = match &self.part {
            Some((kept, rows)) => (0..*rows).filter(|row| kept.binary_search(row).is_err()).collect(),
            None => Vec::new(),
        };
        let (refusals, warnings) =
            self.found.findings.into_iter().partition(|finding| finding.policy == Policy::Reject);
        let remarks = Remarks { refused_rows, refusals, warnings, unlisted: self.found.unlisted };
        Ok(Answer { outputs, remarks, ..answer })
    }

    /// Nobody can stand in for a model that must not answer this.
    pub(super) fn refused(self) -> PredictError {
        PredictError::InvalidInput(self.found)
    }
}

impl Refusal {
    fn of_form(errors: Vec<Invalid>) -> Self {
        let finding = |invalid| Finding { invalid, policy: Policy::Reject };
        Self { findings: errors.into_iter().map(finding).collect(), unlisted: 0 }
    }

    fn tallies(&self) -> Vec<Tally> {
        let tally = |finding: &Finding| Tally {
            field: finding.invalid.field.clone(),
            check: finding.invalid.check,
            policy: finding.policy,
            count: 1,
        };
        self.findings.iter().map(tally).collect()
    }
}

impl From<Vec<Invalid>> for Refusal {
    fn from(errors: Vec<Invalid>) -> Self {
        Self::of_form(errors)
    }
}

impl From<Verdict> for Refusal {
    fn from(verdict: Verdict) -> Self {
        Self { findings: verdict.findings, unlisted: verdict.unlisted }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, finding) in self.findings.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{}", finding.invalid)?;
        }
        match self.unlisted {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// What one version's checks have found since it was loaded.
#[derive(Debug, Default)]
pub struct Found {
    rows: AtomicU64,
    /// Requests by what was decided of them, in the order of gravity.
    requests: [AtomicU64; 4],
    /// By field and check; bounded, since a client can invent fields.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    inputs: BTreeMap<(String, CheckKind), Count>,
    outputs: BTreeMap<(String, CheckKind), Count>,
    /// Findings in fields for which there was no room.
    elsewhere: u64,
    last: VecDeque<Finding>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    policy: Policy,
    findings: u64,
}

/// The same, for people and programs.
#[derive(Debug, Serialize)]
pub struct FoundReport {
    /// Rows that were checked.
    pub rows: u64,
    /// Requests by what was decided of them.
    pub requests: BTreeMap<&'static str, u64>,
    /// Findings in what clients sent.
    pub inputs: Vec<CheckReport>,
    /// Findings in what the model answered.
    pub outputs: Vec<CheckReport>,
    /// Findings in further fields.
    pub elsewhere: u64,
    /// The last few, newest last.
    pub last: Vec<Finding>,
}

/// How often one check of one field failed.
#[derive(Debug, Serialize)]
pub struct CheckReport {
    /// The field; of a rule, its name.
    pub field: String,
    /// The check.
    pub check: CheckKind,
    /// What followed the last time.
    pub policy: Policy,
    /// How often.
    pub findings: u64,
}

impl Found {
    const CHECKS_MAX: usize = 1024;
    const LAST_MAX: usize = 8;
    const DECISIONS: [&str; 4] = ["accept", "warn", "fallback", "reject"];

    fn request(&self, rows: usize, decision: Decision) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        if let Some(count) = self.requests.get(decision as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn inputs(&self, tallies: &[Tally], findings: &[Finding]) {
        let mut state = self.lock();
        let State { inputs, elsewhere, last, .. } = &mut *state;
        add(inputs, elsewhere, tallies);
        for finding in findings.iter().take(Self::LAST_MAX) {
            if last.len() >= Self::LAST_MAX {
                last.pop_front();
            }
            last.push_back(finding.clone());
        }
    }

    fn answers(&self, tallies: &[Tally]) {
        let mut state = self.lock();
        let State { outputs, elsewhere, .. } = &mut *state;
        add(outputs, elsewhere, tallies);
    }

    /// All of it.
    pub fn report(&self) -> FoundReport {
        let state = self.lock();
        let checks = |counts: &BTreeMap<(String, CheckKind), Count>| {
            let told = counts.iter().map(|((field, check), count)| CheckReport {
                field: field.clone(),
                check: *check,
                policy: count.policy,
                findings: count.findings,
            });
            let mut told: Vec<_> = told.collect();
            told.sort_by_key(|report| std::cmp::Reverse(report.findings));
            told
        };
        let requests = Self::DECISIONS.into_iter().zip(&self.requests);
        FoundReport {
            rows: self.rows.load(Ordering::Relaxed),
            requests: requests.map(|(name, count)| (name, count.load(Ordering::Relaxed))).collect(),
            inputs: checks(&state.inputs),
            outputs: checks(&state.outputs),
            elsewhere: state.elsewhere,
            last: state.last.iter().cloned().collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(counts: &mut BTreeMap<(String, CheckKind), Count>, elsewhere: &mut u64, tallies: &[Tally]) {
    for tally in tallies {
        let (key, findings) = ((tally.field.clone(), tally.check), tally.count as u64);
        let is_full = counts.len() >= Found::CHECKS_MAX;
        match counts.get_mut(&key) {
            Some(count) => *count = Count { policy: tally.policy, findings: count.findings + findings },
            None if is_full => *elsewhere += findings,
            None => drop(counts.insert(key, Count { policy: tally.policy, findings })),
        }
    }
}
