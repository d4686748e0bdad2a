//! The elements that a column of statistics is about, one after the other: a
//! field's own, or every row's element of one place in a field with a shape.
//!
//! Never looks at what they mean, and never copies them.

use super::ELEMENTS_MAX;
use crate::invalid::invalid;
use crate::{Batch, Datatype, Field, Invalid, Tensor, Values};
use std::ops::Range;

/// One element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'a> {
    Missing,
    Number(f64),
    /// A whole number from ±2^53 on, where `f64` has not all of them.
    Whole(i128),
    /// Text, or a truth value as `true` or `false`.
    Text(&'a str),
}

/// Where the elements of one column are in a batch.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The column's name: the field's, or `name[3]` of an element, row-major.
    pub(super) name: String,
    pub(super) datatype: Datatype,
    field: String,
    /// Of the field among the others.
    position: usize,
    /// Of the element among those of a row, and how many there are.
    element: usize,
    per_row: usize,
}

impl Place {
    /// The columns that a field is compared in; none where a row has more
    /// elements than are compared.
    pub(super) fn of(position: usize, field: &Field) -> impl Iterator<Item = Self> {
        let per_row = field.elements_per_row().filter(|count| *count <= ELEMENTS_MAX).unwrap_or(0);
        (0..per_row).map(move |element| {
            let name = &field.name;
            let name = if per_row == 1 { name.clone() } else { format!("{name}[{element}]") };
            Self { name, datatype: field.datatype, field: field.name.clone(), position, element, per_row }
        })
    }

    /// The place of that name.
    pub(super) fn find(name: &str, fields: &[Field]) -> Option<Self> {
        let mut named = fields.iter().enumerate().filter(|(_, field)| belongs_to(name, &field.name));
        named.find_map(|(position, field)| Self::of(position, field).find(|place| place.name == name))
    }

    /// Whether a batch has elements of this type there, one a row.
    pub(super) fn check(&self, batch: &Batch) -> Result<(), Invalid> {
        let Some(tensor) = batch.columns.get(self.position) else { return Ok(()) };
        let (expected, found) = (batch.rows.saturating_mul(self.per_row), tensor.values.len());
        if (tensor.values.datatype(), found) == (self.datatype, expected) {
            return Ok(());
        }
        let expected = format!("{expected} {} elements", self.datatype);
        Err(invalid(&self.field, None, expected, format!("{found} {} elements", tensor.values.datatype())))
    }

    /// Calls `visit` with each element of these rows, in order.
    #[inline]
    pub(super) fn each<'a>(&self, batch: &'a Batch, rows: Range<usize>, visit: impl FnMut(Cell<'a>)) {
        let Some(tensor) = batch.columns.get(self.position) else { return };
        let of = rows.start.saturating_mul(self.per_row)..rows.end.saturating_mul(self.per_row);
        macro_rules! numbers {
            ($list:ident, $cell:expr) => {
                self.cells(tensor, &of, $list.get(of.clone()).unwrap_or_default().iter(), $cell, visit)
            };
        }
        let text = Cell::Text;
        match &tensor.values {
            Values::Bool(list) => numbers!(list, |&v| text(if v { "true" } else { "false" })),
            Values::Int8(list) => numbers!(list, |&v| Cell::Number(v.into())),
            Values::Int16(list) => numbers!(list, |&v| Cell::Number(v.into())),
            Values::Int32(list) => numbers!(list, |&v| Cell::Number(v.into())),
            Values::Int64(list) => numbers!(list, |&v| of_i64(v)),
            Values::Uint8(list) => numbers!(list, |&v| Cell::Number(v.into())),
            Values::Uint16(list) => numbers!(list, |&v| Cell::Number(v.into())),
            Values::Uint32(list) => numbers!(list, |&v| Cell::Number(v.into())),
            Values::Uint64(list) => numbers!(list, |&v| of_u64(v)),
            Values::Fp32(list) => numbers!(list, |&v| Cell::Number(v.into())),
            Values::Fp64(list) => numbers!(list, |&v| Cell::Number(v)),
            Values::Bytes(list) => {
                let texts = of.clone().map(|at| list.get(at).unwrap_or_default());
                self.cells(tensor, &of, texts, text, visit);
            }
        }
    }

    /// Those of a list that is `of` a tensor's elements. A field's own need no
    /// steps, which the hot path would pay for.
    #[inline]
    fn cells<'a, T>(
        &self,
        tensor: &'a Tensor,
        of: &Range<usize>,
        list: impl Iterator<Item = T>,
        cell: impl Fn(T) -> Cell<'a>,
        mut visit: impl FnMut(Cell<'a>),
    ) {
        let Self { element, per_row, .. } = *self;
        let masked = |(value, valid): (T, &bool)| if *valid { cell(value) } else { Cell::Missing };
        let flags = tensor.validity.as_ref().map(|flags| flags.get(of.clone()).unwrap_or_default());
        match (flags, per_row) {
            (None, 1) => list.for_each(|value| visit(cell(value))),
            (None, _) => list.skip(element).step_by(per_row).for_each(|value| visit(cell(value))),
            (Some(flags), 1) => list.zip(flags).for_each(|pair| visit(masked(pair))),
            (Some(flags), _) => {
                list.zip(flags).skip(element).step_by(per_row).for_each(|pair| visit(masked(pair)));
            }
        }
    }
}

/// Below it every whole number is an `f64` that no other rounds to.
pub(super) const EXACT_END: u64 = 1 << 53;

#[inline]
fn of_i64<'a>(value: i64) -> Cell<'a> {
    if value.unsigned_abs() < EXACT_END { Cell::Number(value as f64) } else { Cell::Whole(value.into()) }
}

#[inline]
fn of_u64<'a>(value: u64) -> Cell<'a> {
    if value < EXACT_END { Cell::Number(value as f64) } else { Cell::Whole(value.into()) }
}

/// A number less an origin, exact where both are whole and less than 2^53 apart.
#[inline]
pub(super) fn from_origin(value: f64, origin: Option<i128>) -> f64 {
    /// A whole number up to here fits an `i128`, and so does its distance.
    const WHOLE_MAX: f64 = 1e38;
    match origin {
        None => value,
        Some(origin) if value.fract() == 0.0 && value.abs() <= WHOLE_MAX => (value as i128 - origin) as f64,
        Some(origin) => value - origin as f64,
    }
}

/// Whether a column of statistics is the field's of that name, or one of its elements.
pub fn belongs_to(column: &str, field: &str) -> bool {
    let index = column.strip_prefix(field).map(|rest| rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')));
    match index {
        None => false,
        Some(None) => column.len() == field.len(),
        Some(Some(index)) => !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// A number as the shortest text that reads back as it.
pub(super) fn number_text(value: f64) -> String {
    let plain = value == 0.0 || (1e-5..1e16).contains(&value.abs());
    if plain { value.to_string() } else { format!("{value:e}") }
}
