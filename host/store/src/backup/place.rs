//! A data folder that is made beside its place, and put there as a whole.
//!
//! Its name ends in `.tmp` until then. What a kill leaves of one is removed by the next one for the same place.

use super::BackupError;
use crate::{Store, StoreError};
use scry_files::{FileKind, create_folder, rename};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A data folder on its way.
#[derive(Debug)]
pub struct StagedFolder {
    /// Locked, from its first file until it is in its place.
    store: Store,
    stage: PathBuf,
    place: PathBuf,
    is_placed: bool,
}

impl StagedFolder {
    /// Makes a folder for a place at which there is nothing, or an empty folder.
    pub fn for_place(place: &Path) -> Result<Self, BackupError> {
        let name = place.file_name().ok_or_else(|| BackupError::Nameless(place.to_owned()))?;
        let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        create_folder(parent)?;
        refuse_occupied(place)?;
        refuse_mount_point(place, parent)?;
        remove_leftovers(parent, name)?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        let stage = parent.join(stage_name(name, u64::from_le_bytes(random)));
        let store = Store::open(&stage)?;
        Ok(Self { store, stage, place: place.to_owned(), is_placed: false })
    }

    /// The folder.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Puts it in its place. Before, there is nothing; after, all of it.
    pub fn put_in_place(mut self) -> Result<(), BackupError> {
        // An empty folder gives way, one that is not empty any more does not.
        rename(FileKind::Restored, &self.stage, &self.place)?;
        self.is_placed = true;
        Ok(())
    }
}

impl Drop for StagedFolder {
    fn drop(&mut self) {
        if !self.is_placed {
            // Best effort: the error that matters is on its way.
            let _ = fs::remove_dir_all(&self.stage);
        }
    }
}

fn refuse_occupied(place: &Path) -> Result<(), BackupError> {
    match fs::read_dir(place).map(|mut listing| listing.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(BackupError::Occupied(place.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !place.is_symlink() => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Err(BackupError::Occupied(place.to_owned())),
        Err(error) => Err(StoreError::at(place)(error).into()),
    }
}

fn refuse_mount_point(place: &Path, parent: &Path) -> Result<(), BackupError> {
    let Ok(found) = fs::metadata(place) else { return Ok(()) };
    let parent = fs::metadata(parent).map_err(StoreError::at(parent))?;
    if found.dev() == parent.dev() { Ok(()) } else { Err(BackupError::MountPoint(place.display().to_string())) }
}

/// Removes what killed ones have left: nobody holds their locks.
fn remove_leftovers(parent: &Path, name: &OsStr) -> Result<(), BackupError> {
    for entry in fs::read_dir(parent).map_err(StoreError::at(parent))? {
        let path = entry.map_err(StoreError::at(parent))?.path();
        if !path.file_name().is_some_and(|found| is_stage_name(name, found)) || !path.is_dir() || path.is_symlink() {
            continue;
        }
        let removed = match File::open(path.join("lock")) {
            Ok(lock) => match lock.try_lock() {
                Ok(()) => fs::remove_dir_all(&path),
                Err(_) => continue,
            },
            // Killed before its first file, or just begun by another: then it is not empty soon.
            Err(_) => fs::remove_dir(&path),
        };
        // What cannot be removed keeps nothing from being restored.
        if let Err(error) = removed {
            tracing::warn!(path = %path.display(), %error, "what a killed restore has left is still there");
        }
    }
    Ok(())
}

fn stage_name(name: &OsStr, random: u64) -> OsString {
    let mut stage = OsString::from(".");
    stage.push(name);
    stage.push(format!(".{random:016x}.tmp"));
    stage
}

fn is_stage_name(name: &OsStr, found: &OsStr) -> bool {
    let random = found.to_str().and_then(|found| found.strip_suffix(".tmp")?.rsplit_once('.')).map(|(_, hex)| hex);
    let random = random.and_then(|hex| u64::from_str_radix(hex, 16).ok());
    random.is_some_and(|random| stage_name(name, random) == found)
}
