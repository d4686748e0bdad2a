//! How the file system fails.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

/// Why a file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file system said no.
    #[error("{}: {error}", path.display())]
    Io {
        /// What was being read or written.
        path: PathBuf,
        /// What it said.
        error: Error,
    },
    /// No room for what was to be written.
    #[error("{}: the disk or its quota is full ({error})", path.display())]
    Full {
        /// What was being written.
        path: PathBuf,
        /// What the file system said.
        error: Error,
    },
}

impl FileError {
    /// An I/O error on `path`, told apart when it is for want of room.
    pub fn at(path: &Path) -> impl FnOnce(Error) -> Self {
        let path = path.to_owned();
        move |error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::Full { path, error },
            _ => Self::Io { path, error },
        }
    }
}
