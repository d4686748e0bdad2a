//! Signatures of components: Ed25519 keys, DSSE envelopes around in-toto statements, and whose word counts.
//!
//! Pure: never reads a file, asks a registry, or knows what is served.

#![forbid(unsafe_code)]

mod envelope;
mod error;
mod keys;
mod statement;
mod trusted;

pub use envelope::{ENVELOPE_MAX_BYTES, ENVELOPE_SUFFIX, Envelope, MEDIA_TYPE, SIGNATURES_MAX};
pub use error::{KeyError, SignatureError};
pub use keys::{KEY_MAX_BYTES, KeyId, PublicKey, SecretKey};
pub use trusted::{KEYS_MAX, TrustedKeys};
