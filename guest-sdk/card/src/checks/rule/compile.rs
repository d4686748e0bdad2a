//! What a rule means: its steps and their types, so that one which could never
//! hold is refused before there is a row.

use super::function::{Function, advice};
use super::program::{Program, Step};
use super::syntax::{Expr, Form};
use super::types::Type;
use super::value::{Comparison, Operation};
use crate::Field;

struct Compiler<'a> {
    fields: &'a [Field],
    program: Program,
}

/// Fails with what was found instead of a rule over these fields.
pub(super) fn compile(expr: &Expr, fields: &[Field]) -> Result<Program, String> {
    let mut compiler = Compiler { fields, program: Program::default() };
    match compiler.expr(expr)? {
        Type::Truth => Ok(compiler.program),
        other => Err(format!("one that is {other}")),
    }
}

impl Compiler<'_> {
    /// Adds a step, and says what the rule comes to behind it.
    fn push(&mut self, step: Step, of: Type) -> Type {
        self.program.cost += if let Step::IsOneOf(items) = &step { 1 + items.len() } else { 1 };
        self.program.steps.push(step);
        of
    }

    fn expr(&mut self, expr: &Expr) -> Result<Type, String> {
        let at = |problem: String| format!("column {}: {problem}", expr.column);
        match &expr.form {
            Form::Bool(value) => Ok(self.push(Step::Bool(*value), Type::Truth)),
            Form::Int(value) => Ok(self.push(Step::Int(*value), Type::Whole)),
            Form::Float(value) => Ok(self.push(Step::Float(*value), Type::Real)),
            Form::Text(text) => Ok(self.push(Step::Text(text.as_str().into()), Type::Text)),
            Form::Name(name) => self.field(name),
            Form::Unary(sign, of) => {
                let of = self.expr(of)?;
                match *sign {
                    "!" if of == Type::Truth => Ok(self.push(Step::Not, of)),
                    "-" if of.is_number() => Ok(self.push(Step::Negate, of)),
                    "+" if of.is_number() => Ok(of),
                    sign => Err(at(format!("`{sign}` of {of}"))),
                }
            }
            Form::Binary(sign, pair) => self.binary(sign, &pair.0, &pair.1, &at),
            Form::Call(name, arguments) => {
                let Some(function) = Function::named(name, arguments.len()) else {
                    let instead = advice(name).map(|advice| format!("; write {advice}")).unwrap_or_default();
                    return Err(at(format!("an unknown function `{name}` of {} values{instead}", arguments.len())));
                };
                let types = arguments.iter().map(|argument| self.expr(argument)).collect::<Result<Vec<_>, _>>()?;
                self.program.texts += types.iter().filter(|of| **of == Type::Text).count();
                let typed = function.typed(&types).map_err(|of| {
                    let types: Vec<_> = types.iter().map(ToString::to_string).collect();
                    at(format!("`{name}` of {}, which is of {of}", types.join(" and ")))
                })?;
                Ok(self.push(Step::Call(function), typed))
            }
            Form::Choice(parts) => self.choice(&parts.0, &parts.1, &parts.2, &at),
            Form::List(_) => Err(at("a list, which stands behind `in` only".into())),
        }
    }

    fn field(&mut self, name: &str) -> Result<Type, String> {
        let found = self.fields.iter().enumerate().find(|(_, field)| field.name == name);
        let (place, field) = found.ok_or_else(|| format!("an unknown `{name}`"))?;
        if !field.shape.is_empty() {
            return Err(format!("`{name}`, which has the shape {:?}", field.shape));
        }
        let inputs = &mut self.program.inputs;
        let input = inputs.iter().position(|known| *known == place).unwrap_or_else(|| {
            inputs.push(place);
            inputs.len() - 1
        });
        Ok(self.push(Step::Input(input), Type::of(field.datatype)))
    }

    fn binary(&mut self, sign: &str, a: &Expr, b: &Expr, at: &dyn Fn(String) -> String) -> Result<Type, String> {
        let of_a = self.expr(a)?;
        if matches!(sign, "&&" | "||") {
            let skip = self.jump();
            let of_b = self.expr(b)?;
            if (of_a, of_b) != (Type::Truth, Type::Truth) {
                return Err(at(format!("`{sign}` of {of_a} and {of_b}")));
            }
            self.land(skip, |to| Step::SkipIf(sign == "||", to));
            return Ok(Type::Truth);
        }
        if let (Form::List(items), "in") = (&b.form, sign) {
            return self.is_one_of(of_a, items, at);
        }
        let of_b = self.expr(b)?;
        let wrong = || at(format!("`{sign}` of {of_a} and {of_b}"));
        self.program.texts += usize::from(of_a == Type::Text);
        if let Some(comparison) = Comparison::named(sign) {
            return match of_a.either(of_b) {
                Some(_) => Ok(self.push(Step::Compare(comparison), Type::Truth)),
                None => Err(at(format!("a comparison of {of_a} with {of_b}"))),
            };
        }
        match (sign, Operation::named(sign)) {
            ("+", _) if (of_a, of_b) == (Type::Text, Type::Text) => {
                self.program.joins += 1;
                Ok(self.push(Step::Join(self.program.joins - 1), Type::Text))
            }
            ("in", _) if (of_a, of_b) == (Type::Text, Type::Text) => Ok(self.push(Step::IsWithin, Type::Truth)),
            (_, Some(operation)) => {
                let of = calculated(operation, of_a, of_b).ok_or_else(wrong)?;
                Ok(self.push(Step::Calculate(operation), of))
            }
            _ => Err(wrong()),
        }
    }

    fn is_one_of(&mut self, of: Type, items: &[Expr], at: &dyn Fn(String) -> String) -> Result<Type, String> {
        let mut steps = Vec::with_capacity(items.len());
        for item in items {
            let (item_of, step) = constant(item).ok_or_else(|| at("a list of more than constants".into()))?;
            if of.either(item_of).is_none() {
                return Err(at(format!("a comparison of {of} with {item_of}")));
            }
            steps.push(step);
        }
        self.program.texts += if of == Type::Text { items.len() } else { 0 };
        Ok(self.push(Step::IsOneOf(steps.into()), Type::Truth))
    }

    fn choice(
        &mut self,
        condition: &Expr,
        yes: &Expr,
        no: &Expr,
        at: &dyn Fn(String) -> String,
    ) -> Result<Type, String> {
        let of = self.expr(condition)?;
        if of != Type::Truth {
            return Err(at(format!("a choice by {of}")));
        }
        let branch = self.jump();
        let of_yes = self.expr(yes)?;
        let jump = self.jump();
        self.land(branch, Step::Branch);
        let of_no = self.expr(no)?;
        self.land(jump, Step::Jump);
        of_yes.either(of_no).ok_or_else(|| at(format!("a choice between {of_yes} and {of_no}")))
    }

    /// Leaves room for a step that goes on further, and says where.
    fn jump(&mut self) -> usize {
        self.program.cost += 1;
        self.program.steps.push(Step::Jump(0));
        self.program.steps.len() - 1
    }

    /// The step at that place goes on behind all that there are.
    fn land(&mut self, place: usize, step: impl FnOnce(usize) -> Step) {
        let to = self.program.steps.len();
        if let Some(place) = self.program.steps.get_mut(place) {
            *place = step(to);
        }
    }
}

/// What an operation is of values of these types; none where it is not of them.
fn calculated(operation: Operation, a: Type, b: Type) -> Option<Type> {
    match (a, b) {
        (Type::Truth, Type::Truth) => operation.is_of_truths().then_some(Type::Truth),
        (a, b) if !a.is_number() || !b.is_number() => None,
        (Type::Real, _) | (_, Type::Real) if operation.is_of_bits() => None,
        _ if operation.is_of_bits() => Some(Type::Whole),
        (a, b) => Some(a.calculated(b)),
    }
}

fn constant(expr: &Expr) -> Option<(Type, Step)> {
    Some(match &expr.form {
        Form::Bool(value) => (Type::Truth, Step::Bool(*value)),
        Form::Int(value) => (Type::Whole, Step::Int(*value)),
        Form::Float(value) => (Type::Real, Step::Float(*value)),
        Form::Text(text) => (Type::Text, Step::Text(text.as_str().into())),
        _ => return None,
    })
}
