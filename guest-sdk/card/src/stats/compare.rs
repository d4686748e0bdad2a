//! Comparing: a reference with live counts, or with another reference.
//!
//! Never decides by itself: it brings both sides into the same cells, and
//! `judge` has the rules.

use super::cells::{Cell, from_origin};
use super::counter::Cells;
use super::counts::Tally;
use super::judge::{Judge, Live, Spread};
use super::{CategoricalReference, ColumnReference, Counts, DriftReport, HeldOut, Kind, Reference, Rule};
use crate::Invalid;
use crate::invalid::invalid;
use std::borrow::Cow;
use std::collections::BTreeSet;

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
                // None of these counts chose what is named.
                if let Some((other, named)) = tally.cells.split_last() {
                    categorical.held_out = Some(HeldOut { counts: named.to_vec(), other_count: *other });
                }
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
/// the reference's bins; where neither helps, by the means alone. Of texts,
/// [`Profiler::naming`](super::Profiler::naming) and
/// [`Profiler::finish_both`](super::Profiler::finish_both) leave counts of the
/// same names; where `live` has others, what it does not name counts as least
/// unlike the reference.
pub fn compare(reference: &Reference, live: &Reference, alpha: f64) -> Result<DriftReport, Invalid> {
    let find = |name: &str| {
        let other = live.columns.iter().find(|other| other.name == *name);
        other.ok_or_else(|| invalid(name, None, "a column in both", "none in the live data"))
    };
    let mut reference = reference.clone();
    for column in &mut reference.columns {
        let other = find(&column.name)?;
        if let (Kind::Categorical(mine), Kind::Categorical(theirs)) = (&mut column.kind, &other.kind) {
            *mine = mine.facing(theirs);
        }
    }
    let columns = reference.columns.iter().map(|column| of_column(column, find(&column.name)?));
    report(Rule::Window, &reference, live.rows, alpha, columns)
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
        moments: None,
    }
}

/// Brings a column of one reference into the cells of another.
fn of_column<'a>(reference: &ColumnReference, live: &'a ColumnReference) -> Result<Live<'a>, Invalid> {
    let mut tally = Tally::empty(reference);
    let origin = |kind: &Kind| match kind {
        Kind::Numeric(numeric) => numeric.origin.unwrap_or(0),
        Kind::Categorical(_) => 0,
    };
    let apart = Some(origin(&reference.kind).saturating_sub(origin(&live.kind))).filter(|apart| *apart != 0);
    let mut found = Live { rows: live.count, missing_count: live.missing_count(), ..Live::default() };
    match (Cells::of(&reference.kind), &live.kind) {
        (Cells::Bins(bins), Kind::Numeric(numeric)) => {
            found.sample = numeric.sample.as_deref().map(|sample| match apart {
                None => Cow::Borrowed(sample),
                apart => sample.iter().map(|&value| from_origin(value, apart)).collect(),
            });
            let (mean, count) = (from_origin(numeric.mean, apart), live.present_count());
            found.moments = Some(Spread { mean, std_dev: numeric.std_dev, count });
            found
                .sample
                .iter()
                .flat_map(|sample| sample.iter())
                .for_each(|&value| bins.count_number(&mut tally, value, 1));
        }
        (Cells::Bins(bins), Kind::Categorical(categorical)) => {
            for category in &categorical.counts {
                if !bins.count_text(&mut tally, &category.value, category.count) {
                    return Err(wrong_kind(&live.name, &category.value));
                }
            }
        }
        (Cells::Categories(categories), Kind::Numeric(numeric)) => {
            for &value in numeric.sample.iter().flatten() {
                let cell = match numeric.origin {
                    Some(origin) if value.fract() == 0.0 => Cell::Whole(origin.saturating_add(value as i128)),
                    _ => Cell::Number(value),
                };
                categories.count(&mut tally, cell, 1);
            }
        }
        (Cells::Categories(categories), Kind::Categorical(categorical)) => {
            let counts = categorical.fair_counts();
            for (category, count) in categorical.counts.iter().zip(&counts) {
                let whole = category.value.parse().ok().filter(|_| categorical.is_whole);
                categories.count(&mut tally, whole.map_or(Cell::Text(&category.value), Cell::Whole), *count);
            }
            if let Some(other) = tally.cells.last_mut() {
                *other += counts.last().copied().unwrap_or(0);
            }
            if let Kind::Categorical(reference) = &reference.kind {
                spread_other(reference, categorical, &mut tally.cells);
            }
        }
    }
    let counted = tally.present_count();
    found.is_complete = counted.saturating_add(found.missing_count) == found.rows;
    if counted > 0 || found.is_complete || found.moments.is_none() {
        (found.cells, found.sums) = (tally.cells, tally.sums);
    }
    Ok(found)
}

/// Gives the reference's categories that live data does not name as much of
/// its `other` as they had, if so little would not have been named.
fn spread_other(reference: &CategoricalReference, live: &CategoricalReference, cells: &mut [u64]) {
    let counts = live.fair_counts();
    let (Some(unnamed), Some((other, cells))) = (counts.last(), cells.split_last_mut()) else { return };
    let (mut left, most) = (*unnamed, live.unnamed_max());
    let known: BTreeSet<_> = live.counts.iter().map(|category| category.value.as_str()).collect();
    let expected = reference.fair_counts();
    let total = |counts: &[u64]| counts.iter().map(|&count| count as f64).sum::<f64>();
    let per_reference = total(&counts) / total(&expected).max(1.0);
    for ((category, cell), expected) in reference.counts.iter().zip(cells).zip(&expected) {
        if !known.contains(category.value.as_str()) {
            let share = ((*expected as f64 * per_reference).round() as u64).min(most).min(left);
            *cell = cell.saturating_add(share);
            (*other, left) = (other.saturating_sub(share), left - share);
        }
    }
}

fn wrong_kind(name: &str, found: &str) -> Invalid {
    invalid(name, None, "numbers, as in the reference", crate::Echo::default().text(found))
}
