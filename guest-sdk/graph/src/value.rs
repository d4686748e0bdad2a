//! What flows between nodes, for one block of rows.

use scry_card::Text;

/// What kind of value a node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Numbers, so many a row; NaN is missing.
    Matrix(usize),
    /// One text a row.
    Text,
}

/// A node's value for a block of rows.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    /// Row by row.
    Matrix(Vec<f64>),
    Text(TextColumn<'a>),
}

/// A block of a text input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextColumn<'a> {
    pub(crate) text: &'a Text,
    pub(crate) validity: Option<&'a [bool]>,
    /// The block's first row.
    pub(crate) start: usize,
    /// What stands for a missing text.
    pub(crate) fill: Option<&'a str>,
}

impl<'a> TextColumn<'a> {
    /// The text of the block's row, if there is one.
    pub(crate) fn get(&self, row: usize) -> Option<&'a str> {
        let row = self.start + row;
        let is_valid = self.validity.is_none_or(|flags| flags.get(row).copied().unwrap_or(false));
        if is_valid { self.text.get(row) } else { self.fill }
    }
}

/// The values that a node reads.
#[derive(Debug)]
pub(crate) struct Operands<'a, 'b> {
    pub(crate) values: &'b [Value<'a>],
    pub(crate) shapes: &'b [Shape],
    pub(crate) of: &'b [usize],
    pub(crate) rows: usize,
}

impl<'a, 'b> Operands<'a, 'b> {
    /// Number `i` as numbers, and how many a row has. What is text was refused when the model was
    /// read, and would be no numbers.
    pub(crate) fn matrix(&self, i: usize) -> (&'b [f64], usize) {
        let node = self.of.get(i).copied().unwrap_or(usize::MAX);
        match (self.values.get(node), self.shapes.get(node)) {
            (Some(Value::Matrix(values)), Some(&Shape::Matrix(width))) => (values, width),
            _ => (&[], 1),
        }
    }

    /// All of them.
    pub(crate) fn matrices(&self) -> impl Iterator<Item = (&'b [f64], usize)> {
        (0..self.of.len()).map(|i| self.matrix(i))
    }

    /// The rows of the first.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &'b [f64]> {
        let (values, width) = self.matrix(0);
        values.chunks_exact(width.max(1))
    }

    /// The first as text.
    pub(crate) fn text(&self) -> Option<TextColumn<'a>> {
        match self.values.get(*self.of.first()?)? {
            Value::Text(column) => Some(*column),
            Value::Matrix(_) => None,
        }
    }
}
