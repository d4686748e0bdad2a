//! From a catalog and what is ready to the picture that requests see.
//!
//! Makes anew what a change concerns, and takes over the rest as it is.

use super::monitors::monitor;
use super::workbench::{VersionRecords, Versions, Workbench, circuit_pause, effective, metering};
use crate::config::Config;
use crate::drift::Paired;
use crate::serving::{
    CalledVersion, Circuit, FallbackError, FallbackLink, LogLimits, Routes, Served, ServedVersion, ShadowArm,
    Validation,
};
use crate::telemetry::{ModelSeries, VersionSeries, unix_ms};
use scry_card::Card;
use scry_catalog::{Catalog, Fallback, LimitsPatch, Model, Serving, Version};
use scry_scheduler::{Lane, LaneLimits};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The models that a change concerns, and their versions.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) names: BTreeSet<String>,
    /// What is kept ready.
    pub(super) warm: Versions,
    /// What requests are led to.
    pub(super) routed: Versions,
}

impl Workbench {
    /// The picture of a catalog, from the one before.
    pub(super) fn routes(
        &mut self,
        before: &Routes,
        scope: &Scope,
        catalog: &Arc<Catalog>,
        config: &Config,
        number: u64,
    ) -> Routes {
        self.reroute(scope, config);
        let (mut models, mut called) = (before.models.clone(), before.called.clone());
        for (name, model) in scope.names.iter().filter_map(|name| Some((name, catalog.models.get(name)?))) {
            let none = BTreeSet::new();
            let warm = scope.warm.get(name).unwrap_or(&none);
            match &model.serving {
                Some(serving) => {
                    let served = self.served(catalog, name, model, serving, warm, config);
                    models.insert_cow(name.clone(), Arc::new(served));
                }
                None => drop(models.remove_cow(name)),
            }
        }
        self.let_go(scope, catalog, config);
        for name in &scope.names {
            let versions = self.models.get(name).into_iter().flat_map(|records| &records.versions);
            let of = |version: &VersionRecords| CalledVersion {
                circuit: version.circuit.clone(),
                stats: version.stats.clone(),
                monitor: version.monitor.clone(),
            };
            let versions: BTreeMap<u32, CalledVersion> =
                versions.map(|(number, version)| (*number, of(version))).collect();
            if versions.is_empty() {
                called.remove_cow(name);
            } else {
                called.insert_cow(name.clone(), Arc::new(versions));
            }
        }
        Routes { models, called, catalog: catalog.clone(), number }
    }

    fn served(
        &mut self,
        catalog: &Arc<Catalog>,
        name: &str,
        model: &Arc<Model>,
        serving: &Serving,
        warm: &BTreeSet<u32>,
        config: &Config,
    ) -> Served {
        let routed: BTreeSet<u32> = serving.routed().collect();
        let mut versions = BTreeMap::new();
        let paired = self.records(name).pair_with_canary(model, serving, config);
        for number in warm.iter().copied() {
            let paired = paired.clone().filter(|paired| [paired.live, paired.to].contains(&number));
            match self.target(catalog, name, number, paired, config) {
                // Kept ready if possible, but not there: cold, like those that were not asked for.
                Err(Missing::Cold) if !routed.contains(&number) => {}
                target => drop(versions.insert(number, target.map_err(|missing| missing.why(number)))),
            }
        }
        let ready = |number: u32| versions.get(&number).and_then(|target| target.as_ref().ok());
        let live = ready(serving.live);
        let card = live.map(|target| target.card.clone()).or_else(|| self.fallback_card(catalog, serving));
        let fallback = self.chain(catalog, name, card.as_deref(), serving, config);
        let canary_fallback = match &serving.canary {
            None => Vec::new(),
            Some(canary) => {
                // A fallback answers for a canary that is not ready, too, in the live version's form.
                let form = ready(canary.to).map(|canary| canary.card.clone()).or(card);
                let behind = match (live, &form) {
                    (Some(live), Some(form)) => or_unavailable(FallbackLink::to(name, &form.schema, live.clone())),
                    _ => FallbackLink::Unavailable(format!("version {} is not ready", serving.live)),
                };
                let mut links = vec![behind];
                links.extend(self.chain(catalog, name, form.as_deref(), serving, config));
                links
            }
        };
        let shadow = self.shadow(name, serving, &versions);
        let limits = effective(config, serving.limits);
        let [lane, reading] = self.lanes_of(name, serving.limits, config);
        let turns = self.records(name).turns.clone();
        let series = self.series_of(name);
        Served {
            name: name.to_owned(),
            serving: serving.clone(),
            model: model.clone(),
            versions,
            fallback,
            canary_fallback,
            shadow,
            lane,
            reading,
            limits,
            turns,
            series,
        }
    }

    fn chain(
        &mut self,
        catalog: &Arc<Catalog>,
        name: &str,
        card: Option<&Card>,
        serving: &Serving,
        config: &Config,
    ) -> Vec<FallbackLink> {
        let link = |fallback: &Fallback| {
            let Some(card) = card else { return FallbackLink::Unavailable("no version is ready".into()) };
            match fallback {
                Fallback::Constant(row) => or_unavailable(FallbackLink::constant(name, &card.schema, row)),
                Fallback::Model(reference) => {
                    let Ok(version) = catalog.resolve(reference) else {
                        return FallbackLink::Unavailable(format!("`{reference}` is not there"));
                    };
                    match self.target(catalog, &reference.model, version.number, None, config) {
                        Ok(target) => or_unavailable(FallbackLink::to(name, &card.schema, target)),
                        Err(missing) => FallbackLink::Unavailable(missing.why(version.number)),
                    }
                }
            }
        };
        serving.fallback.iter().map(link).collect()
    }

    /// The form of a model whose live version is not ready: its first fallback's.
    fn fallback_card(&self, catalog: &Catalog, serving: &Serving) -> Option<Arc<Card>> {
        serving.fallback_models().find_map(|reference| {
            let digest = catalog.resolve(reference).ok()?.digest;
            let code = self.models.get(&reference.model)?.code.iter().find(|((of, _), _)| *of == digest);
            code.map(|(_, code)| code.card.clone())
        })
    }

    fn target(
        &mut self,
        catalog: &Catalog,
        name: &str,
        number: u32,
        paired: Option<Arc<Paired>>,
        config: &Config,
    ) -> Result<Arc<ServedVersion>, Missing> {
        let model = catalog.model(name).map_err(|_| Missing::Cold)?;
        let version: Version = model.version(name, number).map_err(|_| Missing::Cold)?;
        let limits = effective(config, model.limits());
        let records = self.records(name);
        let Some(code) = records.code.get(&(version.digest, metering(&limits))).cloned() else {
            let fault = records.faults.get(&version.digest).cloned();
            return Err(fault.map_or(Missing::Cold, Missing::Fault));
        };
        let [lane, _] = self.lanes_of(name, model.limits(), config);
        let (series, metrics) = (self.series_of(name), self.metrics.clone());
        let begin = || VersionRecords {
            circuit: Arc::new(Circuit::new(name, number, circuit_pause(config), metrics)),
            stats: Arc::default(),
            findings: Arc::default(),
            monitor: monitor(name, version, &code, config),
        };
        let kept = self.records(name).versions.entry(number).or_insert_with(begin);
        let checks = model.serving.as_ref().map(|serving| serving.checks.clone()).unwrap_or_default();
        let validation = Validation::new(&code.card, &checks, config.validation.detail(), kept.findings.clone())
            .map_err(|error| Missing::Fault(format!("its checks cannot be run: {error}")))?;
        validation.health.look(&code.card, kept.monitor.as_deref(), unix_ms());
        Ok(Arc::new(ServedVersion {
            circuit: kept.circuit.clone(),
            stats: kept.stats.clone(),
            drift: kept.monitor.clone(),
            model: name.to_owned(),
            version,
            digest_text: version.digest.to_string().into(),
            card: code.card,
            golden: code.golden,
            loaded: code.loaded,
            limits,
            lane,
            series: VersionSeries::new(series, number),
            validation,
            log_limits: LogLimits::default(),
            paired,
        }))
    }

    fn shadow(
        &mut self,
        name: &str,
        serving: &Serving,
        versions: &BTreeMap<u32, Result<Arc<ServedVersion>, String>>,
    ) -> Option<Arc<ShadowArm>> {
        let records = self.records(name);
        let Some(shadow) = &serving.shadow else {
            (records.shadow, records.shadow_record) = (None, None);
            return None;
        };
        let ready = |number: u32| versions.get(&number).and_then(|target| target.as_ref().ok());
        let (live, target) = (ready(serving.live)?, ready(shadow.to)?.clone());
        let Ok(FallbackLink::Version { inputs, outputs, target }) = FallbackLink::to(name, &live.card.schema, target)
        else {
            return None;
        };
        let pair = (serving.live, shadow.to);
        let so_far = records.shadow_record.take().filter(|(of, _)| *of == pair);
        let (_, seen) = records.shadow_record.insert(so_far.unwrap_or_else(|| (pair, Arc::default())));
        let (fields, seen) = (live.card.schema.outputs.clone(), seen.clone());
        let paired = records.pair_with_shadow(live, &target);
        Some(Arc::new(ShadowArm { target, percent: shadow.percent, inputs, outputs, fields, paired, seen }))
    }

    fn series_of(&mut self, name: &str) -> Arc<ModelSeries> {
        let metrics = self.metrics.clone();
        let fresh = || Arc::new(ModelSeries::new(name, metrics));
        self.records(name).series.get_or_insert_with(fresh).clone()
    }

    /// A model's lanes outlive its routes: calls on an old version count too.
    fn lanes_of(&mut self, name: &str, patch: LimitsPatch, config: &Config) -> [Arc<Lane>; 2] {
        let limits = &config.limits;
        let deadline_ms = patch.deadline_ms.unwrap_or(limits.deadline_ms);
        let queue_time_ms = match patch.queue_time_max_ms.unwrap_or(limits.queue_time_max_ms) {
            0 => deadline_ms / 2,
            ms => ms,
        };
        let limits = LaneLimits {
            in_flight_max: patch.in_flight_max.unwrap_or_else(|| config.in_flight_max()).max(1),
            queue_max: patch.queue_max.unwrap_or(limits.queue_max),
            queue_time_max: Duration::from_millis(queue_time_ms),
            batch_max_rows: patch.batch_max_rows.unwrap_or(limits.batch_max_rows),
            batch_delay: Duration::from_millis(patch.batch_delay_ms.unwrap_or(limits.batch_delay_ms)),
        };
        // Tasks are never joined: nothing holds them back.
        let reading = LaneLimits { batch_max_rows: 0, batch_delay: Duration::ZERO, ..limits };
        let fresh = || [limits, reading].map(|limits| Arc::new(Lane::new(name, limits)));
        let lanes = self.records(name).lanes.get_or_insert_with(fresh);
        let [lane, _] = &*lanes;
        if *lane.limits() != limits {
            *lanes = fresh();
        }
        lanes.clone()
    }
}

/// Why a version cannot be called.
enum Missing {
    /// It is not loaded, and loading was not tried.
    Cold,
    /// It was tried, and this came of it.
    Fault(String),
}

impl Missing {
    fn why(self, number: u32) -> String {
        match self {
            Self::Cold => format!("version {number} is not loaded"),
            Self::Fault(why) => why,
        }
    }
}

fn or_unavailable(link: Result<FallbackLink, FallbackError>) -> FallbackLink {
    link.unwrap_or_else(|error| FallbackLink::Unavailable(error.to_string()))
}
