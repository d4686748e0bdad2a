//! `scry transform`

use super::print::counted;
use super::profile::open;
use super::progress::Reading;
use super::{CliError, print_json};
use crate::offline::{Progress, transform};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// Run a component's feature pipeline over a file.
///
/// What training reads is then what serving computes, bit for bit: the same
/// code, in the same sandbox. Rows stay in order; the formats are those that the
/// names say (`.csv`, `.ndjson`, `.jsonl`, `.parquet`). A row that the model's
/// schema or its pipeline refuses is named, and nothing is written.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry transform churn.wasm customers.csv -o features.parquet --keep customer_id")]
pub(super) struct Args {
    /// The component.
    model: PathBuf,
    /// The rows, by the model's input schema; other columns are read only to be kept.
    file: PathBuf,
    /// The features to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// A column of the file to write beside the features: a key, a label. May be given several times.
    #[arg(long, value_name = "COLUMN")]
    keep: Vec<String>,
    /// An input that the file may lack: all of its values are then missing. May be given several times.
    #[arg(long, value_name = "COLUMN")]
    allow_missing: Vec<String>,
    /// A host's configuration, for the limits of the component's calls [default: the defaults].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let started = Instant::now();
    let mut model = open(&args.model, args.config.as_deref())?;
    let mut reading = Reading::start();
    let watch = &mut |progress: Progress<'_>| reading.at(progress);
    let transformed = transform(&mut model, &args.file, &args.output, &args.keep, &args.allow_missing, watch)?;
    drop(reading);
    let (rows, seconds) = (transformed.rows, started.elapsed().as_secs_f64());
    if args.json {
        let assumed = transformed.assumed;
        return print_json(&json!({ "path": args.output, "rows": rows, "seconds": seconds, "assumed": assumed }));
    }
    transformed.assumed.iter().for_each(|note| println!("assumed: {note}"));
    println!("{}  {}  {seconds:.1} s", args.output.display(), counted(rows, "row"));
    Ok(())
}
