//! Runs a model file natively over rows: `evaluate MODEL.scry ROWS.json [--features]`. Rows are a
//! JSON list of objects; it prints a JSON object with one list an output, floats in their shortest
//! form that reads back as the same. With `--repeat N` it runs N times and says how long one takes.

use scry_card::{Records, batch_from_records};
use scry_graph::Model;
use serde_json::{Map, Value};
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut flag = |name: &str| args.iter().position(|arg| arg == name).map(|at| args.remove(at)).is_some();
    let features = flag("--features");
    let repeats = flag("--repeat");
    let (model, rows, repeats) = match args.as_slice() {
        [model, rows] if !repeats => (model, rows, 0),
        [model, rows, times] if repeats => (model, rows, times.parse()?),
        _ => return Err("usage: evaluate MODEL.scry ROWS.json [--features] [--repeat N]".into()),
    };
    let model = Model::read(&std::fs::read(model)?)?;
    let rows: Vec<Map<String, Value>> = scry_card::strict::from_slice(&std::fs::read(rows)?)?;
    let batch = batch_from_records(&model.schema().inputs, &rows)?;
    let run = |columns| if features { model.transform(columns) } else { model.predict(columns) };
    let began = Instant::now();
    for _ in 0..repeats {
        run(batch.columns.clone())?;
    }
    if repeats > 0 {
        let micros = began.elapsed().as_secs_f64() * 1e6 / f64::from(repeats);
        eprintln!("{micros:.2} us for {} rows", batch.rows);
    }
    let fields = if features { &model.schema().features } else { &model.schema().outputs };
    let columns = run(batch.columns)?;
    let mut lists = Map::new();
    for (field, column) in fields.iter().zip(columns) {
        let (fields, one) = (std::slice::from_ref(field), scry_card::Batch { rows: batch.rows, columns: vec![column] });
        let records = Records { fields, batch: &one };
        let list = (0..batch.rows).map(|row| serde_json::to_value(records.row(row)));
        let list = list.map(|record| record.map(|mut record| record.get_mut(&field.name).map(Value::take)));
        lists.insert(
            field.name.clone(),
            Value::Array(list.map(|value| Ok(value?.unwrap_or_default())).collect::<Result<_, serde_json::Error>>()?),
        );
    }
    println!("{}", serde_json::to_string(&lists)?);
    Ok(())
}
