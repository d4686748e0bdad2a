//! Functions that were compiled earlier, on disk: a component that was changed a
//! little is compiled where it was changed.
//!
//! What is kept becomes part of code that the host trusts, so it is
//! authenticated as code is; anything else is left out. Bounded: the oldest
//! files go first.

use super::cache::Seal;
use crate::store::{Digest, FileKind, remove_file, write_atomically};
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A folder of functions, by engine and the component that brought them.
#[derive(Debug)]
pub(super) struct Functions {
    dir: PathBuf,
    seal: Seal,
    max_bytes: u64,
}

/// What is known of one compilation's functions, and what it adds.
#[derive(Debug, Default)]
pub(super) struct Found {
    files: Vec<Vec<u8>>,
    known: HashMap<Vec<u8>, (usize, Range<usize>)>,
    /// Entries as a file has them.
    added: Vec<u8>,
    added_max_bytes: usize,
    reused: Reused,
}

/// How much of a component had been compiled before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reused {
    /// Functions that were there.
    pub known: usize,
    /// Functions in all.
    pub all: usize,
}

impl Functions {
    pub(super) fn new(dir: PathBuf, seal: Seal, max_bytes: u64) -> Self {
        Self { dir, seal, max_bytes }
    }

    /// Everything that this host has kept for an engine, the newest first.
    pub(super) fn find(&self, engine: &str) -> Found {
        let added_max_bytes = usize::try_from(self.max_bytes).unwrap_or(usize::MAX);
        let mut found = Found { added_max_bytes, ..Found::default() };
        for (path, _) in self.within_bounds(engine) {
            let file = match std::fs::read(&path) {
                Ok(file) => file,
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "compiled functions cannot be read");
                    continue;
                }
            };
            match self.seal.opened(&path, &file) {
                Some(entries) => found.take_in(entries.to_vec()),
                None => {
                    tracing::warn!(path = %path.display(), "compiled functions are not this host's; compiling again");
                    self.forget(&path);
                }
            }
        }
        found
    }

    /// Keeps what a compilation added, if it added anything.
    pub(super) fn keep(&self, engine: &str, digest: &Digest, added: &[u8]) {
        if added.is_empty() {
            return;
        }
        let path = self.dir.join(engine).join(format!("{}.functions", digest.hex()));
        let sealed = self.seal.sealed(&path, added);
        if let Err(error) = write_atomically(FileKind::Functions, &path, &sealed) {
            // A full disk must not stop a model that runs without them.
            tracing::warn!(%digest, %error, "compiled functions could not be kept");
        }
        let kept: Vec<_> = self.within_bounds(engine).into_iter().map(|(path, _)| path).collect();
        for (path, _) in files(&self.dir.join(engine)) {
            if !kept.contains(&path) {
                self.forget(&path);
            }
        }
    }

    /// The newest files, as many as are kept.
    fn within_bounds(&self, engine: &str) -> Vec<(PathBuf, u64)> {
        let mut left = self.max_bytes;
        let fits = |file: &(PathBuf, u64)| {
            let fits = left.checked_sub(file.1);
            left = fits.unwrap_or(0);
            fits.is_some()
        };
        files(&self.dir.join(engine)).into_iter().take_while(fits).collect()
    }

    fn forget(&self, path: &Path) {
        if let Err(error) = remove_file(FileKind::Functions, path) {
            tracing::warn!(%error, "compiled functions could not be removed");
        }
    }
}

impl Found {
    pub(super) fn get(&mut self, key: &[u8]) -> Option<&[u8]> {
        self.reused.all += 1;
        let (file, range) = self.known.get(key)?;
        let function = self.files.get(*file)?.get(range.clone())?;
        self.reused.known += 1;
        Some(function)
    }

    /// Keeps one more: the length of its key, the key, the function.
    pub(super) fn keep(&mut self, entry: &[u8]) {
        let length = entry.len().to_le_bytes();
        if self.added.len() + length.len() + entry.len() <= self.added_max_bytes {
            self.added.extend(length);
            self.added.extend(entry);
        }
    }

    /// How much was known, and what was added.
    pub(super) fn into_parts(self) -> (Reused, Vec<u8>) {
        (self.reused, self.added)
    }

    fn take_in(&mut self, entries: Vec<u8>) {
        let file = self.files.len();
        let mut at = 0;
        while let Some((key, range)) = entry(&entries, at) {
            at = range.end;
            self.known.entry(key.to_vec()).or_insert((file, range));
        }
        self.files.push(entries);
    }
}

/// The entry that begins here: its key, and where its function is.
fn entry(entries: &[u8], at: usize) -> Option<(&[u8], Range<usize>)> {
    let (length, rest) = entries.get(at..)?.split_first_chunk::<8>()?;
    let entry = rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let (key_length, keyed) = entry.split_first_chunk::<4>()?;
    let (key, function) = keyed.split_at_checked(usize::try_from(u32::from_le_bytes(*key_length)).ok()?)?;
    let end = at + length.len() + entry.len();
    Some((key, end - function.len()..end))
}

/// The files of functions in a folder with their sizes, the newest first.
fn files(dir: &Path) -> Vec<(PathBuf, u64)> {
    let listed = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let file = |entry: std::fs::DirEntry| {
        let (path, metadata) = (entry.path(), entry.metadata().ok()?);
        let is_ours = metadata.is_file() && path.extension().is_some_and(|extension| extension == "functions");
        is_ours.then(|| (metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), path, metadata.len()))
    };
    let mut found: Vec<_> = listed.filter_map(file).collect();
    found.sort_by(|one, other| other.cmp(one));
    found.into_iter().map(|(_, path, bytes)| (path, bytes)).collect()
}
