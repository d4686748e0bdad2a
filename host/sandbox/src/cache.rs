//! Compiled code on disk.
//!
//! Native code is trusted blindly when it is loaded, so only what this host
//! wrote is: every file is authenticated with a key that never leaves the data
//! folder. Anything else is compiled anew and overwritten. Functions of earlier
//! versions may be part of it, so it is code of one model, and no other's.

use super::functions::{Found, Functions, RUNTIME, Reused};
use super::seal::Seal;
use super::{canonical, core_module};
use scry_files::{FileError, FileKind, write_atomically};
use scry_names::Digest;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use wasmtime::{Engine, Module};

/// How files are named; those of another version are of no use.
const VERSION: u32 = 1;

/// Where a component's code came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeSource {
    /// Compiled by this host earlier.
    Cache,
    /// Compiled just now, but for functions that had been compiled before.
    Compiled(Reused),
}

/// A cache, and whose code it is asked for.
#[derive(Clone, Copy)]
pub struct CacheOf<'a> {
    /// The cache.
    pub cache: &'a CodeCache,
    /// The model.
    pub model: &'a str,
    /// What an imported model runs in.
    pub runtime: Option<&'a Runtime<'a>>,
}

/// A runtime that travels in this program.
pub struct Runtime<'a> {
    /// The digest of its module.
    pub digest: Digest,
    /// A component of it, which is not needed where its functions are known.
    pub component: &'a dyn Fn() -> Option<Vec<u8>>,
}

/// A folder of compiled components, by engine, digest and model.
#[derive(Debug)]
pub struct CodeCache {
    dir: PathBuf,
    seal: Seal,
    functions: Option<Functions>,
}

impl CodeCache {
    /// A cache in `dir`, authenticated with `key`.
    pub fn new(dir: PathBuf, key: [u8; 32]) -> Self {
        Self { dir, seal: Seal::new(key), functions: None }
    }

    /// Adds a folder of functions, of at most `max_bytes` for each engine; 0:
    /// none.
    pub fn with_functions(self, dir: PathBuf, max_bytes: u64) -> Self {
        let functions = (max_bytes > 0).then(|| Functions::new(dir, self.seal, max_bytes));
        Self { functions, ..self }
    }

    /// What has been compiled of the model's other components, and of the runtime.
    pub(super) fn functions(&self, engine: &Engine, model: &str, runtime: Option<&Digest>) -> Option<Found> {
        self.functions.as_ref().map(|functions| functions.find(&folder(engine), model, runtime))
    }

    /// Keeps what was compiled of a runtime.
    pub(super) fn keep_runtime(&self, engine: &Engine, runtime: &Digest, added: &[u8]) {
        if let Some(functions) = &self.functions {
            functions.keep(&folder(engine), RUNTIME, runtime, added);
        }
    }

    /// The component's code, when it is there and ours.
    pub(super) fn load(&self, engine: &Engine, model: &str, digest: &Digest) -> Option<Module> {
        let path = self.path(engine, model, digest);
        match std::fs::read(&path) {
            Ok(file) => match self.seal.opened(&path, &file) {
                // SAFETY: the tag proves that this host wrote what
                // its compiler made, for this engine, digest and model.
                Some(code) => match unsafe { Module::deserialize(engine, code) } {
                    Ok(module) => return Some(module),
                    Err(error) => tracing::warn!(%digest, %error, "cached code does not load; compiling again"),
                },
                None => tracing::warn!(%digest, "cached code is not this host's; compiling again"),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%digest, %error, "cached code cannot be read; compiling again"),
        }
        None
    }

    /// Keeps what was compiled just now, and the functions that came with it.
    pub(super) fn keep(&self, engine: &Engine, model: &str, digest: &Digest, module: &Module, added: &[u8]) {
        if let Err(error) = self.write(&self.path(engine, model, digest), module) {
            // A full disk must not stop a model that runs without its cache.
            tracing::warn!(%digest, %error, "compiled code could not be cached");
        }
        if let Some(functions) = &self.functions {
            functions.keep(&folder(engine), model, digest, added);
        }
    }

    fn path(&self, engine: &Engine, model: &str, digest: &Digest) -> PathBuf {
        self.dir.join(folder(engine)).join(format!("{}-{model}.cwasm", digest.hex()))
    }

    fn write(&self, path: &Path, module: &Module) -> Result<(), FileError> {
        let code =
            module.serialize().map_err(|e| FileError::Io { path: path.to_owned(), error: std::io::Error::other(e) })?;
        write_atomically(FileKind::Cache, path, &self.seal.sealed(path, &code))
    }
}

/// The folder of an engine's code, as this host makes it.
pub(super) fn folder(engine: &Engine) -> String {
    let mut hasher = DefaultHasher::new();
    (VERSION, canonical::VERSION, core_module::VERSION).hash(&mut hasher);
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
