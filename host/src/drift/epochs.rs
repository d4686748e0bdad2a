//! Counts by epoch: old rows hide no new drift.
//!
//! Pure: never locks, never looks at a clock.

use super::Alarm;
use scry_card::Invalid;
use scry_card::stats::{Counter, Counts, EPOCH_ROWS, Reference};
use serde::{Deserialize, Serialize};

/// One epoch of one side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// Counted from 1.
    pub number: u64,
    /// Where its rows fell.
    pub counts: Counts,
    /// The first look at which it had drift.
    pub alarm: Option<Alarm>,
}

/// The epoch that runs, and the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epochs {
    /// The epoch that runs.
    pub current: Epoch,
    /// The epoch before.
    pub last: Option<Epoch>,
    /// Epochs that had an alarm.
    pub alarms: u64,
}

impl Epoch {
    fn begin(number: u64, counts: Counts) -> Self {
        Self { number, counts, alarm: None }
    }
}

impl Epochs {
    pub(super) fn begin(counts: Counts) -> Self {
        Self { current: Epoch::begin(1, counts), last: None, alarms: 0 }
    }

    /// Adds counts, in a new epoch where this one has its rows and the one before it is among the
    /// `judged`: however fast rows come, none goes unseen. Without `judged` it begins none: these are
    /// the rest of a batch.
    pub(super) fn add(&mut self, counter: &Counter, counts: &Counts, judged: Option<u64>) -> Result<(), Invalid> {
        let is_over = judged.is_some_and(|judged| self.last.as_ref().is_none_or(|last| last.number <= judged));
        if is_over && self.current.counts.rows() >= EPOCH_ROWS {
            let next = Epoch::begin(self.current.number.saturating_add(1), counter.start());
            self.last = Some(std::mem::replace(&mut self.current, next));
        }
        self.current.counts.merge(counts)
    }

    /// How far counting has come.
    pub(super) fn mark(&self) -> (u64, u64, u64) {
        (self.current.number, self.current.counts.rows(), self.alarms)
    }

    /// Whether these can be a reference's.
    pub fn check(&self, reference: &Reference) -> Result<(), Invalid> {
        self.last.iter().chain([&self.current]).try_for_each(|epoch| epoch.counts.check(reference))
    }

    /// The alarm that stands: of the epoch that runs, else of the one before.
    /// So it ends with a whole epoch that has none, and a new epoch, of which a
    /// few rows say little, ends nothing by beginning.
    pub(super) fn standing_alarm(&self) -> Option<&Alarm> {
        [Some(&self.current), self.last.as_ref()].into_iter().flatten().find_map(|epoch| epoch.alarm.as_ref())
    }

    /// Remembers an epoch's first alarm; false where it is not the first.
    pub(super) fn alarm(&mut self, number: u64, alarm: &Alarm) -> bool {
        let mut epochs = self.last.iter_mut().chain([&mut self.current]);
        let Some(epoch) = epochs.find(|epoch| epoch.number == number && epoch.alarm.is_none()) else { return false };
        epoch.alarm = Some(alarm.clone());
        self.alarms = self.alarms.saturating_add(1);
        true
    }

    /// Goes on where earlier epochs ended. What was counted meanwhile belongs
    /// to the epoch that ran then, unless that is over.
    pub(super) fn resume(&mut self, earlier: Self) -> Result<(), Invalid> {
        let joins = self.last.is_none();
        if joins {
            self.current.counts.merge(&earlier.current.counts)?;
            self.current.alarm = earlier.current.alarm.or(self.current.alarm.take());
            self.last = earlier.last;
        } else if let Some(last) = &mut self.last {
            last.number = last.number.saturating_add(earlier.current.number);
        }
        let before = earlier.current.number.saturating_sub(u64::from(joins));
        self.current.number = self.current.number.saturating_add(before);
        self.alarms = self.alarms.saturating_add(earlier.alarms);
        Ok(())
    }
}
