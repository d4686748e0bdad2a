//! A request's rows, as they came.
//!
//! Never judges a value.

use crate::csv::Table;
use crate::v2::binary;
use scry_card::{
    Batch, CheckKind, Detail, Field, Interrupt, Interrupted, Invalid, Misread, NamedTensor, Tensor, Unfit, Values,
    assemble_until, batch_from_columns_until, batch_from_lists_until, batch_from_records_until,
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A request's rows, as they came.
#[derive(Debug)]
pub enum Rows<'a> {
    /// Columns with their types, and what is wrong with those that did not read.
    Columns(Vec<NamedTensor>, Vec<Misread>),
    /// One object a row.
    Records(Vec<Map<String, Value>>),
    /// One list a row, with a value for each field in the schema's order; of one field alone, its value.
    Lists(Vec<Value>),
    /// One list a row, in the order of these columns.
    Split(Vec<String>, Vec<Value>),
    /// A list of values for each column.
    Named(Vec<(String, Vec<Value>)>),
    /// Lists in the order of a schema that is not there.
    Unordered,
    /// The bytes of the only column.
    Raw(&'a [u8]),
    /// A table of text.
    Csv(Table<'a>),
}

impl Rows<'_> {
    /// Drops members that are no field of this schema, which is not the one of the version that was asked.
    pub fn keep_only(&mut self, fields: &[Field]) {
        let known: BTreeSet<_> = fields.iter().map(|field| field.name.as_str()).collect();
        let is_known = |name: &str| known.contains(name);
        match self {
            Self::Columns(named, misread) => {
                named.retain(|column| is_known(&column.name));
                misread.retain(|column| is_known(column.field()));
            }
            Self::Records(rows) => rows.iter_mut().for_each(|row| row.retain(|name, _| is_known(name))),
            Self::Split(columns, rows) => {
                let kept: Vec<_> = columns.iter().map(|name| is_known(name)).collect();
                for values in rows.iter_mut().filter_map(Value::as_array_mut) {
                    // A row of another length keeps it, and is refused.
                    let mut kept = kept.iter();
                    values.retain(|_| kept.next().copied().unwrap_or(true));
                }
                columns.retain(|name| is_known(name));
            }
            Self::Named(columns) => columns.retain(|(name, _)| is_known(name)),
            Self::Lists(_) | Self::Unordered => *self = Self::Unordered,
            Self::Csv(table) => table.keep_only(is_known),
            Self::Raw(_) => {}
        }
    }

    /// The columns in the schema's order, or everything that is wrong with their form.
    pub fn in_order(
        self,
        fields: &[Field],
        detail: &Detail,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<Result<Batch, Unfit>, Interrupted> {
        let unfit = |expected: &str, found: String| {
            let wrong = Invalid::new(CheckKind::Form, "inputs", expected, found);
            Ok(Err(Unfit { errors: vec![wrong], unlisted: 0, is_by_row: false, rest: None }))
        };
        let (named, misread) = match self {
            Self::Columns(named, misread) => (named, misread),
            Self::Records(rows) => return batch_from_records_until(fields, &rows, detail, interrupt),
            Self::Lists(rows) => return batch_from_lists_until(fields, None, &rows, detail, interrupt),
            Self::Split(columns, rows) => {
                return batch_from_lists_until(fields, Some(&columns), &rows, detail, interrupt);
            }
            Self::Named(columns) => return batch_from_columns_until(fields, &columns, detail, interrupt),
            Self::Unordered => {
                let expected = "rows with names, since the version whose order they have is not available";
                return unfit(expected, "lists without names".into());
            }
            Self::Csv(table) => return table.in_order(fields, detail, interrupt),
            Self::Raw(bytes) => match fields {
                [field] => match binary::read_rows(field, bytes, interrupt)? {
                    Ok(named) => (vec![named], Vec::new()),
                    Err(misread) => (Vec::new(), vec![misread]),
                },
                fields => return unfit("one input, where the body is its bytes", fields.len().to_string()),
            },
        };
        let batch = assemble_until(fields, named, &misread, detail, interrupt)?;
        Ok(batch.map(|batch| with_gaps(fields, batch)))
    }
}

/// NaN is a missing number where one may be missing, as in every format. JSON has none.
fn with_gaps(fields: &[Field], mut batch: Batch) -> Batch {
    fn gaps<T: Copy>(list: &[T], is_nan: impl Fn(T) -> bool) -> Option<Vec<bool>> {
        list.iter().any(|&value| is_nan(value)).then(|| list.iter().map(|&value| !is_nan(value)).collect())
    }
    for (_, Tensor { values, validity, .. }) in
        fields.iter().zip(&mut batch.columns).filter(|(field, column)| field.nullable && column.validity.is_none())
    {
        *validity = match values {
            Values::Fp32(list) => gaps(list, f32::is_nan),
            Values::Fp64(list) => gaps(list, f64::is_nan),
            _ => None,
        };
    }
    batch
}
