//! What was found in a batch, and what is to be done with it and its rows.
//!
//! Bounded: findings are described up to a limit and counted beyond it; what
//! is decided of the rows is complete all the same.

use super::{CheckKind, Decision, Policy};
use crate::{Detail, Invalid};
use serde::Serialize;
use std::fmt;

/// One thing that was found, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong. Without a row it concerns the batch as a whole.
    #[serde(flatten)]
    pub invalid: Invalid,
    /// What follows.
    pub policy: Policy,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.invalid, self.policy)
    }
}

/// How often one check of one field failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The field; of a rule, its name.
    pub field: String,
    /// The check.
    pub check: CheckKind,
    /// What follows.
    pub policy: Policy,
    /// Findings, described or not.
    pub count: usize,
}

/// What was found in a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The gravest first; at most as many as were asked for.
    pub findings: Vec<Finding>,
    /// Findings that are not among them.
    pub unlisted: usize,
    /// All findings, counted by field and check.
    pub tallies: Vec<Tally>,
    row_count: usize,
    /// One a row, or none at all where nothing was found in any.
    rows: Vec<Decision>,
    /// Of the findings that concern no row alone.
    batch: Decision,
}

impl Verdict {
    /// What is to be done with the batch, if it is answered as a whole.
    pub fn decision(&self) -> Decision {
        self.rows.iter().copied().fold(self.batch, Ord::max)
    }

    /// What the batch as a whole brings upon every row: its form, or a share
    /// of missing values.
    pub fn batch_decision(&self) -> Decision {
        self.batch
    }

    /// What is to be done with one row, if rows are answered alone.
    pub fn row_decision(&self, row: usize) -> Decision {
        self.rows.get(row).copied().unwrap_or_default().max(self.batch)
    }

    /// The rows that this model does not answer: refused or left to the fallback.
    pub fn refused_rows(&self) -> Vec<usize> {
        (0..self.row_count).filter(|&row| self.row_decision(row) >= Decision::Fallback).collect()
    }

    /// The rows that this model answers.
    pub fn answered_rows(&self) -> Vec<usize> {
        (0..self.row_count).filter(|&row| self.row_decision(row) < Decision::Fallback).collect()
    }
}

/// A verdict that is being reached.
pub(super) struct Draft {
    detail: Detail,
    /// Described ones by gravity, `errors_max` each: a grave one is never left
    /// out for lighter ones that came first.
    listed: [Vec<Finding>; 3],
    verdict: Verdict,
}

impl Draft {
    pub(super) fn new(rows: usize, detail: &Detail) -> Self {
        Self { detail: *detail, listed: Default::default(), verdict: Verdict { row_count: rows, ..Verdict::default() } }
    }

    pub(super) fn detail(&self) -> &Detail {
        &self.detail
    }

    /// Counts a finding, and has it described where there is room.
    pub(super) fn add(
        &mut self,
        (field, check): (&str, CheckKind),
        policy: Policy,
        row: Option<usize>,
        describe: impl FnOnce() -> Invalid,
    ) {
        self.count(field, check, policy);
        let verdict = &mut self.verdict;
        match row {
            None => verdict.batch = verdict.batch.max(policy.into()),
            Some(row) => {
                if verdict.rows.is_empty() {
                    verdict.rows = vec![Decision::Accept; verdict.row_count];
                }
                if let Some(decision) = verdict.rows.get_mut(row) {
                    *decision = (*decision).max(policy.into());
                }
            }
        }
        let [reject, fallback, warn] = &mut self.listed;
        let listed = match policy {
            Policy::Reject => reject,
            Policy::Fallback => fallback,
            Policy::Warn | Policy::Report => warn,
        };
        if listed.len() < self.detail.errors_max {
            listed.push(Finding { invalid: describe(), policy });
        }
    }

    fn count(&mut self, field: &str, check: CheckKind, policy: Policy) {
        /// More than one column has, or one rule.
        const KINDS_MAX: usize = 8;
        // Columns come one after the other: the tally is among the last.
        let tallies = &mut self.verdict.tallies;
        match tallies.iter_mut().rev().take(KINDS_MAX).find(|tally| tally.check == check && tally.field == field) {
            Some(tally) => tally.count += 1,
            None => tallies.push(Tally { field: field.to_owned(), check, policy, count: 1 }),
        }
    }

    pub(super) fn finish(self) -> Verdict {
        let mut verdict = self.verdict;
        verdict.findings = self.listed.into_iter().flatten().take(self.detail.errors_max).collect();
        let found: usize = verdict.tallies.iter().map(|tally| tally.count).sum();
        verdict.unlisted = found - verdict.findings.len();
        verdict
    }
}
