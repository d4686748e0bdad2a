//! What Scry's own rule for drift costs and gives: nanoseconds a row, rows to
//! alarm, alarms without drift, agreement with scipy.

use super::made::{COLUMNS, name};
use super::shared::agreement;
use super::shared::simulation::{Random, Source, false_alarms, median_rows_to_alarm};
use crate::claims::Claims;
use crate::error::Error;
use scry_card::stats::{ALPHA, Counter, Profiler, watch};
use scry_card::{Batch, Field, Tensor, Values};
use serde_json::json;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The shifts, and rows to alarm in a simulation of the rule apart from this code.
const SHIFTS: [(f64, u64); 3] = [(1.0, 33), (0.5, 148), (0.25, 650)];
/// Rows that a timed round counts.
const TIMED_ROWS: usize = 100_000;
/// Looks of a timed round.
const TIMED_LOOKS: usize = 200;
/// Differences from scipy, relatively.
const RTOL: f64 = 1e-9;

/// Measures and prints the tables. So many epochs of each kind are simulated.
pub(crate) fn run(rounds: usize, epochs: u64) -> Result<Claims, Error> {
    costs(rounds)?;
    rows_to_alarm(epochs);
    let mut claims = Claims::default();
    println!("| claim | found | |");
    println!("|---|---|---|");
    alarms_without_drift(epochs, &mut claims);
    agreement_with_scipy(&mut claims);
    println!();
    Ok(claims)
}

fn costs(rounds: usize) -> Result<(), Error> {
    eprintln!("data: costs of counting");
    let field = |name: &str, shape: &[usize]| {
        serde_json::from_value::<Field>(json!({ "name": name, "datatype": "FP64", "shape": shape }))
    };
    let apart = (0..COLUMNS).map(|column| field(&name(column), &[])).collect::<Result<Vec<_>, _>>()?;
    let together = [field("x", &[COLUMNS])?];
    println!("| one core | median (min–max) |");
    println!("|---|--:|");
    for (title, fields) in [("columns", apart.as_slice()), ("numbers in an array", &together)] {
        let mut random = Random(3);
        let mut profiler = Profiler::new(fields);
        profiler.add(&batch(&mut random, fields, 2_000))?;
        let reference = profiler.finish();
        let counter = Counter::new(&reference, fields)?;
        let mut counts = counter.start();
        for rows in [1, 16, 1_000] {
            let batches: Vec<Batch> = (0..8).map(|_| batch(&mut random, fields, rows)).collect();
            let nanos = timed(rounds, TIMED_ROWS, || {
                let mut batches = batches.iter().cycle().take(TIMED_ROWS / rows);
                Ok(batches.try_for_each(|batch| counter.count(&mut counts, batch))?)
            })?;
            println!("| a row of {COLUMNS} {title} counted, in batches of {rows} | {nanos} ns |");
        }
        let looks = timed(rounds, TIMED_LOOKS * 1_000, || {
            (0..TIMED_LOOKS).try_for_each(|_| Ok(black_box(watch(&reference, &counts, ALPHA)).map(drop)?))
        })?;
        println!("| a look at {COLUMNS} {title} | {looks} µs |");
    }
    println!();
    Ok(())
}

fn batch(random: &mut Random, fields: &[Field], rows: usize) -> Batch {
    let mut column = |field: &Field| {
        let elements = rows * field.elements_per_row().unwrap_or(1);
        let values = Values::Fp64((0..elements).map(|_| random.normal()).collect());
        Tensor { shape: field.batch_shape(rows as u64), values, validity: None }
    };
    Batch { rows, columns: fields.iter().map(&mut column).collect() }
}

/// Nanoseconds for each of `count`.
fn timed(rounds: usize, count: usize, mut work: impl FnMut() -> Result<(), Error>) -> Result<String, Error> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let started = Instant::now();
        work()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let each = |time: Option<&Duration>| time.map_or(f64::NAN, |time| time.as_nanos() as f64 / count as f64);
    let (low, median, high) = (each(times.first()), each(times.get(times.len() / 2)), each(times.last()));
    Ok(format!("{median:.0} ({low:.0}–{high:.0})"))
}

fn rows_to_alarm(epochs: u64) {
    eprintln!("data: rows to alarm");
    println!("Rows to alarm, the median of {epochs} epochs: a reference of 2,000 rows, looked at after every row.\n");
    println!("| columns | {} |", SHIFTS.map(|(shift, _)| format!("{shift} σ")).join(" | "));
    println!("|---|--:|--:|--:|");
    for columns in [1, COLUMNS] {
        let threshold = (columns as f64 / ALPHA).ln();
        let rows = SHIFTS.map(|(shift, _)| median_rows_to_alarm(7, epochs as usize, shift, 1, threshold));
        println!("| {columns} | {} |", rows.map(|rows| rows.to_string()).join(" | "));
    }
    println!("| {COLUMNS}, as first measured | {} |\n", SHIFTS.map(|(_, rows)| rows.to_string()).join(" | "));
}

fn alarms_without_drift(epochs: u64, claims: &mut Claims) {
    let sources: [(&str, Source, u64); 5] = [
        ("normal", Random::normal, 2_000),
        ("normal, a reference of 200 rows", Random::normal, 200),
        ("log-normal", |random| random.normal().exp(), 2_000),
        ("whole numbers, 18 to 90", |random| (18.0 + 73.0 * random.uniform()).floor(), 2_000),
        ("eight categories", |random| (8.0 * random.uniform().powi(2)).floor(), 2_000),
    ];
    let promised = epochs as f64 * ALPHA;
    let by_chance = poisson_quantile(promised);
    let mut all = 0;
    for (name, source, rows) in sources {
        eprintln!("data: alarms without drift, {name}");
        let (_, alarms) = false_alarms(11, epochs, COLUMNS as u64, source, rows, 1);
        all += alarms;
        // Of as many as promised, some runs have a few more.
        let claim = format!(
            "{epochs} epochs of {COLUMNS} columns without drift, {name}: on average at most {promised} alarms, by chance {by_chance}"
        );
        claims.line(&claim, alarms, alarms <= by_chance);
    }
    let (epochs, promised) = (epochs * sources.len() as u64, promised * sources.len() as f64);
    claims.line(&format!("all of these {epochs} epochs: at most {promised}"), all, all as f64 <= promised.max(1.0));
}

/// What is exceeded in at most 2.5 % of runs when so many are expected.
fn poisson_quantile(expected: f64) -> u64 {
    let (mut term, mut sum, mut count) = ((-expected).exp(), 0.0, 0);
    loop {
        sum += term;
        if sum >= 0.975 {
            return count;
        }
        count += 1;
        term *= expected / count as f64;
    }
}

fn agreement_with_scipy(claims: &mut Claims) {
    let pairs = agreement::pairs();
    let differences = pairs.iter().map(|pair| (pair.difference(), pair.what.as_str()));
    let (worst, what) = differences.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((f64::INFINITY, "nothing"));
    let columns = agreement::columns().len();
    let claim = format!("{} statistics, of {columns} columns of four real data sets: scipy's to {RTOL:e}", pairs.len());
    claims.line(&claim, format!("{worst:.1e} at most ({what})"), worst <= RTOL);
}
