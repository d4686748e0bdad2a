//! What a split compares: a row's numbers, made so that one comparison decides.

use crate::error::{Wrong, wrong};
use std::collections::BTreeMap;

/// What LightGBM takes for zero.
const ZERO: f64 = 1e-35_f32 as f64;

/// How a number is made of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// The feature; if missing, less or more than any threshold.
    Number { missing_left: bool },
    /// The same, but zero is missing, too.
    ZeroMissing { missing_left: bool },
    /// Less than any threshold or more, whether the feature is missing or not.
    Present { missing_left: bool, present_left: bool },
    /// Less than any threshold or more, whether the feature's category is in the set or not.
    Category { set: u32, members_left: bool, missing: Missing, zero_missing: bool },
}

/// What becomes of a missing category.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Missing {
    Left,
    Right,
    /// It counts as the category 0.
    Zero,
}

/// From features to the numbers that splits compare.
#[derive(Debug)]
pub(super) struct Prepare {
    features: usize,
    is_single: bool,
    columns: Vec<(u32, Way)>,
    /// While the model is read: where each way of each feature is.
    known: BTreeMap<(u32, Way), u32>,
    sets: Vec<Vec<u32>>,
}

/// Numbers of one row: more ways of looking at features than any ensemble needs.
const COLUMNS_MAX: usize = 1 << 20;

impl Prepare {
    pub(super) fn new(features: usize, is_single: bool) -> Self {
        Self { features, is_single, columns: Vec::new(), known: BTreeMap::new(), sets: Vec::new() }
    }

    pub(super) fn features(&self) -> usize {
        self.features
    }

    /// Sets of categories, as bits.
    pub(super) fn with_sets(&mut self, starts: &[u32], words: &[u32]) -> Result<(), Wrong> {
        let ends = starts.first() == Some(&0) && starts.last().map(|&end| end as usize) == Some(words.len());
        if !ends || !starts.is_sorted() {
            return wrong(
                "`set_starts`: from 0 to the number of words, never less",
                format!("{} starts", starts.len()),
            );
        }
        let set = |pair: &[u32]| match *pair {
            [start, end] => words.get(start as usize..end as usize).unwrap_or_default().to_vec(),
            _ => Vec::new(),
        };
        self.sets = starts.windows(2).map(set).collect();
        Ok(())
    }

    pub(super) fn sets(&self) -> usize {
        self.sets.len()
    }

    /// Which number of a prepared row it is. The first is for leaves.
    pub(super) fn column(&mut self, feature: u32, way: Way) -> Result<u32, Wrong> {
        if let Some(&column) = self.known.get(&(feature, way)) {
            return Ok(column);
        }
        if self.columns.len() == COLUMNS_MAX {
            return wrong(format!("at most {COLUMNS_MAX} features and sets of categories that splits look at"), "more");
        }
        self.columns.push((feature, way));
        // Not more than `COLUMNS_MAX`.
        let column = self.columns.len() as u32;
        self.known.insert((feature, way), column);
        Ok(column)
    }

    /// The trees are read.
    pub(super) fn end(&mut self) {
        self.known = BTreeMap::new();
        self.columns.shrink_to_fit();
    }

    /// Numbers in a prepared row.
    pub(super) fn width(&self) -> usize {
        1 + self.columns.len()
    }

    /// Prepares rows; the part of `prepared` that holds them.
    pub(super) fn fill<'a>(&self, x: &[f64], prepared: &'a mut [f64]) -> &'a [f64] {
        let length = x.len() / self.features * self.width();
        let prepared = prepared.get_mut(..length).unwrap_or_default();
        self.column_of(0, 0, x, prepared, |_| f64::NEG_INFINITY);
        for (&(feature, way), column) in self.columns.iter().zip(1..) {
            self.fill_column(feature as usize, way, x, column, prepared);
        }
        prepared
    }

    /// One number of all rows: what decides how it is made is looked at once.
    fn fill_column(&self, feature: usize, way: Way, x: &[f64], column: usize, prepared: &mut [f64]) {
        let is_zero = |x: f64| x.abs() <= ZERO;
        match way {
            Way::Number { missing_left } => {
                let missing = side(missing_left);
                self.column_of(feature, column, x, prepared, |x| if x.is_nan() { missing } else { x });
            }
            Way::ZeroMissing { missing_left } => {
                let missing = side(missing_left);
                self.column_of(feature, column, x, prepared, |x| if x.is_nan() || is_zero(x) { missing } else { x });
            }
            Way::Present { missing_left, present_left } => {
                let sides = [side(missing_left), side(present_left)];
                self.column_of(feature, column, x, prepared, |x| if x.is_nan() { sides[0] } else { sides[1] });
            }
            Way::Category { set, members_left, missing, zero_missing } => {
                let words = self.sets.get(set as usize).map(Vec::as_slice).unwrap_or_default();
                let decided = |x: f64| side(is_member(words, x) == members_left);
                let missing = match missing {
                    Missing::Left => side(true),
                    Missing::Right => side(false),
                    Missing::Zero => decided(0.0),
                };
                self.column_of(feature, column, x, prepared, |x| {
                    if x.is_nan() || (zero_missing && is_zero(x)) { missing } else { decided(x) }
                });
            }
        }
    }

    #[inline(always)]
    fn column_of(&self, feature: usize, column: usize, x: &[f64], prepared: &mut [f64], number: impl Fn(f64) -> f64) {
        let x = x.get(feature..).unwrap_or_default().iter().step_by(self.features);
        let out = prepared.get_mut(column..).unwrap_or_default().iter_mut().step_by(self.width());
        if self.is_single {
            x.zip(out).for_each(|(&x, out)| *out = number(f64::from(x as f32)));
        } else {
            x.zip(out).for_each(|(&x, out)| *out = number(x));
        }
    }
}

/// Whether a number, without its fraction, is in a set.
#[inline(always)]
fn is_member(words: &[u32], x: f64) -> bool {
    // What is below 0 after all is -0.
    x > -1.0 && words.get(x as usize / 32).is_some_and(|word| word >> (x as usize % 32) & 1 == 1)
}

/// What is never greater than a threshold, or always.
#[inline(always)]
fn side(left: bool) -> f64 {
    if left { f64::NEG_INFINITY } else { f64::INFINITY }
}
