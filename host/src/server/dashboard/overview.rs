//! Every model as the list shows it: what serves it, how that stands, and how its requests fared. Reads what is there,
//! judges nothing.

use super::Dashboard;
use crate::registry::Registry;
use crate::server::versions::{Staleness, drifting, role};
use crate::serving::{CircuitState, Routes, Served};
use crate::telemetry::Brief;
use scry_catalog::{Model, Phase};
use serde::Serialize;
use std::sync::atomic::Ordering;

/// Everything that is served, in brief.
#[derive(Debug, Serialize)]
pub(super) struct Overview {
    #[serde(flatten)]
    pub(super) host: ShownHost,
    pub(super) models: Vec<ShownModel>,
}

/// The host itself.
#[derive(Debug, Serialize)]
pub(super) struct ShownHost {
    /// Unix time.
    at_ms: u64,
    /// The host's version.
    version: &'static str,
    /// The number of the state.
    number: u64,
    /// Where predictions are answered.
    prediction: String,
    /// Whether the host serves what it should.
    ready: bool,
}

/// One model.
#[derive(Debug, Serialize)]
pub(super) struct ShownModel {
    pub(super) model: String,
    live: Option<u32>,
    deadline_ms: Option<u64>,
    /// Links of its fallback chain.
    fallbacks: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<ShownCanary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<ShownShare>,
    /// Versions that requests are led to, and others that are not called as they should be.
    versions: Vec<ShownVersion>,
    /// Nothing without requests since the host began.
    #[serde(skip_serializing_if = "Option::is_none")]
    hour: Option<Brief>,
}

#[derive(Debug, Serialize)]
struct ShownShare {
    to: u32,
    percent: f64,
}

#[derive(Debug, Serialize)]
struct ShownCanary {
    #[serde(flatten)]
    share: ShownShare,
    step: usize,
    steps: usize,
    /// What the host makes of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownVersion {
    version: u32,
    /// `live`, `canary`, `shadow`, or nothing.
    role: Option<&'static str>,
    /// Why it is not available.
    #[serde(skip_serializing_if = "Option::is_none")]
    unavailable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    circuit: Option<CircuitState>,
    #[serde(flatten)]
    staleness: Staleness,
    /// Sides in whose running epoch columns drift.
    drifting: Vec<&'static str>,
}

impl Overview {
    pub(super) fn of(dashboard: &Dashboard, now_ms: u64) -> Self {
        let registry = &dashboard.registry;
        let routes = registry.routes().load_full();
        let models = routes.catalog.models.iter().map(|(name, model)| {
            let live = model.serving.as_ref().map(|serving| serving.live);
            let hour = dashboard.hour.brief(name, live, now_ms);
            ShownModel { hour, ..of_model(registry, &routes, name, model, now_ms) }
        });
        let models = models.collect();
        let host = ShownHost {
            at_ms: now_ms,
            version: env!("CARGO_PKG_VERSION"),
            number: routes.number,
            prediction: dashboard.prediction.to_string(),
            ready: registry.ready().load(Ordering::Relaxed),
        };
        Self { host, models }
    }
}

fn of_model(registry: &Registry, routes: &Routes, name: &str, model: &Model, now_ms: u64) -> ShownModel {
    let served = routes.models.get(name).map(AsRef::as_ref);
    let serving = model.serving.as_ref();
    let canary = serving.and_then(|serving| serving.canary.as_ref());
    let shadow = serving.and_then(|serving| serving.shadow.as_ref());
    ShownModel {
        model: name.to_owned(),
        live: serving.map(|serving| serving.live),
        deadline_ms: served.map(|served| u64::try_from(served.limits.deadline.as_millis()).unwrap_or(u64::MAX)),
        fallbacks: serving.map_or(0, |serving| serving.fallback.len()),
        canary: canary.map(|canary| ShownCanary {
            share: ShownShare { to: canary.to, percent: canary.percent() },
            step: canary.step,
            steps: canary.steps.len(),
            status: served.and_then(|served| registry.rollout(served)).map(|rollout| rollout.status),
        }),
        shadow: shadow.map(|shadow| ShownShare { to: shadow.to, percent: shadow.percent }),
        versions: versions(routes, name, served, now_ms),
        hour: None,
    }
}

fn versions(routes: &Routes, name: &str, served: Option<&Served>, now_ms: u64) -> Vec<ShownVersion> {
    let called = routes.called.get(name);
    let kept = served.into_iter().flat_map(|served| served.versions.iter());
    let mut shown: Vec<_> = kept
        .filter_map(|(number, found)| {
            let role = served.and_then(|served| role(served, *number));
            let circuit = called.and_then(|called| called.get(number)).map(|called| called.circuit.state());
            let is_shown = role.is_some() || circuit.as_ref().is_some_and(is_notable);
            is_shown.then(|| ShownVersion {
                version: *number,
                role,
                unavailable: found.as_ref().err().cloned(),
                circuit,
                staleness: found.as_ref().map(|target| Staleness::of(target, now_ms)).unwrap_or_default(),
                drifting: found
                    .as_ref()
                    .ok()
                    .and_then(|target| target.drift.as_deref())
                    .map(drifting)
                    .unwrap_or_default(),
            })
        })
        .collect();
    // A shadow is kept apart from the versions that requests may name.
    let shadow = served.and_then(|served| served.serving.shadow.as_ref()).map(|shadow| shadow.to);
    if let Some(number) = shadow.filter(|number| shown.iter().all(|version| version.version != *number)) {
        let circuit = called.and_then(|called| called.get(&number)).map(|called| called.circuit.state());
        let unavailable = served.is_some_and(|served| served.shadow.is_none()).then(|| "not ready".to_owned());
        let (staleness, drifting) = (Staleness::default(), Vec::new());
        shown.push(ShownVersion { version: number, role: Some("shadow"), unavailable, circuit, staleness, drifting });
    }
    shown
}

/// Whether a circuit is one that somebody should look at, whatever it is the circuit of.
fn is_notable(circuit: &CircuitState) -> bool {
    circuit.forced || circuit.state != Phase::Closed
}
