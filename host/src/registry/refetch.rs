//! What is damaged or missing here and came from a registry is fetched again.
//!
//! Never replaces anything by name: what comes must hash to what is missing.

use super::prepared::Prepared;
use super::{ChangeError, Entry, Registry, again_and_again};
use scry_names::Digest;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// A registry that did not help is asked again after this.
const AGAIN: Duration = Duration::from_secs(60);

impl Registry {
    /// One try at everything that should be ready, is not, and can be fetched.
    fn refetch_all(&self) {
        for (name, digest) in self.fetchable() {
            let mut prepared = Prepared { also: Some((name.clone(), digest)), ..Prepared::default() };
            let same = |before: &_| Ok::<_, ChangeError>((Clone::clone(before), Entry::default()));
            match self.change(&mut prepared, same) {
                Ok(_) => tracing::info!(model = %name, %digest, "fetched again"),
                // What is not signed was told at the start; it may be any time.
                Err(error @ ChangeError::Unsigned { .. }) => {
                    tracing::debug!(model = %name, %digest, %error, "still not signed");
                }
                Err(error) => tracing::error!(model = %name, %digest, %error, "could not be fetched again"),
            }
        }
    }

    /// Each component once, with a model that has it.
    fn fetchable(&self) -> Vec<(String, Digest)> {
        let catalog = self.catalog();
        let state = self.lock();
        let mut known = HashSet::new();
        let mut found = Vec::new();
        for (name, numbers) in self.warm(&catalog, &state.history) {
            let Some(model) = catalog.models.get(&name) else { continue };
            let bound = numbers.iter().filter_map(|number| model.versions.get(number));
            let missing = bound.filter(|bound| {
                bound.from.is_some() && !state.bench.is_ready(&name, model, &bound.digest, &self.config)
            });
            found.extend(missing.filter(|bound| known.insert(bound.digest)).map(|bound| (name.clone(), bound.digest)));
        }
        found
    }
}

/// Looks for what can be fetched again until the host ends.
pub async fn refetch(registry: Arc<Registry>) {
    again_and_again(AGAIN, registry, "fetching again", Registry::refetch_all).await;
}
