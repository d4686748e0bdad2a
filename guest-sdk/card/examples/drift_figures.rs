//! Prints what the drift rule costs and what it gives:
//!
//!     cargo run --release -p scry-card --example drift_figures

#[path = "../tests/stats/simulation.rs"]
mod simulation;

use scry_card::stats::{ALPHA, Counter, Profiler, watch};
use scry_card::{Batch, Datatype, Field, Tensor, Values};
use simulation::{Random, Source, false_alarms, median_rows_to_alarm};
use std::time::Instant;

const FEATURES: usize = 30;

fn main() {
    nanoseconds_a_row();
    nanoseconds_of_an_array();
    rows_to_alarm();
    alarms_without_drift();
}

fn rows_to_alarm() {
    println!("median rows to alarm, reference of 2,000 rows, looked at after every row, 1,001 epochs:");
    for columns in [1, FEATURES] {
        let threshold = (columns as f64 / ALPHA).ln();
        let medians = [1.0, 0.5, 0.25].map(|shift| median_rows_to_alarm(7, 1_001, shift, 1, threshold));
        println!("  K = {columns}: 1 sigma {}, 0.5 sigma {}, 0.25 sigma {}", medians[0], medians[1], medians[2]);
    }
}

fn alarms_without_drift() {
    println!("no drift, 400 epochs of {FEATURES} features, alpha {ALPHA}, looked at after every row:");
    let sources: [(&str, Source, u64); 5] = [
        ("normal, reference of 2,000 rows", Random::normal, 2_000),
        ("normal, reference of 200 rows", Random::normal, 200),
        ("log-normal, reference of 2,000 rows", |random| random.normal().exp(), 2_000),
        ("whole numbers 18 to 90, reference of 2,000 rows", |random| (18.0 + 73.0 * random.uniform()).floor(), 2_000),
        ("eight categories, reference of 2,000 rows", |random| (8.0 * random.uniform().powi(2)).floor(), 2_000),
    ];
    for (name, source, rows) in sources {
        let (evidence, alarms) = false_alarms(11, 400, FEATURES as u64, source, rows, 1);
        println!("  {name}: {evidence} with evidence, {alarms} with an alarm");
    }
}

fn nanoseconds_a_row() {
    let mut random = Random(3);
    let fields: Vec<Field> = (0..FEATURES).map(|i| number_field(&format!("x{i}"))).collect();
    let mut batch = |rows: usize| Batch {
        rows,
        columns: (0..FEATURES)
            .map(|_| Tensor {
                shape: vec![rows as u64],
                values: Values::Fp64((0..rows).map(|_| random.normal()).collect()),
                validity: None,
            })
            .collect(),
    };
    let mut profiler = Profiler::new(&fields);
    let training = batch(100_000);
    let start = Instant::now();
    profiler.add(&training).expect("the form of the fields");
    let reference = profiler.finish();
    let seconds = start.elapsed().as_secs_f64();
    println!("profile of 100,000 rows of {FEATURES} FP64: {:.0} ns a row", seconds * 1e9 / 100_000.0);
    let counter = Counter::new(&reference, &fields).expect("the same fields");
    let mut counts = counter.start();
    for rows in [1, 16, 1_000] {
        let batches: Vec<Batch> = (0..8).map(|_| batch(rows)).collect();
        let total = 400_000;
        let start = Instant::now();
        for i in 0..total / rows {
            counter.count(&mut counts, &batches[i % 8]).expect("the form of the fields");
        }
        let ns = start.elapsed().as_secs_f64() * 1e9 / total as f64;
        println!("count, batches of {rows}: {ns:.0} ns a row of {FEATURES} FP64");
    }
    let start = Instant::now();
    for _ in 0..1_000 {
        std::hint::black_box(watch(&reference, &counts, ALPHA).expect("its own counts"));
    }
    println!("watch, {FEATURES} features: {:.0} µs a look", start.elapsed().as_secs_f64() * 1e3);
}

/// The same numbers as one field with a shape.
fn nanoseconds_of_an_array() {
    let mut random = Random(3);
    let fields = [Field { shape: vec![FEATURES as u64], ..number_field("x") }];
    let mut batch = |rows: usize| {
        let values = Values::Fp64((0..rows * FEATURES).map(|_| random.normal()).collect());
        let shape = vec![rows as u64, FEATURES as u64];
        Batch { rows, columns: vec![Tensor { shape, values, validity: None }] }
    };
    let mut profiler = Profiler::new(&fields);
    profiler.add(&batch(10_000)).expect("the form of the fields");
    let counter = Counter::new(&profiler.finish(), &fields).expect("the same fields");
    let mut counts = counter.start();
    for rows in [1, 1_000] {
        let batches: Vec<Batch> = (0..8).map(|_| batch(rows)).collect();
        let total = 400_000;
        let start = Instant::now();
        for i in 0..total / rows {
            counter.count(&mut counts, &batches[i % 8]).expect("the form of the fields");
        }
        let ns = start.elapsed().as_secs_f64() * 1e9 / total as f64;
        println!("count, batches of {rows}: {ns:.0} ns a row of one [f64; {FEATURES}]");
    }
}

fn number_field(name: &str) -> Field {
    Field {
        name: name.into(),
        description: String::new(),
        datatype: Datatype::Fp64,
        shape: vec![],
        nullable: false,
        unit: None,
        minimum: None,
        maximum: None,
        categories: vec![],
    }
}
