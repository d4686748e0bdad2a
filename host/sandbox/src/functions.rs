//! Functions that were compiled earlier, on disk: a component that was changed a
//! little is compiled where it was changed.
//!
//! What is kept becomes part of code that the host trusts, so it is
//! authenticated as code is; anything else is left out. A component that breaks
//! out of the process that compiles it can have anything kept, so functions are
//! offered only to components of the same model. Those of a runtime of Scry's own,
//! compiled from its own bytes, are offered to every component. Bounded: the
//! oldest files go first.

use super::seal::Seal;
use scry_files::{FileKind, remove_file, write_atomically};
use scry_names::Digest;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a runtime's functions are kept under: no model can have this name.
pub(super) const RUNTIME: &str = "@runtime";

/// A folder of functions, by engine, model and the component that brought them.
#[derive(Debug)]
pub(super) struct Functions {
    dir: PathBuf,
    seal: Seal,
    max_bytes: u64,
}

/// What is known of one compilation's functions, and what it adds.
#[derive(Debug, Default)]
pub struct Found {
    files: Vec<Vec<u8>>,
    known: HashMap<Vec<u8>, (usize, Range<usize>)>,
    /// Entries as a file has them.
    added: Vec<u8>,
    added_max_bytes: usize,
    reused: Reused,
    /// Whether those of the runtime are there.
    pub(super) has_runtime: bool,
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

    /// Everything that this host has kept of a model and of a runtime for an engine, the newest first.
    pub(super) fn find(&self, engine: &str, model: &str, runtime: Option<&Digest>) -> Found {
        let added_max_bytes = usize::try_from(self.max_bytes).unwrap_or(usize::MAX);
        let mut found = Found { added_max_bytes, ..Found::default() };
        let runtimes = runtime.map(|digest| format!("{}-{RUNTIME}", digest.hex()));
        let of = |path: &Path| {
            let name = path.file_stem().and_then(OsStr::to_str)?;
            let is_runtime = runtimes.as_deref() == Some(name);
            let is_the_models = name.split_once('-').is_some_and(|(_, of)| of == model);
            (is_runtime || is_the_models).then_some(is_runtime)
        };
        let files = self.within_bounds(engine).into_iter();
        let files = files.filter_map(|(path, _)| of(&path).map(|is_runtime| (path, is_runtime)));
        for (path, is_runtime) in files {
            let file = match std::fs::read(&path) {
                Ok(file) => file,
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "compiled functions cannot be read");
                    continue;
                }
            };
            match self.seal.opened(&path, &file) {
                Some(entries) => {
                    found.take_in(entries.to_vec());
                    found.has_runtime |= is_runtime;
                }
                None => {
                    tracing::warn!(path = %path.display(), "compiled functions are not this host's; compiling again");
                    self.forget(&path);
                }
            }
        }
        found
    }

    /// Keeps what a compilation added, if it added anything.
    pub(super) fn keep(&self, engine: &str, model: &str, digest: &Digest, added: &[u8]) {
        if added.is_empty() {
            return;
        }
        let path = self.dir.join(engine).join(format!("{}-{model}.functions", digest.hex()));
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

    /// The newest files, as many as are kept; one that is too large is none of them.
    fn within_bounds(&self, engine: &str) -> Vec<(PathBuf, u64)> {
        let mut left = self.max_bytes;
        let fits = |file: &(PathBuf, u64)| {
            let rest = left.checked_sub(file.1);
            left = rest.unwrap_or(left);
            rest.is_some()
        };
        files(&self.dir.join(engine)).into_iter().filter(fits).collect()
    }

    fn forget(&self, path: &Path) {
        if let Err(error) = remove_file(FileKind::Functions, path) {
            tracing::warn!(%error, "compiled functions could not be removed");
        }
    }
}

impl Found {
    /// For components that are compiled one after the other, of one author: nothing is kept but here.
    pub fn in_passing() -> Self {
        const PASSED_ON_MAX_BYTES: usize = 256 << 20;
        Self { added_max_bytes: PASSED_ON_MAX_BYTES, ..Self::default() }
    }

    /// Everything that is known, as a file has it.
    pub(super) fn all(&self) -> Vec<u8> {
        self.files.concat()
    }

    /// Makes known to the next component what was added by those before.
    pub(super) fn pass_on(&mut self) {
        let added = std::mem::take(&mut self.added);
        self.take_in(added);
    }

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

    pub(super) fn take_in(&mut self, entries: Vec<u8>) {
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
