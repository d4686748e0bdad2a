//! Whether a reference that came from anywhere is one.
//!
//! Never repairs: the first contradiction is an error that names the column.

use super::{
    BINS, CATEGORIES_MAX, CATEGORY_MAX_BYTES, COLUMNS_MAX, COUNT_MAX, CategoricalReference, ColumnReference, Histogram,
    Kind, MAGNITUDE_MAX, NumericReference, Reference, SAMPLE_MAX_VALUES,
};
use crate::Invalid;
use crate::invalid::invalid;
use std::collections::BTreeSet;

type Valid = Result<(), Invalid>;

fn expect(holds: bool, name: &str, expected: impl Into<String>, found: impl FnOnce() -> String) -> Valid {
    if holds { Ok(()) } else { Err(invalid(name, None, expected, found())) }
}

impl Reference {
    /// Checks sizes, counts and order; the error names the column and what is wrong.
    pub fn validate(&self) -> Valid {
        const NOTES_MAX: usize = 4 * COLUMNS_MAX;
        const NOTE_MAX_BYTES: usize = 1_024;
        let notes = self.assumed.len();
        expect(notes <= NOTES_MAX, "assumed", format!("at most {NOTES_MAX} notes"), || notes.to_string())?;
        let texts = self.assumed.iter().chain(&self.data_from).chain(&self.data_until);
        let longest = texts.map(String::len).max().unwrap_or(0);
        expect(longest <= NOTE_MAX_BYTES, "assumed", format!("texts of at most {NOTE_MAX_BYTES} bytes"), || {
            format!("{longest} bytes")
        })?;
        let columns = self.columns.len();
        expect(columns <= COLUMNS_MAX, "columns", format!("at most {COLUMNS_MAX}"), || columns.to_string())?;
        expect(self.rows <= COUNT_MAX, "rows", format!("at most {COUNT_MAX}"), || self.rows.to_string())?;
        let mut names = BTreeSet::new();
        for column in &self.columns {
            column.validate(self.rows)?;
            expect(names.insert(&column.name), &column.name, "unique names", || "the name twice".into())?;
        }
        Ok(())
    }
}

impl ColumnReference {
    fn validate(&self, rows: u64) -> Valid {
        let name = &self.name;
        // A field's, which has at most 128, and an element's place.
        expect((1..=132).contains(&name.len()), name, "a name of 1 to 132 bytes", || format!("{} bytes", name.len()))?;
        expect(self.count == rows, name, format!("a count of {rows}, as rows"), || self.count.to_string())?;
        let missing = self.missing_count();
        let Some(present) = self.count.checked_sub(missing) else {
            return Err(invalid(name, None, format!("at most {} missing", self.count), missing.to_string()));
        };
        match &self.kind {
            Kind::Numeric(numeric) => numeric.validate(name, present),
            Kind::Categorical(categorical) => categorical.validate(name, present),
        }
    }
}

impl CategoricalReference {
    fn validate(&self, name: &str, present: u64) -> Valid {
        let categories = self.counts.len();
        expect(categories <= CATEGORIES_MAX, name, format!("at most {CATEGORIES_MAX} categories"), || {
            categories.to_string()
        })?;
        let mut values = BTreeSet::new();
        for category in &self.counts {
            let bytes = category.value.len();
            expect(
                bytes <= CATEGORY_MAX_BYTES,
                name,
                format!("categories of at most {CATEGORY_MAX_BYTES} bytes"),
                || format!("{bytes} bytes"),
            )?;
            expect(values.insert(&category.value), name, "each category once", || "one twice".into())?;
        }
        let counts = self.counts.iter().map(|category| category.count).chain([self.other_count]);
        let total = counts.fold(0u64, u64::saturating_add);
        expect(total == present, name, format!("counts that add up to {present}"), || total.to_string())?;
        let Some(held_out) = &self.held_out else { return Ok(()) };
        let found = held_out.counts.len();
        expect(found == categories, name, format!("{categories} counts held out"), || found.to_string())?;
        let all = self.counts.iter().map(|category| category.count).chain([self.other_count]);
        let parts = held_out.counts.iter().copied().chain([held_out.other_count]);
        let is_part = all.zip(parts).all(|(all, part)| part <= all);
        expect(is_part, name, "no more held out than there are", || "more".into())
    }
}

impl NumericReference {
    fn validate(&self, name: &str, present: u64) -> Valid {
        let Self { mean, std_dev, minimum, maximum, histogram, origin, .. } = self;
        let of_columns = i128::from(i64::MIN)..=i128::from(u64::MAX);
        let is_known = origin.is_none_or(|origin| of_columns.contains(&origin));
        expect(is_known, name, "an origin of 64 bits", || "a larger one".into())?;
        let numbers = [mean, std_dev, minimum, maximum];
        expect(numbers.iter().all(|number| is_bounded(**number)), name, "moments within ±1e100", || {
            format!("{numbers:?}")
        })?;
        expect(*std_dev >= 0.0, name, "a std_dev of at least 0", || std_dev.to_string())?;
        expect(minimum <= maximum, name, "minimum at most maximum", || format!("{minimum} > {maximum}"))?;
        histogram.validate(name, present)?;
        let Some(sample) = &self.sample else { return Ok(()) };
        let values = sample.len();
        expect(
            (1..=SAMPLE_MAX_VALUES).contains(&values),
            name,
            format!("1 to {SAMPLE_MAX_VALUES} values in a sample"),
            || values.to_string(),
        )?;
        expect(values as u64 <= present, name, format!("a sample of at most {present} values"), || values.to_string())?;
        expect(sample.iter().all(|value| is_bounded(*value)), name, "a sample within ±1e100", || {
            "a larger value".into()
        })?;
        expect(sample.is_sorted(), name, "a sample in ascending order", || "another order".into())
    }
}

impl Histogram {
    fn validate(&self, name: &str, present: u64) -> Valid {
        let Self { edges, counts, means } = self;
        expect(edges.len() < BINS, name, format!("at most {} edges", BINS - 1), || edges.len().to_string())?;
        let bins = edges.len() + 1;
        let lengths = [counts.len(), means.len()];
        expect(lengths == [bins, bins], name, format!("{bins} counts and means, one more than edges"), || {
            format!("{lengths:?}")
        })?;
        let numbers = || edges.iter().chain(means);
        expect(numbers().all(|number| is_bounded(*number)), name, "edges and means within ±1e100", || {
            "a larger one".into()
        })?;
        let rising = edges.is_sorted_by(|a, b| a < b);
        expect(rising, name, "edges in strictly ascending order", || "another order".into())?;
        let above = edges.iter().zip(means.iter().skip(1)).all(|(edge, mean)| edge <= mean);
        let below = edges.iter().zip(means).all(|(edge, mean)| mean <= edge);
        expect(above && below, name, "each mean inside its bin", || "one outside".into())?;
        let total = counts.iter().copied().fold(0u64, u64::saturating_add);
        expect((1..=present).contains(&total), name, format!("counts that add up to 1 to {present}"), || {
            total.to_string()
        })?;
        let filled = counts.iter().rev().skip(1).all(|&count| count > 0);
        expect(filled, name, "no empty bin but the last", || "an empty one".into())
    }
}

fn is_bounded(number: f64) -> bool {
    number.abs() <= MAGNITUDE_MAX
}
