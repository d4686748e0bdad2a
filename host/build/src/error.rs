//! Why a crate did not become a component.

use super::request::LOAD_MEMORY_MAX_BYTES;
use scry_card::{CardError, Invalid};
use scry_catalog::FreshnessError;
use scry_component::ComponentError;
use scry_sandbox::snapshot::SnapshotError;
use scry_sbom::SbomError;
use std::path::PathBuf;
use std::time::Duration;

/// Why a crate did not become a component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Cargo, or what it was asked to do.
    #[error("{0}")]
    Cargo(String),
    /// The compiled module cannot become a component.
    #[error("the compiled module cannot become a component: {0}")]
    Encode(String),
    /// It wants something that no model gets.
    #[error("the model imports `{0}`, which is not granted: a model may only log")]
    Import(String),
    /// Loading or describing it failed.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Loading it takes too long.
    #[error("`load` failed: it takes longer than `--load-timeout-s` allows, {} seconds", .0.as_secs())]
    LoadTime(Duration),
    /// Loading it takes too much memory.
    #[error("`load` failed: the model takes more memory than a build allows, {LOAD_MEMORY_MAX_BYTES} bytes")]
    LoadMemory,
    /// The card is wrong.
    #[error("[package.metadata.scry] or the records: {0}")]
    Card(#[from] CardError),
    /// A date that is none.
    #[error(
        "[package.metadata.scry] {key}: expected a date such as 2026-11-23 or 2026-11-23T10:00:00Z, found `{found}`"
    )]
    Date {
        /// Which key.
        key: &'static str,
        /// What it holds.
        found: String,
    },
    /// An age that cannot be told.
    #[error("[package.metadata.scry] {0}")]
    Freshness(#[from] FreshnessError),
    /// The examples do not read.
    #[error("{}: {message}", path.display())]
    Golden {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// An example does not fit the schema.
    #[error("{}: example `{example}`: {error}", path.display())]
    Example {
        /// The file.
        path: PathBuf,
        /// Which example.
        example: String,
        /// Which field, expected and found.
        error: Box<Invalid>,
    },
    /// The reference statistics do not read, or do not fit the schema.
    #[error("{}: {message}; `scry profile` writes it", path.display())]
    References {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The properties do not read, or do not fit the schema.
    #[error("{}: {message}", path.display())]
    Properties {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// More packages than a component may name.
    #[error(transparent)]
    Sbom(#[from] SbomError),
    /// The result is not what the host takes; a bug of ours.
    #[error("the finished component is refused: {0}")]
    Unfit(#[from] ComponentError),
    /// The file system said no.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
}
