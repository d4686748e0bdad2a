//! Where a live value belongs among a reference's bins and categories.
//!
//! Built once and shared by all threads; what came is in `Counts`, one for each
//! of them. Counting allocates nothing and keeps no value.

use super::cells::{Cell, Place, from_origin};
use super::counts::Tally;
use super::{BINS, CategoricalReference, ColumnReference, Counts, Kind, MAGNITUDE_MAX, NumericReference, Reference};
use crate::invalid::invalid;
use crate::{Batch, Field, Invalid};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::ops::Range;

/// Without a random seed: a reference's own categories are bounded, and only
/// looked up.
type Lookup<K> = HashMap<K, usize, BuildHasherDefault<DefaultHasher>>;

/// Counts batches of live rows in the cells of one reference.
#[derive(Debug, Clone)]
pub struct Counter {
    empty: Counts,
    field_count: usize,
    columns: Vec<Column>,
}

#[derive(Debug, Clone)]
struct Column {
    place: Place,
    cells: Cells,
}

impl Counter {
    /// For batches in the order of `fields`, among which every column of the
    /// reference must be: as a scalar, or as an element of a small shape.
    pub fn new(reference: &Reference, fields: &[Field]) -> Result<Self, Invalid> {
        let columns = reference.columns.iter().map(|column| Column::new(column, fields)).collect::<Result<_, _>>()?;
        Ok(Self { empty: Counts::empty(reference), field_count: fields.len(), columns })
    }

    /// No rows yet: the start of an epoch.
    pub fn start(&self) -> Counts {
        self.empty.clone()
    }

    /// Adds the rows of a batch. Fails, unchanged, where the batch is not of
    /// the fields' form or the counts are another reference's.
    pub fn count(&self, counts: &mut Counts, batch: &Batch) -> Result<(), Invalid> {
        self.count_rows(counts, batch, 0..batch.rows)
    }

    /// The same of some of its rows; what comes after its last is not there.
    pub fn count_rows(&self, counts: &mut Counts, batch: &Batch, rows: Range<usize>) -> Result<(), Invalid> {
        let rows = rows.start.min(batch.rows)..rows.end.min(batch.rows);
        self.empty.check_same(counts)?;
        let found = batch.columns.len();
        if found != self.field_count {
            return Err(invalid("batch", None, format!("{} columns", self.field_count), found.to_string()));
        }
        self.columns.iter().try_for_each(|column| column.place.check(batch))?;
        for (Column { place, cells }, tally) in self.columns.iter().zip(&mut counts.columns) {
            match cells {
                Cells::Bins(bins) => place.each(batch, rows.clone(), |cell| bins.count(tally, cell)),
                Cells::Categories(categories) => {
                    place.each(batch, rows.clone(), |cell| categories.count(tally, cell, 1));
                }
            }
        }
        counts.rows += rows.len() as u64;
        Ok(())
    }

    /// How many elements of a row are counted.
    pub fn elements_per_row(&self) -> usize {
        self.columns.len()
    }
}

impl Column {
    fn new(reference: &ColumnReference, fields: &[Field]) -> Result<Self, Invalid> {
        let name = &reference.name;
        let wrong = |expected: &str, found: &str| invalid(name, None, expected, found);
        let Some(place) = Place::find(name, fields) else {
            return Err(match fields.iter().find(|field| field.name == *name) {
                Some(field) => wrong("one element a row", &format!("{:?}", field.shape)),
                None => wrong("a field of this name", "none"),
            });
        };
        if matches!(reference.kind, Kind::Numeric(_)) && !place.datatype.is_numeric() {
            return Err(wrong("numbers, as in the reference", place.datatype.name()));
        }
        Ok(Self { place, cells: Cells::of(&reference.kind) })
    }
}

/// The cells of one column.
#[derive(Debug, Clone)]
pub(super) enum Cells {
    Bins(Bins),
    Categories(Categories),
}

impl Cells {
    pub(super) fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Numeric(numeric) => Self::Bins(Bins::of(numeric)),
            Kind::Categorical(categorical) => Self::Categories(Categories::of(categorical)),
        }
    }
}

/// Quantile bins, laid out for the hot path.
#[derive(Debug, Clone)]
pub(super) struct Bins {
    /// Infinite where there are fewer edges, so that all are compared without
    /// a branch.
    edges: [f64; BINS - 1],
    origin: Option<i128>,
    mean: f64,
    per_scale: f64,
    minimum: f64,
    maximum: f64,
}

impl Bins {
    pub(super) fn of(numeric: &NumericReference) -> Self {
        let mut edges = [f64::INFINITY; BINS - 1];
        edges.iter_mut().zip(&numeric.histogram.edges).for_each(|(slot, edge)| *slot = *edge);
        let NumericReference { mean, minimum, maximum, .. } = *numeric;
        Self { edges, origin: numeric.origin, mean, per_scale: 1.0 / numeric.scale(), minimum, maximum }
    }

    #[inline]
    fn count(&self, tally: &mut Tally, cell: Cell<'_>) {
        match cell {
            Cell::Number(value) => self.count_number(tally, from_origin(value, self.origin), 1),
            Cell::Whole(value) => self.count_number(tally, self.distance(value), 1),
            Cell::Missing => tally.null_count += 1,
            Cell::Text(_) => tally.nan_count += 1,
        }
    }

    fn distance(&self, whole: i128) -> f64 {
        whole.saturating_sub(self.origin.unwrap_or(0)) as f64
    }

    /// Counts the number that this text spells so many times, if it is one.
    pub(super) fn count_text(&self, tally: &mut Tally, text: &str, times: u64) -> bool {
        let whole = text.parse::<i128>().ok().map(|value| self.distance(value));
        let number = || text.parse().ok().map(|value| from_origin(value, self.origin));
        let found = whole.or_else(number);
        found.is_some_and(|value| {
            self.count_number(tally, value, times);
            true
        })
    }

    /// Counts this number, as a distance from the origin, so many times.
    #[inline]
    pub(super) fn count_number(&self, tally: &mut Tally, value: f64, times: u64) {
        if value.is_finite() {
            let value = value.clamp(-MAGNITUDE_MAX, MAGNITUDE_MAX);
            let bin: usize = self.edges.iter().map(|edge| usize::from(value > *edge)).sum();
            let normed = (value - self.mean) * self.per_scale;
            let weight = times as f64;
            if let (Some(count), Some(sum)) = (tally.cells.get_mut(bin), tally.sums.get_mut(bin)) {
                *count += times;
                *sum += normed * weight;
            }
            tally.square_sum += normed * normed * weight;
            tally.outside_count += times * u64::from((value < self.minimum) | (value > self.maximum));
        } else {
            tally.nan_count += times;
        }
    }
}

/// Categories by their text, and as numbers where they are some.
#[derive(Debug, Clone)]
pub(super) struct Categories {
    texts: Lookup<Box<str>>,
    numbers: Lookup<u64>,
    /// Whole numbers beyond ±2^53, where each is a category of its own.
    wholes: Option<Lookup<i128>>,
    other: usize,
}

impl Categories {
    fn of(categorical: &CategoricalReference) -> Self {
        let (mut texts, mut numbers, mut wholes) = (Lookup::default(), Lookup::default(), Lookup::default());
        for (at, category) in categorical.counts.iter().enumerate() {
            match (category.value.parse::<i128>(), category.value.parse::<f64>()) {
                (Ok(whole), _) if categorical.is_whole => drop(wholes.insert(whole, at)),
                (_, Ok(number)) => drop(numbers.insert(bits(number), at)),
                _ => {}
            }
            texts.insert(category.value.as_str().into(), at);
        }
        let wholes = categorical.is_whole.then_some(wholes);
        Self { texts, numbers, wholes, other: categorical.counts.len() }
    }

    /// So many times this element.
    #[inline]
    pub(super) fn count(&self, tally: &mut Tally, cell: Cell<'_>, times: u64) {
        let at = match cell {
            Cell::Missing => {
                tally.null_count += times;
                return;
            }
            Cell::Number(value) if value.is_finite() => {
                let numbers = || self.numbers.get(&bits(value.clamp(-MAGNITUDE_MAX, MAGNITUDE_MAX)));
                match &self.wholes {
                    Some(wholes) if value.fract() == 0.0 => wholes.get(&(value as i128)).or_else(numbers),
                    _ => numbers(),
                }
            }
            Cell::Whole(value) => match &self.wholes {
                Some(wholes) => wholes.get(&value),
                None => self.numbers.get(&bits(value as f64)),
            },
            Cell::Number(_) => {
                tally.nan_count += times;
                return;
            }
            Cell::Text(text) => self.texts.get(text),
        };
        if let Some(count) = tally.cells.get_mut(at.copied().unwrap_or(self.other)) {
            *count += times;
        }
    }
}

/// Equal numbers have equal bits, but for the two zeros.
fn bits(number: f64) -> u64 {
    (number + 0.0).to_bits()
}
