//! The checks of one side of a model, ready to be run on any batch.
//!
//! Never changes a batch, and never stops at the first thing it finds.

use super::scan::Limits;
use super::verdict::{Draft, Verdict};
use super::{CheckKind, Checks, FieldChecks, Policies, Policy, rules::Compiled};
use crate::schema::check_column;
use crate::{Batch, Detail, Field, Invalid, Tensor};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Checks batches: made once for a model, shared by all threads.
#[derive(Debug)]
pub struct Checker {
    columns: Vec<Column>,
    rules: Vec<Compiled>,
}

/// A field with its own settings, the model's policies among them.
#[derive(Debug)]
struct Column {
    field: Field,
    checks: FieldChecks,
}

impl Checker {
    /// Checks of a model's inputs. Fails where a rule cannot be run on them.
    pub fn new(inputs: &[Field], checks: &Checks) -> Result<Self, Invalid> {
        let policy = checks.policies.get(&CheckKind::Rule).copied().unwrap_or_default();
        let rules = checks.rules.iter().map(|rule| Compiled::new(rule, rule.policy.unwrap_or(policy), inputs));
        Ok(Self { columns: columns(inputs, &checks.policies, &checks.fields), rules: rules.collect::<Result<_, _>>()? })
    }

    /// Checks of what a model answers.
    pub fn outputs(outputs: &[Field], checks: &Checks) -> Self {
        let checks = &checks.outputs;
        Self { columns: columns(outputs, &checks.policies, &checks.fields), rules: Vec::new() }
    }

    /// Everything that is wrong with a batch.
    pub fn check(&self, batch: &Batch, detail: &Detail) -> Verdict {
        let mut draft = Draft::new(batch.rows, detail);
        if self.columns.len() != batch.columns.len() {
            let (expected, found) = (format!("{} columns", self.columns.len()), batch.columns.len().to_string());
            let wrong = Invalid::new(CheckKind::Form, "*", expected, found);
            draft.add(("*", CheckKind::Form), Policy::Reject, None, || wrong);
            return draft.finish();
        }
        let mut formed = true;
        for (column, tensor) in self.columns.iter().zip(&batch.columns) {
            match check_column(&column.field, batch.rows as u64, tensor) {
                Ok(()) => column.check(tensor, &mut draft),
                Err(wrong) => {
                    formed = false;
                    draft.add((&column.field.name, wrong.check), Policy::Reject, None, || wrong);
                }
            }
        }
        if formed {
            self.rules.iter().for_each(|rule| rule.check(batch, &mut draft));
        }
        draft.finish()
    }
}

fn columns(fields: &[Field], policies: &Policies, checks: &BTreeMap<String, FieldChecks>) -> Vec<Column> {
    let column = |field: &Field| {
        let mut checks = checks.get(&field.name).cloned().unwrap_or_default();
        let own = std::mem::replace(&mut checks.policies, policies.clone());
        checks.policies.extend(own);
        Column { field: field.clone(), checks }
    };
    fields.iter().map(column).collect()
}

impl Column {
    fn check(&self, tensor: &Tensor, draft: &mut Draft) {
        let limits = Limits { field: &self.field, length_max_chars: self.checks.length_max_chars };
        let per_row = self.field.elements_per_row().unwrap_or(1).max(1);
        let echo = draft.detail().echo;
        let _ = limits.scan(tensor, &mut |i, kind| {
            let describe = || limits.describe(tensor, i, kind, echo);
            draft.add((&self.field.name, kind), self.policy(kind), Some(i / per_row), describe);
            ControlFlow::Continue(())
        });
        if let Some(max) = self.checks.null_share_max {
            self.check_null_share(tensor, max, draft);
        }
    }

    fn check_null_share(&self, tensor: &Tensor, max: f64, draft: &mut Draft) {
        let Some(flags) = &tensor.validity else { return };
        let (missing, count) = (flags.iter().filter(|&&present| !present).count(), flags.len());
        let allowed = max * count as f64;
        if allowed >= 1.0 && missing as f64 > allowed {
            let kind = CheckKind::NullShare;
            let (expected, found) = (format!("at most {max} of a batch missing"), format!("{missing} of {count}"));
            let describe = || Invalid::new(kind, &self.field.name, expected, found);
            draft.add((&self.field.name, kind), self.policy(kind), None, describe);
        }
    }

    fn policy(&self, kind: CheckKind) -> Policy {
        self.checks.policies.get(&kind).copied().unwrap_or_default()
    }
}
