//! Operators that prepare numbers: scaled, filled, cut, made of equal length.

use super::message::Told;
use super::tensor::whole;
use super::translation::Translation;
use super::value::{Form, Kind, Numbers, Value};
use crate::import::boosters::error::{BoosterError, Read};
use crate::import::graph::Node;
use serde_json::json;

/// Columns of a matrix, as far as it grows by an operator.
pub(super) const COLUMNS_MAX: usize = 65_536;
/// Columns of which the largest is found one after the other.
const LARGEST_MAX: usize = 256;

impl<'a> Translation<'a> {
    pub(super) fn scaler(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        let x = self.singles(told, 0)?;
        let (offset, scale) = (finite(told, "offset")?, finite(told, "scale")?);
        if offset.len() != scale.len() {
            return Err(told.wrong("offset", format!("{} numbers, as `scale` has", scale.len()), offset.len()));
        }
        let (offset, scale) = (spread(told, "offset", offset, x.width)?, spread(told, "scale", scale, x.width)?);
        let subtract = self.graph.f64s(&offset);
        let apart = self.graph.node("scale", &[x], x.width, json!({"subtract": subtract}));
        let apart = self.graph.map(apart, "float32");
        let multiply = self.graph.f64s(&scale);
        let scaled = self.graph.node("scale", &[apart], x.width, json!({"multiply": multiply}));
        Ok(self.matrix(scaled))
    }

    pub(super) fn imputer(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        let value = self.operand(told, 0)?;
        let numbers = self.numbers(value)?;
        let floats = told.floats("imputed_value_floats")?;
        let ints = told.ints("imputed_value_int64s")?;
        let (missing, missing_int) = (told.float("replaced_value_float")?, told.int("replaced_value_int64")?);
        let (name, fill, missing) = match numbers.kind {
            Kind::F32 => ("imputed_value_floats", floats, missing.unwrap_or(0.0)),
            Kind::I64 => {
                let missing = whole(&[missing_int.unwrap_or(0)])?.first().copied().unwrap_or(0.0);
                ("imputed_value_int64s", whole(&ints)?, missing)
            }
            Kind::F64 => return Err(BoosterError::wrong("numbers of 32 bits, or whole ones", "numbers of 64 bits")),
        };
        if missing.is_infinite() {
            return Err(told.wrong("replaced_value_float", "a finite number, or NaN", missing));
        }
        let fill = spread(told, name, fill, numbers.node.width)?;
        let fill = self.graph.f64s(&fill);
        let missing = if missing.is_nan() { json!(null) } else { json!(missing) };
        let width = numbers.node.width;
        let node = self.graph.node("impute", &[numbers.node], width, json!({"fill": fill, "missing": missing}));
        Ok(Value::Numbers(Numbers { node, ..numbers }))
    }

    pub(super) fn normalizer(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        let x = self.singles(told, 0)?;
        let norm = match told.text_or("norm", "MAX")? {
            "L1" => {
                let size = self.graph.map(x, "abs");
                self.row_sum(size)
            }
            "L2" => {
                let square = self.graph.map(x, "square");
                let square = self.graph.map(square, "float32");
                let sum = self.row_sum(square);
                let sum = self.graph.map(sum, "float32");
                self.graph.map(sum, "sqrt")
            }
            "MAX" => self.largest(x)?,
            other => return Err(told.wrong("norm", "L1, L2 or MAX", other)),
        };
        let norm = self.graph.map(norm, "float32");
        // A row of norm 0 stays as it is.
        let fill = self.graph.f64s(&[1.0]);
        let norm = self.graph.node("impute", &[norm], 1, json!({"fill": fill, "missing": 0.0}));
        let node = self.graph.node("combine", &[x, norm], x.width, json!({"function": "divide"}));
        Ok(self.matrix(node))
    }

    fn row_sum(&mut self, x: Node) -> Node {
        self.graph.node("row_sum", &[x], 1, json!(null))
    }

    /// The largest of a row; what is missing is not.
    fn largest(&mut self, x: Node) -> Read<Node> {
        if x.width > LARGEST_MAX {
            return Err(BoosterError::wrong(format!("at most {LARGEST_MAX} columns for a `norm` of MAX"), x.width));
        }
        let fill = self.graph.f64s(&vec![f64::from(f32::MIN); x.width]);
        let filled = self.graph.node("impute", &[x], x.width, json!({"fill": fill}));
        let mut columns = self.columns(filled).into_iter();
        let first = columns.next().unwrap_or(filled);
        let told = || json!({"function": "maximum"});
        Ok(columns.fold(first, |high, column| self.graph.node("combine", &[high, column], 1, told())))
    }

    pub(super) fn binarizer(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        let x = self.singles(told, 0)?;
        let threshold = told.float("threshold")?.unwrap_or(0.0);
        if !threshold.is_finite() {
            return Err(told.wrong("threshold", "a finite number", threshold));
        }
        let above = self.graph.map_with(x, "greater", threshold);
        // ONNX Runtime refuses NaN, which stays here: 0 by 0.
        let missing = self.graph.map(x, "is_missing");
        let there = self.graph.scale(missing, -1.0, &vec![1.0; x.width]);
        let node = self.graph.node("combine", &[above, there], x.width, json!({"function": "divide"}));
        Ok(Value::Numbers(Numbers { node, kind: Kind::F32, form: Form::Matrix }))
    }

    pub(super) fn feature_vectorizer(&mut self, told: &mut Told<'a>) -> Read<Value<'a>> {
        let widths = told.ints("inputdimensions")?;
        let nodes = (0..told.of.len()).map(|at| self.singles(told, at)).collect::<Read<Vec<_>>>()?;
        let found: Vec<_> = nodes.iter().map(|node| i64::try_from(node.width).unwrap_or(i64::MAX)).collect();
        if found != widths || nodes.is_empty() {
            let shown = |widths: &[i64]| format!("{:?}", widths.get(..8).unwrap_or(widths));
            return Err(told.wrong("inputdimensions", format!("{}, as operands have", shown(&found)), shown(&widths)));
        }
        let node = self.side_by_side(&nodes)?;
        Ok(Value::Numbers(Numbers { node, kind: Kind::F32, form: Form::Matrix }))
    }

    /// Matrices side by side, up to a limit.
    pub(super) fn side_by_side(&mut self, nodes: &[Node]) -> Read<Node> {
        let width = nodes.iter().fold(0usize, |sum, node| sum.saturating_add(node.width));
        match width {
            1..=COLUMNS_MAX => Ok(self.graph.concat(nodes)),
            _ => Err(BoosterError::wrong(format!("1 to {COLUMNS_MAX} columns"), width)),
        }
    }
}

fn finite(told: &mut Told<'_>, name: &str) -> Read<Vec<f64>> {
    let list = told.floats(name)?;
    if list.iter().all(|x| x.is_finite()) { Ok(list) } else { Err(told.wrong(name, "finite numbers", "another")) }
}

/// A number for each column; one may stand for all.
fn spread(told: &Told<'_>, name: &str, list: Vec<f64>, width: usize) -> Read<Vec<f64>> {
    match *list.as_slice() {
        [one] => Ok(vec![one; width]),
        _ if list.len() == width => Ok(list),
        _ => Err(told.wrong(name, format!("{width} numbers, or 1"), list.len())),
    }
}
