//! Components by digest, here and in registries, and the few other files that a
//! host owns.
//!
//! The only room that hashes. Never executes a component, never trusts a name
//! over a digest. Whatever is written goes through `write`, so that a crash or
//! a full disk at any step leaves what was there before, or what was meant.

mod digest;
mod disk;
mod drift;
mod error;
mod failpoint;
mod format;
mod inventory;
mod journal;
mod lines;
mod oci;
mod quarantine;
mod secret;
#[cfg(test)]
mod tests;
mod write;

pub use digest::{Digest, DigestError};
pub use disk::Store;
pub use drift::DriftFile;
pub use error::StoreError;
pub use format::FORMAT_NUMBER;
pub use inventory::CachedCode;
pub use journal::{Journal, Replay};
pub use lines::{DamagedLines, Lines, read_lines};
pub(crate) use oci::is_registry;
pub use oci::{OciError, OciReference, Pulled, Registries};
pub use quarantine::Quarantined;
pub use secret::admin_token_path;
pub(crate) use secret::cache_key;
pub use write::{FileKind, remove as remove_file, write_atomically, write_steps};
