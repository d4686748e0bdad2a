//! One number for each quarter of a minute of the last hour.
//!
//! Pure: slots are passed in as numbers, which count from the beginning of Unix time.

/// How long a slot is.
pub(super) const SLOT_MS: u64 = 15_000;
/// How many there are.
pub(super) const SLOTS: usize = 240;

/// The slot of a moment.
pub(super) fn slot_of(at_ms: u64) -> u64 {
    at_ms / SLOT_MS
}

/// The numbers of the last `SLOTS` slots: 960 bytes.
#[derive(Debug, Clone)]
pub(super) struct Ring {
    values: Box<[u32; SLOTS]>,
    newest: u64,
}

impl Ring {
    /// Nothing yet; this slot is the newest.
    pub(super) fn new(slot: u64) -> Self {
        Self { values: Box::new([0; SLOTS]), newest: slot }
    }

    /// Adds to a slot.
    pub(super) fn add(&mut self, slot: u64, count: u64) {
        if let Some(value) = self.at(slot) {
            *value = value.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// Replaces what a slot has.
    pub(super) fn set(&mut self, slot: u64, new: u64) {
        if let Some(value) = self.at(slot) {
            *value = u32::try_from(new).unwrap_or(u32::MAX);
        }
    }

    /// The number of a slot; 0 before the last hour and after the newest.
    pub(super) fn get(&self, slot: u64) -> u32 {
        let is_there = slot <= self.newest && slot + SLOTS as u64 > self.newest;
        is_there.then(|| self.values.get(place(slot)).copied()).flatten().unwrap_or(0)
    }

    /// The sum of so many slots, of which this one is the last.
    pub(super) fn sum(&self, until: u64, slots: u64) -> u64 {
        (until.saturating_sub(slots.saturating_sub(1))..=until).map(|slot| u64::from(self.get(slot))).sum()
    }

    /// All slots of the hour that ends with this one, oldest first.
    pub(super) fn hour(&self, until: u64) -> Vec<u32> {
        (until.saturating_sub(SLOTS as u64 - 1)..=until).map(|slot| self.get(slot)).collect()
    }

    /// Whether the hour that ends with this slot has nothing.
    pub(super) fn is_empty(&self, until: u64) -> bool {
        self.sum(until, SLOTS as u64) == 0
    }

    /// The place of a slot, after those that were passed over are emptied. A clock that was set back by more than an hour
    /// begins anew.
    fn at(&mut self, slot: u64) -> Option<&mut u32> {
        if slot + SLOTS as u64 <= self.newest {
            *self = Self::new(slot);
        }
        let ahead = slot.saturating_sub(self.newest).min(SLOTS as u64);
        for passed in slot - ahead..slot {
            if let Some(value) = self.values.get_mut(place(passed + 1)) {
                *value = 0;
            }
        }
        self.newest = self.newest.max(slot);
        self.values.get_mut(place(slot))
    }
}

fn place(slot: u64) -> usize {
    (slot % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_hour_is_kept_and_nothing_older() {
        let mut ring = Ring::new(1_000);
        ring.add(1_000, 3);
        ring.add(1_000, 4);
        ring.add(1_239, 5);
        assert_eq!((ring.get(1_000), ring.get(1_001), ring.get(1_239), ring.get(1_240)), (7, 0, 5, 0));
        ring.add(1_240, 1);
        assert_eq!((ring.get(1_000), ring.sum(1_240, 2), ring.sum(1_240, 240)), (0, 6, 6));
        assert_eq!(ring.hour(1_240).iter().map(|value| u64::from(*value)).sum::<u64>(), 6);
        assert!(!ring.is_empty(1_478) && ring.is_empty(1_480));
    }

    #[test]
    fn a_number_that_does_not_fit_is_the_largest() {
        let mut ring = Ring::new(0);
        ring.add(0, u64::MAX);
        ring.add(0, 1);
        assert_eq!(ring.get(0), u32::MAX);
        ring.set(0, 9);
        assert_eq!(ring.get(0), 9);
    }

    #[test]
    fn a_clock_that_is_set_back_begins_anew() {
        let mut ring = Ring::new(10_000);
        ring.add(10_000, 1);
        ring.add(9_990, 2);
        assert_eq!((ring.get(10_000), ring.get(9_990)), (1, 2));
        ring.add(5_000, 3);
        assert_eq!((ring.get(10_000), ring.get(5_000)), (0, 3));
    }

    proptest! {
        #[test]
        fn it_has_what_a_map_of_the_last_hour_has(steps in prop::collection::vec((0u64..400, 1u64..9), 1..60)) {
            let (mut ring, mut all, mut now) = (Ring::new(500), BTreeMap::new(), 500);
            for (ahead, count) in steps {
                now += ahead;
                ring.add(now, count);
                *all.entry(now).or_insert(0) += count;
            }
            for slot in now.saturating_sub(300)..=now + 1 {
                let expected = if slot + 240 > now { all.get(&slot).copied().unwrap_or(0) } else { 0 };
                prop_assert_eq!(u64::from(ring.get(slot)), expected, "slot {} of {}", slot, now);
            }
        }
    }
}
