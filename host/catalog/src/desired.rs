//! The whole of what should run, as one document that people keep in files.
//!
//! Never reads or fetches anything: the registry looks up a version whose bytes
//! the host does not know yet.

mod chain;
#[cfg(test)]
mod tests;

use super::{
    Bound, Bounds, Canary, Catalog, CatalogError, Fallback, LimitsPatch, Model, Serving, Shadow, Step, VersionRef,
};
use scry_card::{ChecksPatch, shortened};
use scry_names::text::{check_tables, whole_number};
use scry_names::{Digest, OciReference};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Models, as they should be served. A model is withdrawn if it says so, or if
/// a document that prunes and is whole does not name it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Desired {
    /// Whether callers may be broken by a new version's schema.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_breaking: bool,
    /// Whether models that are not named are withdrawn. It comes first, so that
    /// a document that is cut short lacks the `end` that it asks for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prune: bool,
    /// By name.
    #[serde(default)]
    pub models: BTreeMap<String, DesiredModel>,
    /// The last table of a document, which says that it is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

/// `[end]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// How many models the document names.
    pub models: usize,
}

/// One model, as it should be served.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredModel {
    /// The version that answers when a request names none. A model without it
    /// stays as it is served and has only `versions`, which others may fall
    /// back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<VersionRef>,
    /// Whether it is served no longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
    /// Names that operators move, each on a number or a digest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, VersionRef>,
    /// What answers when the live version can't.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "chain")]
    pub fallback: Vec<Fallback>,
    /// The version that takes a share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<DesiredCanary>,
    /// The version that runs as a shadow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<DesiredShadow>,
    /// Where it departs from the configured limits.
    #[serde(default, skip_serializing_if = "LimitsPatch::is_empty")]
    pub limits: LimitsPatch,
    /// Where it departs from the checks of its card.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub checks: ChecksPatch,
    /// What its versions are, for a host that does not know them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, DesiredVersion>,
}

/// A version, by content or by where to fetch it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredVersion {
    /// The component; without it, whatever `from` holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Where it is fetched, if the host does not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<OciReference>,
}

/// A canary, as it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredCanary {
    /// Which version.
    pub to: VersionRef,
    /// Its shares.
    pub steps: Vec<Step>,
    /// The step to begin with, from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub step: usize,
    /// When it is taken back.
    #[serde(default)]
    pub bounds: Bounds,
}

/// A shadow, as it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredShadow {
    /// Which version.
    pub to: VersionRef,
    /// On which share of the requests, in percent.
    pub percent: f64,
}

/// Why a document cannot become what runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DesiredError {
    /// Not TOML, an unknown key, a wrong type.
    #[error("the document is not readable: {0}")]
    Unreadable(String),
    /// It says nothing of any model.
    #[error("the document names no model: expected `[models.NAME]` with `live`, or with `withdrawn = true`")]
    Empty,
    /// It does not end as it should.
    #[error("{0}; it may be cut short")]
    Incomplete(String),
    /// A version that is not described well enough.
    #[error("models.{model}.versions.{number}: {message}")]
    Version {
        /// The model.
        model: String,
        /// The key.
        number: String,
        /// What is wrong.
        message: String,
    },
    /// What it says cannot be.
    #[error("models.{model}: {error}")]
    Catalog {
        /// The model.
        model: String,
        /// Why not.
        error: CatalogError,
    },
}

/// The name of the table that a line begins.
fn table_name(line: &str) -> Option<&str> {
    let (name, _) = line.trim_start().strip_prefix('[')?.split_once(']')?;
    Some(name.trim().trim_matches('"'))
}

fn is_first(step: &usize) -> bool {
    *step == 0
}

impl Desired {
    /// Reads a document.
    pub fn from_toml(text: &str) -> Result<Self, DesiredError> {
        /// The line at fault is repeated, however long it is.
        const MESSAGE_MAX_BYTES: usize = 4096;
        let unreadable = |message: String| DesiredError::Unreadable(shortened(message, MESSAGE_MAX_BYTES));
        let desired: Self = toml::from_str(text).map_err(|e| unreadable(e.to_string()))?;
        let document = toml::from_str(text).map_err(|e| unreadable(e.to_string()))?;
        check_tables::<Self>(document).map_err(unreadable)?;
        desired.check_whole(text)?;
        Ok(desired)
    }

    /// A document that was cut short somewhere must not be taken for a whole one.
    fn check_whole(&self, text: &str) -> Result<(), DesiredError> {
        let incomplete = |message: String| Err(DesiredError::Incomplete(message));
        let named = self.models.len();
        let is_last = || text.lines().rev().find_map(table_name) == Some("end");
        match self.end {
            Some(End { models }) if models != named => {
                incomplete(format!("[end] says `models = {models}`, and the document names {named}"))
            }
            Some(_) if !is_last() => incomplete("expected `[end]` to be the last table of the document".into()),
            None if self.prune => incomplete(
                "`prune = true` wants a closing `[end]` with `models = N`, the number of models named".into(),
            ),
            _ if self.prune && !text.ends_with('\n') => incomplete("expected a line feed at the document's end".into()),
            _ if named == 0 && !self.prune => Err(DesiredError::Empty),
            _ => Ok(()),
        }
    }

    /// Writes it.
    pub fn to_toml(&self) -> Result<String, DesiredError> {
        toml::to_string(self).map_err(|e| DesiredError::Unreadable(e.to_string()))
    }

    /// What a catalog serves.
    pub fn of(catalog: &Catalog) -> Self {
        let warm = catalog.warm(0);
        let model = |(name, model): (&String, &Arc<Model>)| {
            let number = |number: u32| VersionRef::Number(number);
            let wanted = warm.get(name)?.iter();
            let versions = wanted.filter_map(|number| Some((*number, model.versions.get(number)?)));
            let versions = versions.map(|(number, Bound { digest, from })| {
                (number.to_string(), DesiredVersion { digest: Some(*digest), from: from.clone() })
            });
            let versions = versions.collect();
            let Some(serving) = &model.serving else {
                return Some((name.clone(), DesiredModel { withdrawn: true, versions, ..DesiredModel::default() }));
            };
            let desired = DesiredModel {
                live: Some(number(serving.live)),
                withdrawn: false,
                aliases: serving.aliases.iter().map(|(alias, at)| (alias.clone(), number(*at))).collect(),
                fallback: serving.fallback.clone(),
                canary: serving.canary.as_ref().map(|canary| DesiredCanary {
                    to: number(canary.to),
                    steps: canary.steps.clone(),
                    step: canary.step,
                    bounds: canary.bounds,
                }),
                shadow: serving
                    .shadow
                    .as_ref()
                    .map(|shadow| DesiredShadow { to: number(shadow.to), percent: shadow.percent }),
                limits: serving.limits,
                checks: serving.checks.clone(),
                versions,
            };
            Some((name.clone(), desired))
        };
        let models: BTreeMap<_, _> = catalog.models.iter().filter_map(model).collect();
        let end = Some(End { models: models.len() });
        Self { allow_breaking: false, prune: true, models, end }
    }

    /// The versions that the document binds.
    pub fn versions(&self) -> Result<Vec<(&str, u32, &DesiredVersion)>, DesiredError> {
        let all = self.models.iter().flat_map(|(name, model)| {
            model.versions.iter().map(move |(key, version)| {
                let wrong = |message: &str| DesiredError::Version {
                    model: name.clone(),
                    number: key.chars().take(20).collect(),
                    message: message.into(),
                };
                let number = whole_number(key).filter(|&number: &u32| number > 0);
                let number = number.ok_or_else(|| wrong("expected a number from 1"))?;
                if version.digest.is_none() && version.from.is_none() {
                    return Err(wrong("expected a `digest`, a `from`, or both"));
                }
                Ok((name.as_str(), number, version))
            })
        });
        all.collect()
    }

    /// The catalog that serves this, given what its versions are.
    pub fn onto(
        &self,
        before: &Catalog,
        bound: &BTreeMap<(String, u32), Bound>,
        now_ms: u64,
    ) -> Result<Catalog, DesiredError> {
        let of = |model: &str| {
            let model = model.to_owned();
            move |error| DesiredError::Catalog { model: model.clone(), error }
        };
        let mut next = before.clone();
        for ((name, number), bound) in bound {
            next.bind(name, *number, bound).map_err(of(name))?;
        }
        for (name, model) in before.models.iter() {
            if model.serving.is_some() && self.models.get(name).map_or(self.prune, |wanted| wanted.withdrawn) {
                next.models.update(name, |model| model.serving = None);
            }
        }
        for (name, wanted) in &self.models {
            wanted.check_live(name).map_err(of(name))?;
            let Some(live) = &wanted.live else { continue };
            let serving = wanted.serving(name, live, &next, now_ms).map_err(of(name))?;
            next.set_serving(name, serving).map_err(of(name))?;
        }
        next.check_all_fallbacks().and_then(|()| next.check_own_fallbacks(before)).map_err(|error| {
            let model = if let CatalogError::Fallback { model, .. } = &error { model.clone() } else { String::new() };
            DesiredError::Catalog { model, error }
        })?;
        Ok(next)
    }
}

impl DesiredModel {
    /// A model that says how it is served, but not what, is a mistake.
    fn check_live(&self, name: &str) -> Result<(), CatalogError> {
        let (withdrawn, versions) = (self.withdrawn, self.versions.clone());
        let is_versions_alone = *self == (Self { withdrawn, versions, ..Self::default() });
        let message = match (&self.live, withdrawn) {
            (Some(_), false) => return Ok(()),
            (Some(_), true) => "expected `live` or `withdrawn`, found both",
            (None, true) if is_versions_alone => return Ok(()),
            (None, false) if is_versions_alone && !self.versions.is_empty() => return Ok(()),
            (None, true) => "expected a model that is withdrawn to have `versions` alone",
            (None, false) => "expected `live`, or `withdrawn = true`; a model without them has `versions` alone",
        };
        Err(CatalogError::Deployment { model: name.to_owned(), message: message.into() })
    }

    fn serving(&self, name: &str, live: &VersionRef, catalog: &Catalog, now_ms: u64) -> Result<Serving, CatalogError> {
        let model = catalog.model(name)?;
        let aliases: BTreeMap<String, u32> = self
            .aliases
            .iter()
            .map(|(alias, to)| Ok((alias.clone(), model.resolve(name, to)?.number)))
            .collect::<Result<_, CatalogError>>()?;
        let number = |to: &VersionRef| {
            let alias = if let VersionRef::Alias(alias) = to { aliases.get(alias) } else { None };
            alias.map_or_else(|| model.resolve(name, to).map(|version| version.number), |&number| Ok(number))
        };
        let canary = match &self.canary {
            None => None,
            Some(DesiredCanary { to, steps, step, bounds }) => {
                let to = number(to)?;
                let running = model.serving.as_ref().and_then(|serving| serving.canary.as_ref());
                // The one that runs already goes on where it is.
                let same = running.filter(|running| {
                    running.to == to && running.steps == *steps && running.bounds == *bounds && running.step >= *step
                });
                let fresh = || Canary { to, steps: steps.clone(), step: *step, since_ms: now_ms, bounds: *bounds };
                Some(same.cloned().unwrap_or_else(fresh))
            }
        };
        let shadow = match &self.shadow {
            None => None,
            Some(DesiredShadow { to, percent }) => Some(Shadow { to: number(to)?, percent: *percent }),
        };
        let live = number(live)?;
        Ok(Serving {
            live,
            canary,
            shadow,
            aliases,
            fallback: self.fallback.clone(),
            limits: self.limits,
            checks: self.checks.clone(),
        })
    }
}

/// What differs between two catalogs, one line each: `- models.fraud.live = 3`.
pub fn differences(before: &Catalog, after: &Catalog) -> Vec<String> {
    let (before, after) = (lines(before), lines(after));
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    let changed = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
    let both = changed.flat_map(|key| {
        let line = |sign: char, value: Option<&String>| value.map(|value| format!("{sign} {key} = {value}"));
        [line('-', before.get(key)), line('+', after.get(key))]
    });
    both.flatten().collect()
}

/// Every leaf of what is served, and every version, by its path.
fn lines(catalog: &Catalog) -> BTreeMap<String, String> {
    fn flatten(path: String, value: Value, lines: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                // No document asks when a step began.
                let wished = map.into_iter().filter(|(key, _)| key != "since_ms");
                wished.for_each(|(key, value)| flatten(format!("{path}.{key}"), value, lines));
            }
            leaf => {
                lines.insert(path, leaf.to_string());
            }
        }
    }
    let mut lines = BTreeMap::new();
    for (name, model) in catalog.models.iter() {
        for (number, bound) in &model.versions {
            let from = bound.from.as_ref().map(|from| format!(" from {from}")).unwrap_or_default();
            lines.insert(format!("models.{name}.versions.{number}"), format!("{}{from}", bound.digest));
        }
        // A serving state is plain data: it always becomes JSON.
        if let Some(serving) = model.serving.as_ref().and_then(|serving| serde_json::to_value(serving).ok()) {
            flatten(format!("models.{name}"), serving, &mut lines);
        }
    }
    lines
}
