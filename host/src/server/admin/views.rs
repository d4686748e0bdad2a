//! A model as operators see it. Reads what is there, changes nothing.

use crate::registry::{Registry, Rollout};
use crate::server::error::HttpError;
use crate::server::versions::{Staleness, drifting};
use crate::serving::{Circuit, CircuitState, DifferenceReport, LastError, Routes, Served};
use crate::telemetry::unix_ms;
use scry_card::{Card, ChecksPatch};
use scry_catalog::{Fallback, LimitsPatch, Model, Reference, Step, Version};
use scry_names::{Digest, OciReference};
use scry_signatures::KeyId;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A version's circuit.
#[derive(Debug, Serialize)]
pub(in crate::server) struct ShownCircuit {
    model: String,
    version: u32,
    digest: Digest,
    #[serde(flatten)]
    circuit: CircuitState,
}

/// One model.
#[derive(Debug, Serialize)]
pub(in crate::server) struct Shown {
    model: String,
    /// `serving` or `withdrawn`.
    state: &'static str,
    live: Option<u32>,
    canary: Option<ShownCanary>,
    shadow: Option<ShownShadow>,
    versions: Vec<ShownVersion>,
    aliases: BTreeMap<String, u32>,
    fallback: Vec<Fallback>,
    limits: LimitsPatch,
    /// Where the model departs from the checks of its card.
    checks: ChecksPatch,
    deadline_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<Arc<Card>>,
}

#[derive(Debug, Serialize)]
struct ShownCanary {
    to: u32,
    percent: f64,
    step: usize,
    steps: Vec<Step>,
    since_ms: u64,
    #[serde(flatten)]
    rollout: Option<Rollout>,
}

#[derive(Debug, Serialize)]
struct ShownShadow {
    to: u32,
    percent: f64,
    /// Nothing while one of the two is not ready.
    report: Option<DifferenceReport>,
}

#[derive(Debug, Serialize)]
struct ShownVersion {
    version: u32,
    digest: Digest,
    /// Version of its crate, where the version is loaded and its card says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    crate_version: Option<String>,
    /// Labels of its card, where the version is loaded.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<OciReference>,
    /// The trusted key that signed it, or null; not there on a host that trusts no key in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<Option<KeyId>>,
    /// `ready`, `cold`, or why it is not available.
    state: String,
    /// Share of the requests that name no version, in percent.
    traffic_percent: f64,
    /// Requests since the version was loaded.
    requests: u64,
    /// Requests that it failed, or that its open circuit kept from it.
    errors: u64,
    last_errors: Vec<LastError>,
    /// The circuit of a version that is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    circuit: Option<CircuitState>,
    #[serde(flatten)]
    staleness: Staleness,
    /// Sides of the version in whose running epoch columns drift.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    drifting: Vec<&'static str>,
}

pub(in crate::server) fn model(
    registry: &Registry,
    routes: &Routes,
    name: &str,
    model: &Model,
    with_card: bool,
) -> Shown {
    let served = routes.models.get(name).map(AsRef::as_ref);
    let serving = model.serving.as_ref();
    let card = served.and_then(|served| served.target(served.serving.live).ok()).map(|target| target.card.clone());
    Shown {
        model: name.to_owned(),
        state: if serving.is_some() { "serving" } else { "withdrawn" },
        live: serving.map(|serving| serving.live),
        canary: served.and_then(|served| canary(registry, served)),
        shadow: served.and_then(shadow),
        versions: model.all().map(|version| version_of(registry, model, served, version)).collect(),
        aliases: serving.map(|serving| serving.aliases.clone()).unwrap_or_default(),
        fallback: serving.map(|serving| serving.fallback.clone()).unwrap_or_default(),
        limits: serving.map(|serving| serving.limits).unwrap_or_default(),
        checks: serving.map(|serving| serving.checks.clone()).unwrap_or_default(),
        deadline_ms: served.map(|served| u64::try_from(served.limits.deadline.as_millis()).unwrap_or(u64::MAX)),
        card: card.filter(|_| with_card),
    }
}

/// The circuit that a reference means, after something was done to it.
pub(in crate::server) fn circuit(
    routes: &Routes,
    reference: &Reference,
    act: impl FnOnce(&Circuit),
) -> Result<ShownCircuit, HttpError> {
    let version = routes.catalog.resolve(reference)?;
    let model = reference.model.clone();
    let called = routes.called(&model, version.number).ok_or_else(|| HttpError::cold(version))?;
    let circuit = &called.circuit;
    act(circuit);
    Ok(ShownCircuit { model, version: version.number, digest: version.digest, circuit: circuit.state() })
}

fn canary(registry: &Registry, served: &Served) -> Option<ShownCanary> {
    let canary = served.serving.canary.as_ref()?;
    Some(ShownCanary {
        to: canary.to,
        percent: canary.percent(),
        step: canary.step,
        steps: canary.steps.clone(),
        since_ms: canary.since_ms,
        rollout: registry.rollout(served),
    })
}

fn shadow(served: &Served) -> Option<ShownShadow> {
    let shadow = served.serving.shadow.as_ref()?;
    let report = served.shadow.as_ref().map(|arm| arm.seen.report());
    Some(ShownShadow { to: shadow.to, percent: shadow.percent, report })
}

fn version_of(registry: &Registry, model: &Model, served: Option<&Served>, version: Version) -> ShownVersion {
    let Version { number, digest } = version;
    let found = served.and_then(|served| served.versions.get(&number));
    let target = found.and_then(|found| found.as_ref().ok());
    let state = match found {
        None => "cold".to_owned(),
        Some(Ok(_)) => "ready".to_owned(),
        Some(Err(why)) => why.clone(),
    };
    let evidence = target.map(|target| target.stats.evidence()).unwrap_or_default();
    ShownVersion {
        version: number,
        digest,
        crate_version: target.and_then(|target| target.card.crate_version.clone()),
        labels: target.map(|target| target.card.labels.clone()).unwrap_or_default(),
        from: model.versions.get(&number).and_then(|bound| bound.from.clone()),
        signed_by: registry.signer(&digest),
        state,
        traffic_percent: served.map_or(0.0, |served| share(served, number)),
        requests: evidence.requests,
        errors: evidence.errors,
        last_errors: target.map(|target| target.stats.last_errors()).unwrap_or_default(),
        circuit: target.map(|target| target.circuit.state()),
        staleness: target.map(|target| Staleness::of(target, unix_ms())).unwrap_or_default(),
        drifting: target.and_then(|target| target.drift.as_ref()).map(|watch| drifting(watch)).unwrap_or_default(),
    }
}

fn share(served: &Served, number: u32) -> f64 {
    let canary = served.serving.canary.as_ref();
    let tried = canary.map_or(0.0, |canary| canary.percent());
    match canary {
        Some(canary) if canary.to == number => tried,
        _ if served.serving.live == number => 100.0 - tried,
        _ => 0.0,
    }
}
