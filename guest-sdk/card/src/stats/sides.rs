//! Both sides of a column, in the cells that they are judged in.
//!
//! Never takes a cell that was chosen by counts it is compared by: the most
//! frequent of many categories had luck, and would seem to fall in any other data.

use super::cells::number_text;
use super::texts::CHOOSING_MIN;
use super::texts::ranked;
use super::{CATEGORIES_MAX, CategoricalReference, Category, ColumnReference, HeldOut, Kind, NumericReference};
use std::collections::{BTreeMap, BTreeSet};

/// What the e-process expects of a cell without counts: Jeffreys' prior.
const HALF: f64 = 0.5;
/// All cells of a column expect no more than this beside what they had, or many
/// rare ones would outweigh the data.
const PRIOR_MAX: f64 = 10.0;

/// The counts of both sides, cell by cell.
#[derive(Debug)]
pub(super) struct Sides {
    pub(super) reference: Vec<u64>,
    pub(super) live: Vec<u64>,
    /// What the e-process expects of each cell, and of missing elements.
    pub(super) weights: Vec<f64>,
    pub(super) missing_weight: f64,
    /// The share of values that the reference may have missed by chance.
    pub(super) unseen: f64,
}

impl Sides {
    /// `live` has the reference's own cells: its bins, or its categories and `other`.
    pub(super) fn of(column: &ColumnReference, live: &[u64]) -> Self {
        let sides = match &column.kind {
            Kind::Numeric(numeric) => Self::of_bins(numeric, live),
            Kind::Categorical(categorical) => Self::of_categories(categorical, live),
        };
        // Where cells are of a part of the values, they weigh less than all
        // values; so must the missing ones.
        let counted: f64 = sides.reference.iter().map(|&count| count as f64).sum();
        let present = column.present_count() as f64;
        let part = if present > counted { counted / present } else { 1.0 };
        Self { missing_weight: column.missing_count() as f64 * part + HALF, ..sides }
    }

    /// n values have n + 1 spacings before, between and after them, and the
    /// shares of the bins are Dirichlet distributed by their spacings: by their
    /// counts, the last bin's one more. Only counts of other data than the
    /// edges are from leave another bin empty.
    fn of_bins(numeric: &NumericReference, live: &[u64]) -> Self {
        let reference = numeric.histogram.counts.clone();
        let mut weights: Vec<f64> = reference.iter().map(|&count| (count as f64).max(HALF)).collect();
        weights.iter_mut().rev().take(1).for_each(|last| *last += 1.0);
        Self { reference, live: live.to_vec(), weights, missing_weight: 0.0, unseen: 0.0 }
    }

    /// A category's share is by its count and its part of the prior.
    fn of_categories(categorical: &CategoricalReference, live: &[u64]) -> Self {
        let (reference, live) = categorical.cells(live);
        let prior = HALF.min(PRIOR_MAX / reference.len() as f64);
        let mut weights: Vec<f64> = reference.iter().map(|&count| count as f64 + prior).collect();
        // As often as values came once, others may be expected that never came
        // (Good & Turing).
        let once =
            if categorical.is_complete() { reference.iter().filter(|count| **count == 1).count() as f64 } else { 0.0 };
        weights.iter_mut().rev().take(1).for_each(|other| *other += once);
        let total: f64 = reference.iter().map(|&count| count as f64).sum();
        let unseen = (once + 2.0 * once.sqrt()) / total.max(1.0);
        Self { reference, live, weights, missing_weight: 0.0, unseen }
    }
}

impl CategoricalReference {
    /// Whether every value that there was is named.
    fn is_complete(&self) -> bool {
        self.held_out.is_none() && self.other_count == 0
    }

    /// The counts to compare with; those of `other` last.
    pub(super) fn fair_counts(&self) -> Vec<u64> {
        match &self.held_out {
            Some(held_out) => held_out.counts.iter().copied().chain([held_out.other_count]).collect(),
            None => self.counts.iter().map(|category| category.count).chain([self.other_count]).collect(),
        }
    }

    /// How many elements a value can have that is not named.
    pub(super) fn unnamed_max(&self) -> u64 {
        let least = |counts: &mut dyn Iterator<Item = u64>| counts.min().unwrap_or(CHOOSING_MIN);
        match &self.held_out {
            None if self.other_count == 0 => 0,
            None => least(&mut self.counts.iter().map(|category| category.count)),
            // Those that chose are as many as those held out, by chance some more or fewer.
            Some(held_out) => {
                let pairs = self.counts.iter().zip(&held_out.counts);
                let choosing = least(&mut pairs.map(|(all, held_out)| all.count.saturating_sub(*held_out))) as f64;
                (choosing + 4.0 * choosing.sqrt()) as u64
            }
        }
    }

    /// Of references of earlier versions, which name the most frequent of many
    /// values by the only counts that they have, the names that chance might
    /// have left out.
    fn unsure(&self) -> impl Iterator<Item = &str> {
        let is_chosen = self.held_out.is_none() && self.other_count > 0 && self.counts.len() >= CATEGORIES_MAX;
        let least = self.counts.iter().map(|category| category.count).min().unwrap_or(0) as f64;
        let sure = if is_chosen { least + 4.0 * least.sqrt() } else { -1.0 };
        let unsure = self.counts.iter().filter(move |category| category.count as f64 <= sure);
        unsure.map(|category| category.value.as_str())
    }

    /// Both sides' counts in cells that may be compared.
    fn cells(&self, live: &[u64]) -> (Vec<u64>, Vec<u64>) {
        let unsure: BTreeSet<_> = self.unsure().collect();
        let is_unsure =
            |at: usize| self.counts.get(at).is_some_and(|category| unsure.contains(category.value.as_str()));
        let pairs = || self.fair_counts().into_iter().zip(live).enumerate();
        let mut cells: (Vec<u64>, Vec<u64>) = pairs().filter(|(at, _)| !is_unsure(*at)).map(|(_, pair)| pair).unzip();
        if let (Some(reference), Some(live)) = (cells.0.last_mut(), cells.1.last_mut()) {
            for (_, (count, found)) in pairs().filter(|(at, _)| is_unsure(*at)) {
                (*reference, *live) = (reference.saturating_add(count), live.saturating_add(*found));
            }
        }
        cells
    }

    /// Whole numbers as earlier versions had them: those that round to one are one.
    fn rounded(&self) -> Self {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for Category { value, count } in &self.counts {
            let text = value.parse().map_or_else(|_| value.clone(), number_text);
            *counts.entry(text).or_default() += count;
        }
        ranked(counts.into_iter().map(|(value, count)| Category { value, count }).collect())
    }

    /// These counts as exactly as the other side has them, without the names that
    /// either side is unsure of.
    pub(super) fn facing(&self, live: &Self) -> Self {
        if self.is_whole && !live.is_whole {
            return self.rounded();
        }
        let unsure: BTreeSet<_> = self.unsure().chain(live.unsure()).collect();
        if unsure.is_empty() {
            return self.clone();
        }
        let mut fair = self.fair_counts();
        let mut other_count = fair.pop().unwrap_or(0);
        let (mut counts, mut held_out, mut other) = (Vec::new(), Vec::new(), self.other_count);
        for (category, count) in self.counts.iter().zip(fair) {
            if unsure.contains(category.value.as_str()) {
                (other, other_count) = (other.saturating_add(category.count), other_count.saturating_add(count));
            } else {
                counts.push(category.clone());
                held_out.push(count);
            }
        }
        let held_out = Some(HeldOut { counts: held_out, other_count });
        Self { counts, other_count: other, held_out, is_whole: self.is_whole }
    }
}
