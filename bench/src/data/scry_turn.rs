//! The benchmark's face as a tool among the others: what `scry profile` and
//! the host's checks do, in a process of its own.

use super::task::{Answer, Column};
use crate::error::Error;
use crate::process::peak_mib;
use scry::offline::{Request, compare, profile};
use scry_card::stats::{ALPHA, Verdict};
use scry_card::{Checker, Checks, Detail, Field};
use scry_tables::Reader;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The command that takes the turn.
pub(crate) const DATA_TURN: &str = "data-turn";
/// Rows that are checked at once, as in work over files.
const BATCH_ROWS: usize = 1_024;
/// Values of a column that `scry profile` keeps unless told otherwise.
const SAMPLE_VALUES: usize = 1_000;

/// What to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    task: String,
    files: Vec<PathBuf>,
}

/// Does it, and prints the answer.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let started = Instant::now();
    let (mut rows, mut columns, mut named) = Default::default();
    match (options.task.as_str(), options.files.as_slice()) {
        ("profile", [file]) => {
            let request = Request { files: vec![file.clone()], sample_values: SAMPLE_VALUES, ..Request::default() };
            let inputs = profile(&request, None, &mut |_| {})?.inputs;
            (rows, columns) = (inputs.rows, Column::all_of(&inputs)?);
        }
        ("validate", [file, fields]) => named = validate(file, &std::fs::read(fields)?)?,
        ("drift", [older, newer]) => {
            let report = compare(older, newer, &[], ALPHA, &[], &mut |_| {})?.report;
            let drifting = report.columns.into_iter().filter(|column| column.verdict == Verdict::Drift);
            named = drifting.map(|column| column.column).collect();
        }
        other => return Err(format!("no task {other:?}").into()),
    }
    let seconds = started.elapsed().as_secs_f64();
    let (version, peak_mib) = (env!("CARGO_PKG_VERSION").to_owned(), peak_mib(std::process::id())?);
    let answer = Answer { version, seconds, peak_mib, rows, columns, named };
    println!("{}", serde_json::to_string(&answer)?);
    Ok(())
}

/// The columns with values that their fields do not allow.
fn validate(file: &Path, fields: &[u8]) -> Result<Vec<String>, Error> {
    let fields: Vec<Field> = serde_json::from_slice(fields)?;
    let checker = Checker::new(&fields, &Checks::default())?;
    let mut reader = Reader::open(file)?;
    reader.set_rows_max(BATCH_ROWS);
    let mut found = BTreeSet::new();
    for batch in reader.batches(&fields)? {
        found.extend(checker.check(&batch?, &Detail::default()).tallies.into_iter().map(|tally| tally.field));
    }
    Ok(found.into_iter().collect())
}
