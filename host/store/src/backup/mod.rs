//! A data folder in one file, for another machine.
//!
//! ```text
//! backup                        the format, the state, and when: one sealed line
//! history.log                   every change, in sealed lines
//! checkpoint.json               the state, in a sealed line
//! components/<hex>.wasm         each component that the history or the state names
//! components/<hex>.wasm.dsse.json  who signed it
//! drift/<model>/<hex>.json      counts of live rows
//! digests                       path, size, and SHA-256 of each of them: one sealed line
//! ```
//!
//! A tar file of plain files under these paths, and of nothing else. Holds no token and no key, and no compiled code, which
//! another machine could not use. Never looks into a record.

mod entry;
mod error;
mod hashed;
mod place;
mod read;
mod restore;
pub mod tar;
#[cfg(test)]
mod tests;
mod write;

pub use entry::Entry;
pub use error::BackupError;
pub use place::StagedFolder;
pub use read::read_backup;
pub use write::BackupWriter;

use scry_names::Digest;
use serde::{Deserialize, Serialize};

/// The format that this version writes and reads. A later one for each later format of the data folder: its files are in
/// there as they are.
const FORMAT: u32 = 1;
/// The first entry's path.
const BEGIN: &str = "backup";
/// The longest first entry that is believed, in bytes.
const BEGIN_MAX_BYTES: u64 = 4096;
/// The last entry's path.
const END: &str = "digests";
/// Files that a backup may hold. Their list is one line, which has room for about as many.
const FILES_MAX: usize = 300_000;

/// What a backup says of itself first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    format: u32,
    /// The version of scry that wrote it.
    pub scry: String,
    /// The number of the state.
    pub state: u64,
    /// Unix time, in milliseconds.
    pub made_at_ms: u64,
}

impl About {
    /// A backup of this version's format.
    pub fn new(state: u64, made_at_ms: u64) -> Self {
        Self { format: FORMAT, scry: env!("CARGO_PKG_VERSION").to_owned(), state, made_at_ms }
    }
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// Where it is in the backup.
    pub path: String,
    /// Its size.
    pub size_bytes: u64,
    /// The SHA-256 of its bytes.
    pub digest: Digest,
}

/// A component that is named and could not be backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacking {
    /// Which.
    pub digest: Digest,
    /// Why it is not there.
    pub why: String,
}

/// What a backup says last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Listing {
    files: Vec<BackedUp>,
    missing: Vec<Lacking>,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// What it says of itself.
    pub about: About,
    /// Its files, in their order.
    pub files: Vec<BackedUp>,
    /// The components that its state or history names and that it lacks.
    pub missing: Vec<Lacking>,
}

impl Contents {
    /// How many components it holds.
    pub fn components(&self) -> usize {
        self.files.iter().filter(|file| matches!(Entry::of(&file.path), Some(Entry::Component(_)))).count()
    }

    /// The size of its files together.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).fold(0, u64::saturating_add)
    }
}
