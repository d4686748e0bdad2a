//! From a catalog and what is ready to the picture that requests see.

use super::workbench::{Kind, Warm, Workbench, effective, metering};
use crate::config::Config;
use crate::drift::Paired;
use crate::serving::{
    Circuit, FallbackError, FallbackLink, LogLimits, Routes, Served, ServedVersion, ShadowArm, Validation,
};
use crate::telemetry::{ModelSeries, unix_ms};
use scry_card::Card;
use scry_catalog::{Catalog, LimitsPatch, Serving, Spare, Version};
use scry_scheduler::{Lane, LaneLimits};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

impl Workbench {
    /// The picture of a catalog.
    pub(super) fn routes(&mut self, catalog: &Arc<Catalog>, warm: &Warm, config: &Config, number: u64) -> Routes {
        self.reroute(catalog);
        let served = catalog.models.iter().filter_map(|(name, model)| Some((name, model.serving.as_ref()?)));
        let models = served.map(|(name, serving)| {
            let numbers = warm.get(name);
            (name.clone(), Arc::new(self.served(catalog, name, serving, numbers, config)))
        });
        let models = models.collect();
        self.let_go(catalog);
        let (circuits, watches) = (self.circuits.clone(), self.watches.clone());
        Routes { models, circuits, watches, catalog: catalog.clone(), number }
    }

    fn served(
        &mut self,
        catalog: &Arc<Catalog>,
        name: &str,
        serving: &Serving,
        numbers: Option<&BTreeSet<u32>>,
        config: &Config,
    ) -> Served {
        let routed: BTreeSet<u32> = serving.routed().collect();
        let mut versions = BTreeMap::new();
        let paired = self.pair_with_canary(catalog, name, serving, config);
        for number in numbers.into_iter().flatten().copied() {
            let paired = paired.clone().filter(|paired| [paired.live, paired.to].contains(&number));
            match self.target(catalog, name, number, paired, config) {
                // Kept ready if possible, but not there: cold, like those that were not asked for.
                Err(Missing::Cold) if !routed.contains(&number) => {}
                target => drop(versions.insert(number, target.map_err(|missing| missing.why(number)))),
            }
        }
        let ready = |number: u32| versions.get(&number).and_then(|target| target.as_ref().ok());
        let live = ready(serving.live);
        let card = live.map(|target| target.card.clone()).or_else(|| self.spare_card(catalog, serving));
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
        let turns = self.turns.entry(name.to_owned()).or_default().clone();
        let series = self.series_of(name);
        let (name, serving, catalog) = (name.to_owned(), serving.clone(), catalog.clone());
        Served {
            name,
            serving,
            catalog,
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
        let link = |spare: &Spare| {
            let Some(card) = card else { return FallbackLink::Unavailable("no version is ready".into()) };
            match spare {
                Spare::Constant(row) => or_unavailable(FallbackLink::constant(name, &card.schema, row)),
                Spare::Model(reference) => {
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

    /// The form of a model whose live version is not ready: its first spare's.
    fn spare_card(&self, catalog: &Catalog, serving: &Serving) -> Option<Arc<Card>> {
        serving.spares().find_map(|reference| {
            let digest = catalog.resolve(reference).ok()?.digest;
            let code = self.code.iter().find(|((_, code, _), _)| *code == digest);
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
        let Some(code) = self.code.get(&(name.to_owned(), version.digest, metering(&limits))).cloned() else {
            let fault = self.faults.get(&(name.to_owned(), version.digest)).cloned();
            return Err(fault.map_or(Missing::Cold, Missing::Fault));
        };
        let key = (name.to_owned(), number);
        self.used.versions.insert(key.clone());
        let pause = Duration::from_millis(config.limits.circuit_pause_ms);
        let [lane, _] = self.lanes_of(name, model.limits(), config);
        let series = self.series_of(name);
        let found = self.found.entry(key.clone()).or_default().clone();
        let checks = model.serving.as_ref().map(|serving| serving.checks.clone()).unwrap_or_default();
        let validation = Validation::new(&code.card, &checks, config.validation.detail(), found)
            .map_err(|error| Missing::Fault(format!("its checks cannot be run: {error}")))?;
        let drift = self.watch(name, version, &code, config);
        validation.health.look(&code.card, drift.as_deref(), unix_ms());
        let circuit = || Arc::new(Circuit::new(name, number, pause, self.metrics.clone()));
        Ok(Arc::new(ServedVersion {
            circuit: self.circuits.entry(key.clone()).or_insert_with(circuit).clone(),
            stats: self.stats.entry(key).or_default().clone(),
            model: name.to_owned(),
            version,
            digest_text: version.digest.to_string().into(),
            card: code.card,
            golden: code.golden,
            loaded: code.loaded,
            limits,
            lane,
            series,
            validation,
            log_limits: LogLimits::default(),
            drift,
            paired,
        }))
    }

    fn shadow(
        &mut self,
        name: &str,
        serving: &Serving,
        versions: &BTreeMap<u32, Result<Arc<ServedVersion>, String>>,
    ) -> Option<Arc<ShadowArm>> {
        let Some(shadow) = &serving.shadow else {
            self.seen.remove(name);
            self.pairs.remove(&(name.to_owned(), Kind::Shadow));
            return None;
        };
        let ready = |number: u32| versions.get(&number).and_then(|target| target.as_ref().ok());
        let (live, target) = (ready(serving.live)?, ready(shadow.to)?.clone());
        let Ok(FallbackLink::Version { inputs, outputs, target }) = FallbackLink::to(name, &live.card.schema, target)
        else {
            return None;
        };
        let pair = (serving.live, shadow.to);
        let seen = self.seen.entry(name.to_owned()).or_insert_with(|| (pair, Arc::default()));
        if seen.0 != pair {
            *seen = (pair, Arc::default());
        }
        let (fields, seen) = (live.card.schema.outputs.clone(), seen.1.clone());
        let paired = self.pair_with_shadow(name, live, &target);
        Some(Arc::new(ShadowArm { target, percent: shadow.percent, inputs, outputs, fields, paired, seen }))
    }

    fn series_of(&mut self, name: &str) -> Arc<ModelSeries> {
        let fresh = || Arc::new(ModelSeries::new(name, self.metrics.clone()));
        self.series.entry(name.to_owned()).or_insert_with(fresh).clone()
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
        self.used.lanes.insert(name.to_owned());
        // Tasks are never joined: nothing holds them back.
        let reading = LaneLimits { batch_max_rows: 0, batch_delay: Duration::ZERO, ..limits };
        let fresh = || [limits, reading].map(|limits| Arc::new(Lane::new(name, limits)));
        let lanes = self.lanes.entry(name.to_owned()).or_insert_with(fresh);
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
