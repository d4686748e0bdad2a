//! What is left of damaged files, for people to look at.
//!
//! A file keeps its name and gets the time. Never read again by a host, and
//! never in another's place.

use super::inventory::{FileEntry, files};
use super::{Store, StoreError};
use scry_files::{FileKind, write_atomically};
use scry_names::Digest;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A file in quarantine.
#[derive(Debug, Clone)]
pub struct Quarantined {
    /// Its name in the quarantine folder.
    pub name: String,
    /// Which component it was, if it was one.
    pub digest: Option<Digest>,
    /// Its size.
    pub size_bytes: u64,
    /// How long it has been here.
    pub age: Duration,
    path: PathBuf,
}

impl Store {
    /// What is in quarantine.
    pub fn list_quarantined(&self) -> Result<Vec<Quarantined>, StoreError> {
        let now = SystemTime::now();
        let known = |file: FileEntry| {
            let stem = file.name.rsplit_once('.').map_or(file.name.as_str(), |(stem, _)| stem);
            let (hex, unix_ms) = stem.rsplit_once('-')?;
            let since = UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms.parse().ok()?))?;
            Some(Quarantined {
                digest: format!("sha256:{hex}").parse().ok(),
                // A clock that was set back makes it new, not an error.
                age: now.duration_since(since).unwrap_or_default(),
                name: file.name,
                size_bytes: file.size_bytes,
                path: file.path,
            })
        };
        Ok(files(&self.quarantine_dir())?.into_iter().filter_map(known).collect())
    }

    /// Removes a file from quarantine.
    pub fn remove_quarantined(&self, file: &Quarantined) -> Result<(), StoreError> {
        Ok(scry_files::remove_file(FileKind::Quarantine, &file.path)?)
    }

    /// Moves a damaged file away; tells where.
    pub(super) fn quarantine(&self, path: &Path) -> Result<PathBuf, StoreError> {
        let kept = self.quarantine_path(path);
        scry_files::rename(FileKind::Quarantine, path, &kept)?;
        Ok(kept)
    }

    /// Keeps a copy of a damaged file; tells where.
    pub(super) fn quarantine_copy(&self, path: &Path, bytes: &[u8]) -> Result<PathBuf, StoreError> {
        // A host that fails to start again and again keeps one copy.
        if let Some(kept) = self.same_in_quarantine(path, bytes)? {
            return Ok(kept);
        }
        let kept = self.quarantine_path(path);
        write_atomically(FileKind::Quarantine, &kept, bytes)?;
        Ok(kept)
    }

    /// Where what is left of a component was moved last, if it ever was.
    pub(super) fn quarantined_component(&self, digest: &Digest) -> Result<Option<PathBuf>, StoreError> {
        let all = self.list_quarantined()?;
        let of_it = all.into_iter().filter(|file| file.digest == Some(*digest));
        Ok(of_it.min_by_key(|file| file.age).map(|file| file.path))
    }

    pub(super) fn quarantine_dir(&self) -> PathBuf {
        self.path("quarantine")
    }

    /// A copy of these bytes under the same name, of whatever time.
    fn same_in_quarantine(&self, path: &Path, bytes: &[u8]) -> Result<Option<PathBuf>, StoreError> {
        let (stem, extension) = parts(path);
        let is_of_it = |file: &Quarantined| {
            let (stem_here, extension_here) = parts(&file.path);
            stem_here.rsplit_once('-').is_some_and(|(name, _)| name == stem) && extension_here == extension
        };
        let alike = self.list_quarantined()?.into_iter().filter(|file| file.size_bytes == bytes.len() as u64);
        let mut of_it = alike.filter(is_of_it);
        Ok(of_it.find(|file| std::fs::read(&file.path).is_ok_and(|kept| kept == bytes)).map(|file| file.path))
    }

    /// A name that no file there has.
    fn quarantine_path(&self, path: &Path) -> PathBuf {
        let (stem, extension) = parts(path);
        let extension = if extension.is_empty() { extension } else { format!(".{extension}") };
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let free = |unix_ms: u128| {
            let path = self.quarantine_dir().join(format!("{stem}-{unix_ms}{extension}"));
            (!path.exists()).then_some(path)
        };
        // Every turn tries another name, and the files are finitely many: this ends.
        (now_ms..).find_map(free).unwrap_or_else(|| self.quarantine_dir())
    }
}

fn parts(path: &Path) -> (String, String) {
    let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    (text(path.file_stem()), text(path.extension()))
}
