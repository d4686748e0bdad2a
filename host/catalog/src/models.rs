//! The models of a catalog by name, and what is looked up from the other side: which
//! models have a component, and which fall back to a model.
//!
//! Copies share what stays as it is, so that a change costs what it changes, however
//! many models there are. Never decides anything.

use super::Model;
use immutable_chunkmap::{map::MapS, set::SetS};
use scry_names::Digest;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Models by name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "BTreeMap<String, Arc<Model>>")]
pub struct Models {
    by_name: MapS<String, Arc<Model>>,
    /// Every component of every model, with the model.
    having: SetS<(Digest, String)>,
    /// Every model that is in the chain of a model that is served, with the latter.
    callers: SetS<(String, String)>,
}

impl Models {
    /// A model.
    pub fn get(&self, name: &str) -> Option<&Arc<Model>> {
        self.by_name.get(name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Arc<Model>)> {
        self.by_name.into_iter()
    }

    /// The names of all, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.iter().map(|(name, _)| name)
    }

    /// All, in the order of their names.
    pub fn values(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.iter().map(|(_, model)| model)
    }

    /// The models that have a component among their versions.
    pub fn having(&self, digest: Digest) -> impl Iterator<Item = &String> {
        let first = (digest, String::new());
        self.having.range(first..).take_while(move |(of, _)| *of == digest).map(|(_, name)| name)
    }

    /// The models whose chains have this model.
    pub(crate) fn callers(&self, model: &str) -> impl Iterator<Item = &String> {
        let first = (model.to_owned(), String::new());
        self.callers.range(first..).take_while(move |(of, _)| of == model).map(|(_, name)| name)
    }

    /// Changes a model, or begins one.
    pub(crate) fn update<T>(&mut self, name: &str, change: impl FnOnce(&mut Model) -> T) -> T {
        let mut model = self.get(name).cloned().unwrap_or_default();
        let changed = change(Arc::make_mut(&mut model));
        self.insert(name.to_owned(), model);
        changed
    }

    /// Sets a model, and what is looked up from the other side.
    pub(crate) fn insert(&mut self, name: String, model: Arc<Model>) {
        let was = self.by_name.insert_cow(name.clone(), model.clone()).unwrap_or_default();
        let (before, after) = (digests(&was), digests(&model));
        for digest in before.difference(&after) {
            self.having.remove_cow(&(*digest, name.clone()));
        }
        for digest in after.difference(&before) {
            self.having.insert_cow((*digest, name.clone()));
        }
        let (before, after) = (called(&was), called(&model));
        for other in before.difference(&after) {
            self.callers.remove_cow(&((*other).clone(), name.clone()));
        }
        for other in after.difference(&before) {
            self.callers.insert_cow(((*other).clone(), name.clone()));
        }
    }

    /// The names of those that are not as in another catalog.
    pub(crate) fn changed(&self, before: &Self) -> BTreeSet<String> {
        let mut earlier = before.iter().peekable();
        let is_changed = |(name, model): &(&String, &Arc<Model>)| {
            // What both share is found without a look at names: nothing puts one model under two of them.
            if earlier.next_if(|(_, was)| Arc::ptr_eq(was, model)).is_some() {
                return false;
            }
            while earlier.next_if(|(other, _)| *other < *name).is_some() {}
            let was = earlier.next_if(|(other, _)| *other == *name);
            was.is_none_or(|(_, was)| was != *model)
        };
        self.iter().filter(is_changed).map(|(name, _)| name.clone()).collect()
    }
}

fn digests(model: &Model) -> BTreeSet<Digest> {
    model.versions.values().map(|bound| bound.digest).collect()
}

fn called(model: &Model) -> BTreeSet<&String> {
    model.serving.iter().flat_map(|serving| serving.fallback_models()).map(|fallback| &fallback.model).collect()
}

impl FromIterator<(String, Arc<Model>)> for Models {
    fn from_iter<I: IntoIterator<Item = (String, Arc<Model>)>>(all: I) -> Self {
        let mut models = Self::default();
        all.into_iter().for_each(|(name, model)| models.insert(name, model));
        models
    }
}

impl From<BTreeMap<String, Arc<Model>>> for Models {
    fn from(all: BTreeMap<String, Arc<Model>>) -> Self {
        all.into_iter().collect()
    }
}

impl Serialize for Models {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl PartialEq for Models {
    fn eq(&self, other: &Self) -> bool {
        self.by_name == other.by_name
    }
}
