//! Reading training data once, row after row, in bounded memory.
//!
//! Never keeps more of a column than `VALUES_MAX` numbers or
//! `DISTINCT_TEXTS_MAX` texts, however many rows there are. Counts, moments and
//! ranges are always of all rows. Quantile bins are exact up to that many
//! numbers; past it they are those of a uniform sample of so many, which the
//! e-process and the tests account for, and `assumed` says so.

use super::cells::{Cell, EXACT_END, Place, number_text};
use super::reservoir::Reservoir;
use super::texts::{DISTINCT_TEXTS_MAX, Texts, ranked};
use super::{
    CATEGORIES_MAX, CATEGORY_MAX_BYTES, COLUMNS_MAX, CategoricalReference, Category, ColumnReference,
    DISTINCT_NUMBERS_MAX, ELEMENTS_MAX, Histogram, Kind, MAGNITUDE_MAX, Moments, NumericReference, Reference,
    SAMPLE_MAX_VALUES, VALUES_MAX,
};
use crate::invalid::invalid;
use crate::{Batch, Field, Invalid};

/// Values of a column that are stored, unless the caller wants otherwise.
const SAMPLE_VALUES: usize = 1_000;
/// From here on the sums of numbers next to each other would lose digits that tell them apart.
const BASE_MIN: f64 = (1u64 << 40) as f64;

/// Builds a [`Reference`] from batches of rows.
#[derive(Debug, Clone)]
pub struct Profiler {
    columns: Vec<(Place, ColumnProfiler)>,
    field_count: usize,
    rows: u64,
    assumed: Vec<String>,
    sample_values: usize,
}

impl Profiler {
    /// For batches in the order of `fields`. A field with a shape becomes a
    /// column for each element of a row, `name[0]` and so on; one with more than
    /// `ELEMENTS_MAX` (an image, an embedding) is left out, with a note.
    pub fn new(fields: &[Field]) -> Self {
        let (mut columns, mut assumed) = (Vec::new(), Vec::new());
        for (i, field) in fields.iter().enumerate() {
            let places: Vec<_> = Place::of(i, field).collect();
            let why = match places.len() {
                0 => Some(format!("of {:?} elements a row, where at most {ELEMENTS_MAX} are compared", field.shape)),
                more if columns.len() + more > COLUMNS_MAX => Some(format!("past {COLUMNS_MAX} columns")),
                _ => None,
            };
            if let Some(why) = why {
                assumed.push(format!("`{}` is left out: {why}", field.name));
                continue;
            }
            columns.extend(places.into_iter().map(|place| {
                let numbers = place.datatype.is_numeric();
                let column =
                    if numbers { ColumnProfiler::numeric(&place.name) } else { ColumnProfiler::text(&place.name) };
                (place, column)
            }));
        }
        Self { columns, field_count: fields.len(), rows: 0, assumed, sample_values: SAMPLE_VALUES }
    }

    /// Stores so many values of each numeric column (1,000 unless said; at most
    /// 10,000; 0: none), for exact distances.
    pub fn sample_values(mut self, count: usize) -> Self {
        self.sample_values = count.min(SAMPLE_MAX_VALUES);
        self
    }

    /// Names the texts that a reference names, and counts numbers from its
    /// origins, to be compared with it.
    pub fn naming(mut self, reference: &Reference) -> Self {
        for (place, column) in &mut self.columns {
            let known = reference.columns.iter().find(|known| known.name == place.name);
            match known.map(|known| &known.kind) {
                Some(Kind::Categorical(known)) => column.texts.name(known),
                Some(Kind::Numeric(known)) => column.origin = Some(known.origin.unwrap_or(0)),
                None => {}
            }
        }
        self
    }

    /// Reads the rows of a batch. Fails, unchanged, where it is not of the fields' form.
    pub fn add(&mut self, batch: &Batch) -> Result<(), Invalid> {
        let found = batch.columns.len();
        if found != self.field_count {
            return Err(invalid("batch", None, format!("{} columns", self.field_count), found.to_string()));
        }
        self.columns.iter().try_for_each(|(place, _)| place.check(batch))?;
        for (place, column) in &mut self.columns {
            place.each(batch, 0..batch.rows, |cell| match cell {
                Cell::Missing => column.push_null(),
                Cell::Number(value) => column.push(value),
                Cell::Whole(value) => column.push_whole(value),
                Cell::Text(value) => column.push_text(value),
            });
        }
        self.rows += batch.rows as u64;
        Ok(())
    }

    /// What the rows looked like.
    pub fn finish(self) -> Reference {
        let mut assumed = self.assumed;
        let finished = self.columns.into_iter().map(|(_, column)| column.finish(self.sample_values, &mut assumed));
        let columns = finished.collect();
        Reference { rows: self.rows, data_from: None, data_until: None, assumed, columns }
    }

    /// What the rows of two sets of the same fields looked like, to be compared
    /// with each other and not to be kept: the texts that are named are chosen
    /// by both, and may be more than a reference keeps.
    pub fn finish_both(self, mut other: Self) -> (Reference, Reference) {
        let pairs = self.columns.iter().zip(&other.columns).filter(|((_, one), (_, two))| one.is_text && two.is_text);
        let chosen: Vec<_> =
            pairs.map(|((place, one), (_, two))| (place.name.clone(), Texts::both(&one.texts, &two.texts))).collect();
        let mut one = self.finish();
        for (column, (_, other)) in one.columns.iter().zip(&mut other.columns) {
            if let Kind::Numeric(numeric) = &column.kind {
                other.origin = Some(numeric.origin.unwrap_or(0));
            }
        }
        let mut two = other.finish();
        for (name, (first, second, pooled)) in chosen {
            one.name_texts(&name, first, pooled);
            two.name_texts(&name, second, 0);
        }
        (one, two)
    }
}

impl Reference {
    fn name_texts(&mut self, name: &str, texts: CategoricalReference, pooled: usize) {
        let kept = format!("`{name}`: the ");
        self.assumed.retain(|note| !note.starts_with(&kept));
        if pooled > 0 {
            self.assumed.push(format!("`{name}`: {pooled} texts that are rare in both are compared together"));
        }
        let columns = self.columns.iter_mut().filter(|column| column.name == name);
        columns.for_each(|column| column.kind = Kind::Categorical(texts.clone()));
    }
}

/// Reads one column, value after value.
#[derive(Debug, Clone)]
pub struct ColumnProfiler {
    name: String,
    null_count: u64,
    nan_count: u64,
    /// Numbers beyond `MAGNITUDE_MAX`, which count as that.
    clamped_count: u64,
    /// Of the numbers as distances from `base`.
    moments: Moments,
    /// The whole part of the first number where it is large, else 0. Any number
    /// will do here: what rounding costs is small beside their spread.
    base: i128,
    kept: Kept,
    /// What the reference that this is compared with counts from; 0 where it has no origin.
    origin: Option<i128>,
    /// Every number so far; `None` when there are too many distinct ones.
    distinct: Option<Vec<(Exact, u64)>>,
    texts: Texts,
    is_text: bool,
}

/// The numbers that bins come from.
#[derive(Debug, Clone)]
enum Kept {
    /// With the range of all.
    Reals(Reservoir<f64>, f64, f64),
    /// Once there was a whole number beyond ±2^53, and with the range of all.
    Wholes(Reservoir<i128>, i128, i128),
}

/// A number as it was.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Exact {
    Number(f64),
    Whole(i128),
}

impl Exact {
    fn text(self) -> String {
        match self {
            Self::Number(value) => number_text(value),
            Self::Whole(value) => value.to_string(),
        }
    }
}

impl ColumnProfiler {
    /// For numbers.
    pub fn numeric(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            null_count: 0,
            nan_count: 0,
            clamped_count: 0,
            moments: Moments::default(),
            base: 0,
            kept: Kept::Reals(Reservoir::new(VALUES_MAX), f64::INFINITY, f64::NEG_INFINITY),
            origin: None,
            distinct: Some(Vec::new()),
            texts: Texts::default(),
            is_text: false,
        }
    }

    /// For text.
    pub fn text(name: &str) -> Self {
        Self { is_text: true, ..Self::numeric(name) }
    }

    /// A missing value.
    pub fn push_null(&mut self) {
        self.null_count += 1;
    }

    /// A number; in a column of text, its shortest text.
    pub fn push(&mut self, value: f64) {
        if self.is_text {
            return self.push_text(&number_text(value));
        }
        if value.is_finite() {
            self.clamped_count += u64::from(value.abs() > MAGNITUDE_MAX);
            // Of the two zeros, one.
            let value = value.clamp(-MAGNITUDE_MAX, MAGNITUDE_MAX) + 0.0;
            if self.moments.count() == 0 && value.abs() >= BASE_MIN {
                self.base = value as i128;
            }
            match &mut self.kept {
                Kept::Reals(reservoir, least, most) => {
                    reservoir.push(value);
                    (*least, *most) = (value.min(*least), value.max(*most));
                    self.moments.push(value - self.base as f64);
                }
                Kept::Wholes(..) => self.keep_whole(value as i128),
            }
            self.name(Exact::Number(value));
        } else {
            self.nan_count += 1;
        }
    }

    /// A whole number beyond ±2^53, of a column of whole numbers.
    pub fn push_whole(&mut self, value: i128) {
        if self.is_text {
            return self.push_text(&value.to_string());
        }
        if self.moments.count() == 0 {
            self.base = value;
        }
        if let Kept::Reals(reservoir, least, most) = &mut self.kept {
            // Of no number yet, infinities, which saturate.
            let (least, most) = (*least as i128, *most as i128);
            let reservoir = std::mem::replace(reservoir, Reservoir::new(0));
            self.kept = Kept::Wholes(reservoir.map(|value| value as i128), least, most);
        }
        self.keep_whole(value);
        self.name(Exact::Whole(value));
    }

    fn keep_whole(&mut self, value: i128) {
        self.moments.push(value.saturating_sub(self.base) as f64);
        if let Kept::Wholes(reservoir, least, most) = &mut self.kept {
            reservoir.push(value);
            (*least, *most) = (value.min(*least), value.max(*most));
        }
    }

    fn name(&mut self, exact: Exact) {
        let Some(distinct) = &mut self.distinct else { return };
        if let Some((_, count)) = distinct.iter_mut().find(|(known, _)| *known == exact) {
            *count += 1;
        } else if distinct.len() < DISTINCT_NUMBERS_MAX {
            distinct.push((exact, 1));
        } else {
            self.distinct = None;
        }
    }

    /// A text; in a column of numbers it is not one.
    pub fn push_text(&mut self, value: &str) {
        if self.is_text {
            self.texts.push(value);
        } else {
            self.nan_count += 1;
        }
    }

    /// What the column looked like, with a sample of at most so many values;
    /// what had to be assumed is added to the notes.
    pub fn finish(mut self, sample_values: usize, assumed: &mut Vec<String>) -> ColumnReference {
        let numbers = self.moments.count() + self.nan_count;
        let count = self.null_count + numbers + self.texts.count();
        let name = std::mem::take(&mut self.name);
        let mut null_count = self.null_count;
        if self.clamped_count > 0 {
            assumed.push(format!("`{name}`: {} numbers beyond ±1e100 count as ±1e100", self.clamped_count));
        }
        let kind = if self.is_text {
            Kind::Categorical(self.texts(&name, assumed))
        } else if let Some(distinct) = self.distinct.take() {
            let shown = distinct.len();
            assumed.push(format!("`{name}` has {shown} distinct numbers (at most 20): they are categories"));
            if self.nan_count > 0 {
                assumed.push(format!("`{name}`: {} values that are not finite count as missing", self.nan_count));
                null_count += self.nan_count;
            }
            let is_whole = distinct.iter().any(|(value, _)| matches!(value, Exact::Whole(_)));
            let counts = distinct.into_iter().map(|(value, count)| Category { value: value.text(), count });
            Kind::Categorical(CategoricalReference { is_whole, ..ranked(counts.collect()) })
        } else {
            Kind::Numeric(self.numbers(&name, sample_values, assumed))
        };
        ColumnReference { name, count, null_count, kind }
    }

    fn texts(self, name: &str, assumed: &mut Vec<String>) -> CategoricalReference {
        let (uncounted, is_chosen) = (self.texts.uncounted(), self.texts.is_chosen());
        let (reference, distinct) = self.texts.finish();
        if uncounted > 0 {
            assumed.push(format!(
                "`{name}`: {uncounted} texts came after {DISTINCT_TEXTS_MAX} distinct ones, or had more than {CATEGORY_MAX_BYTES} bytes, \
                 and are `other`",
            ));
        }
        if is_chosen && distinct > CATEGORIES_MAX {
            let kept = reference.counts.len();
            assumed.push(format!("`{name}`: the {kept} most frequent of {distinct} texts are kept"));
        }
        reference
    }

    fn numbers(self, name: &str, sample_values: usize, assumed: &mut Vec<String>) -> NumericReference {
        let moments = self.moments;
        let (origin, (sorted, sample), range) = match self.kept {
            Kept::Reals(reservoir, least, most) => {
                let range = (least <= most).then_some((least, most));
                (None, reservoir.finish(sample_values, f64::total_cmp), range)
            }
            Kept::Wholes(reservoir, least, most) => {
                let (sorted, sample) = reservoir.finish(sample_values, i128::cmp);
                let origin = self.origin.or_else(|| middle(&sorted)).filter(|origin| *origin != 0);
                let distance = |value: i128| value.saturating_sub(origin.unwrap_or(0)) as f64;
                let distances = |values: Vec<i128>| values.into_iter().map(distance).collect::<Vec<_>>();
                (origin, (distances(sorted), distances(sample)), Some((distance(least), distance(most))))
            }
        };
        let kept = sorted.len() as u64;
        if kept < moments.count() {
            assumed
                .push(format!("`{name}`: bins are those of a uniform sample of {kept} of {} values", moments.count()));
        }
        let (minimum, maximum) = range.unwrap_or_default();
        let mean = moments.mean() + self.base.saturating_sub(origin.unwrap_or(0)) as f64;
        NumericReference {
            nan_count: self.nan_count,
            origin,
            // Rounding must put neither out of its range.
            mean: mean.max(minimum).min(maximum),
            std_dev: moments.std_dev().min(MAGNITUDE_MAX),
            minimum,
            maximum,
            histogram: Histogram::of(&sorted),
            sample: (!sample.is_empty()).then_some(sample),
        }
    }
}

/// The median, if it is so far out that numbers about it would round: most of
/// them lie about it, whatever came first and whatever stands for a missing one.
fn middle(sorted: &[i128]) -> Option<i128> {
    let median = sorted.get(sorted.len() / 2).copied();
    median.filter(|median| median.unsigned_abs() >= u128::from(EXACT_END / 2))
}
