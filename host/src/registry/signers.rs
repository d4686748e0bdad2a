//! The keys that are trusted, and what an envelope is worth to a host that trusts them. Knows no change, opens no file.

use scry_names::Digest;
use scry_signatures::{Envelope, KeyId, SignatureError, TrustedKeys};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// The keys that are trusted, and whose components are here.
#[derive(Debug, Default)]
pub(super) struct Signers {
    keys: TrustedKeys,
    of: RwLock<HashMap<Digest, KeyId>>,
}

/// An envelope that counts.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    envelope: Vec<u8>,
    /// Nothing on a host that trusts no key in particular.
    key: Option<KeyId>,
}

impl Signers {
    pub(super) fn new(keys: TrustedKeys) -> Self {
        Self { keys, of: RwLock::default() }
    }

    /// Whether no key in particular is trusted, and components need no signature.
    pub(super) fn is_open(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that are trusted.
    pub(super) fn keys(&self) -> impl Iterator<Item = KeyId> {
        self.keys.ids()
    }

    /// Who signed a component.
    pub(super) fn signer_of(&self, component: &Digest) -> Option<KeyId> {
        self.of.read().unwrap_or_else(PoisonError::into_inner).get(component).copied()
    }

    /// Notes who did.
    pub(super) fn note(&self, component: Digest, key: KeyId) {
        self.of.write().unwrap_or_else(PoisonError::into_inner).insert(component, key);
    }

    /// The first envelope that counts for a component. Without keys, one need only be about it: keys may be
    /// configured later.
    pub(super) fn judge(&self, component: &Digest, envelopes: Vec<Vec<u8>>) -> Result<Option<Signed>, SignatureError> {
        let mut found = if self.is_open() { Ok(None) } else { Err(SignatureError::Missing) };
        for envelope in envelopes {
            let judged = Envelope::read(&envelope).and_then(|read| match self.is_open() {
                true => read.is_about(component).map(|()| None),
                false => self.keys.signer(&read, component).map(Some),
            });
            match judged {
                Ok(key) => return Ok(Some(Signed { envelope, key })),
                Err(error) => found = Err(error),
            }
        }
        found
    }
}

impl Signed {
    /// The envelope, as it came.
    pub(super) fn envelope(&self) -> &[u8] {
        &self.envelope
    }

    /// The key that it is signed with.
    pub(super) fn key(&self) -> Option<KeyId> {
        self.key
    }
}
