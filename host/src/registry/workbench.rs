//! What outlives a picture, by model: code, lanes, counters. Pictures are made from it.
//!
//! Never loads anything: what is not here is not available.

use super::code::{Code, CodeKey, Proof};
use super::prepared::Prepared;
use crate::config::Config;
use crate::drift::{DriftMonitor, Paired};
use crate::serving::{Circuit, EffectiveLimits, Findings, Reserve, ShadowRecord, Stats};
use crate::telemetry::{Metrics, ModelSeries};
use scry_catalog::{LimitsPatch, Model};
use scry_names::Digest;
use scry_sandbox::Metering;
use scry_scheduler::Lane;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Versions, by model.
pub(super) type Versions = BTreeMap<String, BTreeSet<u32>>;

/// What pictures are made from.
#[derive(Debug)]
pub(super) struct Workbench {
    pub(super) models: HashMap<String, ModelRecords>,
    pub(super) metrics: Arc<Metrics>,
}

/// What is kept of one model.
#[derive(Debug, Default)]
pub(super) struct ModelRecords {
    pub(super) code: HashMap<(Digest, Metering), Code>,
    /// What has passed its golden examples, and under which limits.
    pub(super) proved: HashSet<(Digest, EffectiveLimits)>,
    /// Why a component is not there.
    pub(super) faults: HashMap<Digest, String>,
    /// For its calls, and for reading its large requests.
    pub(super) lanes: Option<[Arc<Lane>; 2]>,
    pub(super) series: Option<Arc<ModelSeries>>,
    pub(super) turns: Arc<AtomicU64>,
    pub(super) versions: BTreeMap<u32, VersionRecords>,
    /// For as long as the same two versions are compared.
    pub(super) canary: Option<Arc<Paired>>,
    pub(super) shadow: Option<Arc<Paired>>,
    pub(super) shadow_record: Option<((u32, u32), Arc<ShadowRecord>)>,
    /// The versions to which the picture leads requests.
    pub(super) routed: BTreeSet<u32>,
}

/// What is kept of a version that can be called.
#[derive(Debug)]
pub(super) struct VersionRecords {
    pub(super) circuit: Arc<Circuit>,
    pub(super) stats: Arc<Stats>,
    pub(super) findings: Arc<Findings>,
    pub(super) monitor: Option<Arc<DriftMonitor>>,
}

impl Workbench {
    /// An empty one, whose circuits are counted here.
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { models: HashMap::new(), metrics }
    }

    /// What is kept of a model; begun, where there is nothing yet.
    pub(super) fn records(&mut self, name: &str) -> &mut ModelRecords {
        self.models.entry(name.to_owned()).or_default()
    }

    /// Some code of a model.
    pub(super) fn code(&self, (name, digest, metering): &CodeKey) -> Option<&Code> {
        self.models.get(name)?.code.get(&(*digest, *metering))
    }

    /// Whether a model's component has passed its golden examples under these limits.
    pub(super) fn is_proved(&self, (name, digest, limits): &Proof) -> bool {
        self.models.get(name).is_some_and(|records| records.proved.contains(&(*digest, *limits)))
    }

    /// Takes over what a change has prepared.
    pub(super) fn take_in(&mut self, prepared: &mut Prepared) {
        for ((name, digest, metering), code) in prepared.code.drain() {
            let records = self.records(&name);
            records.faults.remove(&digest);
            records.code.insert((digest, metering), code);
        }
        for (name, digest, limits) in prepared.proved.drain() {
            self.records(&name).proved.insert((digest, limits));
        }
    }

    /// Whether a model's component can be called under the model's own limits.
    pub(super) fn is_ready(&self, name: &str, model: &Model, digest: &Digest, config: &Config) -> bool {
        self.models.get(name).is_some_and(|records| records.is_ready(model, digest, config))
    }
}

impl ModelRecords {
    fn is_ready(&self, model: &Model, digest: &Digest, config: &Config) -> bool {
        self.code.contains_key(&(*digest, metering(&effective(config, model.limits()))))
    }

    /// Lets go of code that is not kept ready any more; calls that still run keep it.
    pub(super) fn keep_code(&mut self, model: &Model, warm: &BTreeSet<u32>, config: &Config) {
        let kind = metering(&effective(config, model.limits()));
        let wanted = warm.iter().filter_map(|number| model.versions.get(number));
        let wanted: HashSet<Digest> = wanted.map(|bound| bound.digest).collect();
        self.code.retain(|(digest, metering), _| *metering == kind && wanted.contains(digest));
        self.proved.retain(|(digest, limits)| metering(limits) == kind && wanted.contains(digest));
        self.faults.retain(|digest, _| wanted.contains(digest));
    }

    /// Lets go of what is kept of versions that are not called any more; calls that
    /// still run keep theirs.
    pub(super) fn keep_versions(&mut self, model: &Model, called: &BTreeSet<u32>, config: &Config) {
        let code = &self.code;
        let kind = metering(&effective(config, model.limits()));
        self.versions.retain(|number, _| {
            let digest = model.versions.get(number).map(|bound| bound.digest);
            called.contains(number) && digest.is_some_and(|digest| code.contains_key(&(digest, kind)))
        });
        if model.serving.is_none() {
            (self.canary, self.shadow, self.shadow_record) = (None, None, None);
            if self.versions.is_empty() {
                (self.lanes, self.series, self.turns) = (None, None, Arc::default());
            }
        }
    }

    /// Whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.code.is_empty() && self.faults.is_empty() && self.lanes.is_none()
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
