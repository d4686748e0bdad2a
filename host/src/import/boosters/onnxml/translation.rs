//! A graph as it is translated: the values that were made, and what operators read of them.
//!
//! Never knows an operator, and bounds what the file makes it hold.

use super::message::Told;
use super::tensor::{Data, Tensor, whole};
use super::value::{Form, Kind, Numbers, Value};
use crate::import::boosters::booster::Names;
use crate::import::boosters::error::{BoosterError, Read};
use crate::import::graph::{Graph, Node};
use scry_card::strict;
use serde_json::json;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Values of all constants, and their bytes, as often as they are read: more than a component has room for.
const CONSTANTS_MAX: usize = 1 << 24;
const CONSTANTS_MAX_BYTES: usize = 1 << 27;
/// Columns of texts.
const TEXTS_MAX: usize = 4_096;
/// Bytes of the names of all labels that are made.
const NAMES_MAX_BYTES: usize = 1 << 26;

/// A graph as it is translated.
#[derive(Default)]
pub(super) struct Translation<'a> {
    pub(super) graph: Graph,
    pub(super) values: BTreeMap<&'a str, Value<'a>>,
    /// What the first model reads.
    pub(super) features: Option<Node>,
    /// The inputs, in the order of the file, and the matrix of all of them if there is one.
    pub(super) inputs: Vec<String>,
    pub(super) all_inputs: Option<Node>,
    /// The names that a ZipMap gives to columns.
    pub(super) zipped: Option<Names>,
    /// Values of the constants that were read.
    pub(super) constants: usize,
    pub(super) constant_bytes: usize,
    /// Bytes of the names that were made.
    pub(super) name_bytes: usize,
    /// Numbers of the leaves of all trees.
    pub(super) leaf_numbers: usize,
}

impl<'a> Translation<'a> {
    /// Names a value.
    pub(super) fn make(&mut self, name: &'a str, value: Value<'a>) -> Read<()> {
        match self.values.insert(name, value) {
            None => Ok(()),
            Some(_) => Err(BoosterError::wrong("each name once", format!("`{}` twice", strict::cut(name)))),
        }
    }

    /// What a node reads at that place, if it reads something there.
    pub(super) fn operand_if(&self, told: &Told<'a>, at: usize) -> Read<Option<Value<'a>>> {
        match told.of.get(at) {
            None | Some(&"") => Ok(None),
            Some(name) => match self.values.get(name) {
                Some(value) => Ok(Some(value.clone())),
                None => {
                    let found = format!("`{}`, which no earlier node makes", strict::cut(name));
                    Err(BoosterError::wrong("an input, a weight, or what an earlier node makes", found))
                }
            },
        }
    }

    pub(super) fn operand(&self, told: &Told<'a>, at: usize) -> Read<Value<'a>> {
        self.operand_if(told, at)?.ok_or_else(|| BoosterError::wrong(format!("{} operands", at + 1), told.of.len()))
    }

    /// Numbers; labels that are numbers count as such.
    pub(super) fn numbers(&mut self, value: Value<'a>) -> Read<Numbers> {
        match value {
            Value::Numbers(numbers) => Ok(numbers),
            Value::Classes { index, names, form } => {
                let Names::Whole(names) = &*names else { return Err(BoosterError::wrong("numbers", "texts")) };
                let is_index = names.iter().zip(0..).all(|(&name, at)| name == at);
                let node = if is_index { index } else { self.looked_up(index, &whole(names)?, f64::NAN) };
                Ok(Numbers { node, kind: Kind::I64, form })
            }
            other => Err(BoosterError::wrong("numbers", other.shown())),
        }
    }

    /// A matrix of numbers of 32 bits. Whole ones are rounded, as ONNX Runtime does where they meet such.
    pub(super) fn singles(&mut self, told: &Told<'a>, at: usize) -> Read<Node> {
        let value = self.operand(told, at)?;
        let numbers = self.numbers(value)?;
        match (numbers.kind, numbers.form) {
            (Kind::F32, Form::Matrix) => Ok(numbers.node),
            (Kind::I64, Form::Matrix) => Ok(self.graph.map(numbers.node, "float32")),
            (Kind::F64, _) => Err(BoosterError::refused(
                "it computes with numbers of 64 bits, of which ONNX Runtime rounds some",
                "export the fitted model with scry.export instead",
            )),
            (_, form) => Err(BoosterError::wrong("rows of columns", format!("the form {form:?}"))),
        }
    }

    /// Numbers that are not whole.
    pub(super) fn real(&mut self, told: &Told<'a>, at: usize) -> Read<Numbers> {
        let value = self.operand(told, at)?;
        match self.numbers(value)? {
            Numbers { kind: Kind::I64, .. } => {
                Err(BoosterError::wrong("numbers that are not whole (a Cast to float before it)", "whole numbers"))
            }
            numbers => Ok(numbers),
        }
    }

    /// Rounds a result to its kind.
    pub(super) fn rounded(&mut self, node: Node, kind: Kind) -> Node {
        if kind == Kind::F32 { self.graph.map(node, "float32") } else { node }
    }

    /// A matrix that was rounded.
    pub(super) fn matrix(&mut self, node: Node) -> Value<'a> {
        Value::Numbers(Numbers { node: self.rounded(node, Kind::F32), kind: Kind::F32, form: Form::Matrix })
    }

    /// A constant that an operand is.
    pub(super) fn constant(&mut self, value: &Value<'a>) -> Read<Tensor<'a>> {
        let Value::Constant(message) = value else { return Err(BoosterError::wrong("a constant", value.shown())) };
        self.constant_bytes = self.constant_bytes.saturating_add(message.len());
        if self.constant_bytes > CONSTANTS_MAX_BYTES {
            return Err(BoosterError::wrong(
                format!("constants of at most {CONSTANTS_MAX_BYTES} bytes in all"),
                "more",
            ));
        }
        let tensor = Tensor::read(message, CONSTANTS_MAX - self.constants)?;
        self.constants += tensor.len();
        Ok(tensor)
    }

    /// A constant of numbers, and its shape.
    pub(super) fn constant_numbers(&mut self, value: &Value<'a>) -> Read<(Kind, Vec<f64>, Vec<usize>)> {
        match self.constant(value)? {
            Tensor { data: Data::Numbers(kind, list), shape } => Ok((kind, list, shape)),
            _ => Err(BoosterError::wrong("a constant of numbers", "texts")),
        }
    }

    /// Labels by their names.
    pub(super) fn classes(&mut self, index: Node, names: Names, form: Form) -> Read<Value<'a>> {
        self.name_bytes += match &names {
            Names::Text(texts) => texts.iter().map(|text| text.len() + size_of::<String>()).sum(),
            names => names.len() * size_of::<u64>(),
        };
        if self.name_bytes > NAMES_MAX_BYTES {
            return Err(BoosterError::wrong(format!("labels of at most {NAMES_MAX_BYTES} bytes in all"), "more"));
        }
        Ok(Value::Classes { index, names: Rc::new(names), form })
    }

    /// Columns of texts.
    pub(super) fn texts(&self, nodes: Vec<Node>) -> Read<Value<'a>> {
        match nodes.len() {
            1..=TEXTS_MAX => Ok(Value::Texts(nodes)),
            found => Err(BoosterError::wrong(format!("1 to {TEXTS_MAX} columns of texts"), found)),
        }
    }

    /// Each index to its number.
    pub(super) fn looked_up(&mut self, index: Node, numbers: &[f64], default: f64) -> Node {
        let told = json!({"table": self.graph.table(1, numbers), "default": self.graph.f64s(&[default])});
        self.graph.node("gather", &[index], 1, told)
    }

    /// Columns one by one.
    pub(super) fn columns(&mut self, node: Node) -> Vec<Node> {
        match node.width {
            1 => vec![node],
            width => (0u32..).take(width).map(|column| self.graph.select(node, column)).collect(),
        }
    }
}
