//! A request's rows, as they came.
//!
//! Never judges a value.

use scry_card::{
    Batch, Detail, Field, Interrupt, Interrupted, Misread, NamedTensor, Unfit, assemble_until, batch_from_records_until,
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A request's rows, as they came.
#[derive(Debug)]
pub enum Rows {
    /// Columns with their types, and what is wrong with those that did not read.
    Columns(Vec<NamedTensor>, Vec<Misread>),
    /// One object a row.
    Records(Vec<Map<String, Value>>),
}

impl Rows {
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
        }
    }

    /// The columns in the schema's order, or everything that is wrong with their form.
    pub fn in_order(
        self,
        fields: &[Field],
        detail: &Detail,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<Result<Batch, Unfit>, Interrupted> {
        match self {
            Self::Columns(named, misread) => assemble_until(fields, named, &misread, detail, interrupt),
            Self::Records(rows) => batch_from_records_until(fields, &rows, detail, interrupt),
        }
    }
}
