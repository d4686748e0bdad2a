//! What ends the work on a table, and where in it.

use crate::golden::GoldenFailure;
use scry_card::stats::StatsError;
use scry_card::{Finding, Invalid};
use scry_component::ComponentError;
use scry_sandbox::{CallError, SandboxError};
use scry_tables::TableError;
use std::path::PathBuf;

/// Why the work on a table was not done.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// A table that cannot be read or written.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A file that cannot be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A file that is no component.
    #[error("{}: {error}", path.display())]
    Component {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: Box<ComponentError>,
    },
    /// A component that does not run.
    #[error("{}: {error}", path.display())]
    Sandbox {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: SandboxError,
    },
    /// A component that does not answer its own examples.
    #[error("{}: {error}; `scry test` shows more", path.display())]
    Golden {
        /// The file.
        path: PathBuf,
        /// Which example, and why.
        error: Box<GoldenFailure>,
    },
    /// A file of reference statistics that is none.
    #[error("{}: {error}; `scry profile` writes such files", path.display())]
    References {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: Box<StatsError>,
    },
    /// A component without them.
    #[error(
        "{}: carries no reference statistics; write reference.json with `scry profile` beside the crate's Cargo.toml, \
         and run `scry build` again",
        path.display()
    )]
    NoReferences {
        /// The file.
        path: PathBuf,
    },
    /// Nothing to work on.
    #[error("{}: has no rows", path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// Rows that no host would let the model answer.
    #[error("{}: the model's checks refuse {}; correct the rows, or the model's schema and checks", path.display(), listed(findings))]
    Refused {
        /// The file.
        path: PathBuf,
        /// The first of them, by the file's rows.
        findings: Vec<Finding>,
    },
    /// A row that the model does not answer.
    #[error("{}, row {row}: {error}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: u64,
        /// What the model did.
        error: CallError,
    },
    /// Columns that cannot be compared, or not be kept.
    #[error("{0}")]
    Column(Box<Invalid>),
    /// An output that is its own input.
    #[error("{}: is the input; write the output to another file", path.display())]
    Itself {
        /// The file.
        path: PathBuf,
    },
}

impl OfflineError {
    /// Whether the data is at fault, not the component, the system or the model.
    pub fn is_data(&self) -> bool {
        match self {
            Self::Table(error) => error.is_data(),
            Self::NoRows { .. } | Self::Refused { .. } | Self::Column(_) => true,
            Self::Row { error, .. } => matches!(error, CallError::InvalidInput(_)),
            _ => false,
        }
    }
}

fn listed(findings: &[Finding]) -> String {
    findings.iter().map(|finding| finding.invalid.to_string()).collect::<Vec<_>>().join("; ")
}

impl From<Invalid> for OfflineError {
    fn from(invalid: Invalid) -> Self {
        Self::Column(invalid.into())
    }
}
