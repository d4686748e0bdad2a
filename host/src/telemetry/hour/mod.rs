//! The last hour of every model that had requests: what became of them, by version, and how long its calls took.
//!
//! Samples of counters that are there anyway, so a request costs nothing more. Pure: counts and times are passed in. Never
//! keeps a request, and nothing older than an hour.
//!
//! In memory: a version that was called takes 4 KiB (two snapshots of its latencies, two rings of them), and each outcome and
//! each reason of fallbacks that it had in this hour takes 1 KiB. The names of outcomes and reasons are fixed, models and
//! versions are those that the host keeps ready, and a model without requests takes nothing.

mod ring;
mod told;

pub use told::{Brief, Ends, Reason, VersionHour, WholeHour};

use ring::{Ring, slot_of};
use scry_catalog::Latencies;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counters of one moment, since the host began.
#[derive(Debug, Default)]
pub struct Counted {
    /// Requests by what became of them.
    pub requests: Vec<Requests>,
    /// Requests that went to the fallback chain.
    pub fallbacks: Vec<Fallbacks>,
    /// How long the calls of each version took.
    pub calls: Vec<Calls>,
}

/// How many requests of a version came to the same end.
#[derive(Debug)]
pub struct Requests {
    /// The model's name.
    pub model: String,
    /// Nothing for a version that is not kept ready.
    pub version: Option<u32>,
    /// One of the fixed names.
    pub outcome: String,
    /// Since the host began.
    pub count: u64,
}

/// How many requests of a model went to its fallback chain for one reason.
#[derive(Debug)]
pub struct Fallbacks {
    /// The model's name.
    pub model: String,
    /// One of the fixed names.
    pub reason: String,
    /// Since the host began.
    pub count: u64,
}

/// How long the calls of a version took.
#[derive(Debug)]
pub struct Calls {
    /// The model's name.
    pub model: String,
    /// The version's number.
    pub version: u32,
    /// Since it was loaded.
    pub latencies: Latencies,
}

/// The last hour.
#[derive(Debug, Default)]
pub struct Hour(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// When the first sample was taken.
    began_ms: Option<u64>,
    models: BTreeMap<String, KeptModel>,
    /// Which sample is taken: what is not in it is forgotten.
    sample: u64,
}

#[derive(Debug, Default)]
struct KeptModel {
    outcomes: BTreeMap<(Option<u32>, String), Counter>,
    fallbacks: BTreeMap<String, Counter>,
    calls: BTreeMap<u32, KeptCalls>,
}

/// A counter's total, and what was added in the last hour.
#[derive(Debug, Default)]
struct Counter {
    total: u64,
    /// While there was anything.
    ring: Option<Ring>,
    sample: u64,
}

#[derive(Debug)]
struct KeptCalls {
    slot: u64,
    /// At the end of the slot before.
    before: Latencies,
    now: Latencies,
    p50_us: Ring,
    p99_us: Ring,
    sample: u64,
}

impl Counter {
    fn sees(&mut self, slot: u64, total: u64, sample: u64) {
        // A version that came back began at 0.
        let added = total.checked_sub(self.total).unwrap_or(total);
        if added > 0 {
            self.ring.get_or_insert_with(|| Ring::new(slot)).add(slot, added);
        }
        if self.ring.as_ref().is_some_and(|ring| ring.is_empty(slot)) {
            self.ring = None;
        }
        (self.total, self.sample) = (total, sample);
    }

    fn sum(&self, until: u64, slots: u64) -> u64 {
        self.ring.as_ref().map_or(0, |ring| ring.sum(until, slots))
    }
}

impl KeptCalls {
    fn new(slot: u64) -> Self {
        let (p50_us, p99_us) = (Ring::new(slot), Ring::new(slot));
        Self { slot, before: Latencies::default(), now: Latencies::default(), p50_us, p99_us, sample: 0 }
    }

    fn sees(&mut self, slot: u64, latencies: Latencies, sample: u64) {
        if latencies.total() < self.now.total() {
            (self.before, self.now) = (Latencies::default(), Latencies::default());
        }
        if slot != self.slot {
            self.before = std::mem::take(&mut self.now);
            self.slot = slot;
        }
        let of_slot = latencies.minus(&self.before);
        for (share, ring) in [(0.5, &mut self.p50_us), (0.99, &mut self.p99_us)] {
            let took = of_slot.quantile(share).unwrap_or_default();
            ring.set(slot, u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
        (self.now, self.sample) = (latencies, sample);
    }
}

impl Hour {
    /// Takes up what was counted until now. Series that have ended are forgotten.
    pub fn sees(&self, now_ms: u64, counted: Counted) {
        let slot = slot_of(now_ms);
        let mut kept = self.lock();
        kept.began_ms.get_or_insert(now_ms);
        kept.sample += 1;
        let sample = kept.sample;
        for Requests { model, version, outcome, count } in counted.requests {
            let outcomes = &mut kept.models.entry(model).or_default().outcomes;
            outcomes.entry((version, outcome)).or_default().sees(slot, count, sample);
        }
        for Fallbacks { model, reason, count } in counted.fallbacks {
            let fallbacks = &mut kept.models.entry(model).or_default().fallbacks;
            fallbacks.entry(reason).or_default().sees(slot, count, sample);
        }
        for Calls { model, version, latencies } in counted.calls {
            let calls = &mut kept.models.entry(model).or_default().calls;
            calls.entry(version).or_insert_with(|| KeptCalls::new(slot)).sees(slot, latencies, sample);
        }
        kept.models.retain(|_, model| {
            model.outcomes.retain(|_, counter| counter.sample == sample);
            model.fallbacks.retain(|_, counter| counter.sample == sample);
            model.calls.retain(|_, calls| calls.sample == sample);
            !(model.outcomes.is_empty() && model.fallbacks.is_empty() && model.calls.is_empty())
        });
    }

    /// How many samples were taken.
    pub fn samples(&self) -> u64 {
        self.lock().sample
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Between any two samples it is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
