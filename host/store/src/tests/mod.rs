mod components;
mod drift;
#[cfg(debug_assertions)]
mod faults;
mod format;
mod journal;
mod log;
mod secrets;

use super::*;
use scry_files::{FileError, FileKind, write_atomically, write_steps};
use scry_names::Digest;
use std::path::{Path, PathBuf};

/// A data folder in a folder of its own.
fn open() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

fn opened(store: &Store) -> Result<(Journal, Replay), StoreError> {
    let mut replay = store.read_journal()?;
    Ok((store.open_journal(&mut replay, false)?, replay))
}

fn names(dir: &Path) -> Vec<String> {
    let Ok(listing) = std::fs::read_dir(dir) else { return Vec::new() };
    listing.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Whatever is left of unfinished writes, anywhere in a folder.
fn unfinished(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in names(dir) {
        let path = dir.join(&name);
        if path.is_dir() {
            found.extend(unfinished(&path));
        } else if name.ends_with(".tmp") {
            found.push(path);
        }
    }
    found
}
