//! Work over whole tables without a host: what training data looked like,
//! whether two sets of it differ, and a model run over a file or a frame in
//! the sandbox and limits that serving has.
//!
//! Never holds more than a batch, never touches a data folder, and leaves an
//! output only where all of it is right.

mod compare;
mod error;
mod model;
mod profile;
mod runner;
mod tables;
mod transform;

pub use compare::{Compared, compare};
pub use error::OfflineError;
pub use model::Model;
pub use profile::{Request, profile};
pub use runner::{OpenError, RunError, Runner};
pub use transform::{Transformed, transform};

use scry_tables::Position;
use std::path::Path;

/// How far the work on a file is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// What is being done, up to the file's name.
    pub doing: &'static str,
    /// The file.
    pub path: &'a Path,
    /// How much of it is done.
    pub position: Position,
}

/// Receives progress.
pub type Watch<'a> = dyn FnMut(Progress<'_>) + 'a;
