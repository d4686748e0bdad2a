//! Looking at what versions have seen and said: alarms, ages, and keeping the
//! counts through a restart.
//!
//! Never on a request's path, and never decides: the rules are `scry_card`'s
//! and `catalog`'s. What cannot be kept is warned of, and tried again.

use super::{Registry, again_and_again};
use crate::drift::{Counted, DriftMonitor};
use crate::serving::Routes;
use crate::telemetry::unix_ms;
use scry_catalog::Freshness;
use scry_store::StoreError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How often versions are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A model's name and a version's number.
type Key = (String, u32);

/// Which versions' counts are kept, and how far.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    kept: BTreeMap<Key, Kept>,
    saved_at: Option<Instant>,
    /// Whether the last save failed: said once.
    is_failing: bool,
    /// Routed versions that were said to be stale.
    stale: BTreeSet<Key>,
}

#[derive(Debug)]
struct Kept {
    watch: Arc<DriftMonitor>,
    /// Whether their place holds no other counts.
    is_free: bool,
    /// How far they are in the data folder.
    saved: Vec<(u64, u64, u64)>,
}

impl Registry {
    /// One look at every version: what is new is judged, and kept when it is time.
    pub fn look_at_drift(&self) {
        let save_every = Duration::from_millis(self.config.validation.drift_save_ms);
        self.tend(Instant::now(), unix_ms(), save_every);
    }

    /// A look after which everything is kept.
    pub(super) fn keep_drift(&self) {
        self.tend(Instant::now(), unix_ms(), Duration::ZERO);
    }

    /// The share of epochs in which an alarm may be false.
    pub fn drift_alpha(&self) -> f64 {
        self.config.validation.drift_alpha
    }

    fn tend(&self, now: Instant, now_ms: u64, save_every: Duration) {
        let routes = self.routes.load_full();
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        keeper.follow(&routes, self);
        for (_, _, watch) in routes.monitors() {
            watch_sides(watch, self.drift_alpha(), now_ms);
        }
        for target in routes.served().flat_map(|served| served.versions.values().flatten()) {
            target.validation.health.look(&target.card, target.drift.as_deref(), now_ms);
        }
        for ((model, version), data_until) in newly_stale(&routes, now_ms, &mut keeper.stale) {
            tracing::warn!(%model, version, %data_until, "the model's data is older than its `max_age`");
        }
        if keeper.saved_at.is_none_or(|at| now.saturating_duration_since(at) >= save_every) {
            keeper.saved_at = Some(now);
            keeper.save_all(self);
        }
    }

    /// Takes up what was kept of a version; what does not read is set aside.
    /// Whether its place is free for what comes.
    fn resume(&self, watch: &DriftMonitor) -> bool {
        let resumed = match self.store.drift(&watch.model, &watch.version.digest) {
            Ok(None) => return true,
            Ok(Some(bytes)) => serde_json::from_slice::<Counted>(&bytes)
                .map_err(|e| e.to_string())
                .and_then(|counted| watch.resume(counted).map_err(|e| e.to_string())),
            Err(error) => Err(error.to_string()),
        };
        resumed.map_or_else(|why| self.set_aside(watch, &why), |()| true)
    }

    fn set_aside(&self, watch: &DriftMonitor, why: &str) -> bool {
        let (model, digest) = (&watch.model, &watch.version.digest);
        match self.store.set_drift_aside(model, digest) {
            Ok(kept) => {
                let kept = kept.display();
                tracing::warn!(%model, %digest, %why, %kept, "counts are damaged or another component's; they begin anew");
                true
            }
            Err(error) => {
                tracing::warn!(%model, %digest, %why, %error, "damaged counts could not be set aside: new ones are not kept");
                false
            }
        }
    }

    fn save(&self, watch: &DriftMonitor) -> Result<(), StoreError> {
        let Ok(json) = serde_json::to_vec(&watch.counted()) else { return Ok(()) };
        self.store.put_drift(&watch.model, &watch.version.digest, &json)
    }
}

impl Keeper {
    /// Takes up versions that are new, where their counts ended, and lets go
    /// of those that are not there any more.
    fn follow(&mut self, routes: &Routes, registry: &Registry) {
        let is_there =
            |(name, number): &Key, kept: &Kept| match routes.called(name, *number).map(|called| &called.monitor) {
                Some(Some(watch)) => Arc::ptr_eq(watch, &kept.watch),
                _ => false,
            };
        let gone: Vec<_> = self.kept.extract_if(.., |key, kept| !is_there(key, kept)).collect();
        for (_, mut kept) in gone {
            self.save_one(&mut kept, registry);
        }
        for (name, number, watch) in routes.monitors() {
            let key = (name.clone(), number);
            if self.kept.contains_key(&key) {
                continue;
            }
            let is_free = registry.resume(watch);
            self.kept.insert(key, Kept { watch: watch.clone(), is_free, saved: Vec::new() });
        }
    }

    fn save_all(&mut self, registry: &Registry) {
        let mut kept = std::mem::take(&mut self.kept);
        kept.values_mut().for_each(|kept| self.save_one(kept, registry));
        self.kept = kept;
    }

    fn save_one(&mut self, kept: &mut Kept, registry: &Registry) {
        let mark = kept.watch.mark();
        let is_empty = mark.iter().all(|(_, rows, _)| *rows == 0);
        if mark == kept.saved || is_empty || !kept.is_free {
            return;
        }
        match registry.save(&kept.watch) {
            Ok(()) => (kept.saved, self.is_failing) = (mark, false),
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(%error, "counts of live rows were not kept; a restart would lose them");
                }
            }
        }
    }
}

/// Judges what is new of a version; its alarms are said once an epoch.
fn watch_sides(watch: &DriftMonitor, alpha: f64, now_ms: u64) {
    let (model, version, digest) = (&watch.model, watch.version.number, &watch.version.digest);
    for side in watch.sides() {
        for alarm in side.look(alpha, now_ms) {
            let rows = alarm.rows;
            tracing::warn!(%model, version, %digest, side = side.name, rows, %alarm, "drift");
        }
    }
}

/// Routed versions that are stale now and were not at the last look.
fn newly_stale(routes: &Routes, now_ms: u64, known: &mut BTreeSet<Key>) -> Vec<(Key, String)> {
    let mut stale = BTreeMap::new();
    for served in routes.served() {
        for number in served.serving.routed() {
            let Ok(target) = served.target(number) else { continue };
            let freshness = Freshness::of(&target.card).ok().flatten();
            if freshness.and_then(|freshness| freshness.is_stale(now_ms)) == Some(true) {
                let until = target.card.data_until.clone().unwrap_or_default();
                stale.insert((served.name.clone(), number), until);
            }
        }
    }
    let before = std::mem::replace(known, stale.keys().cloned().collect());
    stale.into_iter().filter(|(key, _)| !before.contains(key)).collect()
}

/// Looks at what versions have seen until the host ends.
pub async fn watch_drift(registry: Arc<Registry>) {
    again_and_again(LOOK, registry, "looking for drift", Registry::look_at_drift).await;
}
