//! One side of a version: threads that answer count it, looks judge it.

use super::shards::Shards;
use super::{Alarm, Epoch, Epochs};
use scry_card::stats::{Counter, Counts, DriftReport, Reference, Statistic, Verdict, watch};
use scry_card::{Batch, Field, Interrupt, Invalid};
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Inputs, features or outputs.
#[derive(Debug)]
pub struct Series {
    /// Which side.
    pub name: &'static str,
    /// What its training data looked like.
    pub reference: Reference,
    counter: Counter,
    shards: Shards,
    epochs: Mutex<Epochs>,
    /// The newest epoch that was looked at after its end.
    judged: AtomicU64,
    /// Epoch and rows of the last look; locked during a look.
    looked: Mutex<(u64, u64)>,
    /// What the last look found; reading it never waits for a count.
    moment: Mutex<SeriesMoment>,
}

/// An epoch, judged.
#[derive(Debug, Serialize)]
pub struct EpochReport {
    /// Which epoch.
    pub epoch: u64,
    /// The first look at which it had drift; it stays, whatever comes after.
    pub alarm: Option<Alarm>,
    /// Every statistic of it now.
    pub report: DriftReport,
}

/// How a side stands.
#[derive(Debug, Serialize)]
pub struct SeriesReport {
    /// Epochs that had an alarm.
    pub alarms: u64,
    /// The epoch that runs.
    pub current: EpochReport,
    /// The epoch before.
    pub last: Option<EpochReport>,
}

/// How a side stood at the last look, in numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesMoment {
    /// Which side.
    pub side: &'static str,
    /// Rows in the epoch.
    pub rows: u64,
    /// Epochs that had an alarm.
    pub alarms: u64,
    /// The most evidence of any column.
    pub ln_e: f64,
    /// Columns that drift.
    pub drifting: usize,
}

impl Series {
    /// Nothing counted yet. Fails where the reference is not of these fields.
    pub(super) fn new(name: &'static str, reference: Reference, fields: &[Field]) -> Result<Self, Invalid> {
        let counter = Counter::new(&reference, fields)?;
        let epochs = Mutex::new(Epochs::begin(counter.start()));
        let moment = SeriesMoment { side: name, rows: 0, alarms: 0, ln_e: 0.0, drifting: 0 };
        let (judged, looked, moment) = (AtomicU64::new(0), Mutex::default(), Mutex::new(moment));
        Ok(Self { name, reference, counter, shards: Shards::default(), epochs, judged, looked, moment })
    }

    /// Counts a batch, a piece at a time, as long as that is wanted; one of
    /// another form is not refused here.
    pub(super) fn saw(&self, batch: &Batch, interrupt: &mut Interrupt<'_>) {
        let mut judged = Some(self.judged.load(Ordering::Relaxed));
        // They are this very reference's.
        self.shards.count(&self.counter, batch, interrupt, |counts| {
            let _ = self.lock().add(&self.counter, counts, judged.take());
        });
    }

    /// The epochs, with all that threads have counted.
    fn merged(&self) -> MutexGuard<'_, Epochs> {
        let judged = self.judged.load(Ordering::Relaxed);
        self.shards.take(|counts| {
            let _ = self.lock().add(&self.counter, counts, Some(judged));
        });
        self.lock()
    }

    pub(super) fn epochs(&self) -> Epochs {
        self.merged().clone()
    }

    /// The counts of the epoch that runs and of the one before, together.
    pub fn drawn(&self) -> Counts {
        let Epochs { mut current, last, .. } = self.epochs();
        if let Some(last) = last {
            // Both are of this reference.
            let _ = current.counts.merge(&last.counts);
        }
        current.counts
    }

    pub(super) fn mark(&self) -> (u64, u64, u64) {
        self.merged().mark()
    }

    /// The alarm that stands, if one does.
    pub(crate) fn standing_alarm(&self) -> Option<Alarm> {
        self.lock().standing_alarm().cloned()
    }

    pub(super) fn resume(&self, earlier: Epochs) -> Result<(), Invalid> {
        self.merged().resume(earlier)
    }

    /// Judges what has come since the last look; the alarms that are new. The
    /// e-process may be looked at as often as one likes.
    pub fn look(&self, alpha: f64, now_ms: u64) -> Vec<Alarm> {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let (number, rows, _) = self.mark();
        if *looked == (number, rows) {
            return Vec::new();
        }
        let epochs = self.epochs();
        let mut alarms = Vec::new();
        for epoch in epochs.last.iter().chain([&epochs.current]) {
            let at = (epoch.number, epoch.counts.rows());
            if at <= *looked {
                continue;
            }
            let Ok(report) = watch(&self.reference, &epoch.counts, alpha) else { continue };
            let alarm = Alarm::of(&report, now_ms);
            alarms.extend(alarm.filter(|alarm| self.lock().alarm(epoch.number, alarm)));
            *looked = at;
            let moment = SeriesMoment::of(self.name, self.mark().2, &report);
            *self.moment.lock().unwrap_or_else(PoisonError::into_inner) = moment;
        }
        if let Some(last) = &epochs.last {
            self.judged.fetch_max(last.number, Ordering::Relaxed);
        }
        alarms
    }

    /// How it stood at the last look.
    pub fn moment(&self) -> SeriesMoment {
        *self.moment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it stands now.
    pub fn report(&self, alpha: f64) -> Result<SeriesReport, Invalid> {
        let Epochs { current, last, alarms } = self.epochs();
        let judged = |epoch: Epoch| {
            let report = watch(&self.reference, &epoch.counts, alpha)?;
            Ok(EpochReport { epoch: epoch.number, alarm: epoch.alarm, report })
        };
        Ok(SeriesReport { alarms, current: judged(current)?, last: last.map(judged).transpose()? })
    }

    fn lock(&self) -> MutexGuard<'_, Epochs> {
        // Counts are whole between any two additions.
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SeriesMoment {
    fn of(side: &'static str, alarms: u64, report: &DriftReport) -> Self {
        let columns = &report.columns;
        let ln_e = columns.iter().filter_map(|column| column.value(Statistic::LnE)).fold(0.0, f64::max);
        let drifting = columns.iter().filter(|column| column.verdict == Verdict::Drift).count();
        Self { side, rows: report.live_rows, alarms, ln_e, drifting }
    }
}
