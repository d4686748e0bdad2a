//! Comparing: a reference with live counts, or with another reference.
//!
//! Never decides by itself: it brings both sides into the same cells, and
//! `judge` has the rules.

use super::cells::Cell;
use super::counter::Cells;
use super::counts::Tally;
use super::judge::{Judge, Live};
use super::{ColumnReference, Counts, DriftReport, Kind, Reference, Rule};
use crate::Invalid;
use crate::invalid::invalid;

/// Judges the counts of an epoch, as often as wanted: with no drift, at most a
/// share `alpha` of epochs ever sees an alarm.
pub fn watch(reference: &Reference, counts: &Counts, alpha: f64) -> Result<DriftReport, Invalid> {
    of_counts(Rule::Epoch, reference, counts, alpha)
}

/// Judges the counts of a fixed window, once.
pub fn compare_counts(reference: &Reference, counts: &Counts, alpha: f64) -> Result<DriftReport, Invalid> {
    of_counts(Rule::Window, reference, counts, alpha)
}

/// Judges two versions that ran beside each other, once: how far the counts of
/// one are from those of the other, both in the cells of one reference.
///
/// Distances are normed by the reference's standard deviation.
pub fn compare_live(reference: &Reference, live: &Counts, other: &Counts, alpha: f64) -> Result<DriftReport, Invalid> {
    live.check(reference)?;
    compare_counts(&as_reference(reference, live), other, alpha)
}

/// What a reference would be had its data been these counts; its cells stay.
fn as_reference(reference: &Reference, counts: &Counts) -> Reference {
    let columns = reference.columns.iter().zip(&counts.columns).map(|(column, tally)| {
        let mut column = ColumnReference { count: counts.rows, null_count: tally.null_count, ..column.clone() };
        match &mut column.kind {
            Kind::Numeric(numeric) => {
                let (mean, scale) = (numeric.mean, numeric.scale());
                let of_bin = |(sum, count): (&f64, &u64)| mean + scale * sum / (*count).max(1) as f64;
                numeric.histogram.means = tally.sums.iter().zip(&tally.cells).map(of_bin).collect();
                numeric.histogram.counts.clone_from(&tally.cells);
                (numeric.nan_count, numeric.sample) = (tally.nan_count, None);
            }
            Kind::Categorical(categorical) => {
                let slots = categorical.counts.iter_mut().map(|category| &mut category.count);
                slots.chain([&mut categorical.other_count]).zip(&tally.cells).for_each(|(slot, count)| *slot = *count);
                column.null_count = tally.missing_count();
            }
        }
        column
    });
    Reference { rows: counts.rows, assumed: Vec::new(), columns: columns.collect(), ..reference.clone() }
}

fn of_counts(rule: Rule, reference: &Reference, counts: &Counts, alpha: f64) -> Result<DriftReport, Invalid> {
    counts.check(reference)?;
    let live = counts.columns.iter().map(|tally| Ok(of_tally(counts.rows, tally)));
    report(rule, reference, counts.rows, alpha, live)
}

/// Judges the data of one reference by another, once: for whole data sets.
///
/// Numbers are compared by the stored samples; where only `live` has one, by
/// the reference's bins; where neither helps, by the means alone.
pub fn compare(reference: &Reference, live: &Reference, alpha: f64) -> Result<DriftReport, Invalid> {
    let columns = reference.columns.iter().map(|column| {
        let other = live.columns.iter().find(|other| other.name == column.name);
        let other = other.ok_or_else(|| invalid(&column.name, None, "a column in both", "none in the live data"))?;
        of_column(column, other)
    });
    report(Rule::Window, reference, live.rows, alpha, columns)
}

fn report<'a>(
    rule: Rule,
    reference: &Reference,
    live_rows: u64,
    alpha: f64,
    live: impl Iterator<Item = Result<Live<'a>, Invalid>>,
) -> Result<DriftReport, Invalid> {
    let judge = Judge::new(rule, alpha, reference.columns.len());
    let columns = reference.columns.iter().zip(live).map(|(column, live)| Ok(judge.column(column, &live?)));
    let columns = columns.collect::<Result<Vec<_>, Invalid>>()?;
    Ok(DriftReport {
        verdict: DriftReport::verdict_of(&columns),
        rule,
        alpha,
        reference_rows: reference.rows,
        live_rows,
        columns,
        assumed: reference.assumed.clone(),
    })
}

fn of_tally(rows: u64, tally: &Tally) -> Live<'static> {
    let is_numeric = !tally.sums.is_empty();
    let unexpected = if is_numeric { tally.outside_count } else { tally.cells.last().copied().unwrap_or(0) };
    Live {
        rows,
        missing_count: tally.missing_count(),
        unexpected_count: Some(unexpected.saturating_add(tally.nan_count)),
        cells: tally.cells.clone(),
        sums: tally.sums.clone(),
        is_complete: true,
        sample: None,
        mean: None,
    }
}

/// Brings a column of one reference into the cells of another.
fn of_column<'a>(reference: &ColumnReference, live: &'a ColumnReference) -> Result<Live<'a>, Invalid> {
    let mut tally = Tally::empty(reference);
    let mut found = Live { rows: live.count, missing_count: live.missing_count(), ..Live::default() };
    match (Cells::of(&reference.kind), &live.kind) {
        (Cells::Bins(bins), Kind::Numeric(numeric)) => {
            found.sample = numeric.sample.as_deref();
            found.mean = Some(numeric.mean);
            found.sample.into_iter().flatten().for_each(|&value| bins.count_number(&mut tally, value, 1));
        }
        (Cells::Bins(bins), Kind::Categorical(categorical)) => {
            for category in &categorical.counts {
                let number = category.value.parse().map_err(|_| wrong_kind(&live.name, &category.value))?;
                bins.count_number(&mut tally, number, category.count);
            }
        }
        (Cells::Categories(categories), Kind::Numeric(numeric)) => {
            let sample = numeric.sample.iter().flatten();
            sample.for_each(|&value| categories.count(&mut tally, Cell::Number(value), 1));
        }
        (Cells::Categories(categories), Kind::Categorical(categorical)) => {
            for category in &categorical.counts {
                categories.count(&mut tally, Cell::Text(&category.value), category.count);
            }
            if let Some(other) = tally.cells.last_mut() {
                *other += categorical.other_count;
            }
        }
    }
    let counted = tally.present_count();
    found.is_complete = counted.saturating_add(found.missing_count) == found.rows;
    if counted > 0 || found.is_complete || found.mean.is_none() {
        (found.cells, found.sums) = (tally.cells, tally.sums);
    }
    Ok(found)
}

fn wrong_kind(name: &str, found: &str) -> Invalid {
    invalid(name, None, "numbers, as in the reference", crate::Echo::default().text(found))
}
