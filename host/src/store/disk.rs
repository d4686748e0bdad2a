//! The data folder:
//!
//! ```text
//! lock                       held while a host runs
//! admin.token                the admin token, when none is configured
//! cache.key                  authenticates the compile cache
//! state.json                 the catalog
//! components/<hex>.wasm      components, by digest
//! cache/<engine>/<hex>.cwasm compiled code
//! ```

use super::Digest;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why the data folder failed us.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another host has it.
    #[error("{0} is in use by another scry host: stop that one, or give this one its own `--data` folder")]
    InUse(PathBuf),
    /// The file system said no.
    #[error("{}: {error}", path.display())]
    Io {
        /// What was being read or written.
        path: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
    /// A component that is not there.
    #[error("component {0} is not in the store")]
    Missing(Digest),
    /// A component whose bytes have changed.
    #[error("component {expected} is damaged: its bytes now hash to {found}; publish it again")]
    Damaged {
        /// What its name says.
        expected: Digest,
        /// What its bytes say.
        found: Digest,
    },
    /// A file of ours that does not read back.
    #[error("{}: {message}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
}

/// A data folder, locked for this process.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    _lock: File,
}

impl Store {
    /// Opens the folder, creating it if need be, and locks it.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |error| StoreError::Io { path, error }
        };
        std::fs::create_dir_all(root.join("components")).map_err(fail(root))?;
        let path = root.join("lock");
        let lock = File::create(&path).map_err(fail(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root: root.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(root.to_owned())),
            Err(TryLockError::Error(error)) => Err(StoreError::Io { path, error }),
        }
    }

    /// Keeps a component; does nothing when it is there already and sound.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if self.get(&digest).is_err() {
            self.write(&self.component_path(&digest), bytes)?;
        }
        Ok(digest)
    }

    /// A component's bytes, hashed again.
    pub fn get(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.component_path(digest);
        let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => StoreError::Missing(*digest),
            _ => StoreError::Io { path, error },
        })?;
        match Digest::of(&bytes) {
            found if found == *digest => Ok(bytes),
            found => Err(StoreError::Damaged { expected: *digest, found }),
        }
    }

    /// The catalog as it was last saved, if it ever was.
    pub fn read_state<T: serde::de::DeserializeOwned>(&self) -> Result<Option<T>, StoreError> {
        let path = self.root.join("state.json");
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|e| StoreError::Unreadable { path, message: e.to_string() }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::Io { path, error }),
        }
    }

    /// Saves the catalog; afterwards a crash finds the new one, before, the old.
    pub fn write_state<T: serde::Serialize>(&self, state: &T) -> Result<(), StoreError> {
        let path = self.root.join("state.json");
        let json = serde_json::to_vec_pretty(state)
            .map_err(|e| StoreError::Unreadable { path: path.clone(), message: e.to_string() })?;
        self.write(&path, &json)
    }

    /// The compile cache's folder.
    pub fn cache_dir(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// The compile cache's key, made on first use.
    pub fn cache_key(&self) -> Result<[u8; 32], StoreError> {
        let path = self.root.join("cache.key");
        let hex = self.secret(&path)?;
        let bytes = hex
            .as_bytes()
            .as_chunks::<2>()
            .0
            .iter()
            .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()));
        bytes
            .collect::<Option<Vec<u8>>>()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| StoreError::Unreadable { path, message: "not 64 hex digits; remove the file".into() })
    }

    /// The admin token, made on first use.
    pub fn admin_token(&self) -> Result<String, StoreError> {
        self.secret(&admin_token_path(&self.root))
    }

    fn secret(&self, path: &Path) -> Result<String, StoreError> {
        match std::fs::read_to_string(path) {
            Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::Io { path: path.to_owned(), error }),
        }
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)
            .map_err(|e| StoreError::Unreadable { path: path.to_owned(), message: format!("no entropy: {e}") })?;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.write(path, hex.as_bytes())?;
        Ok(hex)
    }

    fn component_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("components").join(format!("{}.wasm", digest.hex()))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        write_atomically(path, bytes).map_err(|error| StoreError::Io { path: path.to_owned(), error })
    }
}

/// Where a host with this data folder keeps its admin token.
pub fn admin_token_path(root: &Path) -> PathBuf {
    root.join("admin.token")
}

/// Writes a file so that a crash leaves the old one or the new one. The file
/// is readable by its owner alone.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir)?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    let beside = dir.join(format!(".{:016x}.tmp", u64::from_le_bytes(random)));
    let written = write_beside(&beside, bytes).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        // Best effort: the error that matters is the first.
        let _ = std::fs::remove_file(&beside);
    }
    written?;
    File::open(dir)?.sync_all()
}

fn write_beside(beside: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()
}
