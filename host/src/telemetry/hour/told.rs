//! What the last hour says of one model: in brief for a list, as a whole for its page.

use super::ring::{SLOT_MS, SLOTS, slot_of};
use super::{Hour, Kept, KeptModel};
use serde::Serialize;
use std::collections::BTreeMap;

/// Slots in a minute.
const MINUTE: u64 = 60_000 / SLOT_MS;
/// Slots in the time of which a list names the reasons: five minutes.
const LATELY: u64 = 5 * MINUTE;
/// Reasons that a list names.
const REASONS_MAX: usize = 4;

/// Whose doing an outcome is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The version answered.
    Answered,
    /// A fallback answered.
    Degraded,
    /// The caller was wrong, or left.
    Refused,
    /// There was no answer.
    Failed,
}

impl End {
    fn of(outcome: &str) -> Self {
        match outcome {
            "ok" => Self::Answered,
            "degraded" => Self::Degraded,
            "invalid-input" | "not-found" | "abandoned" => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// How many requests ended in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Ends {
    /// The version answered.
    pub ok: u64,
    /// A fallback answered.
    pub degraded: u64,
    /// The caller was wrong, or left.
    pub refused: u64,
    /// There was no answer.
    pub failed: u64,
}

impl Ends {
    fn add(&mut self, outcome: &str, count: u64) {
        match End::of(outcome) {
            End::Answered => self.ok += count,
            End::Degraded => self.degraded += count,
            End::Refused => self.refused += count,
            End::Failed => self.failed += count,
        }
    }
}

/// Why requests did not get their version's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// `fallback`, `error`, or `refused` where the caller was wrong.
    pub kind: &'static str,
    /// One of the fixed names.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// A model in a list.
#[derive(Debug, Default, Serialize)]
pub struct Brief {
    /// The last minute, or what there is of it.
    pub minute: Ends,
    /// How long that is.
    pub minute_s: f64,
    /// The last five minutes.
    pub lately: Ends,
    /// Why, in these minutes, most frequent first.
    pub reasons: Vec<Reason>,
    /// Calls of the live version: what half of them did not exceed, in the last slot that had any.
    pub p50_us: Option<u32>,
    /// The same for 99 of 100.
    pub p99_us: Option<u32>,
    /// Requests by minute, oldest first.
    pub requests: Vec<u64>,
    /// Those that failed or were answered by a fallback.
    pub troubled: Vec<u64>,
}

/// One version's hour, slot by slot, oldest first; what it had none of is left out.
#[derive(Debug, Default, Serialize)]
pub struct VersionHour {
    /// Nothing for versions that are not kept ready.
    pub version: Option<u32>,
    /// Requests that it answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ok: Vec<u32>,
    /// Requests that its fallback answered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<u32>,
    /// Requests that were wrong, or whose client left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<u32>,
    /// Requests without an answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<u32>,
    /// What half of its calls did not exceed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub p50_us: Vec<u32>,
    /// What 99 of 100 did not exceed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub p99_us: Vec<u32>,
}

/// A model's hour.
#[derive(Debug, Default, Serialize)]
pub struct WholeHour {
    /// When the host began to count, if that is less than an hour ago.
    pub began_ms: Option<u64>,
    /// How long a slot is.
    pub slot_ms: u64,
    /// How many there are.
    pub slots: usize,
    /// When the first slot began.
    pub from_ms: u64,
    /// By version.
    pub versions: Vec<VersionHour>,
    /// Why requests did not get their version's answer, most frequent first.
    pub reasons: Vec<Reason>,
}

impl Hour {
    /// A model in brief; the latencies are those of its live version.
    pub fn brief(&self, model: &str, live: Option<u32>, now_ms: u64) -> Option<Brief> {
        let kept = self.lock();
        let found = kept.models.get(model)?;
        let slot = slot_of(now_ms);
        let (mut minute, mut lately) = (Ends::default(), Ends::default());
        let (mut requests, mut troubled) = (vec![0; SLOTS / MINUTE as usize], vec![0; SLOTS / MINUTE as usize]);
        for ((_, outcome), counter) in &found.outcomes {
            let Some(ring) = &counter.ring else { continue };
            minute.add(outcome, ring.sum(slot, MINUTE));
            lately.add(outcome, ring.sum(slot, LATELY));
            let is_trouble = matches!(End::of(outcome), End::Degraded | End::Failed);
            let hour = ring.hour(slot);
            for (at, slots) in hour.chunks(MINUTE as usize).enumerate() {
                let sum: u64 = slots.iter().map(|count| u64::from(*count)).sum();
                let add = |to: &mut Vec<u64>| to.get_mut(at).into_iter().for_each(|count| *count += sum);
                add(&mut requests);
                if is_trouble {
                    add(&mut troubled);
                }
            }
        }
        let mut reasons = found.reasons(slot, LATELY);
        reasons.truncate(REASONS_MAX);
        let calls = live.and_then(|live| found.calls.get(&live));
        let last = calls
            .and_then(|calls| (0..MINUTE).map(|ago| slot.saturating_sub(ago)).find(|at| calls.p99_us.get(*at) > 0));
        let of = |ring: fn(&super::KeptCalls) -> &super::Ring| Some(ring(calls?).get(last?));
        Some(Brief {
            minute,
            minute_s: kept.covered_ms(now_ms, MINUTE) as f64 / 1e3,
            lately,
            reasons,
            p50_us: of(|calls| &calls.p50_us),
            p99_us: of(|calls| &calls.p99_us),
            requests,
            troubled,
        })
    }

    /// A model's hour; empty where it had no requests.
    pub fn whole(&self, model: &str, now_ms: u64) -> WholeHour {
        let kept = self.lock();
        let slot = slot_of(now_ms);
        let from_ms = (slot + 1).saturating_sub(SLOTS as u64) * SLOT_MS;
        let began_ms = kept.began_ms.filter(|began_ms| *began_ms > from_ms);
        let hour = WholeHour { began_ms, slot_ms: SLOT_MS, slots: SLOTS, from_ms, ..WholeHour::default() };
        let Some(found) = kept.models.get(model) else { return hour };
        WholeHour { versions: found.versions(slot), reasons: found.reasons(slot, SLOTS as u64), ..hour }
    }
}

impl Kept {
    /// How much of the last slots was counted: the newest is not over, and the host may be younger.
    fn covered_ms(&self, now_ms: u64, slots: u64) -> u64 {
        let from_ms = (slot_of(now_ms) + 1).saturating_sub(slots) * SLOT_MS;
        now_ms.saturating_sub(from_ms.max(self.began_ms.unwrap_or(0)))
    }
}

impl KeptModel {
    /// Why requests of these slots did not get their version's answer.
    fn reasons(&self, until: u64, slots: u64) -> Vec<Reason> {
        let mut all: BTreeMap<(&'static str, &str), u64> = BTreeMap::new();
        for (reason, counter) in &self.fallbacks {
            *all.entry(("fallback", reason)).or_default() += counter.sum(until, slots);
        }
        for ((_, outcome), counter) in &self.outcomes {
            let kind = match End::of(outcome) {
                End::Failed => "error",
                End::Refused => "refused",
                End::Answered | End::Degraded => continue,
            };
            *all.entry((kind, outcome)).or_default() += counter.sum(until, slots);
        }
        let told = all.into_iter().filter(|(_, count)| *count > 0);
        let mut told: Vec<_> =
            told.map(|((kind, reason), count)| Reason { kind, reason: reason.to_owned(), count }).collect();
        told.sort_by_key(|reason| std::cmp::Reverse(reason.count));
        told
    }

    fn versions(&self, slot: u64) -> Vec<VersionHour> {
        let mut versions: BTreeMap<Option<u32>, VersionHour> = BTreeMap::new();
        for ((version, outcome), counter) in &self.outcomes {
            let Some(ring) = &counter.ring else { continue };
            let hour = versions.entry(*version).or_default();
            let sums = match End::of(outcome) {
                End::Answered => &mut hour.ok,
                End::Degraded => &mut hour.degraded,
                End::Refused => &mut hour.refused,
                End::Failed => &mut hour.failed,
            };
            sums.resize(SLOTS, 0);
            sums.iter_mut().zip(ring.hour(slot)).for_each(|(sum, count)| *sum = sum.saturating_add(count));
        }
        for (version, calls) in &self.calls {
            let hour = versions.entry(Some(*version)).or_default();
            (hour.p50_us, hour.p99_us) = (calls.p50_us.hour(slot), calls.p99_us.hour(slot));
        }
        versions.into_iter().map(|(version, hour)| VersionHour { version, ..hour }).collect()
    }
}
