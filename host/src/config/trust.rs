//! `[trust]`: whose signatures count. The keys are read once, when the host starts.

use super::{ConfigError, check};
use scry_signatures::{KEY_MAX_BYTES, KEYS_MAX, PublicKey, TrustedKeys};
use serde::Deserialize;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// `[trust]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trust {
    /// Public keys in PEM, as `scry keygen` writes them: a component is taken if one of them has signed it. Default
    /// none: every component is taken.
    pub keys: Vec<PathBuf>,
    /// Whether versions that were taken before without a signature are not served either. Default false: they are
    /// listed, and go on.
    pub enforce: bool,
}

impl Trust {
    /// Reads the keys.
    pub fn read(&self) -> Result<TrustedKeys, ConfigError> {
        self.keys.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>().map(TrustedKeys::new)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let found = self.keys.len();
        check(found <= KEYS_MAX, "trust.keys", &format!("at most {KEYS_MAX} files"), found.to_string())?;
        let is_met = !self.enforce || found > 0;
        check(is_met, "trust.enforce", "`trust.keys` beside it", "no key".to_owned())
    }
}

fn read(path: &Path) -> Result<PublicKey, ConfigError> {
    let mut pem = Vec::new();
    let found = File::open(path).and_then(|file| file.take(KEY_MAX_BYTES as u64 + 1).read_to_end(&mut pem));
    found.map_err(|error| ConfigError::Io { path: path.to_owned(), error })?;
    let unreadable =
        |error: scry_signatures::KeyError| ConfigError::Parse { path: path.to_owned(), message: error.to_string() };
    PublicKey::from_pem(&pem).map_err(unreadable)
}
