//! Values gathered into a batch, in the order of the fields.
//!
//! Never lets a value in that its field cannot hold, and never holds more than
//! the limits say.

use crate::limits::{BATCH_MAX_ELEMENTS, BATCH_MAX_ROWS, COLUMNS_MAX, ROW_MAX_ELEMENTS};
use crate::{Place, TableError};
use scry_card::{Batch, Column, ColumnBuilder, Datatype, Field, Tensor, Values};
use std::path::Path;

/// One builder a field.
#[derive(Debug)]
pub(crate) struct Collector {
    pub(crate) fields: Vec<Field>,
    pub(crate) builders: Vec<ColumnBuilder>,
    /// Complete rows so far.
    pub(crate) rows: usize,
    /// Rows at which a batch is full.
    pub(crate) rows_max: usize,
}

impl Collector {
    /// Checks the fields. `rows_max` is cut to what the limits allow.
    pub(crate) fn new(path: &Path, fields: &[Field], rows_max: usize) -> Result<Self, TableError> {
        check_fields(path, fields)?;
        let row_elements: usize = fields.iter().map(per_row).sum();
        let rows_max = rows_max.clamp(1, BATCH_MAX_ROWS).min((BATCH_MAX_ELEMENTS / row_elements.max(1)).max(1));
        Ok(Self { fields: fields.to_vec(), builders: builders(fields), rows: 0, rows_max })
    }

    /// The elements that a field has a row.
    pub(crate) fn per_row(&self, at: usize) -> usize {
        self.fields.get(at).map_or(1, per_row)
    }

    /// Makes up what a field lacks of the rows so far with missing values.
    pub(crate) fn fill(&mut self, at: usize) {
        let wanted = self.rows * self.per_row(at);
        if let Some(builder) = self.builders.get_mut(at) {
            // No column refuses a missing value while its text is below the limit.
            while builder.len() < wanted && builder.push_null().is_ok() {}
        }
    }

    /// The rows so far, if there are any.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        let rows = std::mem::take(&mut self.rows);
        if rows == 0 {
            return None;
        }
        let builders = std::mem::replace(&mut self.builders, builders(&self.fields));
        let columns = self.fields.iter().zip(builders).map(|(field, builder)| tensor(field, rows, builder.finish()));
        Some(Batch { rows, columns: columns.collect() })
    }

    /// The error for a value that the `at`-th field cannot hold.
    pub(crate) fn refuse(&self, path: &Path, place: Place, at: usize, found: String) -> TableError {
        let field = self.fields.get(at);
        TableError::Value {
            path: path.to_owned(),
            place,
            column: field.map(|field| field.name.clone()).unwrap_or_default(),
            expected: field.map(expected).unwrap_or_default(),
            found,
        }
    }
}

/// What a field wants of a row, as errors say it.
fn expected(field: &Field) -> String {
    match field.shape.as_slice() {
        [] => field.datatype.value(),
        shape => format!("{} values of shape {shape:?}", field.datatype),
    }
}

fn per_row(field: &Field) -> usize {
    field.elements_per_row().unwrap_or(1)
}

fn builders(fields: &[Field]) -> Vec<ColumnBuilder> {
    fields.iter().map(|field| ColumnBuilder::new(field.datatype, 0)).collect()
}

fn tensor(field: &Field, rows: usize, column: Column) -> Tensor {
    Tensor { shape: field.batch_shape(rows as u64), values: column.values, validity: column.validity }
}

/// A column of which nothing is there.
pub(crate) fn missing(field: &Field, rows: usize) -> Tensor {
    let count = rows * per_row(field);
    let column = Column { values: Values::neutral(field.datatype, count), validity: Some(vec![false; count]) };
    tensor(field, rows, column)
}

/// That fields can be read or written at all: some, each once, none too large.
pub(crate) fn check_fields(path: &Path, fields: &[Field]) -> Result<(), TableError> {
    if fields.is_empty() {
        return Err(TableError::format(path, "there is no field to read or write; name at least one"));
    }
    if fields.len() > COLUMNS_MAX {
        return Err(TableError::limit(path, None, "columns", COLUMNS_MAX));
    }
    let mut names = std::collections::HashSet::new();
    let mut row_elements = 0;
    for field in fields {
        if field.name.is_empty() {
            return Err(TableError::column(path, "", "has no name; name each field"));
        }
        if !names.insert(field.name.as_str()) {
            return Err(TableError::column(path, &field.name, "is there twice; name each field once"));
        }
        match field.elements_per_row() {
            Some(count @ 1..=ROW_MAX_ELEMENTS) => row_elements += count,
            _ => {
                let why = format!("has the shape {:?}; a row has 1 to {ROW_MAX_ELEMENTS} elements", field.shape);
                return Err(TableError::column(path, &field.name, why));
            }
        }
        if row_elements > ROW_MAX_ELEMENTS {
            return Err(TableError::limit(path, None, "elements of a row", ROW_MAX_ELEMENTS));
        }
    }
    Ok(())
}

/// Pushes a float, also into a column of whole numbers when it is one exactly.
/// NaN is a missing number.
pub fn push_float(builder: &mut ColumnBuilder, value: f64) -> Result<(), String> {
    /// Below this every whole number has a float of its own.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match builder.datatype() {
        Datatype::Bool | Datatype::Bytes => builder.push_f64(value),
        _ if value.is_nan() => builder.push_null(),
        Datatype::Fp32 | Datatype::Fp64 => builder.push_f64(value),
        _ if value.fract() == 0.0 && value.abs() < EXACT_MAX => builder.push_i64(value as i64),
        _ => Err(format!("{value:?}")),
    }
}
