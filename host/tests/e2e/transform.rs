//! The feature pipeline over files, by the real binary.

use crate::support::data::{command, hours, names, write_ndjson};
use crate::support::{Ran, example};
use scry::sandbox::{CallLimits, Loaded, Metering, Sandbox, SandboxSettings};
use scry_card::{Batch, Schema, Values, batch_from_records};
use scry_tables::Reader;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A component in a sandbox of this process, as a host has it.
fn in_process(path: &Path) -> (Sandbox, Loaded, Schema) {
    let settings = SandboxSettings { instances_max: 4, instances_ahead_max: 0, memory_max_bytes: 256 << 20 };
    let sandbox = Sandbox::new(settings).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let schema = scry::component::Description::read(&bytes).unwrap().card.schema;
    let loaded = sandbox.load(&bytes, Arc::new(schema.clone()), Metering::Fuel, None).unwrap();
    (sandbox, loaded, schema)
}

fn patient() -> CallLimits {
    let deadline = Instant::now() + Duration::from_secs(60);
    CallLimits { deadline, fuel: 1 << 40, memory_max_bytes: 256 << 20, output_max_bytes: 256 << 20, asker: None }
}

fn bits(batch: &Batch) -> Vec<u64> {
    let Values::Fp64(list) = &batch.columns[0].values else { panic!("not FP64") };
    list.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn transform_is_what_the_served_model_sees_bit_for_bit_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = example("bikeshare").path.clone();
    let (_sandbox, loaded, schema) = in_process(&path);
    let mut rows = hours(2_500);
    write_ndjson(&dir.path().join("hours.ndjson"), &rows);
    rows.iter_mut().for_each(|row| drop(row.remove("riders")));
    // One row a call, as requests come.
    let one = |row: &Map<String, Value>| batch_from_records(&schema.inputs, std::slice::from_ref(row)).unwrap();
    let alone = loaded.transform(&one(&rows[0]), &patient()).fuel.unwrap();
    let expected: Vec<u64> =
        rows.iter().flat_map(|row| bits(&loaded.transform(&one(row), &patient()).outcome.unwrap())).collect();
    assert_eq!(expected.len(), 2_500 * 13);

    let transform = |output: &str, more: &[&str]| {
        let mut command = command(&dir, &["transform"]);
        command.arg(&path).args(["hours.ndjson", "--json", "-o", output]).args(more);
        Ran::of(&mut command)
    };
    let read = |name: &str| -> Vec<u64> {
        let batches = Reader::open(&dir.path().join(name)).unwrap().batches(&schema.features).unwrap();
        batches.flat_map(|batch| bits(&batch.unwrap())).collect()
    };
    let ran = transform("features.parquet", &[]).ok().says(&["transforming hours.ndjson"]);
    assert_eq!(ran.stdout.lines().count(), 1);
    let said = ran.json();
    assert_eq!((&said["rows"], &said["path"]), (&json!(2_500), &json!("features.parquet")));
    assert!(said["seconds"].as_f64().unwrap() > 0.0 && said["assumed"].to_string().contains("`riders`"), "{said}");
    assert!(read("features.parquet") == expected, "other features");

    // Where the limits admit a few rows a call, the calls are of a few rows.
    let fuel = format!("[limits]\nfuel = {}\n", alone * 40);
    std::fs::write(dir.path().join("scry.toml"), fuel).unwrap();
    std::fs::remove_file(dir.path().join("features.parquet")).unwrap();
    transform("features.parquet", &["--config", "scry.toml"]).ok();
    assert!(read("features.parquet") == expected, "other features");
    std::fs::write(dir.path().join("scry.toml"), "[limits]\nfuel = 1000\n").unwrap();
    transform("less.parquet", &["--config", "scry.toml"]).code(1).says(&["used up its fuel"]);

    // What a format has no form for is said before, or at the row.
    transform("features.csv", &[]).code(1).says(&["column `features`", "shape [13]", "use NDJSON or Parquet"]);
    transform("features.ndjson", &[]).code(1).says(&["features.ndjson, row ", "NaN"]);
    transform("features.txt", &[]).code(1).says(&["features.txt", ".parquet"]);
    transform("hours.ndjson", &[]).code(1).says(&["hours.ndjson: is the input"]);
    assert_eq!(names(&dir), ["features.parquet", "hours.ndjson", "scry.toml"]);
}
