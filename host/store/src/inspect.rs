//! A data folder as it is, for people. Changes nothing, and needs no lock: a host may be at work on it.

use super::format::refuse_later;
use super::inventory::files;
use super::journal::read_replay;
use super::{Replay, StoreError};
use scry_files::is_beside_name;
use scry_names::Digest;
use std::fs::{File, TryLockError};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a data folder holds.
#[derive(Debug)]
pub struct Inspection {
    /// Whether a host is at work on it.
    pub is_in_use: bool,
    /// History and checkpoint, as far as they verify.
    pub replay: Replay,
    /// The components and their sizes, not hashed.
    pub components: Vec<(Digest, u64)>,
    /// What is left of damaged files.
    pub quarantined: usize,
    /// What a crash left unfinished.
    pub unfinished: usize,
    /// Secrets that other users can read, by their names.
    pub exposed: Vec<String>,
}

/// Looks at a data folder. One of a later format is an error.
pub fn inspect(root: &Path) -> Result<Inspection, StoreError> {
    refuse_later(root)?;
    let is_in_use = is_locked(&root.join("lock"))?;
    let replay = read_replay(root)?;
    let components = files(&root.join("components"))?;
    let unfinished = files(root)?.iter().chain(&components).filter(|file| is_beside_name(&file.name)).count();
    let digest = |name: &str| format!("sha256:{}", name.strip_suffix(".wasm")?).parse().ok();
    let components = components.into_iter().filter_map(|file| Some((digest(&file.name)?, file.size_bytes)));
    let is_exposed = |name: &&str| {
        let mode = std::fs::metadata(root.join(name)).map(|metadata| metadata.permissions().mode());
        mode.is_ok_and(|mode| mode & 0o077 != 0)
    };
    Ok(Inspection {
        is_in_use,
        replay,
        components: components.collect(),
        quarantined: files(&root.join("quarantine"))?.len(),
        unfinished,
        exposed: ["admin.token", "cache.key"].into_iter().filter(is_exposed).map(str::to_owned).collect(),
    })
}

/// Holds a lock that is free for no longer than this looks: a host that starts in that moment says that the folder is in
/// use.
fn is_locked(path: &Path) -> Result<bool, StoreError> {
    let Ok(lock) = File::open(path) else { return Ok(false) };
    match lock.try_lock_shared() {
        Ok(()) => lock.unlock().map(|()| false).map_err(StoreError::at(path)),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(StoreError::at(path)(error)),
    }
}
