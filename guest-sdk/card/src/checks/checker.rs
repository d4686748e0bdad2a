//! The checks of one side of a model, ready to be run on any batch.
//!
//! Never changes a batch, and never stops at the first thing it finds.

use super::scan::{Categories, Limits};
use super::verdict::{Draft, Verdict};
use super::{CheckKind, Checks, FieldChecks, Policies, Policy, rule::Compiled};
use crate::form::check_column;
use crate::{Batch, Detail, Field, Interrupt, Interrupted, Invalid, Tensor};
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
    categories: Option<Categories>,
}

impl Checker {
    /// Checks of a model's inputs. Fails where a rule cannot be run on them.
    pub fn new(inputs: &[Field], checks: &Checks) -> Result<Self, Invalid> {
        let policy = checks.policies.get(&CheckKind::Rule).copied().unwrap_or_default();
        let rules = checks.rules.iter().map(|rule| Compiled::new(rule, rule.policy.unwrap_or(policy), inputs));
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { columns: columns(inputs, &checks.policies, &checks.fields), rules })
    }

    /// The same for a component that is new: fails as well where the rules would
    /// cost a row too much.
    pub fn bounded(inputs: &[Field], checks: &Checks) -> Result<Self, Invalid> {
        let checker = Self::new(inputs, checks)?;
        Compiled::bound(&checker.rules)?;
        Ok(checker)
    }

    /// Checks of what a model answers.
    pub fn outputs(outputs: &[Field], checks: &Checks) -> Self {
        let checks = &checks.outputs;
        Self { columns: columns(outputs, &checks.policies, &checks.fields), rules: Vec::new() }
    }

    /// The most steps that checking a batch can take, given its rows, elements and
    /// bytes of text; each step takes a few nanoseconds.
    pub fn steps(&self, rows: usize, elements: usize, text_bytes: usize) -> usize {
        let (steps, texts) = self.rules.iter().map(Compiled::cost).fold((0, 1), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        let texts = (text_bytes / Interrupt::STEP_BYTES).saturating_mul(texts);
        rows.saturating_mul(steps).saturating_add(elements).saturating_add(texts)
    }

    /// Everything that is wrong with a batch.
    pub fn check(&self, batch: &Batch, detail: &Detail) -> Verdict {
        // `Interrupt::never` does not interrupt.
        self.check_until(batch, detail, &mut Interrupt::never()).unwrap_or_default()
    }

    /// Like `check`, but stops when interrupted.
    pub fn check_until(
        &self,
        batch: &Batch,
        detail: &Detail,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<Verdict, Interrupted> {
        self.check_read(batch, &|_, _| false, detail, interrupt)
    }

    /// The same of what could be read of a batch: what is missing in a row of a
    /// field that `is_unread`, or in any of its rows, is not said to be missing.
    pub fn check_read(
        &self,
        batch: &Batch,
        is_unread: &dyn Fn(&str, Option<usize>) -> bool,
        detail: &Detail,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<Verdict, Interrupted> {
        let mut draft = Draft::new(batch.rows, detail);
        if self.columns.len() != batch.columns.len() {
            let (expected, found) = (format!("{} columns", self.columns.len()), batch.columns.len().to_string());
            let wrong = Invalid::new(CheckKind::Form, "*", expected, found);
            draft.add(("*", CheckKind::Form), Policy::Reject, None, || wrong);
            return Ok(draft.finish());
        }
        let mut formed = true;
        for (column, tensor) in self.columns.iter().zip(&batch.columns) {
            match check_column(&column.field, batch.rows as u64, tensor) {
                Ok(()) => column.check(tensor, is_unread, &mut draft, interrupt)?,
                Err(wrong) => {
                    formed = false;
                    draft.add((&column.field.name, wrong.check), Policy::Reject, None, || wrong);
                }
            }
        }
        if formed {
            self.rules.iter().try_for_each(|rule| rule.check(batch, &mut draft, interrupt))?;
        }
        Ok(draft.finish())
    }
}

fn columns(fields: &[Field], policies: &Policies, checks: &BTreeMap<String, FieldChecks>) -> Vec<Column> {
    let column = |field: &Field| {
        let mut checks = checks.get(&field.name).cloned().unwrap_or_default();
        let own = std::mem::replace(&mut checks.policies, policies.clone());
        checks.policies.extend(own);
        Column { field: field.clone(), checks, categories: Categories::many(field) }
    };
    fields.iter().map(column).collect()
}

impl Column {
    fn check(
        &self,
        tensor: &Tensor,
        is_unread: &dyn Fn(&str, Option<usize>) -> bool,
        draft: &mut Draft,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<(), Interrupted> {
        let (field, categories) = (&self.field, self.categories.as_ref());
        let limits = Limits { field, length_max_chars: self.checks.length_max_chars, categories };
        let per_row = self.field.elements_per_row().unwrap_or(1).max(1);
        let echo = draft.detail().echo;
        let _ = limits.scan(tensor, interrupt, &mut |i, kind| {
            let (row, describe) = (Some(i / per_row), || limits.describe(tensor, i, kind, echo));
            if kind != CheckKind::Missing || !is_unread(&self.field.name, row) {
                draft.add((&self.field.name, kind), self.policy(kind), row, describe);
            }
            ControlFlow::Continue(())
        });
        if let Some(max) = self.checks.null_share_max.filter(|_| !is_unread(&self.field.name, None)) {
            self.check_null_share(tensor, max, draft);
        }
        interrupt.check()
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
