//! A version's code: in use already, or from bytes in the store, or fetched
//! again from where those came from.
//!
//! Never proves what it loads: the gates do.

use super::code::Code;
use super::prepared::{Passing, Prepared};
use super::workbench::{effective, metering};
use super::{ChangeError, Registry};
use crate::golden::check_form;
use crate::import::OwnRuntime;
use crate::serving::EffectiveLimits;
use scry_card::Card;
use scry_catalog::{Bound, Catalog, Model, Serving, Version};
use scry_component::Description;
use scry_names::OciReference;
use scry_sandbox::{CacheOf, CodeSource, Reused, Runtime};
use scry_store::{OciError, Pulled};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

impl Registry {
    /// A version's code: prepared, in use, or from bytes.
    pub(super) fn load(
        &self,
        name: &str,
        model: &Model,
        version: Version,
        limits: &EffectiveLimits,
        prepared: &mut Prepared,
    ) -> Result<Code, ChangeError> {
        let (digest, metering) = (version.digest, metering(limits));
        let key = (name.to_owned(), digest, metering);
        if let Some(code) = self.code(key.clone(), prepared) {
            return Ok(code);
        }
        let (bytes, description) = self.verified(name, model, version, prepared)?;
        let mut passing = Passing { model: name, version, started: Instant::now() };
        let card = Arc::new(description.card);
        let own = card.runtime.as_deref().and_then(OwnRuntime::of);
        let component = || own.and_then(OwnRuntime::component);
        let runtime = own.and_then(|own| Some(Runtime { digest: own.digest()?, component: &component }));
        let cache = CacheOf { cache: &self.cache, model: name, runtime: runtime.as_ref() };
        let loaded = self.sandbox.load(&bytes, Arc::new(card.schema.clone()), metering, Some(cache))?;
        self.metrics.loaded(loaded.source, passing.started.elapsed());
        let source = match loaded.source {
            CodeSource::Cache => "from the cache".to_owned(),
            CodeSource::Compiled(Reused { known: 0, .. }) => "compiled".to_owned(),
            CodeSource::Compiled(Reused { known, all }) => format!("compiled; {known} of {all} functions were known"),
        };
        passing.passed(&mut prepared.gates, "compile", source);
        let references = description.references.map(|references| Arc::new(references.without_samples()));
        if matches!(loaded.source, CodeSource::Compiled(_)) {
            prepared.compiled.push((name.to_owned(), digest, loaded.clone()));
        }
        let code = Code { card, golden: Arc::new(description.golden), references, loaded };
        prepared.code.insert(key, code.clone());
        Ok(code)
    }

    /// A version's card: from its code, or from its bytes, which need not be
    /// compiled for that.
    pub(super) fn card(
        &self,
        name: &str,
        model: &Model,
        version: Version,
        limits: &EffectiveLimits,
        prepared: &mut Prepared,
    ) -> Result<Arc<Card>, ChangeError> {
        if let Some(code) = self.code((name.to_owned(), version.digest, metering(limits)), prepared) {
            return Ok(code.card);
        }
        if let Some(card) = prepared.cards.get(&version.digest) {
            return Ok(card.clone());
        }
        let card = Arc::new(self.verified(name, model, version, prepared)?.1.card);
        prepared.cards.insert(version.digest, card.clone());
        Ok(card)
    }

    /// A version's bytes, which are a sealed model, and what they say of themselves.
    fn verified(
        &self,
        name: &str,
        model: &Model,
        version: Version,
        prepared: &mut Prepared,
    ) -> Result<(Vec<u8>, Description), ChangeError> {
        let digest = version.digest;
        // One that was published before is served as it was.
        let is_new = !prepared.is_kept && !self.catalog().binds(&digest);
        if self.config.trust.enforce {
            let from = model.versions.get(&version.number).and_then(|bound| bound.from.as_ref());
            self.check_signed(name, &digest, from, prepared)?;
        }
        let bytes = self.bytes(name, model, version, prepared)?;
        prepared.tell_fetch(name, version);
        let mut passing = Passing { model: name, version, started: Instant::now() };
        let description = if is_new { Description::read_new(&bytes)? } else { Description::read(&bytes)? };
        if is_new {
            description.check_new()?;
            check_form(&description.golden, &description.card.schema)?;
        }
        passing.passed(&mut prepared.gates, "verify", format!("{} bytes, a sealed model", description.size_bytes));
        Ok((bytes, description))
    }

    /// What the change brings along, or from the store, or again from where it came from.
    fn bytes(
        &self,
        name: &str,
        model: &Model,
        version: Version,
        prepared: &mut Prepared,
    ) -> Result<Vec<u8>, ChangeError> {
        if let Some(bytes) = prepared.arrived.get(&version.digest) {
            return Ok(bytes.clone());
        }
        let unavailable =
            |why: String| ChangeError::Unavailable { model: name.to_owned(), number: version.number, why };
        let error = match self.store.get(&version.digest) {
            Ok(bytes) => return Ok(bytes),
            Err(error) => error,
        };
        let from = model.versions.get(&version.number).and_then(|Bound { from, .. }| from.as_ref());
        let Some(from) = from else { return Err(unavailable(error.to_string())) };
        let pulled = self.pull(from, prepared)?;
        if pulled.digest != version.digest {
            let why = format!("{from} holds {}, not {}", pulled.digest, version.digest);
            return Err(unavailable(why));
        }
        prepared.arrived.insert(pulled.digest, pulled.bytes.clone());
        Ok(pulled.bytes)
    }

    /// Fetches from a registry; for threads that may wait.
    pub(super) fn pull(&self, from: &OciReference, prepared: &mut Prepared) -> Result<Pulled, ChangeError> {
        let started = Instant::now();
        let pulled = self.reach(self.registries.pull(from))?;
        prepared.fetched.insert(pulled.digest, (pulled.pinned.clone(), started.elapsed()));
        Ok(pulled)
    }

    /// Asks a registry; for threads that may wait.
    pub(super) fn reach<T>(&self, asking: impl Future<Output = Result<T, OciError>>) -> Result<T, ChangeError> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|_| ChangeError::Recovery("registries are reached from a running host only".into()))?;
        Ok(runtime.block_on(asking)?)
    }

    /// Keeps on disk what was compiled for a change that is made. One that is
    /// not leaves nothing there, and a component that is kept has the room first.
    pub(super) fn cache_compiled(&self, catalog: &Catalog, prepared: &mut Prepared) {
        for (name, digest, loaded) in prepared.compiled.drain(..) {
            if catalog.binds(&digest) {
                self.sandbox.keep(&loaded, &digest, &self.cache, &name);
            }
        }
    }

    /// Makes ready what a catalog serves, as far as it can be; what cannot is
    /// remembered with the reason. What is routed was proved when it went live.
    pub(super) fn load_all(&self, catalog: &Catalog) {
        /// A thread takes as many, so that a few models are loaded one after the other.
        const EACH_MIN: usize = 32;
        let warm: Vec<_> = self.warm(catalog, &self.lock().history).into_iter().collect();
        let each = warm.len().div_ceil(self.config.compute_threads()).max(EACH_MIN);
        std::thread::scope(|scope| {
            for models in warm.chunks(each) {
                scope.spawn(move || models.iter().for_each(|(name, numbers)| self.load_model(catalog, name, numbers)));
            }
        });
    }

    fn load_model(&self, catalog: &Catalog, name: &str, numbers: &BTreeSet<u32>) {
        let Ok(model) = catalog.model(name) else { return };
        let mut prepared = Prepared { is_kept: true, ..Prepared::default() };
        let limits = effective(&self.config, model.limits());
        let routed: BTreeSet<u32> = model.serving.iter().flat_map(Serving::routed).collect();
        // Without a registry: a host starts with what it has.
        let mut local = model.clone();
        local.versions.values_mut().for_each(|bound| bound.from = None);
        for number in numbers {
            let Ok(version) = model.version(name, *number) else { continue };
            let error = match self.load(name, &local, version, &limits, &mut prepared) {
                Ok(_) => {
                    // Taking a canary back must not wait for what is live to prove itself again.
                    if routed.contains(number) {
                        prepared.proved.insert((name.to_owned(), version.digest, limits));
                    }
                    continue;
                }
                Err(error) => error,
            };
            tracing::error!(model = %name, version = number, digest = %version.digest, %error, "not available");
            let why = match error {
                ChangeError::Unavailable { why, .. } => why,
                other => other.to_string(),
            };
            self.lock().bench.records(name).faults.insert(version.digest, why);
        }
        self.cache_compiled(catalog, &mut prepared);
        self.lock().bench.take_in(&mut prepared);
    }
}
