//! The data folder:
//!
//! ```text
//! format                           the layout's number, in a sealed line
//! lock                             held while a host runs
//! admin.token                      the admin token, when none is configured
//! cache.key                        authenticates the compile cache
//! history.log                      every change, in sealed lines
//! checkpoint.json                  a copy of the state after some change
//! errors.log                       what is kept of errors, in sealed lines
//! components/<hex>.wasm            components, by digest
//! components/<hex>.wasm.dsse.json  who signed one
//! cache/<engine>/<hex>-<model>.cwasm  compiled code
//! functions/<engine>/<hex>-<model>.functions  functions that came with it, or with a runtime of scry's
//! drift/<hex>-<model>.json         counts of live rows
//! quarantine/<name>-<unix ms>.<…>  what is left of damaged files
//! .<random>.tmp                    beside any of them: not finished
//! ```

use super::StoreError;
use super::format::{refuse_later, settle_format};
use super::read::if_there;
use scry_files::{FileKind, write_atomically};
use scry_names::Digest;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// A data folder, locked for this process.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    lock: File,
}

impl Store {
    /// Opens the folder, creating it if need be, locks it, and removes what a
    /// crash left unfinished. One of a later format is left as it is.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        refuse_later(root)?;
        let path = root.join("lock");
        let lock = scry_files::open_empty(FileKind::Lock, &path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(root.to_owned())),
            Err(TryLockError::Error(error)) => return Err(StoreError::at(&path)(error)),
        }
        let store = Self { root: root.to_owned(), lock };
        settle_format(root, |path| store.quarantine(path))?;
        if let Err(error) = store.remove_unfinished() {
            tracing::warn!(%error, "what a crash left unfinished is still there");
        }
        Ok(store)
    }

    /// Keeps a component; writes nothing when it is there already and sound.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        let path = self.component_path(&digest);
        match self.get(&digest) {
            Ok(_) => scry_files::settle(FileKind::Component, &path)?,
            Err(_) => write_atomically(FileKind::Component, &path, bytes)?,
        }
        Ok(digest)
    }

    /// Whether there is a file of this component, sound or not.
    pub fn holds(&self, digest: &Digest) -> bool {
        self.component_path(digest).exists()
    }

    /// A component's bytes, hashed again. Damaged ones go to quarantine.
    pub fn get(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.component_path(digest);
        let Some(bytes) = if_there(&path, std::fs::read(&path))? else {
            return Err(match self.quarantined_component(digest)? {
                Some(kept) => StoreError::Damaged { digest: *digest, kept },
                None => StoreError::Missing(*digest),
            });
        };
        let found = Digest::of(&bytes);
        if found == *digest {
            return Ok(bytes);
        }
        let kept = self.quarantine(&path).unwrap_or_else(|error| {
            tracing::warn!(%digest, %error, "a damaged component could not be moved to quarantine");
            path
        });
        tracing::error!(%digest, %found, kept = %kept.display(), "a component is damaged");
        Err(StoreError::Damaged { digest: *digest, kept })
    }

    /// The folder of compiled functions.
    pub fn functions_dir(&self) -> PathBuf {
        self.path("functions")
    }

    /// The compile cache's folder.
    pub fn cache_dir(&self) -> PathBuf {
        self.path("cache")
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(super) fn component_path(&self, digest: &Digest) -> PathBuf {
        component_path(&self.root, digest)
    }
}

/// Where a data folder has a component.
pub fn component_path(root: &Path, digest: &Digest) -> PathBuf {
    root.join("components").join(format!("{}.wasm", digest.hex()))
}

impl Drop for Store {
    fn drop(&mut self) {
        // Closing is not enough while a process is being started: until it runs
        // its own program, it holds a copy of the handle.
        let _ = self.lock.unlock();
    }
}
