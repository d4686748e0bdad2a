//! What commands keep for the next one: compiled functions of the runtimes, in the user's cache folder.
//!
//! Never keeps anything of a model, never fails a command.

use scry_sandbox::CodeCache;
use scry_store::cache_key;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Both runtimes fit, with and without fuel.
const FUNCTIONS_MAX_BYTES: u64 = 128 << 20;

/// The cache, where the user has a folder for such things.
pub(super) fn runtimes() -> Option<CodeCache> {
    let dir = folder()?;
    let key_path = dir.join("cache.key");
    let key = cache_key(&key_path).inspect_err(|error| tracing::debug!(%error, "nothing is kept between commands"));
    let key = key.ok().filter(|_| is_own(&key_path))?;
    Some(CodeCache::new(dir.join("cache"), key).with_functions(dir.join("functions"), FUNCTIONS_MAX_BYTES))
}

fn folder() -> Option<PathBuf> {
    let home = || Some(std::env::home_dir()?.join(".cache"));
    let xdg = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    xdg.or_else(home).map(|dir| dir.join("scry"))
}

/// The key decides what code is run here, so it must be this user's alone: under `sudo`, the home folder may be
/// another's.
fn is_own(key: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    std::fs::metadata(key).is_ok_and(|metadata| metadata.uid() == user && metadata.mode() & 0o077 == 0)
}
