//! Lists what the data folder holds, and removes files from it.
//!
//! Lists only files that are named as a host names them, and never decides
//! which of them may go.

use super::read::if_there;
use super::{Store, StoreError};
use scry_files::{FileKind, is_beside_name};
use scry_names::Digest;
use std::path::{Path, PathBuf};

/// Compiled code of a model's component, or functions that it brought.
#[derive(Debug, Clone)]
pub struct CachedCode {
    /// The engine that it was compiled for, as its folder is named.
    pub engine: String,
    /// The component.
    pub digest: Digest,
    /// Its size.
    pub size_bytes: u64,
    path: PathBuf,
    kind: FileKind,
}

/// A file in some folder.
pub(super) struct FileEntry {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) size_bytes: u64,
}

impl Store {
    /// The components that are there, with their sizes. Not hashed.
    pub fn list_components(&self) -> Result<Vec<(Digest, u64)>, StoreError> {
        let found = files(&self.path("components"))?.into_iter();
        Ok(found.filter_map(|file| Some((digest_of(file.name.strip_suffix(".wasm")?)?, file.size_bytes))).collect())
    }

    /// Removes a component and its signature, if they are there.
    pub fn remove_component(&self, digest: &Digest) -> Result<(), StoreError> {
        self.remove_signature(digest)?;
        Ok(scry_files::remove_file(FileKind::Component, &self.component_path(digest))?)
    }

    /// The compiled code that is there, of whatever engine.
    pub fn list_cached(&self) -> Result<Vec<CachedCode>, StoreError> {
        self.list_compiled(FileKind::Cache, &self.cache_dir(), ".cwasm")
    }

    /// The compiled functions that are there, by the component that brought them.
    pub fn list_functions(&self) -> Result<Vec<CachedCode>, StoreError> {
        self.list_compiled(FileKind::Functions, &self.functions_dir(), ".functions")
    }

    fn list_compiled(&self, kind: FileKind, dir: &Path, suffix: &str) -> Result<Vec<CachedCode>, StoreError> {
        let mut all = Vec::new();
        for dir in folders(dir)? {
            let engine = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
            all.extend(files(&dir)?.into_iter().filter_map(|file| {
                let name = file.name.strip_suffix(suffix)?;
                // Earlier hosts named no model.
                let digest = digest_of(name.split_once('-').map_or(name, |(hex, _model)| hex))?;
                Some(CachedCode { engine: engine.clone(), digest, size_bytes: file.size_bytes, path: file.path, kind })
            }));
        }
        Ok(all)
    }

    /// Removes compiled code, and its engine's folder with the last of it.
    pub fn remove_cached(&self, code: &CachedCode) -> Result<(), StoreError> {
        scry_files::remove_file(code.kind, &code.path)?;
        if let Some(engine) = code.path.parent() {
            // Refused as long as there is something in it, which is what we want.
            let _ = std::fs::remove_dir(engine);
        }
        Ok(())
    }

    /// Removes what a crash left beside the files that were being written.
    pub(super) fn remove_unfinished(&self) -> Result<(), StoreError> {
        let mut dirs = folders(&self.cache_dir())?;
        dirs.extend(folders(&self.functions_dir())?);
        dirs.extend([self.path(""), self.path("components"), self.drift_dir(), self.quarantine_dir()]);
        for dir in dirs {
            for file in files(&dir)?.into_iter().filter(|file| is_beside_name(&file.name)) {
                tracing::info!(path = %file.path.display(), "removing what a crash left unfinished");
                scry_files::remove_file(FileKind::Stale, &file.path)?;
            }
        }
        Ok(())
    }
}

fn digest_of(hex: &str) -> Option<Digest> {
    format!("sha256:{hex}").parse().ok()
}

/// The files of a folder; none when it does not exist.
pub(super) fn files(dir: &Path) -> Result<Vec<FileEntry>, StoreError> {
    let entry = |(path, metadata): (PathBuf, std::fs::Metadata)| {
        let name = path.file_name()?.to_str()?.to_owned();
        metadata.is_file().then_some(FileEntry { name, path, size_bytes: metadata.len() })
    };
    Ok(entries(dir)?.into_iter().filter_map(entry).collect())
}

fn folders(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let found = entries(dir)?.into_iter();
    Ok(found.filter(|(_, metadata)| metadata.is_dir()).map(|(path, _)| path).collect())
}

/// Sorted, for an order that people can follow. Links are not.
fn entries(dir: &Path) -> Result<Vec<(PathBuf, std::fs::Metadata)>, StoreError> {
    let Some(listing) = if_there(dir, std::fs::read_dir(dir))? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in listing {
        let entry = entry.map_err(StoreError::at(dir))?;
        // Gone since the folder was listed is gone.
        if let Some(metadata) = if_there(&entry.path(), entry.metadata())? {
            found.push((entry.path(), metadata));
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}
