//! What one version's checks have found, counted for people and programs.
//!
//! Never decides, and never keeps a value that a client sent but in the last
//! few findings.

use scry_card::{CheckKind, Decision, Finding, Policy, Tally};
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What one version's checks have found since it was loaded.
#[derive(Debug, Default)]
pub struct Findings {
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
    of_version: BTreeMap<(String, CheckKind), Count>,
    /// Findings in fields for which there was no room.
    elsewhere: u64,
    last: VecDeque<Finding>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    policy: Policy,
    findings: u64,
}

/// What was found, for people and programs.
#[derive(Debug, Serialize)]
pub struct FindingsReport {
    /// Rows that were checked.
    pub rows: u64,
    /// Requests by what was decided of them.
    pub requests: BTreeMap<&'static str, u64>,
    /// Findings in what clients sent.
    pub inputs: Vec<CheckReport>,
    /// Findings in what the model answered.
    pub outputs: Vec<CheckReport>,
    /// Requests that came while something was wrong with the version as a whole.
    pub version: Vec<CheckReport>,
    /// Findings in further fields.
    pub elsewhere: u64,
    /// The last few, newest last.
    pub last: Vec<Finding>,
}

/// How often one check of one field failed.
#[derive(Debug, Serialize)]
pub struct CheckReport {
    /// The field; of a rule, its name; of a version, what of it.
    pub field: String,
    /// The check.
    pub check: CheckKind,
    /// What followed the last time.
    pub policy: Policy,
    /// How often.
    pub findings: u64,
}

impl Findings {
    const CHECKS_MAX: usize = 1024;
    const LAST_MAX: usize = 8;
    const DECISIONS: [&str; 4] = ["accept", "warn", "fallback", "reject"];

    pub(super) fn request(&self, rows: usize, decision: Decision) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        if let Some(count) = self.requests.get(decision as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn inputs(&self, tallies: &[Tally], findings: &[Finding]) {
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

    pub(super) fn answers(&self, tallies: &[Tally]) {
        let mut state = self.lock();
        let State { outputs, elsewhere, .. } = &mut *state;
        add(outputs, elsewhere, tallies);
    }

    pub(super) fn of_version(&self, tally: &Tally) {
        let mut state = self.lock();
        let State { of_version, elsewhere, .. } = &mut *state;
        add(of_version, elsewhere, std::slice::from_ref(tally));
    }

    /// All of it.
    pub fn report(&self) -> FindingsReport {
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
        FindingsReport {
            rows: self.rows.load(Ordering::Relaxed),
            requests: requests.map(|(name, count)| (name, count.load(Ordering::Relaxed))).collect(),
            inputs: checks(&state.inputs),
            outputs: checks(&state.outputs),
            version: checks(&state.of_version),
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
        let is_full = counts.len() >= Findings::CHECKS_MAX;
        match counts.get_mut(&key) {
            Some(count) => *count = Count { policy: tally.policy, findings: count.findings + findings },
            None if is_full => *elsewhere += findings,
            None => drop(counts.insert(key, Count { policy: tally.policy, findings })),
        }
    }
}
