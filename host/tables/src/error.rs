//! What can be wrong with a table, and what to do about it.
//!
//! Every error names the file; where there is one, the line or row and the
//! column. Never holds more of a value than fits a line.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a table was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The system refused.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file that is not of a known format, or not readable as one.
    #[error("{}: {why}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it is, and what to do.
        why: String,
    },
    /// A file that does not keep to its format.
    #[error("{}{}: {why}", .path.display(), At(.place))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where, if that is known.
        place: Option<Place>,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A value that its field cannot hold.
    #[error("{}, {place}, column `{column}`: expected {expected}, found {found}; \
             correct the value or give the field another type", .path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Where.
        place: Place,
        /// The column.
        column: String,
        /// What the field wants.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A column that is not what is wanted.
    #[error("{}, column `{column}`: {why}", .path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// More than is read at once.
    #[error("{}{}: {what} beyond the limit of {limit}", .path.display(), At(.place))]
    Limit {
        /// The file.
        path: PathBuf,
        /// Where, if that is known.
        place: Option<Place>,
        /// What there is too much of, and in which unit.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
}

/// Where in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A line of text, from 1.
    Line(u64),
    /// A row, from 0.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

struct At<'a>(&'a Option<Place>);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |place| write!(f, ", {place}"))
    }
}

impl TableError {
    /// Whether the file's content is at fault, not the system.
    pub fn is_data(&self) -> bool {
        !matches!(self, Self::Io { .. })
    }

    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), error }
    }

    pub(crate) fn format(path: &Path, why: impl Into<String>) -> Self {
        Self::Format { path: path.to_owned(), why: why.into() }
    }

    pub(crate) fn malformed(path: &Path, place: Option<Place>, why: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), place, why: why.into() }
    }

    pub(crate) fn column(path: &Path, column: &str, why: impl Into<String>) -> Self {
        Self::Column { path: path.to_owned(), column: column.to_owned(), why: why.into() }
    }

    pub(crate) fn limit(path: &Path, place: Option<Place>, what: &'static str, limit: usize) -> Self {
        Self::Limit { path: path.to_owned(), place, what, limit }
    }
}

/// A text as an error shows it: quoted, and never longer than a line.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN_MAX_CHARS: usize = 40;
    let start: String = text.chars().take(SHOWN_MAX_CHARS).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("{start:?}{more}")
}
