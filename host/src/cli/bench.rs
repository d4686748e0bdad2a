//! `scry bench`

use super::print::counted;
use super::progress::Progress;
use super::{CliError, in_file, local_settings, number, print_json, read_config, read_file};
use crate::golden::{GoldenFailure, check_form};
use crate::registry::{limits_of_config, metering};
use scry_card::{Batch, Golden, Schema};
use scry_component::Description;
use scry_sandbox::{CallLimits, CallReport, Loaded, Sandbox, SandboxSettings};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Calls that are not counted: the first ones of a component cost more.
const WARM_UP_CALLS: usize = 20;
const CALLS_MIN: usize = 10;
const CALLS_MAX: usize = 100_000;
const ROWS_MAX: u64 = 65_536;

/// Time a component in the host's own sandbox and limits.
///
/// Calls it again and again with the rows of its golden examples, repeated
/// where more are wanted. A call is timed from its fresh instance to the answer,
/// without HTTP and the checks of the schema. `put back` is the share of
/// instances that were put back to the snapshot instead of made anew.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry bench churn.wasm --rows 1,64")]
pub(super) struct Args {
    /// The component.
    file: PathBuf,
    /// Rows a call.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,64", value_parser = row_count)]
    rows: Vec<u64>,
    /// How long each count of rows is called, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "2000", value_parser = number::<u64>)]
    time_ms: u64,
    /// A host's configuration, for its limits [default: the defaults].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

fn row_count(text: &str) -> Result<u64, String> {
    let count = number::<u64>(text)?;
    (1..=ROWS_MAX).contains(&count).then_some(count).ok_or_else(|| format!("expected 1 to {ROWS_MAX}"))
}

/// Calls with one count of rows.
#[derive(Debug, Serialize)]
struct Timed {
    calls: usize,
    p50_us: f64,
    p99_us: f64,
    /// The most that a call used; none where it is not counted.
    fuel: Option<u64>,
    memory_bytes: u64,
    /// Share of calls, 0 to 1.
    put_back: f64,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let config = read_config(args.config.as_deref())?;
    let bytes = read_file(&args.file)?;
    let description = Description::read(&bytes).map_err(|e| in_file(&args.file, e))?;
    let schema = Arc::new(description.card.schema);
    let examples = examples(&description.golden, &schema)?;
    let limits = limits_of_config(&config);
    let progress = Progress::waiting("compiling the component and calling it");
    let started = Instant::now();
    let sandbox = Sandbox::new(SandboxSettings { instances_ahead_max: 1, ..local_settings(&config) })?;
    let loaded = sandbox.load(&bytes, schema, metering(&limits), None)?;
    let compile_ms = started.elapsed().as_secs_f64() * 1e3;
    let time = Duration::from_millis(args.time_ms);
    let mut timed = BTreeMap::new();
    for &rows in &args.rows {
        let batches = batches(&examples, usize::try_from(rows)?).ok_or("the golden examples do not join")?;
        timed.insert(rows, measure(&loaded, &batches, time, || limits.of_call())?);
    }
    drop(progress);
    if args.json {
        return print_json(&json!({ "digest": description.digest, "compile_ms": compile_ms, "rows": timed }));
    }
    for (rows, timed) in &timed {
        let fuel = timed.fuel.map(|fuel| format!(", {fuel} fuel")).unwrap_or_default();
        let (memory_kib, put_back) = (timed.memory_bytes / 1024, 100.0 * timed.put_back);
        let (p50, p99, rows) = (timed.p50_us, timed.p99_us, counted(*rows, "row"));
        println!("{rows}: {p50:.1} µs (p99 {p99:.1} µs){fuel}, {memory_kib} KiB, {put_back:.0} % put back");
    }
    Ok(())
}

/// All rows of the golden examples.
fn examples(golden: &Golden, schema: &Schema) -> Result<Batch, CliError> {
    check_form(golden, schema)?;
    let read = |example: &scry_card::Example| example.batches(schema).map(|(inputs, _)| inputs);
    let batches = golden.examples.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let joined = Batch::join(&batches.iter().collect::<Vec<_>>()).filter(|batch| batch.rows > 0);
    Ok(joined.ok_or(GoldenFailure::None)?)
}

/// Batches that begin at different rows, so that the calls differ from each other.
fn batches(examples: &Batch, rows: usize) -> Option<Vec<Batch>> {
    const BATCHES_MAX: usize = 16;
    let batch =
        |first: usize| examples.select(&(first..first + rows).map(|row| row % examples.rows).collect::<Vec<_>>());
    (0..examples.rows.min(BATCHES_MAX)).map(batch).collect()
}

fn measure(
    loaded: &Loaded,
    batches: &[Batch],
    time: Duration,
    limits: impl Fn() -> CallLimits,
) -> Result<Timed, CliError> {
    let mut calls = batches.iter().cycle().map(|batch| call(loaded, batch, &limits));
    calls.by_ref().take(WARM_UP_CALLS).try_for_each(|report| report.map(drop))?;
    let started = Instant::now();
    let (mut us, mut fuel, mut memory_bytes, mut put_back) = (Vec::new(), None, 0, 0usize);
    for report in calls.take(CALLS_MAX) {
        let report = report?;
        us.push(report.duration.as_secs_f64() * 1e6);
        fuel = fuel.max(report.fuel);
        memory_bytes = memory_bytes.max(report.memory_bytes);
        put_back += usize::from(report.was_put_back);
        if us.len() >= CALLS_MIN && started.elapsed() >= time {
            break;
        }
    }
    us.sort_unstable_by(f64::total_cmp);
    let quantile = |share: f64| us.get(((us.len() - 1) as f64 * share) as usize).copied().unwrap_or_default();
    let calls = us.len();
    let (p50_us, p99_us, put_back) = (quantile(0.5), quantile(0.99), put_back as f64 / calls as f64);
    Ok(Timed { calls, p50_us, p99_us, fuel, memory_bytes, put_back })
}

/// One call, after which its instance is put back for the next one.
fn call(loaded: &Loaded, batch: &Batch, limits: impl Fn() -> CallLimits) -> Result<Told, CliError> {
    let CallReport { outcome, fuel, memory_bytes, duration, was_put_back, spent, .. } =
        loaded.predict(batch, &limits());
    outcome?;
    loaded.restock(spent, 1, &limits())?;
    Ok(Told { fuel, memory_bytes, duration, was_put_back })
}

/// What one call took.
struct Told {
    fuel: Option<u64>,
    memory_bytes: u64,
    duration: Duration,
    was_put_back: bool,
}
