//! The elements of a column of scalars, one after the other.
//!
//! Never looks at what they mean, and never copies them.

use crate::{Field, Tensor, Values};

/// One element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'a> {
    Missing,
    /// Whole numbers beyond 2^53 are rounded.
    Number(f64),
    /// Text, or a truth value as `true` or `false`.
    Text(&'a str),
}

/// Whether one row's value is one element: no shape, or `[1]`.
pub(super) fn is_scalar(field: &Field) -> bool {
    field.elements_per_row() == Some(1)
}

/// Calls `visit` with each element in order.
#[inline]
pub(super) fn each<'a>(tensor: &'a Tensor, visit: impl FnMut(Cell<'a>)) {
    match &tensor.values {
        Values::Bool(list) => {
            each_of(tensor, list.iter().map(|&v| Cell::Text(if v { "true" } else { "false" })), visit)
        }
        Values::Int8(list) => each_of(tensor, list.iter().map(|&v| Cell::Number(v.into())), visit),
        Values::Int16(list) => each_of(tensor, list.iter().map(|&v| Cell::Number(v.into())), visit),
        Values::Int32(list) => each_of(tensor, list.iter().map(|&v| Cell::Number(v.into())), visit),
        Values::Int64(list) => each_of(tensor, list.iter().map(|&v| Cell::Number(v as f64)), visit),
        Values::Uint8(list) => each_of(tensor, list.iter().map(|&v| Cell::Number(v.into())), visit),
        Values::Uint16(list) => each_of(tensor, list.iter().map(|&v| Cell::Number(v.into())), visit),
        Values::Uint32(list) => each_of(tensor, list.iter().map(|&v| Cell::Number(v.into())), visit),
        Values::Uint64(list) => each_of(tensor, list.iter().map(|&v| Cell::Number(v as f64)), visit),
        Values::Fp32(list) => each_of(tensor, list.iter().map(|&v| Cell::Number(v.into())), visit),
        Values::Fp64(list) => each_of(tensor, list.iter().map(|&v| Cell::Number(v)), visit),
        Values::Bytes(text) => each_of(tensor, text.iter().map(Cell::Text), visit),
    }
}

#[inline]
fn each_of<'a>(tensor: &'a Tensor, cells: impl Iterator<Item = Cell<'a>>, mut visit: impl FnMut(Cell<'a>)) {
    match &tensor.validity {
        None => cells.for_each(visit),
        Some(flags) => cells.zip(flags).for_each(|(cell, &valid)| visit(if valid { cell } else { Cell::Missing })),
    }
}

/// A number as the shortest text that reads back as it.
pub(super) fn number_text(value: f64) -> String {
    let plain = value == 0.0 || (1e-5..1e16).contains(&value.abs());
    if plain { value.to_string() } else { format!("{value:e}") }
}
