//! How the catalog came to be what it is: every change, numbered, append-only.
//!
//! Change `n` leads to state `n`; any state that the history still holds can be
//! brought back. Pure: what is read and written are values, not files.

mod kept;

pub use kept::History;

use super::{Bound, Catalog, CatalogError, Model, Serving};
use scry_names::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Counted from 1, over all models.
    pub number: u64,
    /// Unix time, in milliseconds.
    pub at_ms: u64,
    /// The admin token's name; `scry` where the host decided by itself.
    pub by: String,
    /// What was done, for people: `deploy`, `canary rolled back: …`.
    pub what: String,
    /// The state that was brought back, by number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<u64>,
    /// The file that was applied, by content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Digest>,
    /// What changed, by model.
    pub models: BTreeMap<String, ModelChange>,
}

/// What changed of one model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelChange {
    /// Numbers that were bound, or got to know where they come from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<u32, Bound>,
    /// How it is served from then on, where that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<ServingChange>,
}

/// How a model is served after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServingChange {
    /// Like this.
    Serve(Box<Serving>),
    /// Not at all.
    Withdraw,
}

/// One line of the history as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// A whole state: the start of a history that was cut, or goes on after a loss.
    State {
        /// The change that led to it.
        number: u64,
        /// What it is.
        catalog: Catalog,
        /// The file that was applied last, by content.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<Digest>,
    },
    /// What changed.
    Change(Change),
}

/// Why a history cannot be read or followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// A record that does not follow from those before it.
    #[error("the history does not lead anywhere: after change {after} comes {found}")]
    Gap {
        /// The last change that follows.
        after: u64,
        /// What comes instead.
        found: String,
    },
    /// A state that is not kept.
    #[error("the history holds no state {number}; it has {from} to {to}")]
    NoState {
        /// What was asked for.
        number: u64,
        /// The oldest state kept.
        from: u64,
        /// The newest state.
        to: u64,
    },
    /// A state that changes which are lost may have had a part in.
    #[error(
        "state {number} cannot be brought back: changes {from} to {to} are lost to damage; \
         `scry rollback MODEL --to {number}` brings a model back that a change in between rerouted"
    )]
    Lost {
        /// What was asked for.
        number: u64,
        /// The first change that is lost.
        from: u64,
        /// The last change lost.
        to: u64,
    },
    /// The model was not there, or not served.
    #[error("model `{model}` was not served at state {number}: see `scry history {model}`")]
    NotServed {
        /// The model.
        model: String,
        /// The state.
        number: u64,
    },
    /// Nothing came before.
    #[error("model `{0}` has no state to go back to: see `scry history {0}`")]
    Nothing(String),
}

/// A change as people read it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// The state it led to.
    pub number: u64,
    /// Unix time, in milliseconds.
    pub at_ms: u64,
    /// Who made the change.
    pub by: String,
    /// What was done.
    pub what: String,
    /// The state that was brought back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored: Option<u64>,
    /// Changes right before this one that are lost to damage, from and to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<(u64, u64)>,
    /// From and to, line by line.
    pub changes: Vec<String>,
}

impl Change {
    /// What leads from one catalog to another; nothing, where they are equal.
    pub fn between(before: &Catalog, after: &Catalog) -> BTreeMap<String, ModelChange> {
        let none = Model::default();
        let changed = |name: String| {
            let before = before.models.get(&name).map_or(&none, AsRef::as_ref);
            let after = after.models.get(&name)?;
            let versions = after.versions.iter().filter(|(number, bound)| before.versions.get(number) != Some(bound));
            let versions: BTreeMap<_, _> = versions.map(|(number, bound)| (*number, bound.clone())).collect();
            let serving = (before.serving != after.serving).then(|| match &after.serving {
                Some(serving) => ServingChange::Serve(Box::new(serving.clone())),
                None => ServingChange::Withdraw,
            });
            let change = ModelChange { versions, serving };
            (change != ModelChange::default()).then_some((name, change))
        };
        after.changed(before).into_iter().filter_map(changed).collect()
    }

    fn apply(&self, catalog: &mut Catalog) {
        for (name, change) in &self.models {
            catalog.models.update(name, |model| {
                model.versions.extend(change.versions.iter().map(|(number, bound)| (*number, bound.clone())));
                match &change.serving {
                    Some(ServingChange::Serve(serving)) => model.serving = Some((**serving).clone()),
                    Some(ServingChange::Withdraw) => model.serving = None,
                    None => {}
                }
            });
        }
    }

    /// How it reroutes a model, if it does.
    fn rerouted(&self, model: &str) -> Option<&ServingChange> {
        self.models.get(model)?.serving.as_ref()
    }

    /// The models that it withdraws.
    pub fn withdrawn(&self) -> impl Iterator<Item = &str> {
        let withdrawn = |change: &ModelChange| matches!(change.serving, Some(ServingChange::Withdraw));
        self.models.iter().filter(move |(_, change)| withdrawn(change)).map(|(name, _)| name.as_str())
    }
}

impl ServingChange {
    fn serving(&self) -> Option<&Serving> {
        match self {
            Self::Serve(serving) => Some(serving),
            Self::Withdraw => None,
        }
    }
}

impl Record {
    /// The number of the change, or of the state.
    pub fn number(&self) -> u64 {
        match self {
            Self::State { number, .. } => *number,
            Self::Change(change) => change.number,
        }
    }
}

impl Catalog {
    fn only<'a>(&self, names: impl Iterator<Item = &'a String>) -> Self {
        let models = names.filter_map(|name| Some((name.clone(), self.models.get(name)?.clone())));
        Self { models: models.collect() }
    }

    /// Every model as another catalog serves it; what that one does not know
    /// is withdrawn. Versions stay as they are; a canary's step begins anew.
    pub fn restored(&self, state: &Self, now_ms: u64) -> Result<Self, CatalogError> {
        let mut next = self.clone();
        for (name, model) in self.models.iter() {
            let serving = state.models.get(name).and_then(|model| model.serving.clone());
            if model.serving != serving {
                next.models.update(name, |model| model.serving = serving.map(|serving| serving.begun(now_ms)));
            }
        }
        next.check_all_fallbacks()?;
        Ok(next)
    }
}
