//! The life of components: publish, deploy, and what is served as a result.
//!
//! The one place that changes anything. Every change is prepared beside what
//! runs, passes its gates, is saved, and only then takes over in one swap; a
//! step that fails leaves everything as it was. Never answers a prediction.

use crate::catalog::{Catalog, CatalogError, Deployment, LimitsPatch, Model, Spare, Version};
use crate::component::{ComponentError, Description};
use crate::config::Config;
use crate::golden::{self, GoldenFailure};
use crate::sandbox::{CallLimits, CodeCache, Loaded, Metering, Sandbox, SandboxError};
use crate::serving::{Admission, EffectiveLimits, FallbackError, Link, Routes, Served, Target, link};
use crate::store::{Digest, Store, StoreError};
use crate::telemetry::Metrics;
use arc_swap::ArcSwap;
use scry_card::Card;
use serde::Serialize;
use std::collections::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Why a change was refused; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The bytes are not a model.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The component does not load.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// It loads, and predicts something else than it should.
    #[error("the golden examples fail: {0}")]
    Golden(#[from] GoldenFailure),
    /// The catalog does not allow it.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A spare that does not fit.
    #[error(transparent)]
    Fallback(#[from] FallbackError),
    /// The version is in the catalog and cannot run here.
    #[error("version {number} of `{model}` is not available: {why}")]
    Unavailable {
        /// The model.
        model: String,
        /// The version.
        number: u32,
        /// Why it does not load.
        why: String,
    },
    /// The data folder failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What publishing answers.
#[derive(Debug, Clone, Serialize)]
pub struct Published {
    /// The model's name.
    pub model: String,
    /// The version's number.
    pub version: u32,
    /// The component's identity.
    pub digest: Digest,
    /// Whether this version answers requests that name none.
    pub live: bool,
    /// The model card.
    pub card: Arc<Card>,
}

/// A component's card and code, however many versions and models share it.
#[derive(Debug, Clone)]
struct Ready {
    card: Arc<Card>,
    loaded: Loaded,
}

/// The changing side of a host.
#[derive(Debug)]
pub struct Registry {
    config: Config,
    store: Store,
    sandbox: Sandbox,
    cache: CodeCache,
    metrics: Arc<Metrics>,
    routes: Arc<ArcSwap<Routes>>,
    /// Held for the whole of a change: they happen one at a time.
    changing: Mutex<Changing>,
}

#[derive(Debug, Default)]
struct Changing {
    catalog: Catalog,
    ready: HashMap<(Digest, Metering), Ready>,
    admissions: HashMap<String, Arc<Admission>>,
}

impl Registry {
    /// Opens the data folder and loads every version in its catalog. A version
    /// that does not load is reported and left out; the rest is served.
    pub fn open(config: Config, store: Store, sandbox: Sandbox, metrics: Arc<Metrics>) -> Result<Self, ChangeError> {
        let catalog = store.read_state::<Catalog>()?.unwrap_or_default();
        let cache = CodeCache::new(store.cache_dir(), store.cache_key()?);
        let registry = Self {
            config,
            store,
            sandbox,
            cache,
            metrics,
            routes: Arc::default(),
            changing: Mutex::new(Changing { catalog: catalog.clone(), ..Changing::default() }),
        };
        let mut changing = registry.lock();
        let routes = registry.build_routes(&mut changing, &catalog);
        registry.routes.store(Arc::new(routes));
        drop(changing);
        Ok(registry)
    }

    /// What is served, for whoever answers requests.
    pub fn routes(&self) -> Arc<ArcSwap<Routes>> {
        self.routes.clone()
    }

    /// The host's metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The same, for whoever records.
    pub fn shared_metrics(&self) -> Arc<Metrics> {
        self.metrics.clone()
    }

    /// The catalog as it stands.
    pub fn catalog(&self) -> Catalog {
        self.lock().catalog.clone()
    }

    /// Takes in a component: verify, compile, golden examples, number. The
    /// name is the card's unless another is given. Publishing the same bytes
    /// again answers the same.
    pub fn publish(&self, bytes: &[u8], name: Option<&str>) -> Result<Published, ChangeError> {
        let started = Instant::now();
        let description = Description::read(bytes)?;
        let card = Arc::new(description.card);
        let name = name.unwrap_or(&card.name).to_owned();
        let named = Card { name: name.clone(), ..(*card).clone() };
        named.validate().map_err(ComponentError::Card)?;
        let mut changing = self.lock();
        let (catalog, version) = changing.catalog.publish(&name, description.digest)?;
        let limits = self.effective(catalog.model(&name)?.limits);
        let metering = metering(&limits);
        let key = (version.digest, metering);
        if let Entry::Vacant(slot) = changing.ready.entry(key) {
            let loaded = self.load(bytes, &card, metering)?;
            golden::check_all(&loaded, &card.schema, &description.golden, || limits_of_call(&limits))?;
            slot.insert(Ready { card: card.clone(), loaded });
        }
        self.store.put(bytes)?;
        self.take_over(&mut changing, catalog, started)?;
        let live = changing.catalog.model(&name)?.live == version.number;
        tracing::info!(model = %name, version = version.number, digest = %version.digest, live, "published");
        Ok(Published { model: name, version: version.number, digest: version.digest, live, card })
    }

    /// Changes what is live, what stands in, and within which limits.
    pub fn deploy(&self, name: &str, change: &Deployment) -> Result<Version, ChangeError> {
        let started = Instant::now();
        let mut changing = self.lock();
        let catalog = changing.catalog.deploy(name, change)?;
        let model = catalog.model(name)?.clone();
        let limits = self.effective(model.limits);
        self.check_limits(&limits)?;
        let live = model.live(name)?;
        let target = self.target(&mut changing, name, &model, live, &limits);
        let target =
            target.map_err(|why| ChangeError::Unavailable { model: name.to_owned(), number: live.number, why })?;
        // The gate again: limits may be tighter now, code may be of the other metering.
        let bytes = self.store.get(&live.digest)?;
        let golden = Description::read(&bytes)?.golden;
        golden::check_all(&target.loaded, &target.card.schema, &golden, || limits_of_call(&limits))?;
        for spare in &model.fallback {
            if let Link::Unavailable(why) = self.link(&mut changing, &catalog, name, &target.card, spare)? {
                return Err(FallbackError { spare: "a spare".into(), model: name.to_owned(), message: why }.into());
            }
        }
        self.take_over(&mut changing, catalog, started)?;
        tracing::info!(model = %name, version = live.number, digest = %live.digest, "deployed");
        Ok(live)
    }

    /// Saves the catalog and swaps the routes: the moment of a change.
    fn take_over(&self, changing: &mut Changing, catalog: Catalog, started: Instant) -> Result<(), ChangeError> {
        let is_whole = |served: &Arc<Served>| served.versions.values().all(Result::is_ok);
        // What was damaged may have been published again.
        if catalog != changing.catalog || !self.routes.load().models.values().all(is_whole) {
            let routes = self.build_routes(changing, &catalog);
            self.store.write_state(&catalog)?;
            changing.catalog = catalog;
            self.routes.store(Arc::new(routes));
            self.metrics.swapped(started.elapsed());
        }
        Ok(())
    }

    fn build_routes(&self, changing: &mut Changing, catalog: &Catalog) -> Routes {
        let mut models = HashMap::new();
        for (name, model) in &catalog.models {
            let limits = self.effective(model.limits);
            let versions: BTreeMap<_, _> = model
                .all()
                .map(|version| (version.number, self.target(changing, name, model, version, &limits)))
                .collect();
            let card =
                versions.get(&model.live).and_then(|target| target.as_ref().ok()).map(|target| target.card.clone());
            let fallback = model.fallback.iter().map(|spare| {
                let card =
                    card.as_ref().map_or_else(|| self.spare_card(changing, catalog, model), |card| Ok(card.clone()));
                card.and_then(|card| self.link(changing, catalog, name, &card, spare).map_err(|e| e.to_string()))
                    .unwrap_or_else(Link::Unavailable)
            });
            let fallback = fallback.collect();
            let served = Served { name: name.clone(), entry: model.clone(), versions, fallback, limits };
            models.insert(name.clone(), Arc::new(served));
        }
        Routes { models }
    }

    /// The form of a model whose live version does not load: its first spare's.
    fn spare_card(&self, changing: &mut Changing, catalog: &Catalog, model: &Model) -> Result<Arc<Card>, String> {
        let reference = model.fallback.iter().find_map(|spare| match spare {
            Spare::Model(reference) => Some(reference),
            Spare::Constant(_) => None,
        });
        let version = catalog.resolve(reference.ok_or("no spare is a component")?).map_err(|e| e.to_string())?;
        self.ready(changing, version.digest, Metering::Fuel).map(|ready| ready.card)
    }

    fn link(
        &self,
        changing: &mut Changing,
        catalog: &Catalog,
        name: &str,
        card: &Card,
        spare: &Spare,
    ) -> Result<Link, ChangeError> {
        let reference = match spare {
            Spare::Constant(row) => return Ok(Link::constant(name, &card.schema, row)?),
            Spare::Model(reference) => reference,
        };
        let version = catalog.resolve(reference)?;
        let model = catalog.model(&reference.model)?;
        let limits = self.effective(model.limits);
        match self.target(changing, &reference.model, model, version, &limits) {
            Ok(target) => Ok(link(name, &card.schema, target)?),
            Err(why) => Ok(Link::Unavailable(why)),
        }
    }

    fn target(
        &self,
        changing: &mut Changing,
        name: &str,
        model: &Model,
        version: Version,
        limits: &EffectiveLimits,
    ) -> Result<Arc<Target>, String> {
        let ready = self.ready(changing, version.digest, metering(limits))?;
        let admission = self.admission(changing, name, model);
        Ok(Arc::new(Target {
            model: name.to_owned(),
            version,
            card: ready.card,
            loaded: ready.loaded,
            limits: *limits,
            admission,
        }))
    }

    /// A component's code: as loaded before, or from the store.
    fn ready(&self, changing: &mut Changing, digest: Digest, metering: Metering) -> Result<Ready, String> {
        if let Some(ready) = changing.ready.get(&(digest, metering)) {
            return Ok(ready.clone());
        }
        let load = || -> Result<Ready, ChangeError> {
            let bytes = self.store.get(&digest)?;
            let card = Arc::new(Description::read(&bytes)?.card);
            Ok(Ready { loaded: self.load(&bytes, &card, metering)?, card })
        };
        match load() {
            Ok(ready) => {
                changing.ready.insert((digest, metering), ready.clone());
                Ok(ready)
            }
            Err(error) => {
                tracing::error!(%digest, %error, "a component is not available");
                Err(error.to_string())
            }
        }
    }

    fn load(&self, bytes: &[u8], card: &Card, metering: Metering) -> Result<Loaded, SandboxError> {
        let started = Instant::now();
        let loaded = self.sandbox.load(bytes, Arc::new(card.schema.clone()), metering, Some(&self.cache))?;
        self.metrics.loaded(loaded.source, started.elapsed());
        Ok(loaded)
    }

    /// A model's gate outlives its routes: calls on an old version count too.
    fn admission(&self, changing: &mut Changing, name: &str, model: &Model) -> Arc<Admission> {
        let in_flight = model.limits.in_flight_max.unwrap_or_else(|| self.config.in_flight_max());
        let queue = model.limits.queue_max.unwrap_or(self.config.limits.queue_max);
        let fresh = || Arc::new(Admission::new(in_flight, queue));
        let gate = changing.admissions.entry(name.to_owned()).or_insert_with(fresh);
        if !gate.has_limits(in_flight, queue) {
            *gate = fresh();
        }
        gate.clone()
    }

    fn effective(&self, patch: LimitsPatch) -> EffectiveLimits {
        effective(&self.config, patch)
    }

    fn check_limits(&self, limits: &EffectiveLimits) -> Result<(), CatalogError> {
        let most = self.config.limits.memory_max_bytes;
        if limits.memory_max_bytes > most {
            return Err(CatalogError::Limit {
                key: "memory_max_bytes",
                expected: format!("at most the configured {most}"),
                found: limits.memory_max_bytes.to_string(),
            });
        }
        if !(1..=86_400_000).contains(&limits.deadline.as_millis()) {
            return Err(CatalogError::Limit {
                key: "deadline_ms",
                expected: "1 to 86400000".into(),
                found: limits.deadline.as_millis().to_string(),
            });
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Changing> {
        // A change that panicked has not taken over; what stands is sound.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn metering(limits: &EffectiveLimits) -> Metering {
    if limits.fuel == 0 { Metering::Off } else { Metering::Fuel }
}

fn effective(config: &Config, patch: LimitsPatch) -> EffectiveLimits {
    let limits = &config.limits;
    EffectiveLimits {
        deadline: Duration::from_millis(patch.deadline_ms.unwrap_or(limits.deadline_ms)),
        fallback_reserve_percent: limits.fallback_reserve_percent,
        fuel: patch.fuel.unwrap_or(limits.fuel),
        memory_max_bytes: patch.memory_max_bytes.unwrap_or(limits.memory_max_bytes),
        output_max_bytes: patch.output_max_bytes.unwrap_or(limits.output_max_bytes),
    }
}

/// The limits of a deployment that sets none of its own.
pub fn limits_of_config(config: &Config) -> EffectiveLimits {
    effective(config, LimitsPatch::default())
}

/// A call's limits, its time counted from now.
pub fn limits_of_call(limits: &EffectiveLimits) -> CallLimits {
    CallLimits {
        deadline: Instant::now() + limits.deadline,
        fuel: limits.fuel,
        memory_max_bytes: limits.memory_max_bytes,
        output_max_bytes: limits.output_max_bytes,
    }
}
