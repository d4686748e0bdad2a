//! The secrets that a host makes for itself.
//!
//! One that is damaged is replaced: no start fails for it. Never logs one.

use super::read::if_there;
use super::{Store, StoreError};
use scry_files::{FileKind, write_atomically};
use std::path::{Path, PathBuf};

impl Store {
    /// The compile cache's key, made on first use. A new one costs compiling
    /// again.
    pub fn cache_key(&self) -> Result<[u8; 32], StoreError> {
        cache_key(&self.path("cache.key"))
    }

    /// The admin token, made on first use.
    pub fn admin_token(&self) -> Result<String, StoreError> {
        let path = self.path(ADMIN_TOKEN);
        if let Some(bytes) = if_there(&path, std::fs::read(&path))? {
            match parse_token(&bytes) {
                Some(token) => return Ok(token),
                None => {
                    let kept = self.quarantine(&path)?;
                    tracing::warn!(kept = %kept.display(), "{ADMIN_TOKEN} does not read; the host makes a new one");
                }
            }
        }
        let token = hex(&random(&path)?);
        write_atomically(FileKind::Secret, &path, token.as_bytes())?;
        Ok(token)
    }
}

/// The key in a file, which is made on first use.
pub fn cache_key(path: &Path) -> Result<[u8; 32], StoreError> {
    if let Some(bytes) = if_there(path, std::fs::read(path))? {
        match parse_key(&bytes) {
            Some(key) => return Ok(key),
            None => tracing::warn!("cache.key does not read; with a new one, everything is compiled again"),
        }
    }
    let key = random(path)?;
    write_atomically(FileKind::Secret, path, hex(&key).as_bytes())?;
    Ok(key)
}

const ADMIN_TOKEN: &str = "admin.token";

/// Where a host with this data folder keeps its admin token.
pub fn admin_token_path(root: &Path) -> PathBuf {
    root.join(ADMIN_TOKEN)
}

fn parse_key(bytes: &[u8]) -> Option<[u8; 32]> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let key: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    rest.is_empty().then_some(key?)?.try_into().ok()
}

fn parse_token(bytes: &[u8]) -> Option<String> {
    let token = std::str::from_utf8(bytes).ok()?.trim();
    (!token.is_empty() && !token.contains(char::is_control)).then(|| token.to_owned())
}

fn random(path: &Path) -> Result<[u8; 32], StoreError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|e| StoreError::Unreadable { path: path.to_owned(), message: format!("no entropy: {e}") })?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
