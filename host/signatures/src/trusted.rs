//! The keys whose word counts. The keys of a host do not change while it runs.

use super::{Envelope, KeyId, PublicKey, SignatureError};
use scry_names::Digest;

/// Keys that a host may trust.
pub const KEYS_MAX: usize = 32;

/// Trusted keys; none where a host trusts everybody.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys(Vec<PublicKey>);

impl TrustedKeys {
    /// These keys.
    pub fn new(keys: Vec<PublicKey>) -> Self {
        Self(keys)
    }

    /// Whether no key is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys by name.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.0.iter().map(PublicKey::id)
    }

    /// Which trusted key has signed this component.
    pub fn signer(&self, envelope: &Envelope, component: &Digest) -> Result<KeyId, SignatureError> {
        let signer = envelope.signer(self.0.iter());
        let signer = signer.ok_or_else(|| SignatureError::NotTrusted(envelope.signatures()))?;
        envelope.is_about(component)?;
        Ok(signer)
    }
}
