//! Rules of comparisons, arithmetic, `&&`, `||` and `!`, run without the
//! engine, which takes ten times as long.
//!
//! What it says is what the engine says, or it says nothing: of an expression
//! with anything else in it, and of a row where the engine would find an error
//! (a sum that is too large, values that do not compare), which is the engine's
//! to name.

#[cfg(test)]
mod tests;

use crate::{Tensor, Values};
use rhai::{AST, Expr, Stmt};

/// A plain rule.
#[derive(Debug)]
pub(super) struct Plain(Node);

#[derive(Debug)]
enum Node {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// One of the inputs that the rule names.
    Input(usize),
    Not(Box<Node>),
    Negative(Box<Node>),
    Absolute(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Compared(Comparison, Box<(Node, Node)>),
    Calculated(Operation, Box<(Node, Node)>),
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// A value as a rule sees it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

impl Plain {
    /// The rule whose inputs have these names, where it is a plain one.
    pub(super) fn new(ast: &AST, inputs: &[(String, usize)]) -> Option<Self> {
        match ast.statements() {
            [Stmt::Expr(expression)] => Node::new(expression, inputs).map(Self),
            _ => None,
        }
    }

    /// Whether it is true of a row of its inputs; nothing where the engine is to say.
    pub(super) fn holds(&self, inputs: &[&Tensor], row: usize) -> Option<bool> {
        self.0.value(inputs, row)?.truth()
    }
}

impl Node {
    /// How deep the engine lets expressions be is what bounds this.
    fn new(expression: &Expr, inputs: &[(String, usize)]) -> Option<Self> {
        let node = |expression: &Expr| Self::new(expression, inputs);
        let all = |parts: &[Expr]| parts.iter().map(|part| Self::new(part, inputs)).collect::<Option<Vec<_>>>();
        Some(match expression {
            Expr::BoolConstant(value, _) => Self::Bool(*value),
            Expr::IntegerConstant(value, _) => Self::Int(*value),
            Expr::FloatConstant(value, _) => Self::Float(**value),
            Expr::StringConstant(value, _) => Self::Text(value.to_string()),
            Expr::Variable(variable, ..) => Self::Input(inputs.iter().position(|(name, _)| *name == *variable.1)?),
            Expr::And(parts, _) => Self::And(all(parts)?),
            Expr::Or(parts, _) => Self::Or(all(parts)?),
            Expr::FnCall(call, _) => match call.args.as_slice() {
                [a] => {
                    let a = Box::new(node(a)?);
                    match call.name.as_str() {
                        "!" => Self::Not(a),
                        "-" => Self::Negative(a),
                        "abs" => Self::Absolute(a),
                        _ => return None,
                    }
                }
                [a, b] => {
                    let pair = Box::new((node(a)?, node(b)?));
                    match call.name.as_str() {
                        "==" => Self::Compared(Comparison::Equal, pair),
                        "!=" => Self::Compared(Comparison::Unequal, pair),
                        "<" => Self::Compared(Comparison::Less, pair),
                        "<=" => Self::Compared(Comparison::LessOrEqual, pair),
                        ">" => Self::Compared(Comparison::Greater, pair),
                        ">=" => Self::Compared(Comparison::GreaterOrEqual, pair),
                        "+" => Self::Calculated(Operation::Add, pair),
                        "-" => Self::Calculated(Operation::Subtract, pair),
                        "*" => Self::Calculated(Operation::Multiply, pair),
                        "/" => Self::Calculated(Operation::Divide, pair),
                        _ => return None,
                    }
                }
                _ => return None,
            },
            _ => return None,
        })
    }

    fn value<'a>(&'a self, inputs: &[&'a Tensor], row: usize) -> Option<Value<'a>> {
        let value = |node: &'a Self| node.value(inputs, row);
        Some(match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Float(value) => Value::Float(*value),
            Self::Text(value) => Value::Text(value),
            Self::Input(at) => element(inputs.get(*at)?, row)?,
            Self::Not(a) => Value::Bool(!value(a)?.truth()?),
            Self::Negative(a) => match value(a)? {
                Value::Int(a) => Value::Int(a.checked_neg()?),
                Value::Float(a) => Value::Float(-a),
                _ => return None,
            },
            Self::Absolute(a) => match value(a)? {
                Value::Int(a) => Value::Int(a.checked_abs()?),
                Value::Float(a) => Value::Float(a.abs()),
                _ => return None,
            },
            // What comes after the first that decides is not looked at.
            Self::And(parts) => Value::Bool(first_that_is(parts, false, value)?),
            Self::Or(parts) => Value::Bool(first_that_is(parts, true, value)?),
            Self::Compared(how, pair) => Value::Bool(how.holds(value(&pair.0)?, value(&pair.1)?)?),
            Self::Calculated(operation, pair) => operation.of(value(&pair.0)?, value(&pair.1)?)?,
        })
    }
}

fn first_that_is<'a>(parts: &'a [Node], decisive: bool, value: impl Fn(&'a Node) -> Option<Value<'a>>) -> Option<bool> {
    for part in parts {
        if value(part)?.truth()? == decisive {
            return Some(decisive);
        }
    }
    Some(!decisive)
}

impl Value<'_> {
    fn truth(self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(value) } else { None }
    }
}

impl Comparison {
    fn holds(self, a: Value<'_>, b: Value<'_>) -> Option<bool> {
        match (a, b) {
            (Value::Int(a), Value::Int(b)) => Some(self.of(&a, &b)),
            (Value::Float(a), Value::Float(b)) => Some(self.of(&a, &b)),
            (Value::Int(a), Value::Float(b)) => Some(self.of(&(a as f64), &b)),
            (Value::Float(a), Value::Int(b)) => Some(self.of(&a, &(b as f64))),
            (Value::Text(a), Value::Text(b)) => Some(self.of(a, b)),
            (Value::Bool(a), Value::Bool(b)) => Some(self.of(&a, &b)),
            _ => None,
        }
    }

    fn of<T: PartialOrd + ?Sized>(self, a: &T, b: &T) -> bool {
        match self {
            Self::Equal => a == b,
            Self::Unequal => a != b,
            Self::Less => a < b,
            Self::LessOrEqual => a <= b,
            Self::Greater => a > b,
            Self::GreaterOrEqual => a >= b,
        }
    }
}

impl Operation {
    fn of<'a>(self, a: Value<'a>, b: Value<'a>) -> Option<Value<'a>> {
        match (a, b) {
            (Value::Int(a), Value::Int(b)) => self.of_ints(a, b).map(Value::Int),
            (Value::Float(a), Value::Float(b)) => Some(Value::Float(self.of_floats(a, b))),
            (Value::Int(a), Value::Float(b)) => Some(Value::Float(self.of_floats(a as f64, b))),
            (Value::Float(a), Value::Int(b)) => Some(Value::Float(self.of_floats(a, b as f64))),
            _ => None,
        }
    }

    fn of_ints(self, a: i64, b: i64) -> Option<i64> {
        match self {
            Self::Add => a.checked_add(b),
            Self::Subtract => a.checked_sub(b),
            Self::Multiply => a.checked_mul(b),
            Self::Divide => a.checked_div(b),
        }
    }

    fn of_floats(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => a / b,
        }
    }
}

/// One value: an `i64` where it fits, else an `f64`.
pub(super) fn element<'a>(tensor: &'a Tensor, row: usize) -> Option<Value<'a>> {
    match &tensor.values {
        Values::Bool(list) => list.get(row).map(|&v| Value::Bool(v)),
        Values::Int8(list) => list.get(row).map(|&v| Value::Int(v.into())),
        Values::Int16(list) => list.get(row).map(|&v| Value::Int(v.into())),
        Values::Int32(list) => list.get(row).map(|&v| Value::Int(v.into())),
        Values::Int64(list) => list.get(row).map(|&v| Value::Int(v)),
        Values::Uint8(list) => list.get(row).map(|&v| Value::Int(v.into())),
        Values::Uint16(list) => list.get(row).map(|&v| Value::Int(v.into())),
        Values::Uint32(list) => list.get(row).map(|&v| Value::Int(v.into())),
        Values::Uint64(list) => list.get(row).map(|&v| i64::try_from(v).map_or(Value::Float(v as f64), Value::Int)),
        Values::Fp32(list) => list.get(row).map(|&v| Value::Float(v.into())),
        Values::Fp64(list) => list.get(row).map(|&v| Value::Float(v)),
        Values::Bytes(text) => text.get(row).map(Value::Text),
    }
}
