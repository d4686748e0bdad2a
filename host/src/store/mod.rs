//! Components by digest, here and in registries, and the few other files that a
//! host owns.
//!
//! The only room that hashes. Never executes a component, never trusts a name
//! over a digest; every write is atomic: beside, fsync, rename, fsync.

mod digest;
mod disk;
mod oci;

pub use digest::{Digest, DigestError};
pub use disk::{Store, StoreError, admin_token_path, write_atomically};
pub(crate) use oci::is_registry;
pub use oci::{OciError, OciReference, Pulled, Registries};
