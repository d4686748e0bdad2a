//! What is served right now: one immutable picture, swapped as a whole.
//!
//! A request takes the picture once and keeps it to its end, so each answer
//! comes from exactly one version whatever is deployed meanwhile.

use super::circuit::Circuit;
use super::fallback::FallbackLink;
use super::limits::EffectiveLimits;
use super::shadow::ShadowArm;
use super::stats::Stats;
use super::version::ServedVersion;
use crate::drift::DriftMonitor;
use crate::telemetry::ModelSeries;
use immutable_chunkmap::map::MapS;
use scry_catalog::{Catalog, CatalogError, Model, Serving, VersionRef, share_point, spread, takes};
use scry_scheduler::Lane;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Every model that is served, by name.
#[derive(Debug, Default)]
pub struct Routes {
    /// Every model by name. Pictures that follow each other share what stays as it is.
    pub models: MapS<String, Arc<Served>>,
    /// All versions that may be called, by model and number: also those of a model that is
    /// not served and to which others fall back.
    pub called: MapS<String, Arc<BTreeMap<u32, CalledVersion>>>,
    /// What this picture was made from.
    pub catalog: Arc<Catalog>,
    /// The change that led to it.
    pub number: u64,
}

/// What is recorded of a version that may be called.
#[derive(Debug)]
pub struct CalledVersion {
    /// Whether it is called at all.
    pub circuit: Arc<Circuit>,
    /// How its calls ended.
    pub stats: Arc<Stats>,
    /// Its rows, where it says what its training data was.
    pub monitor: Option<Arc<DriftMonitor>>,
}

/// One model as it is served.
#[derive(Debug)]
pub struct Served {
    /// The model's name.
    pub name: String,
    /// The catalog's entry that this was made from.
    pub serving: Serving,
    /// What versions are looked up in.
    pub model: Arc<Model>,
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
    /// Every model, in the order of their names.
    pub fn served(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.models.into_iter().map(|(_, served)| served)
    }

    /// A version that may be called.
    pub fn called(&self, model: &str, number: u32) -> Option<&CalledVersion> {
        self.called.get(model)?.get(&number)
    }

    /// All versions that may be called, with their models and numbers, in this order.
    pub fn all_called(&self) -> impl Iterator<Item = (&String, u32, &CalledVersion)> {
        let versions = |(name, versions)| (name, AsRef::<BTreeMap<u32, CalledVersion>>::as_ref(versions));
        self.called
            .into_iter()
            .map(versions)
            .flat_map(|(name, versions)| versions.iter().map(move |(n, v)| (name, *n, v)))
    }

    /// The monitors of versions that say what their training data was, in this order.
    pub fn monitors(&self) -> impl Iterator<Item = (&String, u32, &Arc<DriftMonitor>)> {
        self.all_called().filter_map(|(name, number, version)| Some((name, number, version.monitor.as_ref()?)))
    }

    /// Whether requests may be led to a version; without a number, to any of the model.
    pub fn has(&self, model: &str, version: Option<u32>) -> bool {
        match version {
            Some(number) => self.versions(model).any(|kept| kept == number),
            None => self.models.get(model).is_some() || self.called.get(model).is_some(),
        }
    }

    /// Whether there is a version of these models here that others do not have.
    pub fn has_more_than(&self, others: &Self, names: &BTreeSet<String>) -> bool {
        let is_gone = |name: &String| self.has(name, None) && !others.has(name, None);
        names.iter().any(|name| is_gone(name) || self.versions(name).any(|number| !others.has(name, Some(number))))
    }

    /// The versions of a model that are kept or called.
    fn versions(&self, model: &str) -> impl Iterator<Item = u32> {
        let kept = self.models.get(model).into_iter().flat_map(|served| served.versions.keys());
        kept.chain(self.called.get(model).into_iter().flat_map(|versions| versions.keys())).copied()
    }
}

impl Served {
    /// The version that a request means, as a number that exists.
    pub fn resolve(&self, version: &VersionRef) -> Result<u32, CatalogError> {
        self.model.resolve(&self.name, version).map(|version| version.number)
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
