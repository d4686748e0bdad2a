//! `scry profile`

use super::comparison;
use super::failure::{Differs, Usage};
use super::print::counted;
use super::progress::Reading;
use super::{CliError, local_sandbox, print_json, read_config, reference};
use crate::offline::{self, Model, Progress, Request};
use scry_card::stats::{ALPHA, SAMPLE_MAX_VALUES, Verdict};
use scry_component::is_date;
use scry_files::{FileKind, write_atomically};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Say what training data looks like, or whether two sets of it differ.
///
/// Reads CSV, NDJSON and Parquet (`.csv`, `.ndjson`, `.jsonl`, `.parquet`; text
/// also as `.gz`), however long, and writes statistics that `scry build` embeds
/// when they lie beside the crate's Cargo.toml as reference.json. Says what it
/// assumed. With `--model` the component's pipeline and model are run over the
/// rows, in the sandbox, and its features and outputs are profiled as well.
///
/// `--compare OLD NEW` reports drift between two tables; either may also be a
/// reference.json or a component, for its inputs. It prints a line a column, those
/// that drift first, and with `-o wide` every statistic. The exit code is 0
/// whatever it finds; with `--fail-on-drift` it is 4 when a column drifts.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  scry profile train.parquet\n  scry profile --compare train.parquet today.csv --fail-on-drift"
)]
pub(super) struct Args {
    /// The data: files of one form.
    #[arg(value_name = "FILE", required_unless_present = "compare")]
    files: Vec<PathBuf>,
    /// The statistics to write [default: reference.json]; with `--compare` the
    /// form of the report: `wide` or `json`.
    #[arg(short, long, value_name = "FILE|FORM")]
    output: Option<PathBuf>,
    /// A component whose schema the data has, and that is run over it.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// A host's configuration, for the limits of the component's calls [default: the defaults].
    #[arg(long, value_name = "FILE", requires = "model")]
    config: Option<PathBuf>,
    /// Start of the data, such as 2026-11-23 or 2026-11-23T10:00:00Z [default: the model card's].
    #[arg(long, value_name = "DATE", value_parser = date)]
    data_from: Option<String>,
    /// End of the data [default: the model card's].
    #[arg(long, value_name = "DATE", value_parser = date)]
    data_until: Option<String>,
    /// Values of each column of numbers to keep, for exact distances; 0 keeps none.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = sample)]
    sample: usize,
    /// Columns to read [default: all that can be read].
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "model")]
    columns: Vec<String>,
    /// A column that a file may lack: all of its values are then missing. May be given several times.
    #[arg(long, value_name = "COLUMN")]
    allow_missing: Vec<String>,
    /// Compare two sets of data.
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"],
          conflicts_with_all = ["files", "model", "config", "data_from", "data_until", "sample"])]
    compare: Option<Vec<PathBuf>>,
    /// Share of comparisons without any drift in which a column may be said to drift.
    #[arg(long, conflicts_with = "files", default_value_t = ALPHA, value_parser = alpha)]
    alpha: f64,
    /// Exit with 4 when a column drifts.
    #[arg(long, conflicts_with = "files")]
    fail_on_drift: bool,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

fn date(text: &str) -> Result<String, String> {
    let wrong = "expected a date such as 2026-11-23 or 2026-11-23T10:00:00Z";
    is_date(text).then(|| text.to_owned()).ok_or_else(|| wrong.to_owned())
}

pub(super) fn sample(text: &str) -> Result<usize, String> {
    let wrong = || format!("expected 0 to {SAMPLE_MAX_VALUES}");
    text.parse().ok().filter(|count| *count <= SAMPLE_MAX_VALUES).ok_or_else(wrong)
}

pub(super) fn alpha(text: &str) -> Result<f64, String> {
    let inside = |alpha: &f64| 0.0 < *alpha && *alpha < 1.0;
    text.parse().ok().filter(inside).ok_or_else(|| "expected a number between 0 and 1".to_owned())
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    match args.compare.as_deref() {
        Some([old, new]) => compare(args, old, new),
        _ => profile(args),
    }
}

fn profile(args: &Args) -> Result<(), CliError> {
    let started = Instant::now();
    let request = Request {
        files: args.files.clone(),
        columns: args.columns.clone(),
        allow_missing: args.allow_missing.clone(),
        sample_values: args.sample,
        data_from: args.data_from.clone(),
        data_until: args.data_until.clone(),
    };
    let mut model = args.model.as_deref().map(|model| open(model, args.config.as_deref())).transpose()?;
    let mut reading = Reading::start();
    let references = offline::profile(&request, model.as_mut(), &mut |progress| reading.at(progress))?;
    drop(reading);
    let path = args.output.clone().unwrap_or_else(|| "reference.json".into());
    let mut json = serde_json::to_vec_pretty(&references)?;
    json.push(b'\n');
    write_atomically(FileKind::Build, &path, &json)?;
    let sides = [Some(&references.inputs), references.features.as_ref(), references.outputs.as_ref()];
    let sides = || sides.into_iter().flatten();
    let assumed: Vec<_> = sides().flat_map(|side| &side.assumed).collect();
    let rows = references.inputs.rows;
    if args.json {
        let columns: usize = sides().map(|side| side.columns.len()).sum();
        return print_json(&json!({
            "path": path, "size_bytes": json.len(), "rows": rows, "columns": columns, "assumed": assumed,
            "data_from": references.inputs.data_from, "data_until": references.inputs.data_until,
            "seconds": started.elapsed().as_secs_f64(),
        }));
    }
    reference::print(&references);
    assumed.iter().for_each(|note| println!("assumed: {note}"));
    println!("{}  {}  {} bytes", path.display(), counted(rows, "row"), json.len());
    Ok(())
}

/// A component, ready to be run.
pub(super) fn open(path: &Path, config: Option<&Path>) -> Result<Model, CliError> {
    let config = read_config(config)?;
    Ok(Model::open(path, &local_sandbox(&config)?, &config)?)
}

fn compare(args: &Args, old: &Path, new: &Path) -> Result<(), CliError> {
    let form = args.output.as_ref().map(|form| form.to_str().unwrap_or_default());
    if let Some(form) = form.filter(|form| !["wide", "json"].contains(form)) {
        let message = format!("`-o {form}`: with `--compare` expected wide or json; a comparison writes no file");
        return Err(Usage(message).into());
    }
    let mut reading = Reading::start();
    let watch = &mut |progress: Progress<'_>| reading.at(progress);
    let compared = offline::compare(old, new, &args.columns, args.alpha, &args.allow_missing, watch)?;
    drop(reading);
    let mut report = compared.report;
    match form {
        _ if args.json || form == Some("json") => print_json(&report)?,
        Some(_) => {
            comparison::drifting_first(&mut report);
            println!("{}", report.to_string().trim_end());
        }
        None => comparison::print(&report),
    }
    compared.assumed.iter().for_each(|note| eprintln!("assumed: {note}"));
    if args.fail_on_drift && report.verdict == Verdict::Drift {
        let drifted = report.columns.iter().filter(|column| column.verdict == Verdict::Drift);
        let names: Vec<_> = drifted.map(|column| format!("`{}`", column.column)).collect();
        return Err(Differs(format!("drift in {}", names.join(", "))).into());
    }
    Ok(())
}
