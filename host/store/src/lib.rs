//! Components by digest, here and in registries, and the few other files that a
//! host owns.
//!
//! Never executes a component, never trusts a name over a digest. Whatever is written goes through `scry-files`.

#![forbid(unsafe_code)]

mod backup;
mod disk;
mod drift;
mod error;
mod format;
mod inspect;
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

pub use backup::{
    About, BackedUp, BackupError, BackupWriter, Contents, Entry as BackupEntry, Lacking, StagedFolder, read_backup, tar,
};
pub use disk::{Store, component_path};
pub use drift::DriftFile;
pub use error::StoreError;
pub use format::FORMAT_NUMBER;
pub use inspect::{Inspection, inspect};
pub use inventory::CachedCode;
pub use journal::{CheckpointFile, Journal, Replay};
pub use lines::{DamagedLines, Lines, read_lines};
pub use log::{Log, Logged};
pub use oci::{OciError, Pulled, Registries, RegistrySettings};
pub use quarantine::Quarantined;
pub use secret::admin_token_path;
pub use secret::cache_key;
