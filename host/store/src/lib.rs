//! Components by digest, here and in registries, and the few other files that a
//! host owns.
//!
//! Never executes a component, never trusts a name over a digest. Whatever is written goes through `scry-files`.

#![forbid(unsafe_code)]

mod disk;
mod drift;
mod error;
mod format;
mod inventory;
mod journal;
mod lines;
mod log;
mod oci;
mod quarantine;
mod read;
mod secret;
mod signature;
#[cfg(test)]
mod tests;

pub use disk::Store;
pub use drift::DriftFile;
pub use error::StoreError;
pub use format::FORMAT_NUMBER;
pub use inventory::CachedCode;
pub use journal::{CheckpointFile, Journal, Replay};
pub use lines::{DamagedLines, Lines, read_lines};
pub use log::{Log, Logged};
pub use oci::{OciError, Pulled, Registries, RegistrySettings};
pub use quarantine::Quarantined;
pub use secret::admin_token_path;
pub use secret::cache_key;
