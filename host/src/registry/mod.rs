//! The life of components: what is published, what is served, and since when.
//!
//! The one place that changes anything. Every change is prepared beside what
//! runs, passes its gates, is recorded, and only then takes over in one swap; a
//! step that fails leaves everything as it was. Never answers a prediction.

mod backup;
mod checkpoints;
mod clean;
mod code;
mod desired;
mod drift;
mod error;
mod file;
mod gates;
mod leftovers;
mod loading;
mod monitors;
mod operations;
mod pace;
mod picture;
mod prepared;
mod record;
mod recovery;
mod refetch;
mod required_code;
mod retire;
mod rollouts;
mod signed;
mod signers;
mod survey;
#[cfg(test)]
mod tests;
mod workbench;

pub use backup::{CopyError, back_up_stopped, restore};
pub use clean::Cleaned;
pub use desired::{Applied, FileStatus, watch_file};
pub use drift::watch_drift;
pub use error::ChangeError;
pub(crate) use file::{Look, Looks, read};
pub use operations::{Changed, Source, Tried};
pub use prepared::Gate;
pub use refetch::refetch;
pub use rollouts::{Rollout, watch_rollouts};
pub use survey::{Survey, survey};
pub use workbench::limits_of_config;
pub(crate) use workbench::metering;

use crate::config::Config;
use crate::serving::Routes;
use crate::telemetry::{Metrics, unix_ms};
use arc_swap::ArcSwap;
use checkpoints::Checkpoints;
use pace::{Step, step};
use picture::Scope;
use prepared::Prepared;
use scry_catalog::{Catalog, Change, History, Record, Told};
use scry_names::Digest;
use scry_os::ticker::Ticker;
use scry_sandbox::{CodeCache, Sandbox};
use scry_signatures::TrustedKeys;
use scry_store::{Journal, Registries, Store, StoreError};
use signers::Signers;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use workbench::Workbench;

/// The changing side of a host.
#[derive(Debug)]
pub struct Registry {
    config: Config,
    store: Store,
    sandbox: Sandbox,
    cache: CodeCache,
    checkpoints: Checkpoints,
    registries: Registries,
    signers: Signers,
    metrics: Arc<Metrics>,
    routes: Arc<ArcSwap<Routes>>,
    ready: Arc<AtomicBool>,
    /// What was found damaged at the start, for people.
    damage: Vec<String>,
    file: Mutex<Option<FileStatus>>,
    /// Since when each canary is watched, and what its model had seen by then.
    rollouts: Mutex<HashMap<String, rollouts::Baseline>>,
    /// Which versions' counts are kept, and how far.
    keeper: Mutex<drift::Keeper>,
    /// Read while gates run, written while components are removed.
    cleaning: RwLock<()>,
    /// Components that failed changes have put in the store.
    leftovers: Mutex<BTreeSet<Digest>>,
    /// Held for the moment of a change, never while anything is prepared.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    history: History,
    journal: Journal,
    bench: Workbench,
}

/// A change that was made.
#[derive(Debug)]
struct Committed {
    /// The state that it led to.
    number: u64,
    /// The state that it was proved against.
    before: Arc<Catalog>,
    after: Arc<Catalog>,
    /// Whether the two differ.
    is_changed: bool,
}

/// Who changes what, for the history.
#[derive(Debug, Clone, Default)]
struct Entry {
    by: String,
    what: String,
    restored: Option<u64>,
    file: Option<Digest>,
}

impl Registry {
    /// Opens the data folder and makes ready what its catalog serves. A version
    /// that does not load is reported and left out; the rest is served.
    pub fn open(
        config: Config,
        keys: TrustedKeys,
        store: Store,
        sandbox: Sandbox,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ChangeError> {
        let recovered = recovery::recover(&store)?;
        let cache = CodeCache::new(store.cache_dir(), store.cache_key()?)
            .with_functions(store.functions_dir(), config.compile.functions_max_bytes);
        let registries = Registries::new(config.registry_settings());
        let waits = config.desired_state.file.is_some() && recovered.catalog.models.is_empty();
        let checkpoints = Checkpoints::new(recovered.journal.checkpoint_file())
            .map_err(|error| ChangeError::Recovery(format!("no thread can be started: {error}")))?;
        let state =
            State { history: recovered.history, journal: recovered.journal, bench: Workbench::new(metrics.clone()) };
        let registry = Self {
            config,
            store,
            sandbox,
            cache,
            checkpoints,
            registries,
            signers: Signers::new(keys),
            metrics,
            routes: Arc::default(),
            ready: Arc::new(AtomicBool::new(!waits)),
            damage: recovered.damage,
            file: Mutex::default(),
            rollouts: Mutex::default(),
            keeper: Mutex::default(),
            cleaning: RwLock::default(),
            leftovers: Mutex::default(),
            state: Mutex::new(state),
        };
        registry.read_signatures(&recovered.catalog);
        registry.load_all(&recovered.catalog);
        let mut state = registry.lock();
        let all = recovered.catalog.models.keys().cloned().collect();
        registry.take_over(&mut state, Arc::new(recovered.catalog), all);
        drop(state);
        registry.warn_of_unsigned();
        registry.look_at_drift();
        Ok(registry)
    }

    /// The last look before the end: everything is kept.
    pub fn close(&self) {
        self.keep_drift();
        self.checkpoints.flush();
    }

    /// What is served, for the parts that answer requests.
    pub fn routes(&self) -> Arc<ArcSwap<Routes>> {
        self.routes.clone()
    }

    /// The folder that holds everything that the host keeps.
    pub fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }

    /// The host's metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The process's ticks.
    pub fn ticker(&self) -> Arc<Ticker> {
        self.sandbox.ticker()
    }

    /// The metrics, shared with the parts that record.
    pub fn shared_metrics(&self) -> Arc<Metrics> {
        self.metrics.clone()
    }

    /// Whether the host serves what it should, or waits for its first file.
    pub fn ready(&self) -> Arc<AtomicBool> {
        self.ready.clone()
    }

    /// The catalog as it stands.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.routes.load().catalog.clone()
    }

    /// The changes that led here, newest first, of one model or of all.
    pub fn history(&self, model: Option<&str>, most: usize) -> Vec<Told> {
        self.lock().history.told(model, most)
    }

    /// Decides, prepares and commits; again, if another change came first.
    fn change(
        &self,
        prepared: &mut Prepared,
        decide: impl Fn(&Catalog) -> Result<(Catalog, Entry), ChangeError>,
    ) -> Result<Committed, ChangeError> {
        let under_way = self.cleaning.read().unwrap_or_else(PoisonError::into_inner);
        let made = self.try_change(prepared, decide);
        match &made {
            Ok(committed) => {
                self.cache_compiled(&committed.after, prepared);
                self.replace_signatures(prepared);
            }
            // The next start may find its record, and need its component.
            Err(ChangeError::Store(StoreError::Poisoned { .. })) => {}
            Err(_) => self.leave(prepared),
        }
        drop(under_way);
        self.sweep();
        made
    }

    fn try_change(
        &self,
        prepared: &mut Prepared,
        decide: impl Fn(&Catalog) -> Result<(Catalog, Entry), ChangeError>,
    ) -> Result<Committed, ChangeError> {
        const TRIES_MAX: usize = 32;
        let started = Instant::now();
        for _ in 0..TRIES_MAX {
            let before = self.catalog();
            step(Step::Decide);
            let (after, entry) = decide(&before)?;
            after.check_room(&before, self.config.catalog.models_max)?;
            self.prepare(&before, &after, prepared)?;
            step(Step::Commit);
            let mut state = self.lock();
            if !Arc::ptr_eq(&before, &self.catalog()) {
                continue;
            }
            let committed = self.commit(&mut state, before, after, prepared, entry)?;
            self.metrics.swapped(started.elapsed());
            return Ok(committed);
        }
        Err(ChangeError::Contended)
    }

    /// Records the change, then swaps. The record is what counts: a crash
    /// before it leaves the old state, a crash after it the new one.
    fn commit(
        &self,
        state: &mut State,
        before: Arc<Catalog>,
        after: Catalog,
        prepared: &mut Prepared,
        entry: Entry,
    ) -> Result<Committed, ChangeError> {
        self.refuse_lacking(state, &before, &after, prepared)?;
        let at_ms = unix_ms();
        let after = after.begun(&before, at_ms);
        let models = Change::between(&before, &after);
        let mut changed: BTreeSet<String> = models.keys().cloned().collect();
        let is_changed = !models.is_empty();
        // A file is remembered even when it says what is so already: it is not applied again.
        if is_changed || entry.file.is_some() {
            let Entry { by, what, restored, file } = entry;
            let what = prepared.with_signers(what);
            let number = state.history.last() + 1;
            let change = Change { number, at_ms, by, what, restored, file, models };
            let record = Record::Change(change);
            state.journal.append(&record::line(&record)?)?;
            if let Record::Change(change) = record {
                tracing::info!(number, by = %change.by, what = %change.what, "changed");
                warn_of_withdrawn(&change);
                state.history.push(change);
            }
            self.checkpoints.write(&state.history, &after);
        }
        prepared.settle(&after);
        changed.extend(prepared.code.keys().map(|(name, ..)| name.clone()));
        state.bench.take_in(prepared);
        // Where nothing has changed, other changes that are being prepared need not begin again.
        let after = if is_changed { Arc::new(after) } else { before.clone() };
        self.take_over(state, after.clone(), changed);
        Ok(Committed { number: state.history.last(), before, after, is_changed })
    }

    /// Swaps the routes: from here on requests see the new picture, in which these models
    /// and what depends on them are made anew.
    fn take_over(&self, state: &mut State, catalog: Arc<Catalog>, changed: BTreeSet<String>) {
        let before = self.routes.load_full();
        let names = required_code::concerned(&changed, &before.catalog, &catalog);
        let (warm, routed) = (self.warm_of(&names, &catalog, &state.history), catalog.warm_of(&names, 0));
        let scope = Scope { names, warm, routed };
        state.bench.keep(&scope, &catalog, &self.config);
        let routes = state.bench.routes(&before, &scope, &catalog, &self.config, state.history.last());
        let routes = Arc::new(routes);
        self.routes.store(routes.clone());
        // While no other change can bring them back.
        if before.has_more_than(&routes, &scope.names) {
            self.metrics.keep(|model, version| routes.has(model, version));
            routes.served().for_each(|served| served.series.keep(|number| routes.has(&served.name, Some(number))));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A change that panicked has not taken over; what stands is sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }
}

/// Logs the models that a file withdraws, since its author may not be watching.
fn warn_of_withdrawn(change: &Change) {
    /// More are counted.
    const NAMES_MAX: usize = 20;
    let withdrawn: Vec<&str> = change.withdrawn().collect();
    if change.file.is_some() && !withdrawn.is_empty() {
        let (count, number) = (withdrawn.len(), change.number);
        let models = withdrawn.into_iter().take(NAMES_MAX).collect::<Vec<_>>().join(", ");
        tracing::warn!(number, count, %models, "the desired state withdrew models");
    }
}

/// Does something that may wait, at this interval, until the host ends.
async fn again_and_again(period: Duration, registry: Arc<Registry>, what: &'static str, act: fn(&Registry)) {
    let mut looks = tokio::time::interval(period);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let acting = registry.clone();
        if tokio::task::spawn_blocking(move || act(&acting)).await.is_err() {
            tracing::error!("{what} panicked; this is a bug in scry");
        }
    }
}
