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
    /// What cannot be read: its name, and why.
    Unreadable(String),
}

impl ColumnInfo {
    /// The field that reads the column as it is; `None` when nothing can.
    pub fn field(&self) -> Option<Field> {
        match &self.kind {
            Kind::Values { datatype, shape, nullable } => Some(Field {
                name: self.name.clone(),
                description: String::new(),
                datatype: *datatype,
                shape: shape.clone(),
                nullable: *nullable,
                unit: None,
                minimum: None,
                maximum: None,
                categories: Vec::new(),
            }),
            Kind::Unreadable(_) => None,
        }
    }
}
