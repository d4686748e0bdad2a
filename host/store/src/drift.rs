//! Counts of live rows, a file for each version of a model.
//!
//! One sealed line each, whose content is not known here. No state depends on
//! them: losing one costs the rows of an epoch and nothing else.

use super::inventory::files;
use super::lines::{seal, unseal};
use super::read::{if_there, read_at_most};
use super::{Store, StoreError};
use scry_files::{FileKind, write_atomically};
use scry_names::Digest;
use std::path::PathBuf;

/// More than the most columns need.
pub(super) const COUNTS_MAX_BYTES: u64 = 64 << 20;

/// A file of counts.
#[derive(Debug, Clone)]
pub struct DriftFile {
    /// The component whose rows were counted.
    pub digest: Digest,
    /// The model's name.
    pub model: String,
    /// Its size.
    pub size_bytes: u64,
    path: PathBuf,
}

impl Store {
    /// The counts that were kept of a model's version, if any were.
    pub fn drift(&self, model: &str, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.drift_path(model, digest);
        let Some(bytes) = if_there(&path, read_at_most(&path, COUNTS_MAX_BYTES))? else { return Ok(None) };
        // Version 0.1 wrote the counts as they are.
        if bytes.starts_with(b"{") {
            return Ok(Some(bytes));
        }
        match unseal(&bytes) {
            Some(counts) => Ok(Some(counts.to_vec())),
            None => Err(StoreError::Unreadable { path, message: "the counts do not verify".into() }),
        }
    }

    /// Keeps the counts of a model's version instead of those from before.
    pub fn put_drift(&self, model: &str, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.drift_path(model, digest);
        let line = seal(bytes).map_err(|message| StoreError::Record { path: path.clone(), message })?;
        Ok(write_atomically(FileKind::Drift, &path, &line)?)
    }

    /// Moves counts that are none to quarantine; tells where.
    pub fn set_drift_aside(&self, model: &str, digest: &Digest) -> Result<PathBuf, StoreError> {
        self.quarantine(&self.drift_path(model, digest))
    }

    /// The counts that are there.
    pub fn list_drift(&self) -> Result<Vec<DriftFile>, StoreError> {
        let found = files(&self.drift_dir())?.into_iter().filter_map(|file| {
            let (hex, model) = file.name.strip_suffix(".json")?.split_once('-')?;
            let digest = format!("sha256:{hex}").parse().ok()?;
            Some(DriftFile { digest, model: model.to_owned(), size_bytes: file.size_bytes, path: file.path })
        });
        Ok(found.collect())
    }

    /// Removes counts.
    pub fn remove_drift(&self, file: &DriftFile) -> Result<(), StoreError> {
        Ok(scry_files::remove_file(FileKind::Drift, &file.path)?)
    }

    pub(super) fn drift_dir(&self) -> PathBuf {
        self.path("drift")
    }

    /// A model's name is safe in a path.
    fn drift_path(&self, model: &str, digest: &Digest) -> PathBuf {
        self.drift_dir().join(format!("{}-{model}.json", digest.hex()))
    }
}
