//! Which models exist, which version is live, what stands in for it.
//!
//! Pure state and decisions: every change makes a new catalog from an old one
//! or an error. Never does I/O, never reads a clock, never runs a model.

mod compatibility;
mod latencies;
mod reference;
mod rollout;

pub use compatibility::{Breaking, Side, breaking};
pub use latencies::Latencies;
pub use reference::{Reference, VersionRef};
pub use rollout::{Bounds, Canary, Evidence, Shadow, Step, Verdict, share_point, spread, takes};

use crate::store::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Everything an operator has decided.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// By name.
    pub models: BTreeMap<String, Model>,
}

/// One model: its versions and how it is served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Version `n` is at `n - 1`: numbers are never used twice.
    pub versions: Vec<Digest>,
    /// The version that answers when a request names none.
    pub live: u32,
    /// Names that operators move.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, u32>,
    /// Who answers when the live version can't, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<Spare>,
    /// Where the deployment departs from the configured limits.
    #[serde(default)]
    pub limits: LimitsPatch,
}

/// One link of a fallback chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spare {
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
        }
    }
}

/// What `deploy` changes; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deployment {
    /// The version to make live.
    pub to: Option<VersionRef>,
    /// The whole new fallback chain.
    pub fallback: Option<Vec<Spare>>,
    /// Limits to change.
    pub limits: LimitsPatch,
    /// Aliases to set, each on a version.
    pub aliases: BTreeMap<String, VersionRef>,
}

/// A version as a reference finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
    /// A limit of the catalog itself.
    #[error("{0}")]
    Full(String),
    /// A fallback chain that cannot be followed.
    #[error("fallback of `{model}`: {message}")]
    Fallback {
        /// The model.
        model: String,
        /// What is wrong.
        message: String,
    },
    /// An alias that could be taken for something else.
    #[error("`{0}` cannot be an alias: use 1 to 64 of a-z, 0-9, `-`, `_`, starting with a letter")]
    Alias(String),
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
    const MODELS_MAX: usize = 1000;
    const VERSIONS_MAX: usize = 1000;
    const FALLBACK_MAX: usize = 4;
    const ALIASES_MAX: usize = 32;

    /// Gives a digest its number: the one it has, or the next. A model's first
    /// version goes live.
    pub fn publish(&self, name: &str, digest: Digest) -> Result<(Self, Version), CatalogError> {
        let mut next = self.clone();
        if !next.models.contains_key(name) && next.models.len() >= Self::MODELS_MAX {
            return Err(CatalogError::Full(format!("the host holds its most models, {}", Self::MODELS_MAX)));
        }
        let model = next.models.entry(name.to_owned()).or_insert_with(|| Model {
            versions: Vec::new(),
            live: 1,
            aliases: BTreeMap::new(),
            fallback: Vec::new(),
            limits: LimitsPatch::default(),
        });
        if let Some(version) = model.number_of(&digest) {
            return Ok((next, version));
        }
        if model.versions.len() >= Self::VERSIONS_MAX {
            return Err(CatalogError::Full(format!("`{name}` has its most versions, {}", Self::VERSIONS_MAX)));
        }
        model.versions.push(digest);
        let number = u32::try_from(model.versions.len()).unwrap_or(u32::MAX);
        Ok((next, Version { number, digest }))
    }

    /// Changes what is live, what stands in, and within which limits.
    pub fn deploy(&self, name: &str, change: &Deployment) -> Result<Self, CatalogError> {
        let mut next = self.clone();
        let before = self.model(name)?;
        let mut model = before.clone();
        if let Some(to) = &change.to {
            model.live = before.resolve(name, to)?.number;
        }
        for (alias, version) in &change.aliases {
            if !reference::is_alias(alias) {
                return Err(CatalogError::Alias(alias.chars().take(80).collect()));
            }
            model.aliases.insert(alias.clone(), before.resolve(name, version)?.number);
        }
        if model.aliases.len() > Self::ALIASES_MAX {
            return Err(CatalogError::Full(format!("`{name}` has its most aliases, {}", Self::ALIASES_MAX)));
        }
        if let Some(fallback) = &change.fallback {
            self.check_fallback(name, fallback)?;
            model.fallback.clone_from(fallback);
        }
        model.limits = change.limits.over(before.limits);
        next.models.insert(name.to_owned(), model);
        Ok(next)
    }

    /// A model by name.
    pub fn model(&self, name: &str) -> Result<&Model, CatalogError> {
        self.models.get(name).ok_or_else(|| CatalogError::UnknownModel(name.chars().take(80).collect()))
    }

    /// The version that a reference means now.
    pub fn resolve(&self, reference: &Reference) -> Result<Version, CatalogError> {
        let model = self.model(&reference.model)?;
        match &reference.version {
            Some(version) => model.resolve(&reference.model, version),
            None => model.live(&reference.model),
        }
    }

    fn check_fallback(&self, name: &str, fallback: &[Spare]) -> Result<(), CatalogError> {
        let wrong = |message: String| Err(CatalogError::Fallback { model: name.to_owned(), message });
        if fallback.len() > Self::FALLBACK_MAX {
            return wrong(format!("at most {} links, found {}", Self::FALLBACK_MAX, fallback.len()));
        }
        for (i, spare) in fallback.iter().enumerate() {
            match spare {
                Spare::Model(reference) => {
                    self.resolve(reference)?;
                    if reference.model == name && reference.version.is_none() {
                        return wrong("a model cannot stand in for itself; name a version, as in `model@1`".into());
                    }
                }
                Spare::Constant(_) if i + 1 < fallback.len() => {
                    return wrong("a constant always answers: it can only be the last link".into());
                }
                Spare::Constant(_) => {}
            }
        }
        Ok(())
    }
}

impl Model {
    /// The live version.
    pub fn live(&self, name: &str) -> Result<Version, CatalogError> {
        self.resolve(name, &VersionRef::Number(self.live))
    }

    /// The version that a reference means now.
    pub fn resolve(&self, name: &str, version: &VersionRef) -> Result<Version, CatalogError> {
        let found = match version {
            VersionRef::Number(number) => self.at(*number),
            VersionRef::Alias(alias) => self.aliases.get(alias).and_then(|&number| self.at(number)),
            VersionRef::Digest(digest) => self.number_of(digest),
        };
        found.ok_or_else(|| CatalogError::UnknownVersion {
            model: name.to_owned(),
            version: version.to_string(),
            known: self.known(),
        })
    }

    /// All versions, oldest first.
    pub fn all(&self) -> impl Iterator<Item = Version> + '_ {
        (1..).zip(&self.versions).map(|(number, &digest)| Version { number, digest })
    }

    fn at(&self, number: u32) -> Option<Version> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        self.versions.get(at).map(|&digest| Version { number, digest })
    }

    fn number_of(&self, digest: &Digest) -> Option<Version> {
        self.all().find(|version| version.digest == *digest)
    }

    fn known(&self) -> String {
        let aliases: String = self.aliases.iter().map(|(alias, number)| format!(", {alias} = {number}")).collect();
        format!("1 to {}{aliases}", self.versions.len())
    }
}

#[cfg(test)]
mod tests;
