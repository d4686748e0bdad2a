//! Why a backup was not written, read, or put in place.

use super::FORMAT;
use crate::StoreError;
use scry_files::FileError;
use std::io;
use std::path::PathBuf;

/// Why a backup was not written, read, or put in place.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Bytes of something else.
    #[error("not a backup: expected a file that `scry backup` wrote, found {0}")]
    Other(String),
    /// Another version wrote it.
    #[error(
        "the backup has format {found}, and scry {} knows format {FORMAT}: restore it with the version that wrote it{}",
        env!("CARGO_PKG_VERSION"), version(scry)
    )]
    OtherFormat {
        /// Its format.
        found: u32,
        /// What wrote it.
        scry: String,
    },
    /// A file that no backup has.
    #[error("`{path}` in the backup: {message}")]
    Entry {
        /// Its path, as the backup has it.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// Bytes that have changed.
    #[error("`{0}` in the backup is damaged: its bytes do not have the digest that they had")]
    Damaged(String),
    /// It has no end.
    #[error("the backup is cut short: it ends before its list of digests")]
    Cut,
    /// Bytes between or in place of its files.
    #[error("the backup is damaged: expected a file of a backup at byte {0}, found other bytes")]
    NoFile(u64),
    /// Bytes behind its end.
    #[error("the backup is damaged: expected nothing behind its end, found more bytes")]
    Longer,
    /// More than anything needs.
    #[error("the backup has more than {0} files, which no host writes")]
    TooMany(usize),
    /// It took too long.
    #[error("the backup took more than {0} s; nothing is kept of it")]
    Late(u64),
    /// Where it should go, something is.
    #[error(
        "{} is not empty, and a backup replaces nothing: give a folder that does not exist with `--data`, or move this one \
         away", .0.display()
    )]
    Occupied(PathBuf),
    /// Where it should go has no name.
    #[error("{} names no folder by its own name: give one that does not exist with `--data`", .0.display())]
    Nameless(PathBuf),
    /// Where it should go, no folder can be put at once.
    #[error(
        "{0} is where a file system begins, so that no folder can be put in its place at once: give a folder in it, such \
         as `--data {0}/data`, and start the host with that"
    )]
    MountPoint(String),
    /// Its state is not the one that it names.
    #[error("the backup does not lead to its state {expected}: {found}; nothing is restored")]
    State {
        /// The state's number.
        expected: u64,
        /// Where it leads.
        found: String,
    },
    /// It cannot be read or written.
    #[error("the backup: {0}")]
    Io(#[from] io::Error),
    /// A file is not read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The data folder failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    pub(super) fn entry(path: &str, message: impl Into<String>) -> Self {
        Self::Entry { path: shown(path), message: message.into() }
    }
}

fn version(scry: &str) -> String {
    if scry.is_empty() { String::new() } else { format!(", scry {scry}") }
}

/// A path that anybody may have written, for a message.
pub(super) fn shown(path: &str) -> String {
    /// Longer than any that a host writes.
    const SHOWN_MAX_CHARS: usize = 160;
    path.chars().take(SHOWN_MAX_CHARS).map(|c| if c.is_control() { '?' } else { c }).collect()
}
