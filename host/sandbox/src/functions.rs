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
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// What a runtime's functions are kept under: no model can have this name.
pub(super) const RUNTIME: &str = "@runtime";

/// A folder of functions, by engine, model and the component that brought them.
#[derive(Debug)]
pub(super) struct Functions {
    dir: PathBuf,
    seal: Seal,
    max_bytes: u64,
    /// By engine, what its folder holds, the oldest first. It is listed once: a look at every
    /// file would cost each publication what all models have kept.
    listed: Mutex<HashMap<String, Vec<File>>>,
}

#[derive(Debug, Clone)]
struct File {
    /// The component and the model, as `DIGEST-MODEL`.
    stem: String,
    bytes: u64,
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
        Self { dir, seal, max_bytes, listed: Mutex::default() }
    }

    /// Everything that this host has kept of a model and of a runtime for an engine, the newest first.
    pub(super) fn find(&self, engine: &str, model: &str, runtime: Option<&Digest>) -> Found {
        let added_max_bytes = usize::try_from(self.max_bytes).unwrap_or(usize::MAX);
        let mut found = Found { added_max_bytes, ..Found::default() };
        let runtime = runtime.map(|digest| format!("{}-{RUNTIME}", digest.hex()));
        let is_runtime = |file: &File| runtime.as_deref() == Some(&file.stem);
        let is_the_models = |file: &File| file.stem.split_once('-').is_some_and(|(_, of)| of == model);
        let files: Vec<File> = self.with(engine, |files| {
            files.iter().rev().filter(|file| is_runtime(file) || is_the_models(file)).cloned().collect()
        });
        for file in files {
            let path = self.path(engine, &file.stem);
            let bytes = match std::fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) => {
                    // `scry gc` takes away what nothing needs any more.
                    if error.kind() != io::ErrorKind::NotFound {
                        tracing::warn!(path = %path.display(), %error, "compiled functions cannot be read");
                    }
                    self.with(engine, |files| files.retain(|listed| listed.stem != file.stem));
                    continue;
                }
            };
            match self.seal.opened(&path, &bytes) {
                Some(entries) => {
                    found.take_in(entries.to_vec());
                    found.has_runtime |= is_runtime(&file);
                }
                None => {
                    tracing::warn!(path = %path.display(), "compiled functions are not this host's; compiling again");
                    self.with(engine, |files| files.retain(|listed| listed.stem != file.stem));
                    remove(&path);
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
        let stem = format!("{}-{model}", digest.hex());
        let path = self.path(engine, &stem);
        let sealed = self.seal.sealed(&path, added);
        // Listed before it is written: it is in the list once.
        let outdated = self.with(engine, |files| {
            files.retain(|file| file.stem != stem);
            files.push(File { stem, bytes: sealed.len() as u64 });
            beyond(files, self.max_bytes)
        });
        if let Err(error) = write_atomically(FileKind::Functions, &path, &sealed) {
            // A full disk must not stop a model that runs without them.
            tracing::warn!(%digest, %error, "compiled functions could not be kept");
        }
        outdated.iter().for_each(|file| remove(&self.path(engine, &file.stem)));
    }

    /// Does something with the list of an engine's files.
    fn with<T>(&self, engine: &str, act: impl FnOnce(&mut Vec<File>) -> T) -> T {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let files = listed.entry(engine.to_owned()).or_insert_with(|| {
            let dir = self.dir.join(engine);
            let mut files = list(&dir);
            for outdated in beyond(&mut files, self.max_bytes) {
                remove(&self.path(engine, &outdated.stem));
            }
            files
        });
        act(files)
    }

    fn path(&self, engine: &str, stem: &str) -> PathBuf {
        self.dir.join(engine).join(format!("{stem}.functions"))
    }
}

/// Takes the files out of a list for which there is no room. The newest have it first; one that is too
/// large never has.
fn beyond(files: &mut Vec<File>, max_bytes: u64) -> Vec<File> {
    let mut left = max_bytes;
    let fits: Vec<bool> = files
        .iter()
        .rev()
        .map(|file| {
            let rest = left.checked_sub(file.bytes);
            left = rest.unwrap_or(left);
            rest.is_some()
        })
        .collect();
    let mut fits = fits.into_iter().rev();
    files.extract_if(.., |_| fits.next() == Some(false)).collect()
}

fn remove(path: &Path) {
    if let Err(error) = remove_file(FileKind::Functions, path) {
        tracing::warn!(%error, "compiled functions could not be removed");
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

/// The files of functions in a folder, the oldest first.
fn list(dir: &Path) -> Vec<File> {
    let listed = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let file = |entry: std::fs::DirEntry| {
        let (path, metadata) = (entry.path(), entry.metadata().ok()?);
        let is_ours = metadata.is_file() && path.extension().is_some_and(|extension| extension == "functions");
        let stem = path.file_stem().and_then(OsStr::to_str).filter(|_| is_ours)?.to_owned();
        Some((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), stem, metadata.len()))
    };
    let mut found: Vec<_> = listed.filter_map(file).collect();
    found.sort();
    found.into_iter().map(|(_, stem, bytes)| File { stem, bytes }).collect()
}
