//! What is wrong with a model file, and why there is no answer.

use crate::format::FORMAT;
use scry_card::{Invalid, strict};

/// Why a model file does not read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FileError {
    /// Other bytes.
    #[error("not a model file: expected it to begin with `SCRYMODL`")]
    Magic,
    /// Another version of the format.
    #[error(
        "expected format {expected} of the model file, found format {found}: export the model with the Python \
         package of this version of Scry",
        expected = FORMAT
    )]
    Format {
        /// The file's.
        found: u32,
    },
    /// Its parts and its size disagree: it was cut, or something follows.
    #[error("model file: expected {expected}, found {found}")]
    Layout {
        /// What should be there.
        expected: String,
        /// What is.
        found: String,
    },
    /// The header is not JSON, or not of the form.
    #[error("header: {0}")]
    Header(#[from] strict::Error),
    /// An array does not lie in the payload as it should.
    #[error("array {array}: expected {expected}, found {found}")]
    Array {
        /// Its index.
        array: usize,
        /// What should be there.
        expected: String,
        /// What is.
        found: String,
    },
    /// A node cannot be computed.
    #[error("node {node} (`{op}`): expected {expected}, found {found}")]
    Node {
        /// Its index.
        node: usize,
        /// Its operation.
        op: String,
        /// What should be there.
        expected: String,
        /// What is.
        found: String,
    },
    /// An output cannot be made of its node.
    #[error("output `{name}`: expected {expected}, found {found}")]
    Output {
        /// Its name.
        name: String,
        /// What should be there.
        expected: String,
        /// What is.
        found: String,
    },
    /// Inputs, features and outputs make no schema.
    #[error("schema: {0}")]
    Schema(Box<Invalid>),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// An input that the model cannot work with.
    #[error("input `{input}`, row {row}: {message}")]
    Input {
        /// Name of the input.
        input: String,
        /// Row at fault, from 0.
        row: u64,
        /// What was expected and what was found.
        message: String,
    },
    /// An answer that is none.
    #[error("output `{output}`, row {row}: {message}")]
    Output {
        /// Name of the output.
        output: String,
        /// Row at fault, from 0.
        row: u64,
        /// What was expected and what was found.
        message: String,
    },
    /// Columns that do not fit the schema.
    #[error("{0}")]
    Columns(Box<Invalid>),
}

/// What one part expected and found, before its place is known.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) expected: String,
    pub(crate) found: String,
}

/// Shorthand for a `Wrong` that is returned.
pub(crate) fn wrong<T>(expected: impl Into<String>, found: impl ToString) -> Result<T, Wrong> {
    Err(Wrong { expected: expected.into(), found: found.to_string() })
}
