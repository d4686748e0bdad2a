//! The feature pipeline over files, by the real binary.

use crate::support::data::{command, hours, names, write_ndjson};
use crate::support::{Ran, example, guest};
use parquet::column::reader::ColumnReader;
use parquet::file::reader::{FileReader, SerializedFileReader};
use scry_card::{Batch, Schema, Values, batch_from_records};
use scry_sandbox::{CallLimits, CompileSettings, Loaded, Metering, Sandbox, SandboxSettings};
use scry_tables::Reader;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A component in a sandbox of this process, as a host has it.
fn in_process(path: &Path) -> (Sandbox, Loaded, Schema) {
    let settings = SandboxSettings {
        instances_max: 4,
        instances_ahead_max: 0,
        memory_max_bytes: 256 << 20,
        compile: CompileSettings::trusting(),
        is_embedded: false,
    };
    let sandbox = Sandbox::new(settings).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let schema = scry_component::Description::read(&bytes).unwrap().card.schema;
    let loaded = sandbox.load(&bytes, Arc::new(schema.clone()), Metering::Fuel, None).unwrap();
    (sandbox, loaded, schema)
}

fn patient() -> CallLimits {
    let deadline = Instant::now() + Duration::from_secs(60);
    CallLimits {
        deadline,
        fuel: 1 << 40,
        memory_max_bytes: 256 << 20,
        output_max_bytes: 256 << 20,
        client: None,
        is_timed: false,
    }
}

fn bits(batch: &Batch) -> Vec<u64> {
    let Values::Fp64(list) = &batch.columns[0].values else { panic!("not FP64") };
    list.iter().map(|value| value.to_bits()).collect()
}

/// The first column of a file, as any tool finds it there.
fn stored(path: &Path) -> Vec<u64> {
    let file = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut bits = Vec::new();
    for group in (0..file.num_row_groups()).map(|group| file.get_row_group(group).unwrap()) {
        let ColumnReader::DoubleColumnReader(mut column) = group.get_column_reader(0).unwrap() else { panic!() };
        let (mut values, mut levels) = (Vec::new(), [Vec::new(), Vec::new()]);
        let [def, rep] = &mut levels;
        let rows = usize::try_from(group.metadata().num_rows()).unwrap();
        column.read_records(rows, Some(def), Some(rep), &mut values).unwrap();
        bits.extend(values.into_iter().map(f64::to_bits));
    }
    bits
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
    let read = |name: &str| stored(&dir.path().join(name));
    let ran = transform("features.parquet", &[]).ok().says(&["transforming hours.ndjson"]);
    assert_eq!(ran.stdout.lines().count(), 1);
    let said = ran.json();
    assert_eq!((&said["rows"], &said["path"]), (&json!(2_500), &json!("features.parquet")));
    assert!(said["seconds"].as_f64().unwrap() > 0.0 && said["assumed"].to_string().contains("`riders`"), "{said}");
    assert!(read("features.parquet") == expected, "other features");

    // Beside what is kept it is the same.
    transform("kept.parquet", &["--keep", "riders", "--keep", "hour"]).ok();
    assert!(read("kept.parquet") == expected, "other features");
    let mut kept = Reader::open(&dir.path().join("kept.parquet")).unwrap();
    let columns: Vec<_> = kept.columns(&mut |_| ()).unwrap().iter().map(|column| column.name.clone()).collect();
    assert_eq!(columns, ["features", "riders", "hour"]);
    let hour = schema.inputs.iter().find(|field| field.name == "hour").unwrap().clone();
    let hours: Vec<_> = kept.batches(&[hour]).unwrap().map(|batch| batch.unwrap().columns.remove(0).values).collect();
    let given: Vec<_> = rows.iter().map(|row| row["hour"].as_i64().unwrap()).collect();
    let read_hours = hours.iter().flat_map(|values| match values {
        Values::Int64(list) => list.clone(),
        other => panic!("{other:?}"),
    });
    assert!(read_hours.eq(given), "other hours");
    std::fs::remove_file(dir.path().join("kept.parquet")).unwrap();

    // Where the limits admit a few rows a call, the calls are of a few rows.
    let fuel = format!("[limits]\nfuel = {}\n", alone * 40);
    std::fs::write(dir.path().join("scry.toml"), fuel).unwrap();
    std::fs::remove_file(dir.path().join("features.parquet")).unwrap();
    transform("features.parquet", &["--config", "scry.toml"]).ok();
    assert!(read("features.parquet") == expected, "other features");
    std::fs::write(dir.path().join("scry.toml"), "[limits]\nfuel = 1000\n").unwrap();
    transform("less.parquet", &["--config", "scry.toml"]).code(1).says(&["used up its fuel"]);

    // What a format has no form for is said before, or at the row.
    transform("features.csv", &[]).code(3).says(&["column `features`", "shape [13]", "use NDJSON or Parquet"]);
    transform("features.txt", &[]).code(3).says(&["features.txt", ".parquet"]);
    transform("hours.ndjson", &[]).code(1).says(&["hours.ndjson: is the input"]);
    assert_eq!(names(&dir), ["features.parquet", "hours.ndjson", "scry.toml"]);

    // NaN is missing, which JSON says with `null`.
    transform("features.ndjson", &[]).ok();
    let text = std::fs::read_to_string(dir.path().join("features.ndjson")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let values = lines.flat_map(|line| line["features"].as_array().unwrap().clone());
    let values: Vec<_> = values.map(|value| value.as_f64().map(f64::to_bits)).collect();
    let numbers = expected.iter().map(|&bits| Some(bits).filter(|&bits| !f64::from_bits(bits).is_nan()));
    assert!(values.iter().copied().eq(numbers) && values.contains(&None), "other features");
}

#[test]
fn labels_and_keys_are_kept_and_rows_that_pass_with_a_warning_counted() {
    let dir = tempfile::tempdir().unwrap();
    let text = "id,start,end,amount,income,loans,region,note,lost\n\
                a-1,3,9,500.5,100,2,north,first,true\n\
                a-2,3,9,500,2000,,south,,false\n\
                a-3,3,9,900,1.5,,north,,\n\
                a-4,3,9,900000,2000,1,north,,true\n";
    std::fs::write(dir.path().join("loans.csv"), text).unwrap();
    let transform = |more: &[&str]| {
        let mut command = command(&dir, &["transform"]);
        command.arg(&guest("checked").path).args(["loans.csv", "-o", "out.ndjson", "--json"]).args(more);
        Ran::of(&mut command)
    };
    let said = transform(&["--keep", "lost", "--keep", "id"]).ok().json();
    // Two incomes are beyond what the schema knows, two amounts beyond what is affordable; one loan is both.
    let warned = "3 rows pass with a warning about inputs (`income`, range: 2; `is affordable`, rule: 2)";
    assert_eq!((&said["rows"], &said["assumed"]), (&json!(4), &json!([warned])));
    let rows = std::fs::read_to_string(dir.path().join("out.ndjson")).unwrap();
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let row = |amount: f64, income: f64, loans: Value, region: &str, note: Value, lost: Value, id: &str| {
        json!({ "start": 3, "end": 9, "amount": amount, "income": income, "loans": loans, "region": region,
                "note": note, "lost": lost, "id": id })
    };
    assert_eq!(
        rows,
        [
            row(500.5, 100.0, json!(2), "north", json!("first"), json!(true), "a-1"),
            row(500.0, 2000.0, json!(null), "south", json!(null), json!(false), "a-2"),
            row(900.0, 1.5, json!(null), "north", json!(null), json!(null), "a-3"),
            row(900_000.0, 2000.0, json!(1), "north", json!(null), json!(true), "a-4"),
        ]
    );

    std::fs::remove_file(dir.path().join("out.ndjson")).unwrap();
    transform(&["--keep", "nobody"]).code(3).says(&["loans.csv, column `nobody`", "is not there; the file has `id`"]);
    transform(&["--keep", "amount"]).code(3).says(&["out.ndjson, column `amount`", "the name of a feature"]);
    transform(&["--keep", "id", "--keep", "id"]).code(3).says(&["column `id`", "is there twice"]);
    assert_eq!(names(&dir), ["loans.csv"]);
}
