//! What is damaged or missing here and came from a registry is fetched again.
//!
//! Never replaces anything by name: what comes must hash to what is missing.

use super::gates::Prepared;
use super::{ChangeError, Entry, Registry};
use crate::store::Digest;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// A registry that did not help is asked again after this.
const AGAIN: Duration = Duration::from_secs(60);

impl Registry {
    /// One try at everything that is served, not available and fetchable.
    fn refetch_all(&self) {
        for (name, digest) in self.fetchable() {
            let mut prepared = Prepared { also: Some((name.clone(), digest)), ..Prepared::default() };
            let same = |before: &_| Ok::<_, ChangeError>((Clone::clone(before), Entry::default()));
            match self.change(&mut prepared, same) {
                Ok(_) => tracing::info!(model = %name, %digest, "fetched again"),
                Err(error) => tracing::error!(model = %name, %digest, %error, "could not be fetched again"),
            }
        }
    }

    /// Each component once, with a model that has it.
    fn fetchable(&self) -> Vec<(String, Digest)> {
        let routes = self.routes.load_full();
        let mut known = HashSet::new();
        let mut found = Vec::new();
        for served in routes.models.values() {
            let missing = served.versions.iter().filter(|(_, target)| target.is_err()).map(|(number, _)| number);
            let Some(model) = routes.catalog.models.get(&served.name) else { continue };
            let bound = missing.filter_map(|number| model.versions.get(number)).filter(|bound| bound.from.is_some());
            found.extend(bound.filter(|bound| known.insert(bound.digest)).map(|b| (served.name.clone(), b.digest)));
        }
        found
    }
}

/// Looks for what can be fetched again until the host ends.
pub async fn refetch(registry: Arc<Registry>) {
    let mut looks = tokio::time::interval(AGAIN);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let looking = registry.clone();
        if tokio::task::spawn_blocking(move || looking.refetch_all()).await.is_err() {
            tracing::error!("fetching again panicked; this is a bug in scry");
        }
    }
}
