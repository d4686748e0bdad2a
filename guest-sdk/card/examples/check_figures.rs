//! What checking costs: nanoseconds a value and a row.
//!
//!     cargo run --release -p scry-card --features rules --example check_figures

use scry_card::{Batch, Checker, Checks, Detail, Field, Rule, Tensor, Text, Values, check};
use serde_json::json;
use std::hint::black_box;
use std::time::Instant;

const ROWS: usize = 10_000;
const ROUNDS: usize = 30;

fn field(value: serde_json::Value) -> Field {
    serde_json::from_value(value).expect("a field")
}

/// The quickest of some rounds, in nanoseconds for each of `count`.
fn nanoseconds(count: usize, mut work: impl FnMut()) -> f64 {
    let round = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_nanos()
    };
    (0..ROUNDS).map(round).min().unwrap_or(0) as f64 / count as f64
}

fn numbers(datatype: &str, columns: usize) -> (Vec<Field>, Batch) {
    let tensor = |c: usize| {
        let list = (0..ROWS).map(|i| ((i * 7 + c) % 100) as f64);
        let values = match datatype {
            "FP64" => Values::Fp64(list.collect()),
            _ => Values::Int64(list.map(|v| v as i64).collect()),
        };
        Tensor { shape: vec![ROWS as u64], values, validity: None }
    };
    let fields = (0..columns).map(|c| {
        field(json!({"name": format!("f{c}"), "datatype": datatype, "minimum": 0, "maximum": 100, "nullable": true}))
    });
    (fields.collect(), Batch { rows: ROWS, columns: (0..columns).map(tensor).collect() })
}

fn text() -> (Vec<Field>, Batch) {
    let names = ["monthly", "yearly", "two years", "none"];
    let mut text = Text::default();
    (0..ROWS).for_each(|i| text.push(names.get(i % 4).copied().unwrap_or_default()).expect("room"));
    let tensor = Tensor { shape: vec![ROWS as u64], values: Values::Bytes(text), validity: None };
    let field = field(json!({"name": "t", "datatype": "BYTES", "categories": names}));
    (vec![field], Batch { rows: ROWS, columns: vec![tensor] })
}

fn main() {
    let detail = Detail::default();
    for (name, (fields, batch)) in [("FP64", numbers("FP64", 30)), ("INT64", numbers("INT64", 30)), ("text", text())] {
        let checker = Checker::new(&fields, &Checks::default()).expect("a checker");
        let values = ROWS * fields.len();
        let plain = nanoseconds(values, || drop(black_box(check(&fields, black_box(&batch), 16))));
        let checked = nanoseconds(values, || drop(black_box(checker.check(black_box(&batch), &detail))));
        println!("{name}: check {plain:.2} ns a value, Checker {checked:.2} ns a value");
    }
    let (mut fields, mut batch) = numbers("FP64", 2);
    let (text_fields, text_batch) = text();
    fields.extend(text_fields);
    batch.columns.extend(text_batch.columns);
    for expression in
        ["f1 + 1000 >= f0", "f1 + 1000 >= f0 && f0 >= 0 || t == \"none\"", "t != \"other\"", "f0 < 0 || true"]
    {
        let rules = vec![Rule { name: "r".into(), expression: expression.into(), policy: None }];
        let checker = Checker::new(&fields, &Checks { rules, ..Checks::default() }).expect("a checker");
        assert!(checker.check(&batch, &detail).tallies.is_empty());
        let cost = nanoseconds(ROWS, || drop(black_box(checker.check(black_box(&batch), &detail))));
        println!("rule `{expression}`: {cost:.0} ns a row, the columns' checks among it");
    }
}
