//! What outlives a picture: code, lanes, counters. Pictures are made from it.
//!
//! Never loads anything: what is not here is not available.

use super::code::{Code, CodeKey, Key, Proof};
use super::prepared::Prepared;
use crate::config::Config;
use crate::drift::{DriftMonitor, Paired};
use crate::serving::{Circuit, EffectiveLimits, Findings, Reserve, ShadowRecord, Stats};
use crate::telemetry::{Metrics, ModelSeries};
use scry_catalog::{Catalog, LimitsPatch, Model};
use scry_names::Digest;
use scry_sandbox::Metering;
use scry_scheduler::Lane;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Which versions of which models are kept ready.
pub(super) type Warm = BTreeMap<String, BTreeSet<u32>>;

/// How a version runs beside the live one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Canary,
    Shadow,
}

/// Versions and models whose records a picture holds.
#[derive(Debug, Default)]
pub(super) struct Used {
    pub(super) versions: HashSet<Key>,
    pub(super) lanes: HashSet<String>,
}

/// What pictures are made from.
#[derive(Debug)]
pub(super) struct Workbench {
    pub(super) code: HashMap<CodeKey, Code>,
    pub(super) proved: HashSet<Proof>,
    /// Why a model's component is not there.
    pub(super) faults: HashMap<(String, Digest), String>,
    /// Of each model: for its calls, and for reading its large requests.
    pub(super) lanes: HashMap<String, [Arc<Lane>; 2]>,
    pub(super) series: HashMap<String, Arc<ModelSeries>>,
    pub(super) turns: HashMap<String, Arc<AtomicU64>>,
    pub(super) stats: HashMap<(String, u32), Arc<Stats>>,
    pub(super) found: HashMap<(String, u32), Arc<Findings>>,
    pub(super) circuits: BTreeMap<(String, u32), Arc<Circuit>>,
    pub(super) watches: BTreeMap<(String, u32), Arc<DriftMonitor>>,
    /// By model and kind, for as long as the same two versions are compared.
    pub(super) pairs: HashMap<(String, Kind), Arc<Paired>>,
    /// By model, for as long as the same two versions are compared.
    pub(super) seen: HashMap<String, ((u32, u32), Arc<ShadowRecord>)>,
    /// What the picture leads requests to.
    pub(super) routed: BTreeSet<Key>,
    /// What the picture that is being made has taken up: all else ends with the one before.
    pub(super) used: Used,
    pub(super) metrics: Arc<Metrics>,
}

impl Workbench {
    /// An empty one, whose circuits are counted here.
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            code: HashMap::new(),
            proved: HashSet::new(),
            faults: HashMap::new(),
            lanes: HashMap::new(),
            series: HashMap::new(),
            turns: HashMap::new(),
            stats: HashMap::new(),
            found: HashMap::new(),
            circuits: BTreeMap::new(),
            watches: BTreeMap::new(),
            pairs: HashMap::new(),
            seen: HashMap::new(),
            routed: BTreeSet::new(),
            used: Used::default(),
            metrics,
        }
    }

    /// Takes over what a change has prepared.
    pub(super) fn take_in(&mut self, prepared: &mut Prepared) {
        for (key, code) in prepared.code.drain() {
            self.faults.remove(&(key.0.clone(), key.1));
            self.code.insert(key, code);
        }
        self.proved.extend(prepared.proved.drain());
    }

    /// Whether a model's component can be called under the model's own limits.
    pub(super) fn is_ready(&self, name: &str, model: &Model, digest: &Digest, config: &Config) -> bool {
        self.code.contains_key(&(name.to_owned(), *digest, metering(&effective(config, model.limits()))))
    }

    /// Lets go of code that is not kept ready any more; calls that still run keep it.
    pub(super) fn keep(&mut self, catalog: &Catalog, warm: &Warm, config: &Config) {
        let mut wanted = HashSet::new();
        for (name, numbers) in warm {
            let Some(model) = catalog.models.get(name) else { continue };
            let metering = metering(&effective(config, model.limits()));
            let digests = numbers.iter().filter_map(|number| model.versions.get(number));
            wanted.extend(digests.map(|bound| (name.clone(), bound.digest, metering)));
        }
        self.code.retain(|key, _| wanted.contains(key));
        self.proved.retain(|(name, digest, limits)| wanted.contains(&(name.clone(), *digest, metering(limits))));
        self.faults.retain(|(name, digest), _| wanted.iter().any(|(of, wanted, _)| (of, wanted) == (name, digest)));
    }
}

/// Whether instructions are counted.
pub(crate) fn metering(limits: &EffectiveLimits) -> Metering {
    if limits.fuel == 0 { Metering::Off } else { Metering::Fuel }
}

pub(super) fn effective(config: &Config, patch: LimitsPatch) -> EffectiveLimits {
    let limits = &config.limits;
    EffectiveLimits {
        deadline: Duration::from_millis(patch.deadline_ms.unwrap_or(limits.deadline_ms)),
        reserve: Reserve {
            unmeasured_percent: limits.fallback_reserve_percent,
            min: Duration::from_millis(limits.fallback_reserve_min_ms),
        },
        fuel: patch.fuel.unwrap_or(limits.fuel),
        memory_max_bytes: patch.memory_max_bytes.unwrap_or(limits.memory_max_bytes),
        output_max_bytes: patch.output_max_bytes.unwrap_or(limits.output_max_bytes),
        batch_max_rows: patch.batch_max_rows.unwrap_or(limits.batch_max_rows),
    }
}

/// The limits of a deployment that sets none of its own.
pub fn limits_of_config(config: &Config) -> EffectiveLimits {
    effective(config, LimitsPatch::default())
}
