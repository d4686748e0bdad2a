//! A request's rows, as they came.
//!
//! Never judges a value.

use crate::v2::binary;
use scry_card::{
    Batch, CheckKind, Detail, Field, Interrupt, Interrupted, Invalid, Misread, NamedTensor, Tensor, Unfit, Values,
    assemble_until, batch_from_records_until,
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
    /// The bytes of the only column.
    Raw(&'a [u8]),
}

impl Rows<'_> {
    /// Drops members that are no field.
    pub fn keep_only(&mut self, fields: &[Field]) {
        let known: BTreeSet<_> = fields.iter().map(|field| field.name.as_str()).collect();
        let is_known = |name: &str| known.contains(name);
        match self {
            Self::Columns(named, misread) => {
                named.retain(|column| is_known(&column.name));
                misread.retain(|column| is_known(column.field()));
            }
            Self::Records(rows) => rows.iter_mut().for_each(|row| row.retain(|name, _| is_known(name))),
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
        let (named, misread) = match self {
            Self::Columns(named, misread) => (named, misread),
            Self::Records(rows) => return batch_from_records_until(fields, &rows, detail, interrupt),
            Self::Raw(bytes) => match fields {
                [field] => match binary::read_rows(field, bytes, interrupt)? {
                    Ok(named) => (vec![named], Vec::new()),
                    Err(misread) => (Vec::new(), vec![misread]),
                },
                fields => {
                    let (expected, found) = ("one input, where the body is its bytes", fields.len().to_string());
                    let wrong = Invalid::new(CheckKind::Form, "inputs", expected, found);
                    return Ok(Err(Unfit { errors: vec![wrong], unlisted: 0, is_by_row: false, rest: None }));
                }
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
