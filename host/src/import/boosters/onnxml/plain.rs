//! Operators of ONNX's own that compute, as far as ours say the same.

use super::message::Told;
use super::prepare::COLUMNS_MAX;
use super::translation::Translation;
use super::value::{Form, Kind, Numbers, Value};
use crate::import::boosters::booster::{Names, WIDTH_MAX};
use crate::import::boosters::error::{BoosterError, Read};
use crate::import::graph::Node;
use serde_json::json;

/// Functions of one number, and what they are called here.
const FUNCTIONS: [(&str, &str); 14] = [
    ("Abs", "abs"),
    ("Ceil", "ceil"),
    ("Cos", "cos"),
    ("Exp", "exp"),
    ("Floor", "floor"),
    ("Log", "log"),
    ("Neg", "negative"),
    ("Reciprocal", "reciprocal"),
    ("Relu", "relu"),
    ("Round", "rint"),
    ("Sigmoid", "sigmoid"),
    ("Sin", "sin"),
    ("Sqrt", "sqrt"),
    ("Tanh", "tanh"),
];

impl<'a> Translation<'a> {
    /// An operator of ONNX's own.
    pub(super) fn plain(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        match told.operator {
            "Identity" => self.operand(told, 0),
            "Constant" => self.constant_of(told),
            "Cast" => self.cast(told),
            "Concat" => self.concat(told),
            "Reshape" => self.reshape(told),
            "Flatten" => self.flatten(told),
            "Squeeze" => self.squeeze(told, true),
            "Unsqueeze" => self.squeeze(told, false),
            "Add" => self.pair(told, "add"),
            "Sub" => self.pair(told, "subtract"),
            "Mul" => self.pair(told, "multiply"),
            "Div" => self.pair(told, "divide"),
            "Sum" => self.sum(told),
            "MatMul" => self.mat_mul(told),
            "Gemm" => self.gemm(told),
            "ArgMax" => self.arg_max(told),
            "Softmax" => self.softmax(told),
            operator => match FUNCTIONS.iter().find(|(name, _)| *name == operator) {
                Some((_, function)) => {
                    let numbers = self.real(told, 0)?;
                    let node = self.graph.map(numbers.node, function);
                    let node = self.rounded(node, numbers.kind);
                    Ok(Value::Numbers(Numbers { node, ..numbers }))
                }
                None => Err(BoosterError::refused(
                    "this operator is not translated beside those of `ai.onnx.ml`",
                    "export the fitted model with scry.export instead",
                )),
            },
        }
    }

    /// Two operands, of which one may be a constant.
    fn pair(&mut self, told: &mut Told<'a>, function: &str) -> Read<Value<'a>> {
        let (left, right) = (self.operand(told, 0)?, self.operand(told, 1)?);
        let pair = match (&left, &right) {
            (Value::Constant(_), Value::Constant(_)) => {
                return Err(BoosterError::wrong("an operand that is no constant", "two constants"));
            }
            (Value::Constant(_), _) => {
                let numbers = self.real(told, 1)?;
                [self.constant_row(&left, numbers)?, numbers]
            }
            (_, Value::Constant(_)) => {
                let numbers = self.real(told, 0)?;
                [numbers, self.constant_row(&right, numbers)?]
            }
            _ => [self.real(told, 0)?, self.real(told, 1)?],
        };
        self.combined(pair, function)
    }

    /// A constant as the same row everywhere.
    fn constant_row(&mut self, value: &Value<'a>, with: Numbers) -> Read<Numbers> {
        let list = self.row_constant(value, with)?;
        let attributes = json!({"value": self.graph.f64s(&list)});
        let node = self.graph.node("constant", &[with.node], list.len(), attributes);
        Ok(Numbers { node, ..with })
    }

    fn combined(&mut self, [left, right]: [Numbers; 2], function: &str) -> Read<Value<'a>> {
        let (a, b) = (left.node.width, right.node.width);
        let fits = a == b || a == 1 || b == 1;
        if !fits || (left.kind, left.form) != (right.kind, right.form) || a.max(b) > COLUMNS_MAX {
            let shown = |numbers: Numbers| format!("{:?} of {} {:?}", numbers.form, numbers.node.width, numbers.kind);
            let found = format!("{} and {}", shown(left), shown(right));
            return Err(BoosterError::wrong("operands of one type and form, of equal width or width 1", found));
        }
        let told = json!({"function": function});
        let node = self.graph.node("combine", &[left.node, right.node], a.max(b), told);
        let node = self.rounded(node, left.kind);
        Ok(Value::Numbers(Numbers { node, ..left }))
    }

    fn sum(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        let mut sum = self.real(told, 0)?;
        for at in 1..told.of.len() {
            let next = self.real(told, at)?;
            let Value::Numbers(numbers) = self.combined([sum, next], "add")? else { continue };
            sum = numbers;
        }
        Ok(Value::Numbers(sum))
    }

    fn mat_mul(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        let x = self.singles(told, 0)?;
        let weights = self.operand(told, 1)?;
        let (weights, outputs) = self.weights(&weights, x, false)?;
        let node = self.linear(x, outputs, &weights, &vec![0.0; outputs]);
        Ok(self.matrix(node))
    }

    fn gemm(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        for name in ["alpha", "beta"] {
            match told.float(name)? {
                None | Some(1.0) => {}
                Some(other) => return Err(told.wrong(name, "1", other)),
            }
        }
        told.only("transA", 0)?;
        let is_transposed = match told.int("transB")? {
            None | Some(0) => false,
            Some(1) => true,
            Some(other) => return Err(told.wrong("transB", "0 or 1", other)),
        };
        let x = self.singles(told, 0)?;
        let (weights, bias) = (self.operand(told, 1)?, self.operand_if(told, 2)?);
        let (weights, outputs) = self.weights(&weights, x, is_transposed)?;
        let mut numbers = vec![0.0; outputs];
        if let Some(bias) = bias {
            let (kind, list, shape) = self.constant_numbers(&bias)?;
            let is_row = shape.len() < 2 || (shape.len() == 2 && shape.first() == Some(&1));
            match *list.as_slice() {
                [one] if kind == Kind::F32 => numbers = vec![one; outputs],
                _ if kind == Kind::F32 && is_row && list.len() == outputs => numbers = list,
                _ => {
                    let expected = format!("a constant `C` with 1 number or {outputs} in a row");
                    return Err(BoosterError::wrong(expected, format!("the shape {shape:?}")));
                }
            }
        }
        let node = self.linear(x, outputs, &weights, &numbers);
        Ok(self.matrix(node))
    }

    /// A constant with a row for each column of `x`, and its columns.
    fn weights(&mut self, value: &Value<'a>, x: Node, is_transposed: bool) -> Read<(Vec<f64>, usize)> {
        let (kind, list, shape) = self.constant_numbers(value)?;
        match *shape.as_slice() {
            [rows, columns] if !is_transposed && rows == x.width && kind == Kind::F32 && columns > 0 => {
                Ok((list, columns))
            }
            [columns, rows] if is_transposed && rows == x.width && kind == Kind::F32 && columns > 0 => {
                let row = |row: usize| list.iter().skip(row).step_by(rows.max(1)).copied();
                Ok(((0..rows).flat_map(row).collect(), columns))
            }
            _ => {
                let expected = format!("a constant matrix for {} columns, of float", x.width);
                Err(BoosterError::wrong(expected, format!("the shape {shape:?}")))
            }
        }
    }

    fn arg_max(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        match told.int("axis")? {
            Some(1 | -1) => {}
            other => return Err(told.wrong("axis", "1, that of the columns", other.unwrap_or(0))),
        }
        told.only("select_last_index", 0)?;
        let form = if told.int("keepdims")?.unwrap_or(1) == 0 { Form::Row } else { Form::Matrix };
        let numbers = self.real(told, 0)?;
        if numbers.form != Form::Matrix || numbers.node.width > WIDTH_MAX {
            return Err(BoosterError::wrong(format!("rows of at most {WIDTH_MAX} columns"), "another form"));
        }
        let index = self.argmax(numbers.node);
        self.classes(index, Names::count(numbers.node.width), form)
    }

    fn softmax(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        match told.int("axis")? {
            None | Some(1 | -1) => {}
            Some(other) => return Err(told.wrong("axis", "1, that of the columns", other)),
        }
        let node = self.singles(told, 0)?;
        let node = self.graph.node("softmax", &[node], node.width, json!({"precision": "f32"}));
        Ok(Value::Numbers(Numbers { node, kind: Kind::F32, form: Form::Matrix }))
    }
}
