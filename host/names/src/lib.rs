//! What things are called: digests of components, references to registries, numbers and text from outside.
//!
//! Pure: never touches a file or the network.

#![forbid(unsafe_code)]

mod digest;
mod reference;
pub mod text;

/// What a model must export.
pub const PREDICTOR: &str = "scry:model/predictor@0.1.0";

pub use digest::{Digest, DigestError, Hasher};
pub use reference::{OciReference, OciReferenceError, is_loopback, is_registry, split_port};
