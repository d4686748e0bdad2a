//! Statistics of training data and comparisons of data, by the real binary.

use crate::support::data::{command, hours, names, read_json, run, spread, write_ndjson};
use crate::support::{Ran, example, features, guest, scry};
use scry_card::{Batch, Column, ColumnBuilder, Datatype, Field, Tensor};
use scry_tables::Writer;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;

const FORMATS: [&str; 3] = ["csv", "ndjson", "parquet"];

fn field(name: &str, datatype: Datatype) -> Field {
    serde_json::from_value(json!({ "name": name, "datatype": datatype, "nullable": true })).unwrap()
}

fn fields() -> Vec<Field> {
    let types = [("x", Datatype::Fp64), ("n", Datatype::Int64), ("city", Datatype::Bytes), ("member", Datatype::Bool)];
    types.map(|(name, datatype)| field(name, datatype)).to_vec()
}

/// Rows of which every tenth `x` is missing; `shift` moves it, and the cities.
fn rows(range: std::ops::Range<usize>, shift: f64) -> Batch {
    let mut columns: Vec<_> = fields().iter().map(|field| ColumnBuilder::new(field.datatype, 0)).collect();
    let count = range.len();
    for row in range {
        let x = spread(row);
        if row % 10 == 9 {
            columns[0].push_null().unwrap();
        } else {
            columns[0].push_f64(x + shift).unwrap();
        }
        columns[1].push_i64((row % 3) as i64).unwrap();
        columns[2].push_str(if x + shift < 0.75 { "Oslo" } else { "Rome, \"Lazio\"" }).unwrap();
        columns[3].push_bool(row.is_multiple_of(4)).unwrap();
    }
    let tensor = |Column { values, validity }| Tensor { shape: vec![count as u64], values, validity };
    Batch { rows: count, columns: columns.into_iter().map(|column| tensor(column.finish())).collect() }
}

fn write(path: &Path, fields: &[Field], batch: &Batch) {
    let mut writer = Writer::create(path, fields).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
}

/// A folder with such rows in it.
fn folder(files: &[(&str, usize, f64)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, count, shift) in files {
        write(&dir.path().join(name), &fields(), &rows(0..*count, *shift));
    }
    dir
}

#[test]
fn every_format_has_the_same_statistics_and_says_what_was_assumed() {
    let dir = folder(&[("rows.csv", 500, 0.0), ("rows.ndjson", 500, 0.0), ("rows.parquet", 500, 0.0)]);
    let profiled = FORMATS.map(|format| {
        let (file, output) = (format!("rows.{format}"), format!("{format}.json"));
        let ran = run(&dir, &["profile", &file, "-o", &output, "--json", "--data-until", "2026-11-23"]).ok();
        let said = ran.says(&[&format!("profiling {file}")]).json();
        assert_eq!(
            (&said["rows"], &said["columns"], &said["path"]),
            (&json!(500), &json!(4), &json!(output)),
            "{said}"
        );
        assert_eq!((&said["data_from"], &said["data_until"]), (&Value::Null, &json!("2026-11-23")));
        assert!(said["seconds"].as_f64().unwrap() > 0.0);
        assert!(said["assumed"].to_string().contains("`n` has 3 distinct numbers"), "{said}");
        read_json(dir.path().join(output))
    });
    let inputs = &profiled[0]["inputs"];
    assert_eq!(
        (&inputs["columns"], &inputs["columns"]),
        (&profiled[1]["inputs"]["columns"], &profiled[2]["inputs"]["columns"])
    );
    assert_eq!((&inputs["rows"], &inputs["data_until"]), (&json!(500), &json!("2026-11-23")));
    let [x, n, city, member] = [0, 1, 2, 3].map(|at| &inputs["columns"][at]);
    assert_eq!((&x["name"], &x["null_count"]), (&json!("x"), &json!(50)));
    assert_eq!(x["kind"]["numeric"]["sample"].as_array().unwrap().len(), 450);
    assert_eq!(n["kind"]["categorical"]["counts"][0], json!({ "value": "0", "count": 167 }));
    assert_eq!(city["kind"]["categorical"]["counts"][1]["value"], "Rome, \"Lazio\"");
    assert_eq!(member["kind"]["categorical"]["counts"][1], json!({ "value": "true", "count": 125 }));

    // Without a name it is reference.json here; columns and samples are as told.
    let shown = run(&dir, &["profile", "rows.csv", "--columns", "city,x", "--sample", "7"]).ok().stdout;
    for part in ["reference of inputs", "10.0 % missing", "mean 0.", "Oslo 7", "reference.json  500 rows"] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    let chosen = read_json(dir.path().join("reference.json"));
    let columns = chosen["inputs"]["columns"].as_array().unwrap();
    assert_eq!(columns.iter().map(|column| column["name"].as_str().unwrap()).collect::<Vec<_>>(), ["x", "city"]);
    assert_eq!(columns[0]["kind"]["numeric"]["sample"].as_array().unwrap().len(), 7);
    run(&dir, &["profile", "rows.csv", "--sample", "0"]).ok();
    assert!(!std::fs::read_to_string(dir.path().join("reference.json")).unwrap().contains("sample"));
}

#[test]
fn files_of_one_form_are_one_table() {
    let dir = folder(&[("all.csv", 3_000, 0.0)]);
    write(&dir.path().join("1.parquet"), &fields(), &rows(0..1_100, 0.0));
    write(&dir.path().join("2.ndjson"), &fields(), &rows(1_100..3_000, 0.0));
    run(&dir, &["profile", "all.csv", "-o", "all.json"]).ok();
    run(&dir, &["profile", "1.parquet", "2.ndjson", "-o", "parts.json"]).ok();
    let [all, parts] = ["all.json", "parts.json"].map(|name| read_json(dir.path().join(name))["inputs"].take());
    assert_eq!((&all["rows"], &all["columns"]), (&parts["rows"], &parts["columns"]));

    std::fs::write(dir.path().join("whole.csv"), "x,n\n1,2\n").unwrap();
    std::fs::write(dir.path().join("half.csv"), "n,x\n3,0.5\n").unwrap();
    run(&dir, &["profile", "whole.csv", "half.csv"]).ok();
    let counts = &read_json(dir.path().join("reference.json"))["inputs"]["columns"][0]["kind"]["categorical"]["counts"];
    assert_eq!(counts, &json!([{ "value": "0.5", "count": 1 }, { "value": "1", "count": 1 }]));
    std::fs::write(dir.path().join("text.csv"), "n,x\nmany,0.5\n").unwrap();
    run(&dir, &["profile", "whole.csv", "text.csv"]).code(3).says(&["text.csv, column `n`", "BYTES here, and INT64"]);
    run(&dir, &["profile", "whole.csv", "text.csv", "--columns", "x"]).ok();
    std::fs::write(dir.path().join("less.csv"), "n\n1\n").unwrap();
    run(&dir, &["profile", "whole.csv", "less.csv"]).code(3).says(&["less.csv, column `x`", "--columns"]);
}

#[test]
fn with_a_model_inputs_features_and_outputs_are_profiled() {
    let dir = tempfile::tempdir().unwrap();
    write_ndjson(&dir.path().join("hours.ndjson"), &hours(1_500));
    let model = example("bikeshare").path.clone();
    let mut profile = command(&dir, &["profile", "hours.ndjson", "--json", "--model"]);
    let said = Ran::of(profile.arg(&model)).ok().json();
    assert_eq!((&said["data_from"], &said["data_until"]), (&json!("2011-01-01"), &json!("2012-12-31")));
    let assumed = said["assumed"].to_string();
    for note in ["no such input: `riders`", "`features[1]` has 7 distinct", "`weekday` has 7 distinct"] {
        assert!(assumed.contains(note), "no {note:?} in {assumed}");
    }
    let reference = read_json(dir.path().join("reference.json"));
    let columns = |side: &str| reference[side]["columns"].as_array().unwrap().clone();
    assert_eq!((columns("inputs").len(), columns("features").len(), columns("outputs").len()), (10, 13, 1));
    assert_eq!(
        (&columns("features")[0]["name"], &columns("features")[12]["name"]),
        (&json!("features[0]"), &json!("features[12]"))
    );
    for side in ["inputs", "features", "outputs"] {
        assert_eq!((&reference[side]["rows"], &reference[side]["data_until"]), (&json!(1_500), &json!("2012-12-31")));
    }
    assert_eq!(columns("outputs")[0]["name"], "riders");
    assert!(columns("outputs")[0]["kind"]["numeric"]["minimum"].as_f64().unwrap() > 0.0);

    // A row at fault is named: by the schema, or by what the model does to it.
    let mut wrong = hours(1_500);
    wrong[1_300]["hour"] = json!(24);
    write_ndjson(&dir.path().join("late.ndjson"), &wrong);
    let mut profile = command(&dir, &["profile", "late.ndjson", "-o", "late.json", "--model"]);
    Ran::of(profile.arg(&model)).code(3).says(&[
        "late.ndjson",
        "field `hour`, row 1300",
        "expected 0 to 23 h, found 24",
    ]);
    let fragile = features("steady", "fragile");
    let lines: Vec<_> = (0..1_500).map(|x| format!("well,{}", if x == 1_234 { 1_000 } else { 7 })).collect();
    std::fs::write(dir.path().join("large.csv"), format!("behaviour,x\n{}\n", lines.join("\n"))).unwrap();
    let mut profile = command(&dir, &["profile", "large.csv", "-o", "late.json", "--model"]);
    let says = ["large.csv, row 1234", "trapped", "too large for a fragile model"];
    Ran::of(profile.arg(&fragile.path)).code(1).says(&says);

    // A model whose answers depend on the company of a row is asked one row at a time.
    std::fs::write(dir.path().join("few.csv"), "behaviour,x\nwell,7\nwell,8\n").unwrap();
    let mut profile = command(&dir, &["profile", "few.csv", "-o", "few.json", "--json", "--model"]);
    let said = Ran::of(profile.arg(&features("steady", "crowd").path)).ok().json();
    assert!(said["assumed"].to_string().contains("otherwise together than alone"), "{said}");
    let counts = &read_json(dir.path().join("few.json"))["outputs"]["columns"][0]["kind"]["categorical"]["counts"];
    assert_eq!(counts, &json!([{ "value": "14", "count": 1 }, { "value": "16", "count": 1 }]));
    assert!(!names(&dir).iter().any(|name| name.contains("late.json")), "{:?}", names(&dir));
}

#[test]
fn lists_are_compared_element_by_element() {
    let dir = tempfile::tempdir().unwrap();
    let lines = |name: &str, shift: f64| {
        let line = |row: usize| json!({ "id": row, "x": [spread(row), spread(row * 7) + shift] }).to_string();
        std::fs::write(dir.path().join(name), (0..800).map(line).collect::<Vec<_>>().join("\n")).unwrap();
    };
    lines("old.ndjson", 0.0);
    lines("new.ndjson", 0.5);
    run(&dir, &["profile", "old.ndjson", "-o", "old.json", "--columns", "x"]).ok();
    let verdicts = |arguments: &[&str]| -> Vec<String> {
        let report = run(&dir, &[&["profile", "--json", "--compare"], arguments].concat()).ok().json();
        let columns = report["columns"].as_array().unwrap().iter();
        columns.map(|column| format!("{} {}", column["column"], column["verdict"]).replace('"', "")).collect()
    };
    let both = ["x[0] ok", "x[1] drift"];
    assert_eq!(verdicts(&["old.json", "new.ndjson"]), both);
    assert_eq!(verdicts(&["old.ndjson", "new.ndjson", "--columns", "x"]), both);
    assert_eq!(verdicts(&["old.ndjson", "new.ndjson", "--columns", "x[1]"]), both[1..]);
    assert_eq!(verdicts(&["old.json", "new.ndjson", "--columns", "x[0]"]), both[..1]);
    let mut missing = command(&dir, &["profile", "--compare", "old.json", "new.ndjson", "--columns", "x[2]"]);
    Ran::of(&mut missing).code(3).says(&["column `x[2]`", "is not there"]);
}

#[test]
fn a_model_is_profiled_on_what_its_checks_let_through() {
    let dir = tempfile::tempdir().unwrap();
    let profile = |name: &str, lines: &[&str]| {
        let header = "start,end,amount,income,loans,region,note";
        std::fs::write(dir.path().join(name), [&[header], lines].concat().join("\n")).unwrap();
        Ran::of(command(&dir, &["profile", name, "--model"]).arg(&guest("checked").path))
    };
    // Warnings pass: too large an amount for an income that is too large itself, and one that is missing.
    let fair = ["1,2,100,2,,north,", "1,2,100,2000,3,south,short", "1,2,100,,3,south,"];
    let shown = profile("fair.csv", &fair).ok().stdout;
    assert!(shown.contains("reference of outputs\n  risk") && shown.contains("33.3 % missing"), "{shown}");
    let no = |line| profile("bad.csv", &[fair[0], line]);
    no("5,2,100,2,,north,").code(3).says(&["bad.csv", "rule `ends after it starts`, row 1", "end >= start"]);
    no("1,2,100,2,,north,far too long").code(3).says(&["field `note`, row 1"]);
    // What only the fallback would answer, and an answer that the host would not pass on.
    no("1,2,100,2,,west,").code(3).says(&["field `region`, row 1", "west"]);
    no("1,2,9000,1000,,north,").code(1).says(&[
        "bad.csv, row 1",
        "answer is invalid",
        "field `risk`: expected 0 to 1, found 4.5",
    ]);
}

#[test]
fn comparing_tells_drift_from_none() {
    let dir = folder(&[("old.csv", 2_000, 0.0), ("same.parquet", 1_500, 0.0), ("new.ndjson", 1_500, 0.2)]);
    let compare = |more: &[&str]| run(&dir, &[&["profile", "--compare"], more].concat());
    let verdicts = |report: &Value| -> Vec<String> {
        report["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| column["verdict"].as_str().unwrap().to_owned())
            .collect()
    };
    let same = compare(&["old.csv", "same.parquet", "--json", "--fail-on-drift"]).ok().json();
    assert_eq!(
        (&same["verdict"], &same["reference_rows"], &same["live_rows"]),
        (&json!("ok"), &json!(2_000), &json!(1_500))
    );
    let drifted = compare(&["old.csv", "new.ndjson", "--json"]).ok().json();
    assert_eq!(
        (&drifted["verdict"], &drifted["alpha"], &drifted["rule"]),
        (&json!("drift"), &json!(0.01), &json!("window"))
    );
    assert_eq!(verdicts(&drifted), ["drift", "ok", "drift", "ok"], "{drifted}");
    assert_eq!(drifted["columns"][0]["basis"], "samples");

    let shown = compare(&["old.csv", "new.ndjson", "--alpha", ".05", "--fail-on-drift", "-o", "wide"]).code(4);
    let shown = shown.says(&["drift in `x`, `city`", "assumed: `n` has 3 distinct"]).stdout;
    for part in ["drift: 2 of 4 columns drift", "alpha 0.05", "x: drift (1500 elements, 10.00 % missing", "w_norm"] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    compare(&["old.csv", "new.ndjson", "--columns", "n,member", "--fail-on-drift"]).ok();

    // Statistics stand for the data they are of, on either side.
    run(&dir, &["profile", "old.csv", "-o", "old.json", "--columns", "x,city", "--sample", "0"]).ok();
    let known = compare(&["old.json", "new.ndjson", "--json"]).ok().says(&["not compared: `member`, `n`"]).json();
    assert_eq!((verdicts(&known), &known["columns"][0]["basis"]), (vec!["drift".to_owned(); 2], &json!("bins")));
    assert_eq!(compare(&["new.ndjson", "old.json", "--json"]).ok().json()["verdict"], "drift");
    assert_eq!(
        compare(&["old.json", "old.json", "--json", "--columns", "city"]).ok().json()["columns"][0]["column"],
        "city"
    );

    compare(&["old.json", "new.ndjson", "--columns", "n"])
        .code(3)
        .says(&["old.json, column `n`", "are of `x`, `city`"]);
    compare(&["old.csv", "new.ndjson", "--columns", "y"]).code(3).says(&["column `y`", "`x`, `n`, `city`, `member`"]);
    std::fs::write(dir.path().join("less.csv"), "x\n1\n").unwrap();
    compare(&["old.json", "less.csv"]).code(3).says(&["less.csv, column `city`", "the file has `x`"]);
    std::fs::write(dir.path().join("broken.json"), "{}").unwrap();
    compare(&["broken.json", "less.csv"]).code(1).says(&["broken.json: not readable", "scry profile"]);
    let steady = guest("steady").path.clone();
    let mut command = command(&dir, &["profile", "--compare"]);
    Ran::of(command.arg(&steady).arg("less.csv")).code(1).says(&["carries no reference statistics", "scry build"]);
}

#[test]
fn a_component_carries_the_reference_of_its_training_data() {
    let path = example("bikeshare").path.clone();
    let said = Ran::of(scry().arg("inspect").arg(&path).arg("--json")).ok().json();
    assert_eq!((&said["reference_rows"], &said["reference"]["inputs"]["rows"]), (&json!(6_916), &json!(6_916)));
    assert_eq!(said["reference"]["outputs"]["columns"][0]["name"], "riders");
    assert!(!said.to_string().contains("\"sample\""), "samples are not for reading");
    let shown = Ran::of(scry().arg("inspect").arg(&path)).ok().stdout;
    for part in ["reference    6916 rows", "reference of inputs", "reference of outputs", "clear 65.", "5.1 % missing"]
    {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    // Hours of the year are like it; nothing but nights is not.
    let dir = tempfile::tempdir().unwrap();
    let nights: Vec<_> = hours(2_000).into_iter().filter(|row| row["hour"].as_u64().unwrap() < 6).collect();
    write_ndjson(&dir.path().join("nights.ndjson"), &nights);
    let mut command = command(&dir, &["profile", "--json", "--columns", "hour", "--compare"]);
    let report = Ran::of(command.arg(&path).arg("nights.ndjson")).ok().json();
    assert_eq!((&report["verdict"], &report["columns"][0]["column"]), (&json!("drift"), &json!("hour")));
}

#[test]
fn an_error_names_the_place_and_leaves_no_file() {
    let dir = folder(&[("rows.csv", 50, 0.0)]);
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("noise.parquet", "PAR1 and no more");
    write("empty.csv", "x,y\n");
    write("typed.csv", "behaviour,x\nwell,1\nwell,noon\n");
    write("lacking.csv", "behaviour\nwell\n");
    write("noise.wasm", "no component");
    let steady = guest("steady").path.to_str().unwrap().to_owned();
    let before = names(&dir);
    let cases: [(i32, &[&str], &[&str]); 11] = [
        (
            3,
            &["profile", "rows.csv", "--columns", "x,z"],
            &["rows.csv, column `z`", "the file has `x`, `n`, `city`, `member`"],
        ),
        (1, &["profile", "none.csv"], &["none.csv", "No such file"]),
        (3, &["profile", "rows.txt"], &["rows.txt", "a name that ends in .csv"]),
        (3, &["profile", "noise.parquet"], &["noise.parquet"]),
        (3, &["profile", "empty.csv"], &["empty.csv: has no rows"]),
        (
            3,
            &["profile", "typed.csv", "--model", &steady],
            &["typed.csv, line 3, column `x`", "expected an FP64 value", "noon"],
        ),
        (3, &["profile", "lacking.csv", "--model", &steady], &["lacking.csv, column `x`", "the file has `behaviour`"]),
        (1, &["profile", "typed.csv", "--model", "noise.wasm"], &["noise.wasm", "not a WebAssembly component"]),
        (3, &["transform", &steady, "typed.csv", "-o", "out.parquet"], &["typed.csv, line 3, column `x`", "noon"]),
        (1, &["transform", &steady, "none.csv", "-o", "out.parquet"], &["none.csv", "No such file"]),
        (1, &["transform", &steady, "typed.csv", "-o", "nowhere/out.parquet"], &["nowhere/out.parquet"]),
    ];
    for (code, arguments, says) in cases {
        run(&dir, arguments).code(code).says(says);
        assert_eq!(names(&dir), before, "{arguments:?}");
    }
    let form = &["profile", "--compare", "rows.csv", "rows.csv", "-o", "x.json"];
    run(&dir, form).code(2).says(&["expected wide or json; a comparison writes no file"]);
    let wrong: [&[&str]; 10] = [
        &["profile"],
        &["profile", "--compare", "rows.csv"],
        &["profile", "rows.csv", "--alpha", "0.1"],
        &["profile", "--compare", "rows.csv", "rows.csv", "--alpha", "1"],
        &["profile", "--compare", "rows.csv", "rows.csv", "--config", "x.toml"],
        &["profile", "rows.csv", "--fail-on-drift"],
        &["profile", "rows.csv", "--sample", "10001"],
        &["profile", "rows.csv", "--data-from", "yesterday"],
        &["profile", "rows.csv", "--columns", "x", "--model", &steady],
        &["transform", &steady, "rows.csv"],
    ];
    for arguments in wrong {
        run(&dir, arguments).code(2);
    }
    assert_eq!(names(&dir), before);
}

/// The most memory that `scry profile` had for so many rows, in KiB.
fn peak_kib(dir: &TempDir, count: usize) -> u64 {
    let path = dir.path().join(format!("{count}.csv"));
    let mut text = String::from("x,y,city\n");
    (0..count).for_each(|row| text += &format!("{},{row},city-{}\n", spread(row), row % 50_000));
    std::fs::write(&path, text).unwrap();
    let mut child =
        command(dir, &["profile", "--json"]).arg(&path).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(child.wait().unwrap().success());
    peak
}

#[test]
fn ten_times_the_rows_take_no_more_memory() {
    let dir = tempfile::tempdir().unwrap();
    let (few, many) = (peak_kib(&dir, 100_000), peak_kib(&dir, 1_000_000));
    assert!(few > 0 && many < few + (8 << 10), "{few} KiB, then {many} KiB");
}
