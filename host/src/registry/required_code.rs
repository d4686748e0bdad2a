//! Which code a change must have in hand before it is recorded: that of every
//! version to which the new state leads requests.
//!
//! Never loads anything. Never asks for code that the state before lacked too:
//! a damaged version must not block changes that have nothing to do with it.

use super::code::{Code, CodeKey, Key};
use super::prepared::Prepared;
use super::workbench::{Versions, Workbench, effective, metering};
use super::{ChangeError, Registry, State};
use crate::config::Config;
use scry_catalog::{Catalog, History, Serving};
use std::collections::{BTreeSet, HashMap};

impl Registry {
    /// What has to be ready of these models: what is served, the newest few to try, and
    /// what a rollback would bring back, now and when the canary has ended.
    pub(super) fn warm_of(&self, names: &BTreeSet<String>, catalog: &Catalog, history: &History) -> Versions {
        let mut warm = catalog.warm_of(names, self.config.catalog.versions_warm);
        for (name, model) in names.iter().filter_map(|name| Some((name, catalog.models.get(name)?))) {
            let alone = model.serving.as_ref().map(Serving::without_canary);
            let before = [model.serving.as_ref(), alone.as_ref()].map(|now| history.before(name, now));
            for (_, before) in before.into_iter().flatten() {
                warm.entry(name.clone()).or_default().extend(before.routed());
            }
        }
        warm
    }

    /// Of all models, what has to be ready.
    pub(super) fn warm(&self, catalog: &Catalog, history: &History) -> Versions {
        self.warm_of(&catalog.models.keys().cloned().collect(), catalog, history)
    }

    /// Code that is prepared or in use. The change holds it from here on, since
    /// another change may drop it before this one is made.
    pub(super) fn code(&self, key: CodeKey, prepared: &mut Prepared) -> Option<Code> {
        if let Some(code) = prepared.code.get(&key) {
            return Some(code.clone());
        }
        let code = self.lock().bench.code(&key).cloned()?;
        prepared.code.insert(key, code.clone());
        Some(code)
    }

    /// The versions to which `after` leads requests and whose code is not there,
    /// without those that `before` lacked already.
    pub(super) fn lacking(
        &self,
        state: &State,
        before: &Catalog,
        after: &Catalog,
        prepared: &Prepared,
    ) -> BTreeSet<Key> {
        let names = concerned(&after.changed(before), before, after);
        let lacked = state.bench.lacks(&names, before, &self.config, &HashMap::new());
        let mut lacking = state.bench.lacks(&names, after, &self.config, &prepared.code);
        lacking.retain(|key| !lacked.contains(key));
        lacking
    }

    /// The last look before a change is recorded.
    pub(super) fn refuse_lacking(
        &self,
        state: &State,
        before: &Catalog,
        after: &Catalog,
        prepared: &Prepared,
    ) -> Result<(), ChangeError> {
        match self.lacking(state, before, after, prepared).pop_first() {
            None => Ok(()),
            Some((model, number)) => Err(ChangeError::NotInHand { model, number }),
        }
    }
}

/// The models that a change of these models may concern.
pub(super) fn concerned(changed: &BTreeSet<String>, before: &Catalog, after: &Catalog) -> BTreeSet<String> {
    let mut names = before.concerned(changed);
    names.append(&mut after.concerned(changed));
    names
}

impl Workbench {
    /// The versions that a catalog leads requests to and whose code is neither here nor in `held`.
    fn lacks(
        &self,
        names: &BTreeSet<String>,
        catalog: &Catalog,
        config: &Config,
        held: &HashMap<CodeKey, Code>,
    ) -> BTreeSet<Key> {
        let mut lacks = BTreeSet::new();
        for (name, numbers) in catalog.warm_of(names, 0) {
            let Some(model) = catalog.models.get(&name) else { continue };
            let metering = metering(&effective(config, model.limits()));
            let is_missing = |number: &u32| {
                let key = model.versions.get(number).map(|bound| (name.clone(), bound.digest, metering));
                key.is_none_or(|key| self.code(&key).is_none() && !held.contains_key(&key))
            };
            lacks.extend(numbers.into_iter().filter(is_missing).map(|number| (name.clone(), number)));
        }
        lacks
    }
}
