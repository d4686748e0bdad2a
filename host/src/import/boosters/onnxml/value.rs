//! What flows between the nodes of an ONNX graph, as nodes of ours.
//!
//! Never holds a constant's numbers: those stay in the file until an operator reads them.

use crate::import::boosters::booster::Names;
use crate::import::graph::Node;
use std::rc::Rc;

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
