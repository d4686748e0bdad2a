//! Why a key or a signature is not taken.

use super::envelope::{ENVELOPE_MAX_BYTES, SIGNATURES_MAX};
use super::keys::KEY_MAX_BYTES;
use scry_card::strict;
use scry_names::Digest;

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Longer than any key is.
    #[error("a key has at most {KEY_MAX_BYTES} bytes, found more")]
    TooLarge,
    /// Not PEM, or PEM of something else.
    #[error("expected `-----BEGIN {expected}-----` in PEM{hint}")]
    Pem {
        /// The label that was expected.
        expected: &'static str,
        /// What to do about what was found, where that is known.
        hint: &'static str,
    },
    /// More than one.
    #[error("expected one key, found {0}; give each a file of its own")]
    Several(usize),
    /// A key of another kind.
    #[error("expected an Ed25519 key, found a key of another kind; `scry keygen` makes one")]
    Algorithm,
    /// The system has no random bits.
    #[error("the system has no random bits to make a key of")]
    Entropy,
}

/// Why a component does not count as signed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SignatureError {
    /// There is none.
    #[error("it has no signature")]
    Missing,
    /// Longer than an envelope may be.
    #[error("the envelope has {0} bytes, {ENVELOPE_MAX_BYTES} are taken at most")]
    TooLarge(usize),
    /// Not an envelope.
    #[error("the envelope is not readable: {0}")]
    Envelope(strict::Error),
    /// Not a number of signatures that is read.
    #[error("the envelope has {0} signatures, expected 1 to {SIGNATURES_MAX}")]
    Count(usize),
    /// Something else was signed than a statement about a component.
    #[error("the {what} is `{found}`, expected `{expected}`")]
    Type {
        /// `payloadType`, `_type` or `predicateType`.
        what: &'static str,
        /// The only one that counts.
        expected: &'static str,
        /// What was signed.
        found: String,
    },
    /// No trusted key has signed it.
    #[error("none of its {0} signatures is by a trusted key")]
    NotTrusted(usize),
    /// What was signed is no statement.
    #[error("the signed statement is not readable: {0}")]
    Statement(strict::Error),
    /// It was signed for another component.
    #[error("it was signed for {found}, the component is {component}")]
    OtherSubject {
        /// SHA-256 of the component.
        component: Digest,
        /// What the statement is about.
        found: String,
    },
}
