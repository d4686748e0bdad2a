//! What an epoch that drifts says of itself.

use scry_card::stats::{ColumnReport, DriftReport, Statistic, Verdict};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The first look at which an epoch had drift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alarm {
    /// Unix time.
    pub at_ms: u64,
    /// Rows of the epoch by then.
    pub rows: u64,
    /// How many columns had drift.
    pub columns_drifting: u64,
    /// The first columns that had drift.
    pub columns: Vec<AlarmColumn>,
}

/// One column that drifts, and by what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmColumn {
    /// The field's name.
    pub column: String,
    /// Which effect is material.
    pub effect: Statistic,
    /// The effect's size.
    pub observed_value: f64,
    /// Where the effect starts to matter.
    pub threshold: f64,
    /// The evidence.
    pub ln_e: f64,
    /// Where the evidence is enough.
    pub ln_e_threshold: f64,
}

impl Alarm {
    /// More are counted, not named.
    const COLUMNS_MAX: usize = 16;

    /// Which columns drift, in a line.
    pub(crate) fn names(&self) -> String {
        const NAMED_MAX: usize = 3;
        let named = self.columns.iter().take(NAMED_MAX).map(|column| format!("`{}`", column.column));
        let named = named.collect::<Vec<_>>().join(", ");
        match self.columns_drifting.saturating_sub(NAMED_MAX as u64) {
            0 => format!("drift in {named}"),
            more => format!("drift in {named} and {more} more"),
        }
    }

    /// The alarm that follows from a look, if one does.
    pub(super) fn of(report: &DriftReport, at_ms: u64) -> Option<Self> {
        let drifting = || report.columns.iter().filter(|column| column.verdict == Verdict::Drift);
        let columns: Vec<_> = drifting().take(Self::COLUMNS_MAX).filter_map(AlarmColumn::of).collect();
        let columns_drifting = drifting().count() as u64;
        (columns_drifting > 0).then_some(Self { at_ms, rows: report.live_rows, columns_drifting, columns })
    }
}

impl AlarmColumn {
    fn of(report: &ColumnReport) -> Option<Self> {
        let effects = Statistic::EFFECTS.iter().filter_map(|effect| report.check(*effect));
        let effect = effects.into_iter().find(|check| check.reached)?;
        let evidence = report.check(Statistic::LnE)?;
        Some(Self {
            column: report.column.clone(),
            effect: effect.statistic,
            observed_value: effect.observed_value,
            threshold: effect.threshold?,
            ln_e: evidence.observed_value,
            ln_e_threshold: evidence.threshold?,
        })
    }
}

/// `x: w_norm 1.02 >= 0.1, ln E 12.3 >= 8.0; y: …; and 3 more`
impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, column) in self.columns.iter().enumerate() {
            write!(f, "{}{column}", if at == 0 { "" } else { "; " })?;
        }
        match self.columns_drifting.saturating_sub(self.columns.len() as u64) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl fmt::Display for AlarmColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, effect, observed_value, threshold, ln_e, ln_e_threshold } = self;
        let effect = effect.name();
        write!(f, "{column}: {effect} {observed_value:.3} >= {threshold}, ln E {ln_e:.1} >= {ln_e_threshold:.1}")
    }
}
