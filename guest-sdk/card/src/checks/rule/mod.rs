//! Rules across fields: expressions in the syntax of CEL, run on one row at a time.
//!
//! A rule is an expression over the row's values and nothing else: no loops,
//! state, clock or I/O. What it costs is known when it is made. A rule one of
//! whose fields is missing in a row holds, as a CHECK does in SQL.

mod compile;
mod function;
mod program;
mod syntax;
mod token;
mod types;
mod value;

use self::compile::compile;
use self::program::Program;
use self::value::Fault;
use super::verdict::Draft;
use super::{CheckKind, Policy, Rule};
use crate::invalid::one_of;
use crate::{Batch, Echo, Field, Interrupt, Interrupted, Invalid, Tensor};

/// The most characters of an error about an expression.
const PROBLEM_MAX_CHARS: usize = 200;
/// Steps of one rule in one row.
const STEPS_MAX: usize = 512;
/// Steps of all rules of a card in one row.
const CARD_STEPS_MAX: usize = 8_192;

/// A rule that can be run.
#[derive(Debug)]
pub(crate) struct Compiled {
    rule: Rule,
    policy: Policy,
    program: Program,
    /// The names of the fields that it reads.
    names: Vec<String>,
}

impl Rule {
    /// The names of the fields that the rule reads; an error where it cannot be run.
    pub fn fields(&self, inputs: &[Field]) -> Result<Vec<String>, Invalid> {
        Compiled::new(self, Policy::Reject, inputs).map(|compiled| compiled.names)
    }
}

impl Compiled {
    /// Compiles a rule; one that could never hold is refused here.
    pub(crate) fn new(rule: &Rule, policy: Policy, fields: &[Field]) -> Result<Self, Invalid> {
        let program = syntax::parse(&rule.expression).and_then(|expr| compile(&expr, fields));
        let program = program.map_err(|found| {
            let known = fields.iter().filter(|field| field.shape.is_empty()).map(|field| field.name.as_str());
            let expected = format!("an expression that is true or false, over {}", one_of(known));
            let found = found.chars().take(PROBLEM_MAX_CHARS).collect::<String>();
            Invalid::new(CheckKind::Rule, &rule.name, expected, found)
        })?;
        let names = program.inputs.iter().filter_map(|place| fields.get(*place)).map(|field| field.name.clone());
        Ok(Self { rule: rule.clone(), policy, names: names.collect(), program })
    }

    /// Refuses rules that would cost a row too much, one by one or together. Not
    /// asked of components that hosts hold already: those are served as they were.
    pub(crate) fn bound(rules: &[Self]) -> Result<(), Invalid> {
        let mut steps = 0;
        for rule in rules {
            if rule.program.cost > STEPS_MAX {
                let (expected, found) = (format!("at most {STEPS_MAX} steps a row"), rule.program.cost.to_string());
                return Err(Invalid::new(CheckKind::Rule, &rule.rule.name, expected, found));
            }
            steps += rule.program.cost;
            if steps > CARD_STEPS_MAX {
                let expected = format!("at most {CARD_STEPS_MAX} steps a row in all rules together");
                let found = format!("{steps} with this one, which takes {}", rule.program.cost);
                return Err(Invalid::new(CheckKind::Rule, &rule.rule.name, expected, found));
            }
        }
        Ok(())
    }

    /// Steps that a row takes at most, and how often a text of it is looked at.
    pub(super) fn cost(&self) -> (usize, usize) {
        (self.program.cost, self.program.texts)
    }

    /// Runs the rule on every row. The columns have their fields' form.
    pub(super) fn check(
        &self,
        batch: &Batch,
        draft: &mut Draft,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<(), Interrupted> {
        self.each_row(batch, interrupt, |row, tensors, result| {
            if result != Ok(true) {
                let echo = draft.detail().echo;
                let describe = || self.describe(row, tensors, echo, result.err());
                draft.add((&self.rule.name, CheckKind::Rule), self.policy, Some(row), describe);
            }
        })
    }

    /// The rows of which it is true: not those where a field is missing.
    pub(crate) fn rows_where(&self, batch: &Batch) -> Vec<usize> {
        let mut rows = Vec::new();
        let found = |row, _: &[&Tensor], result| rows.extend((result == Ok(true)).then_some(row));
        // `Interrupt::never` does not interrupt.
        let _ = self.each_row(batch, &mut Interrupt::never(), found);
        rows
    }

    fn each_row(
        &self,
        batch: &Batch,
        interrupt: &mut Interrupt<'_>,
        mut found: impl FnMut(usize, &[&Tensor], Result<bool, Fault>),
    ) -> Result<(), Interrupted> {
        let inputs = &self.program.inputs;
        let tensors: Vec<_> = inputs.iter().filter_map(|place| batch.columns.get(*place)).collect();
        let mut stack = Vec::new();
        for row in 0..batch.rows {
            interrupt.spend(1 + tensors.len())?;
            if tensors.iter().all(|tensor| tensor.is_valid(row)) {
                found(row, &tensors, self.program.holds(&tensors, row, &mut stack, interrupt)?);
            }
        }
        Ok(())
    }

    fn describe(&self, row: usize, tensors: &[&Tensor], echo: Echo, fault: Option<Fault>) -> Invalid {
        let values =
            self.names.iter().zip(tensors).map(|(name, tensor)| format!("{name} = {}", echo.element(tensor, row)));
        let mut found = values.collect::<Vec<_>>().join(", ");
        if let Some(fault) = fault {
            found = format!("{found}: {fault}");
        }
        Invalid::new(CheckKind::Rule, &self.rule.name, &self.rule.expression, found).at_row(row)
    }
}

#[cfg(test)]
mod tests;
