//! Which format a file has: by its name, or as the caller says.
//!
//! Never looks into the file.

use crate::TableError;
use std::path::Path;

/// A format of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Comma-separated values, RFC 4180, with a header (`.csv`).
    Csv,
    /// One JSON object a line (`.ndjson`, `.jsonl`).
    Ndjson,
    /// Apache Parquet (`.parquet`).
    Parquet,
}

impl Format {
    /// The format that the name of a file says, without its `.gz`.
    pub fn of(path: &Path) -> Result<Self, TableError> {
        let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("csv") => Ok(Self::Csv),
            Some("ndjson" | "jsonl") => Ok(Self::Ndjson),
            Some("parquet") => Ok(Self::Parquet),
            _ => Err(TableError::format(
                path,
                "the name does not say the format; use a name that ends in .csv, .ndjson, .jsonl or .parquet, \
                 or say the format",
            )),
        }
    }

    /// The format's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Ndjson => "NDJSON",
            Self::Parquet => "Parquet",
        }
    }
}

/// Whether a file is compressed as a whole, by its name.
pub(crate) fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"))
}
