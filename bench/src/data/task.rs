//! What tools are asked to do with tables, and the answers that are right.

use super::made::{COLUMNS, MOVED, Made, Table, invalid, name};
use crate::error::Error;
use scry_card::stats::{Kind, Reference};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// How far numbers may be from the truth, relatively.
const RTOL: f64 = 1e-9;

/// One task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    ProfileCsv,
    ProfileParquet,
    Validate,
    Drift,
}

/// What a tool says when it is done, in one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Which version of it.
    pub(crate) version: String,
    /// How long it took, from files to answer.
    pub(crate) seconds: f64,
    /// The most memory that its process has had, in MiB.
    pub(crate) peak_mib: f64,
    /// Rows of the table, of a profile.
    #[serde(default)]
    pub(crate) rows: u64,
    /// Its columns.
    #[serde(default)]
    pub(crate) columns: BTreeMap<String, Column>,
    /// Columns with values that are not allowed, or that drift.
    #[serde(default)]
    pub(crate) named: Vec<String>,
}

/// What a profile has of a column.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Column {
    missing: f64,
    mean: f64,
    minimum: f64,
    maximum: f64,
}

impl Task {
    pub(crate) const ALL: [Self; 4] = [Self::ProfileCsv, Self::ProfileParquet, Self::Validate, Self::Drift];

    /// In tables.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::ProfileCsv => "profile, CSV",
            Self::ProfileParquet => "profile, Parquet",
            Self::Validate => "validate, Parquet",
            Self::Drift => "drift of two, Parquet",
        }
    }

    /// For tools: what to do, and with which files.
    pub(crate) fn arguments(self, made: &Made) -> Vec<&Path> {
        let Made { fields, older, newer } = made;
        match self {
            Self::ProfileCsv => vec![Path::new("profile"), &older.csv],
            Self::ProfileParquet => vec![Path::new("profile"), &older.parquet],
            Self::Validate => vec![Path::new("validate"), &newer.parquet, fields],
            Self::Drift => vec![Path::new("drift"), &older.parquet, &newer.parquet],
        }
    }

    /// Rows that are read, of tables of so many.
    pub(crate) fn rows(self, rows: usize) -> usize {
        if self == Self::Drift { 2 * rows } else { rows }
    }

    /// What is right about an answer, for people. What is wrong is an error,
    /// save for drift, of which tools have views of their own.
    pub(crate) fn judge(self, answer: &Answer, made: &Made, rows: usize) -> Result<String, Error> {
        match self {
            Self::ProfileCsv | Self::ProfileParquet => check_profile(answer, &made.older, rows),
            Self::Validate if answer.named == invalid() => Ok(format!("finds {}", answer.named.join(", "))),
            Self::Validate => Err(format!("finds {:?}, and it should be {:?}", answer.named, invalid()).into()),
            Self::Drift => Ok(seen(&answer.named)),
        }
    }
}

fn check_profile(answer: &Answer, table: &Table, rows: usize) -> Result<String, Error> {
    if answer.rows != rows as u64 || answer.columns.len() != table.known.len() {
        return Err(format!("found {} rows of {} columns", answer.rows, answer.columns.len()).into());
    }
    for (name, known) in &table.known {
        let column = answer.columns.get(name).ok_or_else(|| format!("knows no column {name}"))?;
        for (what, found, truth) in [
            ("missing values", column.missing, known.missing as f64),
            ("mean", column.mean, known.mean),
            ("minimum", column.minimum, known.minimum),
            ("maximum", column.maximum, known.maximum),
        ] {
            // What is not a number is not near either.
            let is_near = (found - truth).abs() <= RTOL * truth.abs();
            if !is_near {
                return Err(format!("{name}: {what} {found}, and it should be {truth}").into());
            }
        }
    }
    Ok("as made".to_owned())
}

/// Which shifts were seen, and how much else was taken for one.
fn seen(named: &[String]) -> String {
    let marks = MOVED.map(|(column, shift)| {
        let mark = if named.contains(&name(column)) { "✓" } else { "✗" };
        format!("{shift} σ {mark}")
    });
    let moved = MOVED.map(|(column, _)| name(column));
    let others = named.iter().filter(|name| !moved.contains(name)).count();
    format!("{}; {others} of {} others", marks.join(", "), COLUMNS - MOVED.len())
}

impl Column {
    /// Of Scry's own statistics.
    pub(crate) fn all_of(reference: &Reference) -> Result<BTreeMap<String, Self>, Error> {
        let column = |column: &scry_card::stats::ColumnReference| match &column.kind {
            Kind::Numeric(numeric) => {
                let (mean, minimum, maximum) = (numeric.mean, numeric.minimum, numeric.maximum);
                Ok((column.name.clone(), Self { missing: column.null_count as f64, mean, minimum, maximum }))
            }
            Kind::Categorical(_) => Err(format!("{} has no numbers", column.name).into()),
        };
        reference.columns.iter().map(column).collect()
    }
}
