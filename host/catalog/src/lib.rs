//! Which models exist, how each is served, and how that came about.
//!
//! Pure state and decisions: every change makes a new catalog from an old one
//! or an error. Never does I/O, never reads a clock, never runs a model.

#![forbid(unsafe_code)]

mod breaker;
mod compatibility;
mod desired;
mod freshness;
mod history;
mod latencies;
mod models;
mod operations;
mod reference;
mod rollout;

pub use breaker::{Breaker, CircuitOpen, Outcome, Override, Period, Phase};
pub use compatibility::{Breaking, Side, breaking};
pub use desired::{Desired, DesiredError, End, differences};
pub use freshness::{Freshness, FreshnessError};
pub use history::{Change, History, HistoryError, Record, Told};
pub use latencies::Latencies;
pub use models::Models;
pub use operations::{Deployment, ShadowRequest};
pub use reference::{Reference, ReferenceError, VersionRef};
pub use rollout::{Bounds, Canary, Evidence, Shadow, Step, Verdict, share_point, spread, takes};

use scry_card::ChecksPatch;
use scry_names::{Digest, OciReference};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Everything an operator has decided.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// By name.
    pub models: Models,
}

/// One model: its versions, and how it is served.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// By number, from 1. A number once bound means the same bytes for ever.
    pub versions: BTreeMap<u32, Bound>,
    /// What a change replaces and a rollback brings back; nothing: withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<Serving>,
}

/// What a version's number is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// The component.
    pub digest: Digest,
    /// Where it can be fetched again, pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<OciReference>,
}

/// How a model is served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serving {
    /// The version that answers when a request names none.
    pub live: u32,
    /// The version that takes a share of those requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// The version that runs beside the live one as a shadow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    /// Names that operators move.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, u32>,
    /// What answers when the live version can't, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<Fallback>,
    /// Where the deployment departs from the configured limits.
    #[serde(default, skip_serializing_if = "LimitsPatch::is_empty")]
    pub limits: LimitsPatch,
    /// Where it departs from the checks of the model's card.
    #[serde(default, skip_serializing_if = "is_default")]
    pub checks: ChecksPatch,
}

/// Whether a setting is as if it had not been given.
fn is_default<T: Default + PartialEq>(setting: &T) -> bool {
    *setting == T::default()
}

/// One link of a fallback chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// A component: another model, or another version.
    Model(Reference),
    /// The same answer for every row; always the last link.
    Constant(Map<String, Value>),
}

/// Limits that a deployment sets for itself; `None` keeps the configured one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsPatch {
    /// Milliseconds from arrival to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Instructions, roughly; 0 switches counting off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Linear memory, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_max_bytes: Option<u64>,
    /// Answer, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_max_bytes: Option<u64>,
    /// Calls that may run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight_max: Option<usize>,
    /// Calls that may wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_max: Option<usize>,
    /// Milliseconds that one may wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_time_max_ms: Option<u64>,
    /// Rows of waiting requests that one call may answer together; below 2 none are joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_max_rows: Option<usize>,
    /// Milliseconds that a request is held back for others to join it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_delay_ms: Option<u64>,
}

impl LimitsPatch {
    /// This patch on top of an earlier one.
    pub fn over(self, earlier: Self) -> Self {
        Self {
            deadline_ms: self.deadline_ms.or(earlier.deadline_ms),
            fuel: self.fuel.or(earlier.fuel),
            memory_max_bytes: self.memory_max_bytes.or(earlier.memory_max_bytes),
            output_max_bytes: self.output_max_bytes.or(earlier.output_max_bytes),
            in_flight_max: self.in_flight_max.or(earlier.in_flight_max),
            queue_max: self.queue_max.or(earlier.queue_max),
            queue_time_max_ms: self.queue_time_max_ms.or(earlier.queue_time_max_ms),
            batch_max_rows: self.batch_max_rows.or(earlier.batch_max_rows),
            batch_delay_ms: self.batch_delay_ms.or(earlier.batch_delay_ms),
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A version as a reference finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Version {
    /// Counted from 1.
    pub number: u32,
    /// Bound to the number for ever.
    pub digest: Digest,
}

/// Why a change or a look-up is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// No model has this name.
    #[error("model `{0}` is not known")]
    UnknownModel(String),
    /// The model has no such version.
    #[error("model `{model}` has no version `{version}`; it has {known}")]
    UnknownVersion {
        /// The model.
        model: String,
        /// What was asked for.
        version: String,
        /// Which versions and aliases there are.
        known: String,
    },
    /// A model that nothing serves.
    #[error("model `{0}` is withdrawn: `scry deploy {0} --to VERSION` serves it again")]
    Withdrawn(String),
    /// A limit of the catalog itself.
    #[error("{0}")]
    Full(String),
    /// A number that is bound to other bytes already.
    #[error("version {number} of `{model}` is bound to {bound}; it cannot become {wanted}")]
    Bound {
        /// The model.
        model: String,
        /// The number.
        number: u32,
        /// What it means, for ever.
        bound: Digest,
        /// What it was to mean.
        wanted: Digest,
    },
    /// A fallback chain that cannot be followed.
    #[error("fallback of `{model}`: {message}")]
    Fallback {
        /// The model.
        model: String,
        /// What is wrong.
        message: String,
    },
    /// A deployment that contradicts itself or what is there.
    #[error("deployment of `{model}`: {message}")]
    Deployment {
        /// The model.
        model: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// An alias that could be taken for something else.
    #[error("`{0}` cannot be an alias: use 1 to 64 of a-z, 0-9, `-`, `_`, starting with a letter")]
    Alias(String),
    /// Checks that cannot be set so.
    #[error("checks of `{model}`: {message}")]
    Checks {
        /// The model.
        model: String,
        /// Which, expected and found.
        message: String,
    },
    /// A limit out of its range.
    #[error("limit `{key}`: expected {expected}, found {found}")]
    Limit {
        /// Which.
        key: &'static str,
        /// Its range.
        expected: String,
        /// What was asked for.
        found: String,
    },
}

impl Catalog {
    /// Begins every canary's step that is not in `before` at `now_ms`: when it is
    /// recorded, and not when it was decided.
    pub fn begun(mut self, before: &Self, now_ms: u64) -> Self {
        let canary = |model: &Model| model.serving.as_ref()?.canary.clone();
        for name in self.changed(before) {
            let was = before.models.get(&name).and_then(|model| canary(model));
            let is = self.models.get(&name).and_then(|model| canary(model));
            if is.is_some_and(|canary| was.is_none_or(|was| was.since_ms != canary.since_ms)) {
                self.models.update(&name, |model| {
                    model.serving = model.serving.take().map(|serving| serving.begun(now_ms));
                });
            }
        }
        self
    }

    /// The models that are not as in an earlier catalog.
    pub fn changed(&self, before: &Self) -> BTreeSet<String> {
        self.models.changed(&before.models)
    }

    /// These models, those that they fall back to, and those that fall back to them:
    /// all that a change of these models may concern.
    pub fn concerned(&self, names: &BTreeSet<String>) -> BTreeSet<String> {
        let served = |name: &String| self.models.get(name)?.serving.as_ref();
        let called = names.iter().filter_map(served).flat_map(Serving::fallback_models).map(|fallback| &fallback.model);
        let callers = names.iter().flat_map(|name| self.models.callers(name));
        names.iter().chain(called).chain(callers).cloned().collect()
    }

    /// Every reference to a model in the chain of any.
    fn references_to(&self, name: &str) -> impl Iterator<Item = &Reference> {
        let serving = |caller: &String| self.models.get(caller)?.serving.as_ref();
        let chains = self.models.callers(name).filter_map(serving).flat_map(Serving::fallback_models);
        chains.filter(move |fallback| fallback.model == name)
    }

    /// Versions that a model may have.
    pub const VERSIONS_MAX: usize = 10_000;

    /// A model by name.
    pub fn model(&self, name: &str) -> Result<&Model, CatalogError> {
        self.models.get(name).map(AsRef::as_ref).ok_or_else(|| CatalogError::UnknownModel(shortened(name)))
    }

    /// How a model is served.
    pub fn serving(&self, name: &str) -> Result<&Serving, CatalogError> {
        self.model(name)?.serving.as_ref().ok_or_else(|| CatalogError::Withdrawn(name.to_owned()))
    }

    /// The version that a reference means now.
    pub fn resolve(&self, reference: &Reference) -> Result<Version, CatalogError> {
        let model = self.model(&reference.model)?;
        match &reference.version {
            Some(version) => model.resolve(&reference.model, version),
            None => model.version(&reference.model, self.serving(&reference.model)?.live),
        }
    }

    /// Of each of these models, every version that has to be ready: what is routed, what
    /// a reference in any chain means, and the newest few, so that a version can be tried
    /// before it is deployed.
    pub fn warm_of(&self, names: &BTreeSet<String>, newest: usize) -> BTreeMap<String, BTreeSet<u32>> {
        let mut warm: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for (name, model) in names.iter().filter_map(|name| Some((name, self.models.get(name)?))) {
            let Some(serving) = &model.serving else { continue };
            let numbers = warm.entry(name.clone()).or_default();
            numbers.extend(serving.routed());
            numbers.extend(model.versions.keys().rev().take(newest));
        }
        for fallback in names.iter().flat_map(|name| self.references_to(name)) {
            if let Ok(version) = self.resolve(fallback) {
                warm.entry(fallback.model.clone()).or_default().insert(version.number);
            }
        }
        warm
    }

    /// Of all models, every version that has to be ready.
    pub fn warm(&self, newest: usize) -> BTreeMap<String, BTreeSet<u32>> {
        self.warm_of(&self.models.keys().cloned().collect(), newest)
    }

    /// Whether a component is a version of any model.
    pub fn binds(&self, digest: &Digest) -> bool {
        self.models.having(*digest).next().is_some()
    }

    /// Every component that how a model is served refers to.
    pub(crate) fn referenced_by(&self, name: &str) -> impl Iterator<Item = Digest> + '_ {
        let model = self.models.get(name).and_then(|model| Some((model, model.serving.as_ref()?)));
        model.into_iter().flat_map(|(model, serving)| {
            let own = serving.routed().filter_map(|number| model.at(number));
            own.chain(serving.fallback_models().filter_map(|fallback| self.resolve(fallback).ok()))
                .map(|version| version.digest)
        })
    }

    /// Every component that how things are served refers to.
    pub fn referenced(&self) -> BTreeSet<Digest> {
        self.models.keys().flat_map(|name| self.referenced_by(name)).collect()
    }
}

impl Model {
    /// The version that a reference means now.
    pub fn resolve(&self, name: &str, version: &VersionRef) -> Result<Version, CatalogError> {
        let found = match version {
            VersionRef::Number(number) => self.at(*number),
            VersionRef::Alias(alias) => {
                let aliases = self.serving.as_ref().map(|serving| &serving.aliases);
                aliases.and_then(|aliases| aliases.get(alias)).and_then(|&number| self.at(number))
            }
            VersionRef::Digest(digest) => self.number_of(digest),
        };
        found.ok_or_else(|| CatalogError::UnknownVersion {
            model: name.to_owned(),
            version: version.to_string(),
            known: self.known(),
        })
    }

    /// A version by number.
    pub fn version(&self, name: &str, number: u32) -> Result<Version, CatalogError> {
        self.resolve(name, &VersionRef::Number(number))
    }

    /// Where it departs from the configured limits.
    pub fn limits(&self) -> LimitsPatch {
        self.serving.as_ref().map(|serving| serving.limits).unwrap_or_default()
    }

    /// All versions, oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = Version> + '_ {
        self.versions.iter().map(|(&number, bound)| Version { number, digest: bound.digest })
    }

    fn at(&self, number: u32) -> Option<Version> {
        self.versions.get(&number).map(|bound| Version { number, digest: bound.digest })
    }

    fn number_of(&self, digest: &Digest) -> Option<Version> {
        self.all().find(|version| version.digest == *digest)
    }

    fn known(&self) -> String {
        let numbers = match (self.versions.first_key_value(), self.versions.last_key_value()) {
            (Some((first, _)), Some((last, _))) => format!("{first} to {last}"),
            _ => "none".into(),
        };
        let aliases = self.serving.iter().flat_map(|serving| &serving.aliases);
        let aliases: String = aliases.map(|(alias, number)| format!(", {alias} = {number}")).collect();
        format!("{numbers}{aliases}")
    }
}

impl Serving {
    /// A model that only has a live version.
    pub fn of(live: u32) -> Self {
        Self {
            live,
            canary: None,
            shadow: None,
            aliases: BTreeMap::new(),
            fallback: Vec::new(),
            limits: LimitsPatch::default(),
            checks: ChecksPatch::default(),
        }
    }

    /// The versions of the model itself that requests may reach by name.
    pub fn routed(&self) -> impl Iterator<Item = u32> + '_ {
        let canary = self.canary.as_ref().map(|canary| canary.to);
        let shadow = self.shadow.as_ref().map(|shadow| shadow.to);
        [Some(self.live), canary, shadow].into_iter().flatten().chain(self.aliases.values().copied())
    }

    /// The components of the fallback chain.
    pub fn fallback_models(&self) -> impl Iterator<Item = &Reference> {
        self.fallback.iter().filter_map(|fallback| match fallback {
            Fallback::Model(reference) => Some(reference),
            Fallback::Constant(_) => None,
        })
    }

    /// Begins its canary's step at `now_ms`.
    pub fn begun(mut self, now_ms: u64) -> Self {
        if let Some(canary) = &mut self.canary {
            canary.since_ms = now_ms;
        }
        self
    }

    /// How it is served once its canary has ended.
    pub fn without_canary(&self) -> Self {
        Self { canary: None, ..self.clone() }
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
