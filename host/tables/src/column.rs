//! What a column of a file holds.
//!
//! Never guesses: where a column's values do not agree on a type, it says so.

use scry_card::{Datatype, Field};

/// A column as a file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnInfo {
    /// Its name in the file.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Values of one type.
    Values {
        /// The type of each element.
        datatype: Datatype,
        /// The shape of one row's value; empty for a scalar.
        shape: Vec<u64>,
        /// Whether any may be missing.
        nullable: bool,
    },
    /// Nothing but missing values, which any field can hold.
    Missing {
        /// The shape of one row's value, where lists without a value have one.
        shape: Vec<u64>,
    },
    /// What cannot be read, and why: what a sentence says of the column.
    Unreadable(String),
}

impl ColumnInfo {
    /// The field that reads the column as it is, one of text where all of it
    /// is missing; `None` when nothing can.
    pub fn field(&self) -> Option<Field> {
        let (datatype, shape, nullable) = match &self.kind {
            Kind::Values { datatype, shape, nullable } => (*datatype, shape.clone(), *nullable),
            Kind::Missing { shape } => (Datatype::Bytes, shape.clone(), true),
            Kind::Unreadable(_) => return None,
        };
        Some(Field {
            name: self.name.clone(),
            description: String::new(),
            datatype,
            shape,
            nullable,
            unit: None,
            minimum: None,
            maximum: None,
            categories: Vec::new(),
        })
    }
}
