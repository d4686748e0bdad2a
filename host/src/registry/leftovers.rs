//! Removing the components that failed changes have put in the store.
//!
//! Never removes anything while another change is under way, which may rely on
//! the same component. The change that ends last removes what is left.

use super::Registry;
use super::prepared::Prepared;
use scry_catalog::{Catalog, History};
use scry_names::Digest;
use scry_store::StoreError;
use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError, TryLockError};

impl Registry {
    /// Puts in the store what a change brings along, and remembers what was new there.
    pub(super) fn store_arrived(&self, prepared: &mut Prepared) -> Result<(), StoreError> {
        for (digest, bytes) in &prepared.arrived {
            if !self.store.holds(digest) {
                prepared.stored.insert(*digest);
            }
            self.store.put(bytes)?;
        }
        self.store_signatures(prepared)
    }

    /// Notes what a failed change leaves; called while it still counts as under way.
    pub(super) fn leave(&self, prepared: &mut Prepared) {
        self.leftovers().append(&mut prepared.stored);
    }

    /// Removes what failed changes have left, unless a change is under way: its end sweeps again.
    pub(super) fn sweep(&self) {
        if self.leftovers().is_empty() {
            return;
        }
        let _alone = match self.cleaning.try_write() {
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let left = std::mem::take(&mut *self.leftovers());
        let wanted = self.wanted(&self.catalog(), &self.lock().history);
        for digest in left.difference(&wanted) {
            if let Err(error) = self.store.remove_component(digest) {
                tracing::warn!(%digest, %error, "what a failed change had stored is still there; `scry gc` removes it");
            }
        }
    }

    /// Every component that a state within the history names, or that is kept ready.
    pub(super) fn wanted(&self, catalog: &Catalog, history: &History) -> BTreeSet<Digest> {
        let mut wanted = history.referenced();
        wanted.extend(catalog.referenced());
        for (name, numbers) in self.warm(catalog, history) {
            let Some(model) = catalog.models.get(&name) else { continue };
            wanted.extend(numbers.iter().filter_map(|number| model.versions.get(number)).map(|bound| bound.digest));
        }
        wanted
    }

    fn leftovers(&self) -> MutexGuard<'_, BTreeSet<Digest>> {
        self.leftovers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
