//! From a backup to the files of a data folder.
//!
//! Never replaces anything: it is for a folder that was just made.

use super::{BackupError, Contents, Entry, read_backup};
use crate::Store;
use crate::journal::{CHECKPOINT, JOURNAL};
use scry_files::{FileKind, write_parts};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

/// Written at once, in bytes.
const PART_BYTES: usize = 256 << 10;

impl Store {
    /// Writes what a backup holds. Where this fails, the folder is of no use.
    pub fn restore(&self, from: impl Read) -> Result<Contents, BackupError> {
        read_backup(from, |entry, bytes| match entry {
            Entry::History => copy(FileKind::Journal, &self.path(JOURNAL), bytes),
            Entry::Checkpoint => copy(FileKind::Checkpoint, &self.path(CHECKPOINT), bytes),
            Entry::Component(digest) => copy(FileKind::Component, &self.component_path(digest), bytes),
            Entry::Signature(digest) => Ok(self.put_signature(digest, &whole(bytes)?)?),
            Entry::Drift { model, digest } => Ok(self.put_drift(model, digest, &whole(bytes)?)?),
        })
    }
}

fn copy(kind: FileKind, path: &Path, bytes: &mut dyn Read) -> Result<(), BackupError> {
    write_parts(kind, path, |file| {
        let mut file = BufWriter::with_capacity(PART_BYTES, file);
        io::copy(bytes, &mut file)?;
        Ok(file.flush()?)
    })
}

/// Of what has a limit of its own.
fn whole(bytes: &mut dyn Read) -> Result<Vec<u8>, BackupError> {
    let mut whole = Vec::new();
    bytes.read_to_end(&mut whole)?;
    Ok(whole)
}
