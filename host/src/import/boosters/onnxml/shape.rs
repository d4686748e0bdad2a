//! Operators of ONNX's own that move values, or say of what type they are.
//!
//! Never lets a row's values reach another row.

use super::message::Told;
use super::tensor::{Data, Tensor};
use super::translation::Translation;
use super::value::{Form, Kind, Numbers, Value};
use crate::import::boosters::booster::Names;
use crate::import::boosters::error::{BoosterError, Read};
use crate::import::graph::Node;
use serde_json::json;

/// What a Cast makes of NaN: the least whole number, as processors do.
const LEAST: f64 = -9_223_372_036_854_775_808.0;

impl<'a> Translation<'a> {
    pub(super) fn constant_of(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        match told.tensor("value")? {
            Some(tensor) => Ok(Value::Constant(tensor)),
            None => Err(told.wrong("value", "a tensor", "none")),
        }
    }

    pub(super) fn cast(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        let to = told.int("to")?.unwrap_or(0);
        told.int("saturate")?;
        let value = self.operand(told, 0)?;
        if let Value::Classes { index, names, form } = &value {
            match (to, &**names) {
                (8, Names::Text(_)) | (6 | 7, Names::Whole(_)) => return Ok(value),
                (8, Names::Whole(names)) => {
                    let names = Names::Text(names.iter().map(i64::to_string).collect());
                    return self.classes(*index, names, *form);
                }
                _ => {}
            }
        }
        let kind = match (to, &value) {
            (8, Value::Texts(_)) => return Ok(value),
            (1, _) => Kind::F32,
            (11, _) => Kind::F64,
            (6 | 7, _) => Kind::I64,
            _ => {
                let expected = "1 (float), 7 (int64), 11 (double), or 8 (string) for labels";
                return Err(told.wrong("to", expected, format!("{to} for {}", value.shown())));
            }
        };
        let numbers = self.numbers(value)?;
        let node = match (numbers.kind, kind) {
            (from, to) if from == to => numbers.node,
            (_, Kind::F32) => self.graph.map(numbers.node, "float32"),
            (_, Kind::F64) => numbers.node,
            (_, Kind::I64) => {
                let node = self.truncated(numbers.node);
                let fill = self.graph.f64s(&vec![LEAST; node.width]);
                self.graph.node("impute", &[node], node.width, json!({"fill": fill}))
            }
        };
        Ok(Value::Numbers(Numbers { node, kind, ..numbers }))
    }

    /// Numbers without their fractions.
    pub(super) fn truncated(&mut self, x: Node) -> Node {
        let (sign, size) = (self.graph.map(x, "sign"), self.graph.map(x, "abs"));
        let floor = self.graph.map(size, "floor");
        self.graph.node("combine", &[sign, floor], x.width, json!({"function": "multiply"}))
    }

    pub(super) fn concat(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        let axis = told.int("axis")?.unwrap_or(i64::MAX);
        let values = (0..told.of.len()).map(|at| self.operand(told, at)).collect::<Read<Vec<_>>>()?;
        let wrong = |found: &str| {
            Err(BoosterError::wrong("columns of one type and form, beside each other along the last axis", found))
        };
        if let Some(Value::Texts(_)) = values.first() {
            let mut nodes = Vec::new();
            for value in values {
                match value {
                    Value::Texts(columns) if matches!(axis, 1 | -1) => nodes.extend(columns),
                    other => return wrong(other.shown()),
                }
            }
            return self.texts(nodes);
        }
        let all = values.into_iter().map(|value| self.numbers(value)).collect::<Read<Vec<_>>>()?;
        let Some(&first) = all.first() else { return wrong("none") };
        if all.iter().any(|numbers| (numbers.kind, numbers.form) != (first.kind, first.form)) {
            return wrong("several types or forms");
        }
        match (first.form, axis) {
            (Form::Matrix, 1 | -1) | (Form::Deep, 2 | -1) => {}
            _ => return wrong("another axis"),
        }
        let nodes: Vec<_> = all.iter().map(|numbers| numbers.node).collect();
        Ok(Value::Numbers(Numbers { node: self.side_by_side(&nodes)?, ..first }))
    }

    pub(super) fn reshape(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        told.only("allowzero", 0)?;
        let (value, sizes) = (self.operand(told, 0)?, self.operand(told, 1)?);
        let sizes = self.constant(&sizes)?.whole()?;
        let width = match &value {
            Value::Numbers(numbers) => numbers.node.width,
            Value::Texts(nodes) => nodes.len(),
            Value::Classes { .. } => 1,
            Value::Constant(_) => return Err(BoosterError::wrong("what rows have", value.shown())),
        };
        let is_width = |size: i64| usize::try_from(size) == Ok(width);
        // The first size of 0 is that of the rows, if the value has rows and columns.
        let to = match *sizes.as_slice() {
            [-1] if width == 1 => Form::Row,
            [-1, size] | [0, size] if is_width(size) => Form::Matrix,
            [0, -1] => Form::Matrix,
            _ => {
                let expected = format!("a constant shape of [-1, {width}], which leaves each row by itself");
                return Err(BoosterError::wrong(expected, format!("{:?}", sizes.get(..4).unwrap_or(&sizes))));
            }
        };
        self.formed(value, to)
    }

    /// The same values in another form.
    fn formed(&mut self, value: Value<'a>, to: Form) -> Read<Value<'a>> {
        Ok(match value {
            Value::Numbers(numbers) => Value::Numbers(Numbers { form: to, ..numbers }),
            Value::Classes { index, names, .. } => Value::Classes { index, names, form: to },
            Value::Texts(nodes) if to == Form::Matrix => Value::Texts(nodes),
            other => return Err(BoosterError::wrong("numbers or labels", other.shown())),
        })
    }

    pub(super) fn flatten(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        told.only("axis", 1)?;
        let value = self.operand(told, 0)?;
        self.formed(value, Form::Matrix)
    }

    /// Squeeze and Unsqueeze of a column.
    pub(super) fn squeeze(&mut self, told: &mut Told<'a>, is_squeeze: bool) -> Read<Value<'a>> {
        let mut axes = told.ints("axes")?;
        if let Some(operand) = self.operand_if(told, 1)? {
            axes = self.constant(&operand)?.whole()?;
        }
        let value = self.operand(told, 0)?;
        let (form, width) = match &value {
            Value::Numbers(numbers) => (numbers.form, numbers.node.width),
            Value::Classes { form, .. } => (*form, 1),
            other => return Err(BoosterError::wrong("numbers or labels", other.shown())),
        };
        let to = match (is_squeeze, form, axes.as_slice()) {
            (true, Form::Matrix, [1 | -1]) if width == 1 => Form::Row,
            (true, Form::Deep, [1 | -2]) => Form::Matrix,
            (false, Form::Row, [1 | -1]) => Form::Matrix,
            (false, Form::Matrix, [1 | -2]) => Form::Deep,
            _ => {
                return Err(told.wrong("axes", "those of one column", format!("{:?}", axes.get(..4).unwrap_or(&axes))));
            }
        };
        self.formed(value, to)
    }

    /// A constant that goes with each row: its numbers, one or one for each column.
    pub(super) fn row_constant(&mut self, value: &Value<'a>, with: Numbers) -> Read<Vec<f64>> {
        let (kind, list, shape) = match self.constant(value)? {
            Tensor { data: Data::Numbers(kind, list), shape } => (kind, list, shape),
            _ => return Err(BoosterError::wrong("a constant of numbers", "texts")),
        };
        if kind != with.kind {
            return Err(BoosterError::wrong("numbers of one type", "several"));
        }
        let rank = match with.form {
            Form::Row => 0,
            Form::Matrix => 2,
            Form::Deep => 3,
        };
        let others = shape.split_last().map_or(&[][..], |(_, others)| others);
        let fits = list.len() == 1 || list.len() == with.node.width || with.node.width == 1;
        let keeps_rank = shape.len() <= rank || (rank == 0 && shape == [1]);
        if !fits || !keeps_rank || others.iter().any(|&size| size != 1) || list.is_empty() {
            let expected = format!("a constant with 1 number or {} in a row", with.node.width);
            return Err(BoosterError::wrong(expected, format!("the shape {shape:?}")));
        }
        Ok(list)
    }
}
