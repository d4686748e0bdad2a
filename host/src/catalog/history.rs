//! How the catalog came to be what it is: every change, numbered, append-only.
//!
//! Change `n` leads to state `n`; any state that the history still holds can be
//! brought back. Pure: what is read and written are values, not files.

use super::{Bound, Catalog, CatalogError, Model, Serving};
use crate::store::Digest;
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
    /// A whole state: the start of a history that was cut.
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
        /// The oldest.
        from: u64,
        /// The newest.
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
    /// Who.
    pub by: String,
    /// What was done.
    pub what: String,
    /// The state that was brought back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored: Option<u64>,
    /// From and to, line by line.
    pub changes: Vec<String>,
}

/// The changes that are kept, and the state before the first of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    start: u64,
    start_catalog: Catalog,
    start_file: Option<Digest>,
    changes: Vec<Change>,
}

impl Change {
    /// What leads from one catalog to another; nothing, where they are equal.
    pub fn between(before: &Catalog, after: &Catalog) -> BTreeMap<String, ModelChange> {
        let none = Model::default();
        let changed = |(name, after): (&String, &Model)| {
            let before = before.models.get(name).unwrap_or(&none);
            let versions = after.versions.iter().filter(|(number, bound)| before.versions.get(number) != Some(bound));
            let versions: BTreeMap<_, _> = versions.map(|(number, bound)| (*number, bound.clone())).collect();
            let serving = (before.serving != after.serving).then(|| match &after.serving {
                Some(serving) => ServingChange::Serve(Box::new(serving.clone())),
                None => ServingChange::Withdraw,
            });
            let change = ModelChange { versions, serving };
            (change != ModelChange::default()).then(|| (name.clone(), change))
        };
        after.models.iter().filter_map(changed).collect()
    }

    fn apply(&self, catalog: &mut Catalog) {
        for (name, change) in &self.models {
            let model = catalog.models.entry(name.clone()).or_default();
            model.versions.extend(change.versions.iter().map(|(number, bound)| (*number, bound.clone())));
            match &change.serving {
                Some(ServingChange::Serve(serving)) => model.serving = Some((**serving).clone()),
                Some(ServingChange::Withdraw) => model.serving = None,
                None => {}
            }
        }
    }

    fn reroutes(&self, model: &str) -> bool {
        self.models.get(model).is_some_and(|change| change.serving.is_some())
    }
}

impl History {
    /// Follows records from the first to the last. A whole state begins anew
    /// wherever it stands.
    pub fn replay(records: impl IntoIterator<Item = Record>) -> Result<(Self, Catalog), HistoryError> {
        let (mut history, mut catalog) = (Self::default(), Catalog::default());
        for record in records {
            match record {
                Record::State { number, catalog: whole, file } => {
                    catalog.clone_from(&whole);
                    history = Self { start: number, start_catalog: whole, start_file: file, changes: Vec::new() };
                }
                Record::Change(change) if change.number == history.last() + 1 => {
                    change.apply(&mut catalog);
                    history.changes.push(change);
                }
                Record::Change(change) => {
                    let found = format!("change {}", change.number);
                    return Err(HistoryError::Gap { after: history.last(), found });
                }
            }
        }
        Ok((history, catalog))
    }

    /// The records that lead here again.
    pub fn records(&self) -> Vec<Record> {
        let catalog = self.start_catalog.clone();
        let start = Record::State { number: self.start, catalog, file: self.start_file };
        std::iter::once(start).chain(self.changes.iter().cloned().map(Record::Change)).collect()
    }

    /// Where it stands, as one record: the catalog is the one that it led to.
    pub fn checkpoint(&self, catalog: Catalog) -> Record {
        Record::State { number: self.last(), catalog, file: self.file() }
    }

    /// The file that was applied last, by content.
    pub fn file(&self) -> Option<Digest> {
        self.changes.iter().rev().find_map(|change| change.file).or(self.start_file)
    }

    /// The number of the newest change; 0 before the first.
    pub fn last(&self) -> u64 {
        self.changes.last().map_or(self.start, |change| change.number)
    }

    /// The changes that are kept, oldest first.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Takes in the next change.
    pub fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Forgets changes before `at_ms`, and more where there are more than `changes_max`.
    pub fn cut(&mut self, at_ms: u64, changes_max: usize) -> bool {
        let old = self.changes.iter().take_while(|change| change.at_ms < at_ms).count();
        let cut = old.max(self.changes.len().saturating_sub(changes_max));
        for change in self.changes.drain(..cut) {
            change.apply(&mut self.start_catalog);
            self.start = change.number;
            self.start_file = change.file.or(self.start_file);
        }
        cut > 0
    }

    /// The catalog after change `number`.
    pub fn state(&self, number: u64) -> Result<Catalog, HistoryError> {
        if !(self.start..=self.last()).contains(&number) {
            return Err(HistoryError::NoState { number, from: self.start, to: self.last() });
        }
        let mut catalog = self.start_catalog.clone();
        self.changes.iter().take_while(|change| change.number <= number).for_each(|change| change.apply(&mut catalog));
        Ok(catalog)
    }

    /// The newest changes, newest first, of one model or of all.
    pub fn told(&self, model: Option<&str>, most: usize) -> Vec<Told> {
        let concerns = |change: &&Change| model.is_none_or(|model| change.models.contains_key(model));
        let first =
            self.changes.iter().rev().filter(concerns).take(most).last().map_or(u64::MAX, |change| change.number);
        let mut catalog = self.start_catalog.clone();
        let mut told = Vec::new();
        for change in &self.changes {
            if change.number < first || !concerns(&change) {
                change.apply(&mut catalog);
                continue;
            }
            let before = catalog.only(change.models.keys());
            change.apply(&mut catalog);
            let after = catalog.only(change.models.keys());
            told.push(Told {
                number: change.number,
                at_ms: change.at_ms,
                by: change.by.clone(),
                what: change.what.clone(),
                restored: change.restored,
                changes: super::differences(&before, &after),
            });
        }
        told.reverse();
        told
    }

    /// What every state that is kept refers to, and what was published since.
    pub fn referenced(&self) -> std::collections::BTreeSet<Digest> {
        let mut catalog = self.start_catalog.clone();
        let mut digests = catalog.referenced();
        for change in &self.changes {
            change.apply(&mut catalog);
            digests.extend(catalog.referenced());
            digests.extend(change.models.values().flat_map(|model| model.versions.values().map(|bound| bound.digest)));
        }
        digests
    }

    /// How a model was served before, and by which state that is known. Going
    /// back twice goes back further; a canary that was tried is not tried again.
    pub fn before(&self, model: &str, now: Option<&Serving>) -> Result<(u64, Serving), HistoryError> {
        let nothing = || HistoryError::Nothing(model.to_owned());
        let mut position = self.position(model, self.last()).ok_or_else(nothing)?;
        // Each turn finds an older change: this ends.
        loop {
            let older = position.checked_sub(1).ok_or_else(nothing)?;
            position = self.newest(model, older).ok_or_else(nothing)?;
            let serving = self.serving_at(model, position).map(Serving::without_canary);
            if let Some(serving) = serving.filter(|serving| Some(serving) != now) {
                return Ok((position, serving));
            }
        }
    }

    /// How a change that rerouted a model left it.
    fn serving_at(&self, model: &str, number: u64) -> Option<&Serving> {
        match self.change(number) {
            None => self.start_catalog.models.get(model)?.serving.as_ref(),
            Some(change) => match change.models.get(model)?.serving.as_ref()? {
                ServingChange::Serve(serving) => Some(serving),
                ServingChange::Withdraw => None,
            },
        }
    }

    /// The state that the model is in, seen through rollbacks.
    fn position(&self, model: &str, from: u64) -> Option<u64> {
        let mut number = self.newest(model, from)?;
        // Each step leads to an older change: this ends.
        while let Some(restored) = self.change(number).and_then(|change| change.restored) {
            number = self.newest(model, restored.min(number.saturating_sub(1)))?;
        }
        Some(number)
    }

    /// The newest state, at most `number`, that came from rerouting the model.
    fn newest(&self, model: &str, number: u64) -> Option<u64> {
        let mut older = self.changes.iter().rev().skip_while(|change| change.number > number);
        let change = older.find(|change| change.reroutes(model)).map(|change| change.number);
        let start_serves = self.start_catalog.models.get(model).is_some_and(|model| model.serving.is_some());
        change.or((start_serves && number >= self.start).then_some(self.start))
    }

    fn change(&self, number: u64) -> Option<&Change> {
        let at = usize::try_from(number.checked_sub(self.start + 1)?).ok()?;
        self.changes.get(at)
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
        for (name, model) in &mut next.models {
            let serving = state.models.get(name).and_then(|model| model.serving.clone());
            if model.serving != serving {
                model.serving = serving.map(|serving| serving.begun(now_ms));
            }
        }
        next.check_all_fallbacks()?;
        Ok(next)
    }
}
