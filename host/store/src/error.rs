//! How the data folder fails, in words for the operator who has to mend it.

use scry_files::FileError;
use scry_names::Digest;
use std::path::{Path, PathBuf};

/// Why the data folder failed us.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another host has it.
    #[error("{0} is in use by another scry host: stop that one, or give this one its own `--data` folder")]
    InUse(PathBuf),
    /// A later version of scry has laid the folder out.
    #[error(
        "{} has data format {found}, and scry {} knows formats up to {known}; nothing has changed: start it with the \
         version that wrote it or a later one, or give this one its own `--data` folder",
        root.display(), env!("CARGO_PKG_VERSION")
    )]
    LaterFormat {
        /// The folder.
        root: PathBuf,
        /// What it says of itself.
        found: String,
        /// The latest that this version knows.
        known: u32,
    },
    /// A file is not read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A component that is not there.
    #[error("component {0} is not in the store; publish it again")]
    Missing(Digest),
    /// A component whose bytes have changed.
    #[error("component {digest} is damaged: what is left of it is {}; publish it again", kept.display())]
    Damaged {
        /// What its name says.
        digest: Digest,
        /// Where the damaged bytes are now.
        kept: PathBuf,
    },
    /// A file of ours that does not read back.
    #[error("{}: {message}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A record that the journal does not take; nothing has changed.
    #[error("{}: {message}", path.display())]
    Record {
        /// The journal.
        path: PathBuf,
        /// What is wrong with the record.
        message: String,
    },
    /// A journal that could be neither written nor put back as it was.
    #[error("{}: no change is taken until the host is started again: {why}", path.display())]
    Poisoned {
        /// The journal.
        path: PathBuf,
        /// What failed.
        why: String,
    },
}

impl StoreError {
    /// An I/O error on `path`, told apart when it is for want of room.
    pub(crate) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let at = FileError::at(path);
        move |error| Self::File(at(error))
    }
}
