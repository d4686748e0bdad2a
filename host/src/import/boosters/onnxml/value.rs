//! What flows between the nodes of an ONNX graph, as nodes of ours.

use super::Read;
use super::message::Told;
use super::tensor::{Data, Tensor, exact};
use super::translation::Translation;
use crate::import::boosters::{BoosterError, Names};
use crate::import::graph::Node;
use serde_json::json;
use std::rc::Rc;

/// Values of all constants, and their bytes, as often as they are read: more than a component has room for.
const CONSTANTS_MAX: usize = 1 << 24;
const CONSTANTS_MAX_BYTES: usize = 1 << 27;
/// Columns of texts.
const TEXTS_MAX: usize = 4_096;
/// Bytes of one name, and of those of all labels that are made.
pub(super) const NAME_MAX_BYTES: usize = 4_096;
const NAMES_MAX_BYTES: usize = 1 << 26;

/// What numbers are rounded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    F32,
    F64,
    /// Whole ones, and truth values.
    I64,
}

/// Which dimensions a value has, beside its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// None: one value a row.
    Row,
    /// Columns.
    Matrix,
    /// One, and columns.
    Deep,
}

/// A matrix of numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    pub(super) node: Node,
    pub(super) kind: Kind,
    pub(super) form: Form,
}

/// A value.
#[derive(Clone)]
pub(super) enum Value<'a> {
    Numbers(Numbers),
    /// Columns of texts.
    Texts(Vec<Node>),
    /// One of these names a row.
    Classes {
        index: Node,
        names: Rc<Names>,
        form: Form,
    },
    Constant(&'a [u8]),
}

impl Value<'_> {
    /// What it is, for errors.
    pub(super) fn shown(&self) -> &'static str {
        match self {
            Self::Numbers(numbers) => match numbers.kind {
                Kind::F32 => "numbers of 32 bits",
                Kind::F64 => "numbers of 64 bits",
                Kind::I64 => "whole numbers",
            },
            Self::Texts(_) => "texts",
            Self::Classes { .. } => "labels",
            Self::Constant(_) => "a constant",
        }
    }
}

impl<'a> Translation<'a> {
    /// What a node reads at that place, if it reads something there.
    pub(super) fn operand_if(&self, told: &Told<'a>, at: usize) -> Read<Option<Value<'a>>> {
        match told.of.get(at) {
            None | Some(&"") => Ok(None),
            Some(name) => match self.values.get(name) {
                Some(value) => Ok(Some(value.clone())),
                None => {
                    let found = format!("`{}`, which no earlier node makes", scry_card::strict::cut(name));
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

/// Whole numbers as floats, if that is exact.
pub(super) fn whole(list: &[i64]) -> Read<Vec<f64>> {
    let number = |&x: &i64| exact(x).ok_or_else(|| BoosterError::wrong("whole numbers up to 2^53", x));
    list.iter().map(number).collect()
}
