//! How many live rows fell where, in one epoch, on one or many hosts.
//!
//! Never a value of a row: counts and sums only, which add up in any order.

use super::{COUNT_MAX, ColumnReference, Kind, Reference, StatsError};
use crate::Invalid;
use crate::invalid::invalid;
use serde::{Deserialize, Serialize};

/// Counts of live rows in the cells of one reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Of the reference that they belong to.
    fingerprint: String,
    pub(super) rows: u64,
    pub(super) columns: Vec<Tally>,
}

/// The counts of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tally {
    /// One a bin; or one a category, and the last for all others.
    pub(super) cells: Vec<u64>,
    pub(super) null_count: u64,
    pub(super) nan_count: u64,
    /// Numbers outside of the reference's range.
    pub(super) outside_count: u64,
    /// Sum of the numbers in each bin, in the reference's standard deviations
    /// from its mean. Empty for categories.
    pub(super) sums: Vec<f64>,
    /// Sum of their squares.
    pub(super) square_sum: f64,
}

impl Counts {
    pub(super) fn empty(reference: &Reference) -> Self {
        let columns = reference.columns.iter().map(Tally::empty).collect();
        Self { fingerprint: reference.fingerprint(), rows: 0, columns }
    }

    /// Reads counts of a reference, from another host or an earlier time.
    pub fn from_json(json: &[u8], reference: &Reference) -> Result<Self, StatsError> {
        let counts: Self = serde_json::from_slice(json)?;
        counts.check(reference)?;
        Ok(counts)
    }

    /// Rows so far. At `EPOCH_ROWS` it is time to start anew.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Mean and standard deviation (ddof 0) of each numeric column so far, in
    /// the reference's standard deviations from the reference's mean.
    pub fn normed_moments(&self) -> Vec<Option<(f64, f64)>> {
        self.columns.iter().map(Tally::normed_moments).collect()
    }

    /// Adds the counts of another host, or thread. Fails, unchanged, where they
    /// are another reference's.
    pub fn merge(&mut self, other: &Self) -> Result<(), Invalid> {
        self.check_same(other)?;
        self.rows = self.rows.saturating_add(other.rows);
        self.columns.iter_mut().zip(&other.columns).for_each(|(mine, theirs)| mine.merge(theirs));
        Ok(())
    }

    /// Whether both are of one reference.
    pub(super) fn check_same(&self, other: &Self) -> Result<(), Invalid> {
        let columns = (self.columns.len(), other.columns.len());
        if self.fingerprint == other.fingerprint && columns.0 == columns.1 {
            return Ok(());
        }
        Err(invalid("fingerprint", None, &self.fingerprint, &other.fingerprint))
    }

    /// Whether these can be counts of that reference.
    pub fn check(&self, reference: &Reference) -> Result<(), Invalid> {
        Self::empty(reference).check_same(self)?;
        if self.rows > COUNT_MAX {
            return Err(invalid("rows", None, format!("at most {COUNT_MAX}"), self.rows.to_string()));
        }
        let mut pairs = self.columns.iter().zip(&reference.columns);
        pairs.try_for_each(|(tally, column)| tally.check(column, self.rows))
    }
}

impl Tally {
    pub(super) fn empty(column: &ColumnReference) -> Self {
        let (cells, sums) = match &column.kind {
            Kind::Numeric(numeric) => (numeric.histogram.counts.len(), numeric.histogram.counts.len()),
            Kind::Categorical(categorical) => (categorical.counts.len() + 1, 0),
        };
        Self {
            cells: vec![0; cells],
            null_count: 0,
            nan_count: 0,
            outside_count: 0,
            sums: vec![0.0; sums],
            square_sum: 0.0,
        }
    }

    /// Elements that are missing or not finite.
    pub(super) fn missing_count(&self) -> u64 {
        self.null_count.saturating_add(self.nan_count)
    }

    /// All other elements.
    pub(super) fn present_count(&self) -> u64 {
        self.cells.iter().copied().fold(0, u64::saturating_add)
    }

    fn normed_moments(&self) -> Option<(f64, f64)> {
        let count = self.present_count() as f64;
        if self.sums.is_empty() || count <= 0.0 {
            return None;
        }
        let mean = self.sums.iter().sum::<f64>() / count;
        Some((mean, (self.square_sum / count - mean * mean).max(0.0).sqrt()))
    }

    fn merge(&mut self, other: &Self) {
        let add = |mine: &mut u64, theirs: u64| *mine = mine.saturating_add(theirs);
        self.cells.iter_mut().zip(&other.cells).for_each(|(mine, theirs)| add(mine, *theirs));
        add(&mut self.null_count, other.null_count);
        add(&mut self.nan_count, other.nan_count);
        add(&mut self.outside_count, other.outside_count);
        self.sums.iter_mut().zip(&other.sums).for_each(|(mine, theirs)| *mine += theirs);
        self.square_sum += other.square_sum;
    }

    fn check(&self, column: &ColumnReference, rows: u64) -> Result<(), Invalid> {
        /// The furthest a number can be from a mean: 2e100, in units of 1e-3.
        const NORMED_MAX: f64 = 1e104;
        let wrong = |expected: String, found: String| Err(invalid(&column.name, None, expected, found));
        let form = Self::empty(column);
        let (expected, found) = ((form.cells.len(), form.sums.len()), (self.cells.len(), self.sums.len()));
        if expected != found {
            return wrong(format!("{expected:?} cells and sums"), format!("{found:?}"));
        }
        let total = self.present_count().saturating_add(self.missing_count());
        if total != rows || self.outside_count > rows {
            return wrong(format!("counts that add up to {rows} rows"), total.to_string());
        }
        let bounded = self.sums.iter().zip(&self.cells).all(|(sum, count)| sum.abs() <= NORMED_MAX * *count as f64);
        if !bounded || !(0.0..=NORMED_MAX * NORMED_MAX * rows as f64).contains(&self.square_sum) {
            return wrong("sums that so many numbers can have".into(), "larger ones".into());
        }
        Ok(())
    }
}
