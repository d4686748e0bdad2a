//! Who signed what: the gate for components that come in, and what is known of those that are here.
//!
//! A version is bound only if a trusted key has signed its component. What was bound before, without one, goes on
//! unless that is configured otherwise. Never decides what a signature is worth: `scry-signatures` does.

use super::prepared::Prepared;
use super::signers::Signed;
use super::{ChangeError, Registry};
use crate::serving::Routes;
use scry_catalog::Catalog;
use scry_names::{Digest, OciReference};
use scry_signatures::KeyId;
use scry_store::StoreError;
use std::collections::BTreeSet;

impl Registry {
    /// Takes in the envelopes that come with a component, or refuses both.
    pub(super) fn admit(
        &self,
        model: &str,
        component: Digest,
        envelopes: Vec<Vec<u8>>,
        prepared: &mut Prepared,
    ) -> Result<(), ChangeError> {
        if envelopes.is_empty() && self.has_signature(&component)? {
            return Ok(());
        }
        let judged = self.signers.judge(&component, envelopes);
        let judged = judged.map_err(|why| ChangeError::Unsigned { model: model.to_owned(), digest: component, why })?;
        // Without keys the first one stays: which one counts is not known yet.
        if !(self.signers.is_open() && self.has_signature(&component)?) {
            prepared.signed.extend(judged.map(|signed| (component, signed)));
        }
        Ok(())
    }

    /// The same for a component in a registry, where its envelopes are, too.
    pub(super) fn admit_from(
        &self,
        model: &str,
        component: Digest,
        from: &OciReference,
        prepared: &mut Prepared,
    ) -> Result<(), ChangeError> {
        if self.signers.is_open() || self.has_signature(&component)? {
            return Ok(());
        }
        let envelopes = self.reach(self.registries.signatures(from))?;
        self.admit(model, component, envelopes, prepared)
    }

    /// Refuses a component that no trusted key has signed; looks where it came from if need be.
    pub(super) fn check_signed(
        &self,
        model: &str,
        component: &Digest,
        from: Option<&OciReference>,
        prepared: &mut Prepared,
    ) -> Result<(), ChangeError> {
        match from {
            _ if prepared.signed.contains_key(component) || self.has_signature(component)? => Ok(()),
            Some(from) => self.admit_from(model, *component, from, prepared),
            None => self.admit(model, *component, Vec::new(), prepared),
        }
    }

    /// Whether there is an envelope in the store that counts.
    fn has_signature(&self, component: &Digest) -> Result<bool, StoreError> {
        let envelope = self.store.signature(component)?;
        Ok(envelope.is_some_and(|envelope| self.signers.judge(component, vec![envelope]).is_ok()))
    }

    /// Every version that a change binds needs a signature, whether or not anything leads to it yet.
    pub(super) fn check_bound(
        &self,
        before: &Catalog,
        after: &Catalog,
        prepared: &mut Prepared,
    ) -> Result<(), ChangeError> {
        if self.signers.is_open() {
            return Ok(());
        }
        for name in after.changed(before) {
            let (was, model) = (before.models.get(&name), after.model(&name)?);
            let is_new = |digest: &Digest| was.is_none_or(|was| was.all().all(|version| version.digest != *digest));
            for bound in model.versions.values().filter(|bound| is_new(&bound.digest)) {
                self.check_signed(&name, &bound.digest, bound.from.as_ref(), prepared)?;
            }
        }
        Ok(())
    }

    /// Puts the envelopes of a change in the store, beside their components. One that counts already stays until the
    /// change is made.
    pub(super) fn store_signatures(&self, prepared: &mut Prepared) -> Result<(), StoreError> {
        for (component, signed) in &prepared.signed {
            if self.has_signature(component)? {
                continue;
            }
            // Without its component it goes with the change, if that fails.
            if !self.store.holds(component) {
                prepared.stored.insert(*component);
            }
            self.put_signature(component, signed)?;
        }
        Ok(())
    }

    /// Once a change is made, its envelopes take the place of those from before.
    pub(super) fn replace_signatures(&self, prepared: &Prepared) {
        for (component, signed) in &prepared.signed {
            if let Err(error) = self.put_signature(component, signed) {
                tracing::warn!(%component, %error, "the signature from before stays; publish the component again");
            }
        }
    }

    fn put_signature(&self, component: &Digest, signed: &Signed) -> Result<(), StoreError> {
        self.store.put_signature(component, signed.envelope())?;
        if let Some(key) = signed.key() {
            self.signers.note(*component, key);
        }
        Ok(())
    }

    /// Finds out who signed the versions that are here.
    pub(super) fn read_signatures(&self, catalog: &Catalog) {
        if self.signers.is_open() {
            return;
        }
        let versions = catalog.models.values().flat_map(|model| model.all());
        for component in versions.map(|version| version.digest).collect::<BTreeSet<_>>() {
            let envelope = self.store.signature(&component).map_err(|error| error.to_string());
            let judged = envelope.and_then(|envelope| match envelope {
                Some(envelope) => self.signers.judge(&component, vec![envelope]).map_err(|error| error.to_string()),
                None => Ok(None),
            });
            match judged {
                Ok(signed) => {
                    signed.and_then(|signed| signed.key()).into_iter().for_each(|key| self.signers.note(component, key))
                }
                Err(error) => tracing::warn!(%component, %error, "a signature does not count"),
            }
        }
    }

    /// The key that signed a component, where that is asked of components.
    pub fn signer(&self, component: &Digest) -> Option<Option<KeyId>> {
        (!self.signers.is_open()).then(|| self.signers.signer_of(component))
    }

    /// The keys that are trusted.
    pub fn trusted_keys(&self) -> Vec<KeyId> {
        self.signers.keys().collect()
    }

    /// Whether what is not signed is not served.
    pub fn serves_signed_only(&self) -> bool {
        self.config.trust.enforce
    }

    /// The versions that requests are led to although no trusted key has signed them, as `model@version`;
    /// nothing on a host that trusts no key in particular.
    pub fn unsigned(&self, routes: &Routes) -> Option<Vec<String>> {
        if self.signers.is_open() {
            return None;
        }
        let catalog = &routes.catalog;
        let routed = catalog.warm(0).into_iter();
        let unsigned = routed.flat_map(|(name, numbers)| {
            let model = catalog.models.get(&name).cloned();
            let bound = move |number: &u32| model.as_ref()?.versions.get(number).map(|bound| bound.digest);
            let is_unsigned =
                move |number: &u32| bound(number).is_some_and(|digest| self.signers.signer_of(&digest).is_none());
            numbers.into_iter().filter(is_unsigned).map(move |number| format!("{name}@{number}")).collect::<Vec<_>>()
        });
        Some(unsigned.collect())
    }

    /// Says at the start what goes on without a signature, or does not.
    pub(super) fn warn_of_unsigned(&self) {
        /// More are counted.
        const NAMES_MAX: usize = 20;
        let unsigned = self.unsigned(&self.routes.load()).unwrap_or_default();
        if unsigned.is_empty() {
            return;
        }
        let versions = unsigned.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
        let count = unsigned.len();
        match self.serves_signed_only() {
            true => tracing::error!(count, %versions, "not signed by a trusted key, and not served"),
            false => tracing::warn!(count, %versions, "not signed by a trusted key, and served as before"),
        }
    }
}
