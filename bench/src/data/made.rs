//! Two tables of floats, and what is known of them.
//!
//! The same tables whenever they are made. No tool that is measured has a part
//! in what is known.

use super::shared::simulation::Random;
use crate::error::Error;
use scry_card::{Batch, Datatype, Field, Tensor, Values};
use scry_tables::Writer;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Columns of each table.
pub(crate) const COLUMNS: usize = 30;
/// Columns of the newer table that moved, and by how many standard deviations.
pub(crate) const MOVED: [(usize, f64); 3] = [(0, 1.0), (1, 0.5), (2, 0.25)];
/// The column of the newer table in which some values are beyond its range.
const BEYOND: usize = 10;
/// The column of the newer table in which some values are missing that must not be.
const LACKING: usize = 11;
/// A row in so many has one of these.
const FAULTY_EVERY: usize = 500;
/// From this column on, values may be missing.
const NULLABLE_FROM: usize = 20;
/// And so many of them are.
const MISSING_SHARE: f64 = 0.02;
/// Standard deviations around the mean that are a column's range; no row of a
/// normal distribution is beyond in tables of this size.
const RANGE: f64 = 8.0;

/// The files, and the truth.
pub(crate) struct Made {
    /// What columns may hold, as the model card has it: a list of fields.
    pub(crate) fields: PathBuf,
    pub(crate) older: Table,
    pub(crate) newer: Table,
}

/// One table.
pub(crate) struct Table {
    pub(crate) csv: PathBuf,
    pub(crate) parquet: PathBuf,
    pub(crate) known: BTreeMap<String, Known>,
}

/// What is known of a column.
pub(crate) struct Known {
    pub(crate) missing: usize,
    pub(crate) mean: f64,
    pub(crate) minimum: f64,
    pub(crate) maximum: f64,
}

/// A column's name.
pub(crate) fn name(column: usize) -> String {
    format!("x{column:02}")
}

/// The columns of the newer table that hold what their fields do not allow.
pub(crate) fn invalid() -> Vec<String> {
    [BEYOND, LACKING].map(name).to_vec()
}

impl Made {
    /// Writes tables of so many rows.
    pub(crate) fn write(folder: &Path, rows: usize) -> Result<Self, Error> {
        let list: Vec<Field> = (0..COLUMNS).map(field).collect();
        let fields = folder.join("fields.json");
        std::fs::write(&fields, serde_json::to_vec(&list)?)?;
        // A missing value that must not be has to be written first.
        let writable: Vec<Field> = list.into_iter().map(|field| Field { nullable: true, ..field }).collect();
        let mut random = Random(30);
        let older = Table::write(folder, "older", &writable, (0..COLUMNS).map(|i| column(&mut random, i, rows)))?;
        let newer = Table::write(folder, "newer", &writable, (0..COLUMNS).map(|i| moved(&mut random, i, rows)))?;
        Ok(Self { fields, older, newer })
    }
}

impl Table {
    fn write(
        folder: &Path,
        name_of_table: &str,
        fields: &[Field],
        columns: impl Iterator<Item = Vec<Option<f64>>>,
    ) -> Result<Self, Error> {
        let columns: Vec<_> = columns.collect();
        let batch = Batch {
            rows: columns.first().map_or(0, Vec::len),
            columns: columns.iter().map(|values| tensor(values)).collect(),
        };
        let [csv, parquet] = ["csv", "parquet"].map(|ending| folder.join(format!("{name_of_table}.{ending}")));
        for path in [&csv, &parquet] {
            let mut writer = Writer::create(path, fields)?;
            writer.write(&batch)?;
            writer.finish()?;
        }
        let known = columns.iter().enumerate().map(|(i, values)| (name(i), Known::of(values))).collect();
        Ok(Self { csv, parquet, known })
    }
}

impl Known {
    fn of(values: &[Option<f64>]) -> Self {
        let present = || values.iter().copied().flatten();
        let count = present().count();
        Self {
            missing: values.len() - count,
            mean: present().sum::<f64>() / count as f64,
            minimum: present().fold(f64::INFINITY, f64::min),
            maximum: present().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

fn mean(column: usize) -> f64 {
    10.0 + column as f64
}

fn std_dev(column: usize) -> f64 {
    1.0 + column as f64 / 10.0
}

fn field(column: usize) -> Field {
    let (mean, reach) = (mean(column), RANGE * std_dev(column));
    Field {
        name: name(column),
        description: String::new(),
        datatype: Datatype::Fp64,
        shape: vec![],
        nullable: column >= NULLABLE_FROM,
        unit: None,
        minimum: Some(mean - reach),
        maximum: Some(mean + reach),
        categories: vec![],
    }
}

/// A column as it should be.
fn column(random: &mut Random, at: usize, rows: usize) -> Vec<Option<f64>> {
    let mut value = || {
        let value = mean(at) + std_dev(at) * random.normal();
        (at < NULLABLE_FROM || random.uniform() >= MISSING_SHARE).then_some(value)
    };
    (0..rows).map(|_| value()).collect()
}

/// The same, with all that is wrong with the newer table.
fn moved(random: &mut Random, at: usize, rows: usize) -> Vec<Option<f64>> {
    let mut values = column(random, at, rows);
    if let Some((_, shift)) = MOVED.iter().find(|(column, _)| *column == at) {
        values.iter_mut().flatten().for_each(|value| *value += shift * std_dev(at));
    }
    let faulty = values.iter_mut().step_by(FAULTY_EVERY);
    match at {
        BEYOND => faulty.for_each(|value| *value = Some(mean(at) + (RANGE + 0.5) * std_dev(at))),
        LACKING => faulty.for_each(|value| *value = None),
        _ => {}
    }
    values
}

fn tensor(values: &[Option<f64>]) -> Tensor {
    Tensor {
        shape: vec![values.len() as u64],
        values: Values::Fp64(values.iter().map(|value| value.unwrap_or_default()).collect()),
        validity: values.contains(&None).then(|| values.iter().map(Option::is_some).collect()),
    }
}
