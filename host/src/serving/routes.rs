//! What is served right now: one immutable picture, swapped as a whole.
//!
//! A request takes the picture once and keeps it to its end, so each answer
//! comes from exactly one version whatever is deployed meanwhile.

use super::circuit::Circuit;
use super::fallback::FallbackLink;
use super::limits::EffectiveLimits;
use super::shadow::ShadowArm;
use super::version::ServedVersion;
use crate::drift::DriftMonitor;
use crate::telemetry::ModelSeries;
use scry_catalog::{Catalog, CatalogError, Serving, VersionRef, share_point, spread, takes};
use scry_scheduler::Lane;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Every model that is served, by name.
#[derive(Debug, Default)]
pub struct Routes {
    /// Every model by name.
    pub models: HashMap<String, Arc<Served>>,
    /// The circuits of all that may be called, by model and version.
    pub circuits: BTreeMap<(String, u32), Arc<Circuit>>,
    /// The monitors of versions that say what their training data was.
    pub watches: BTreeMap<(String, u32), Arc<DriftMonitor>>,
    /// What this picture was made from.
    pub catalog: Arc<Catalog>,
    /// The change that led to it.
    pub number: u64,
}

/// One model as it is served.
#[derive(Debug)]
pub struct Served {
    /// The model's name.
    pub name: String,
    /// The catalog's entry that this was made from.
    pub serving: Serving,
    /// What references are looked up in.
    pub catalog: Arc<Catalog>,
    /// Every version that is kept ready, or why it is not.
    pub versions: BTreeMap<u32, Result<Arc<ServedVersion>, String>>,
    /// What answers instead of the live version.
    pub fallback: Vec<FallbackLink>,
    /// What answers instead of the canary: the live version, then its chain.
    pub canary_fallback: Vec<FallbackLink>,
    /// The version that runs beside the live one.
    pub shadow: Option<Arc<ShadowArm>>,
    /// The lane of the model's calls.
    pub lane: Arc<Lane>,
    /// The lane for reading its large requests, so that calls which hold every
    /// place keep none of them from its fallback.
    pub reading: Arc<Lane>,
    /// Where its requests count.
    pub series: Arc<ModelSeries>,
    /// What one request may use.
    pub limits: EffectiveLimits,
    /// Counts requests that have no key, to spread them.
    pub turns: Arc<AtomicU64>,
}

impl Routes {
    /// Whether requests may be led to a version; without a number, to any of the model.
    pub fn has(&self, model: &str, version: Option<u32>) -> bool {
        let is_kept = |number: u32| self.models.get(model).is_some_and(|served| served.versions.contains_key(&number));
        let is_called = |number: u32| self.circuits.contains_key(&(model.to_owned(), number));
        match version {
            Some(number) => is_kept(number) || is_called(number),
            None => self.models.contains_key(model) || self.circuits.keys().any(|(name, _)| name == model),
        }
    }

    /// Whether there is a model or version here that others do not have.
    pub fn has_more_than(&self, others: &Self) -> bool {
        let versions = self.models.iter().flat_map(|(name, served)| {
            let numbers = served.versions.keys().map(|&number| Some(number));
            numbers.chain([None]).map(move |number| (name, number))
        });
        let called = self.circuits.keys().map(|(name, number)| (name, Some(*number)));
        versions.chain(called).any(|(name, number)| !others.has(name, number))
    }
}

impl Served {
    /// The version that a request means, as a number that exists.
    pub fn resolve(&self, version: &VersionRef) -> Result<u32, CatalogError> {
        self.catalog.model(&self.name)?.resolve(&self.name, version).map(|version| version.number)
    }

    /// The version for a request that names none: one key gets one version;
    /// without a key, the canary gets its share.
    pub fn pick(&self, key: Option<&str>) -> u32 {
        let Some(canary) = &self.serving.canary else { return self.serving.live };
        let point = match key {
            Some(key) => share_point(&self.name, canary.to, key),
            // From 1: the point of 0 is in every share, and would be every host's first.
            None => spread(self.turns.fetch_add(1, Ordering::Relaxed).wrapping_add(1)),
        };
        if takes(canary.percent(), point) { canary.to } else { self.serving.live }
    }

    /// The fallback chain of a version. It belongs to what is routed, however that
    /// is named; any other version has none.
    pub fn chain(&self, number: u32) -> &[FallbackLink] {
        match &self.serving.canary {
            _ if number == self.serving.live => &self.fallback,
            Some(canary) if number == canary.to => &self.canary_fallback,
            _ => &[],
        }
    }

    /// A version, when it is ready.
    pub fn target(&self, number: u32) -> Result<&Arc<ServedVersion>, String> {
        match self.versions.get(&number) {
            Some(Ok(target)) => Ok(target),
            Some(Err(why)) => Err(why.clone()),
            None => Err(format!(
                "version {number} is not loaded; give it an alias (`scry deploy {} --alias NAME={number}`) or deploy it",
                self.name
            )),
        }
    }
}
