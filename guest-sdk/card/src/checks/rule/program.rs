//! A rule as a list of steps over a stack, run on one row.
//!
//! A step is taken once a row at most. Nothing is allocated but texts that a
//! rule itself puts together.

use super::function::{Function, Stop, contains};
use super::value::{Comparison, Fault, Operation, TEXT_MAX_BYTES, Value};
use crate::{Interrupt, Interrupted, Tensor};
use std::cell::OnceCell;

/// One step. It takes its operands from the stack and leaves its result there.
#[derive(Debug)]
pub(super) enum Step {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Box<str>),
    /// One of the columns that the rule names.
    Input(usize),
    Not,
    Negate,
    Compare(Comparison),
    Calculate(Operation),
    Call(Function),
    /// Whether a text is a part of another.
    IsWithin,
    IsOneOf(Box<[Step]>),
    /// Joins two texts; holds the number of such steps before this one.
    Join(usize),
    /// Jumps ahead and keeps the top if it has this value; otherwise drops it.
    SkipIf(bool, usize),
    /// Drops the top and jumps ahead if it was false.
    Branch(usize),
    Jump(usize),
}

/// A rule that can be run.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    /// The fields that it names, by their place among all, in the order in which it has their columns.
    pub(super) inputs: Vec<usize>,
    pub(super) joins: usize,
    /// Steps of a row at most; those that look at a text cost more by its length.
    pub(super) cost: usize,
    /// How often it looks at a text of a column at most.
    pub(super) texts: usize,
}

impl Program {
    /// Whether it is true of a row of its columns. The stack is empty before and after.
    pub(super) fn holds<'a>(
        &'a self,
        tensors: &[&'a Tensor],
        row: usize,
        stack: &mut Vec<Value<'a>>,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<Result<bool, Fault>, Interrupted> {
        interrupt.spend(self.cost)?;
        let held = if self.joins == 0 {
            stack.clear();
            self.run(tensors, row, &[], stack, interrupt)
        } else {
            let joined: Vec<OnceCell<String>> = (0..self.joins).map(|_| OnceCell::new()).collect();
            self.run(tensors, row, &joined, &mut Vec::new(), interrupt)
        };
        match held {
            Ok(value) => Ok(Ok(value)),
            Err(Stop::Fault(fault)) => Ok(Err(fault)),
            Err(Stop::Interrupted) => Err(Interrupted),
        }
    }

    /// Whether every step leads to a later one, and counts.
    #[cfg(test)]
    pub(super) fn only_leads_on(&self) -> bool {
        let leads_on = |(at, step): (usize, &Step)| match step {
            Step::SkipIf(_, to) | Step::Branch(to) | Step::Jump(to) => *to > at,
            _ => true,
        };
        self.steps.len() <= self.cost && self.steps.iter().enumerate().all(leads_on)
    }

    fn run<'a>(
        &'a self,
        tensors: &[&'a Tensor],
        row: usize,
        joined: &'a [OnceCell<String>],
        stack: &mut Vec<Value<'a>>,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<bool, Stop> {
        let mut at = 0;
        while let Some(step) = self.steps.get(at) {
            at += 1;
            let value = match step {
                Step::Bool(value) => Value::Bool(*value),
                Step::Int(value) => Value::Int(*value),
                Step::Float(value) => Value::Float(*value),
                Step::Text(text) => Value::Text(text),
                Step::Input(input) => Value::of(tensors.get(*input).ok_or(Fault::Types)?, row)?,
                Step::Not => Value::Bool(!pop(stack)?.truth()?),
                Step::Negate => pop(stack)?.negative()?,
                Step::Compare(how) => {
                    let (b, a) = (pop(stack)?, pop(stack)?);
                    if let Value::Text(text) = a {
                        interrupt.spend_text(text)?;
                    }
                    Value::Bool(how.holds(a, b)?)
                }
                Step::Calculate(operation) => {
                    let (b, a) = (pop(stack)?, pop(stack)?);
                    operation.of(a, b)?
                }
                Step::Call(function) => {
                    let b = if function.arguments() > 1 { pop(stack)? } else { Value::Bool(false) };
                    let a = if function.arguments() > 0 { pop(stack)? } else { Value::Bool(false) };
                    function.of(a, b, interrupt)?
                }
                Step::IsWithin => {
                    let (text, part) = (pop(stack)?.text()?, pop(stack)?.text()?);
                    Value::Bool(contains(text, part, interrupt)?)
                }
                Step::IsOneOf(items) => Value::Bool(is_one_of(pop(stack)?, items)?),
                Step::Join(slot) => {
                    let (b, a) = (pop(stack)?.text()?, pop(stack)?.text()?);
                    if a.len() + b.len() > TEXT_MAX_BYTES {
                        return Err(Fault::TextTooLong.into());
                    }
                    Value::Text(joined.get(*slot).ok_or(Fault::Types)?.get_or_init(|| [a, b].concat()))
                }
                Step::SkipIf(decisive, to) => {
                    let value = pop(stack)?;
                    if value.truth()? != *decisive {
                        continue;
                    }
                    at = *to;
                    value
                }
                Step::Branch(to) => {
                    if !pop(stack)?.truth()? {
                        at = *to;
                    }
                    continue;
                }
                Step::Jump(to) => {
                    at = *to;
                    continue;
                }
            };
            stack.push(value);
        }
        Ok(pop(stack)?.truth()?)
    }
}

fn pop<'a>(stack: &mut Vec<Value<'a>>) -> Result<Value<'a>, Fault> {
    stack.pop().ok_or(Fault::Types)
}

fn is_one_of(value: Value<'_>, items: &[Step]) -> Result<bool, Fault> {
    for item in items {
        let item = match item {
            Step::Bool(item) => Value::Bool(*item),
            Step::Int(item) => Value::Int(*item),
            Step::Float(item) => Value::Float(*item),
            Step::Text(item) => Value::Text(item),
            _ => return Err(Fault::Types),
        };
        if Comparison::Equal.holds(value, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}
