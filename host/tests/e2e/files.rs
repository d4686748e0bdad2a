//! What lies in files: missing, not a number, not readable, too long.

use crate::support::data::{hours, names, read_json, run, spread, write_ndjson};
use crate::support::{Host, Ran, example, root, target};
use scry_card::{Batch, ColumnBuilder, Datatype, Field, Tensor, Values};
use scry_tables::Writer;
use serde_json::{Map, Value, json};
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const FORMATS: [&str; 3] = ["csv", "ndjson", "parquet"];

fn field(name: &str, datatype: Datatype) -> Field {
    serde_json::from_value(json!({ "name": name, "datatype": datatype, "nullable": true })).unwrap()
}

fn tensor(datatype: Datatype, rows: usize, mut push: impl FnMut(&mut ColumnBuilder, usize)) -> Tensor {
    let mut builder = ColumnBuilder::new(datatype, rows);
    (0..rows).for_each(|row| push(&mut builder, row));
    let column = builder.finish();
    Tensor { shape: vec![rows as u64], values: column.values, validity: column.validity }
}

fn write(path: &Path, fields: &[Field], rows: usize, columns: Vec<Tensor>) {
    let mut writer = Writer::create(path, fields).unwrap();
    writer.write(&Batch { rows, columns }).unwrap();
    writer.finish().unwrap();
}

/// 500 rows of which some columns have no value; those have this type.
fn table(path: &Path, empty: &[&str], empty_type: Datatype) {
    const ROWS: usize = 500;
    let types = [("x", Datatype::Fp64), ("n", Datatype::Int64), ("city", Datatype::Bytes), ("member", Datatype::Bool)];
    let columns = types.map(|(name, datatype)| {
        if empty.contains(&name) {
            return (field(name, empty_type), tensor(empty_type, ROWS, |to, _| to.push_null().unwrap()));
        }
        let column = tensor(datatype, ROWS, |to, row| match name {
            "x" => to.push_f64(spread(row)).unwrap(),
            "n" => to.push_i64(row as i64 * 7 % 100).unwrap(),
            "city" => to.push_str(if row.is_multiple_of(3) { "Oslo" } else { "Rome" }).unwrap(),
            _ => to.push_bool(row.is_multiple_of(4)).unwrap(),
        });
        (field(name, datatype), column)
    });
    let (fields, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    write(path, &fields, ROWS, columns);
}

fn verdicts(report: &Value) -> Vec<String> {
    let columns = report["columns"].as_array().unwrap().iter();
    columns.map(|column| format!("{} {}", column["column"], column["verdict"]).replace('"', "")).collect()
}

#[test]
fn a_column_without_a_value_today_drifts_whatever_it_was() {
    let dir = tempfile::tempdir().unwrap();
    table(&dir.path().join("old.csv"), &[], Datatype::Bytes);
    run(&dir, &["profile", "old.csv", "-o", "old.json"]).ok();
    for format in FORMATS {
        // Parquet has a type for what has no value, and tools choose another.
        for (at, empty_type) in [Datatype::Fp64, Datatype::Bytes].into_iter().enumerate() {
            let today = format!("today-{at}.{format}");
            table(&dir.path().join(&today), &["x", "city", "member"], empty_type);
            for old in ["old.csv", "old.json"] {
                let ran = run(&dir, &["profile", "--compare", old, &today, "--json"]).ok();
                let report = ran.json();
                assert_eq!(verdicts(&report), ["x drift", "n ok", "city drift", "member drift"], "{old} {today}");
                for column in report["columns"].as_array().unwrap().iter().filter(|column| column["column"] != "n") {
                    assert_eq!(column["missing_percent"], 100.0, "{column}");
                }
                // It works both ways.
                let back = run(&dir, &["profile", "--compare", &today, "old.csv", "--json", "--columns", "x,city"]);
                assert_eq!(verdicts(&back.ok().json()), ["x drift", "city drift"], "{today}");
            }
        }
    }
    // One of several files: the other says the type.
    run(&dir, &["profile", "old.csv", "today-0.ndjson", "-o", "both.json"]).ok();
    let both = read_json(dir.path().join("both.json"));
    let x = &both["inputs"]["columns"][0];
    assert_eq!((&x["count"], &x["null_count"]), (&json!(1_000), &json!(500)));
    assert!(x["kind"]["numeric"].is_object(), "{x}");
    for (name, text) in [("header.csv", "x,n\n"), ("empty.ndjson", ""), ("blank.ndjson", "\n\n")] {
        fs::write(dir.path().join(name), text).unwrap();
        run(&dir, &["profile", "--compare", "old.csv", name]).code(3).says(&[name, "has no rows"]);
    }
}

fn write_csv(path: &Path, rows: &[Map<String, Value>]) {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let header = rows[0].keys().cloned().collect::<Vec<_>>().join(",");
    let lines = rows.iter().map(|row| row.values().map(text).collect::<Vec<_>>().join(","));
    fs::write(path, [header].into_iter().chain(lines).collect::<Vec<_>>().join("\n")).unwrap();
}

#[test]
fn an_input_that_the_file_lacks_is_an_error_unless_that_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = hours(300);
    let mut empty = rows.clone();
    rows.iter_mut().for_each(|row| drop(row.remove("humidity")));
    empty.iter_mut().for_each(|row| drop(row.insert("humidity".into(), Value::Null)));
    write_ndjson(&dir.path().join("lacking.ndjson"), &rows);
    write_csv(&dir.path().join("lacking.csv"), &rows);
    write_ndjson(&dir.path().join("empty.ndjson"), &empty);
    let model = example("bikeshare").path.to_str().unwrap().to_owned();
    run(&dir, &["transform", &model, "empty.ndjson", "-o", "expected.parquet"]).ok();
    let before = names(&dir);
    for file in ["lacking.ndjson", "lacking.csv"] {
        let refused = [file, "column `humidity`", "`--allow-missing humidity`"];
        let commands: [&[&str]; 3] = [
            &["transform", &model, file, "-o", "out.parquet"],
            &["profile", file, "--model", &model, "-o", "out.json"],
            &["profile", "--compare", &model, file],
        ];
        for arguments in commands {
            run(&dir, arguments).code(3).says(&refused);
            // Another name allows nothing, nor does what the model must have.
            run(&dir, &[arguments, &["--allow-missing", "hour"]].concat()).code(3).says(&refused);
            assert_eq!(names(&dir), before, "{arguments:?}");
        }
        let allowed = ["--allow-missing", "humidity", "--json"];
        let transformed = run(&dir, &[commands[0], &allowed].concat()).ok().json();
        let note = "column `humidity` is not in the file: all of its values are missing";
        assert!(transformed["assumed"].to_string().contains(note), "{transformed}");
        assert_eq!(
            fs::read(dir.path().join("out.parquet")).unwrap(),
            fs::read(dir.path().join("expected.parquet")).unwrap()
        );
        let profiled = run(&dir, &[commands[1], &allowed].concat()).ok().json();
        assert!(profiled["assumed"].to_string().contains(note), "{profiled}");
        let report = run(&dir, &[commands[2], &allowed].concat()).ok().json();
        assert!(verdicts(&report).contains(&"humidity drift".to_owned()), "{report}");
        ["out.parquet", "out.json"].iter().for_each(|name| fs::remove_file(dir.path().join(name)).unwrap());
    }
    rows.iter_mut().for_each(|row| drop(row.remove("hour")));
    write_ndjson(&dir.path().join("less.ndjson"), &rows);
    let arguments = ["transform", &model, "less.ndjson", "-o", "out.parquet", "--allow-missing", "humidity"];
    run(&dir, &[&arguments[..], &["--allow-missing", "hour"]].concat()).code(3).says(&["less.ndjson", "`hour`"]);
}

#[test]
fn nan_is_missing_in_every_format_and_every_command() {
    const ROWS: usize = 400;
    let dir = tempfile::tempdir().unwrap();
    let is_gap = |row: usize| row.is_multiple_of(5);
    let gaps = |gap: fn(&mut ColumnBuilder)| {
        tensor(Datatype::Fp64, ROWS, |to, row| if is_gap(row) { gap(to) } else { to.push_f64(spread(row)).unwrap() })
    };
    let (missing, nan) = (gaps(|to| to.push_null().unwrap()), gaps(|to| to.push_f64(f64::NAN).unwrap()));
    let Values::Fp64(list) = &nan.values else { unreachable!() };
    assert!(list[0].is_nan());
    let fields = [field("x", Datatype::Fp64)];
    let profiled = |name: &str, column: &Tensor| {
        write(&dir.path().join(name), &fields, ROWS, vec![column.clone()]);
        run(&dir, &["profile", name, "-o", "out.json"]).ok();
        let columns = &read_json(dir.path().join("out.json"))["inputs"]["columns"];
        assert_eq!((&columns[0]["null_count"], &columns[0]["count"]), (&json!(ROWS / 5), &json!(ROWS)), "{name}");
        columns.clone()
    };
    let expected = profiled("missing.csv", &missing);
    assert_eq!(expected[0]["kind"]["numeric"]["nan_count"], 0);
    for format in FORMATS {
        assert_eq!(profiled(&format!("missing.{format}"), &missing), expected, "{format}");
        assert_eq!(profiled(&format!("nan.{format}"), &nan), expected, "{format}");
        let files = [format!("missing.{format}"), format!("nan.{format}")];
        let report = run(&dir, &["profile", "--compare", &files[0], &files[1], "--json"]).ok().json();
        let column = &report["columns"][0];
        assert_eq!((&column["verdict"], &column["missing_count"]), (&json!("ok"), &json!(ROWS / 5)), "{report}");
    }
    assert!(fs::read_to_string(dir.path().join("nan.csv")).unwrap().contains("NaN"));
    assert!(fs::read_to_string(dir.path().join("nan.ndjson")).unwrap().starts_with("{\"x\":null}"));
    let said = run(&dir, &["profile", "nan.csv", "--json"]).ok().json();
    assert!(said["assumed"].to_string().contains("holds NaN 80 times (first in line 2): taken for missing"), "{said}");

    // The pipeline gets what a caller says with `null`.
    let model = example("bikeshare").path.to_str().unwrap().to_owned();
    let transformed = |name: &str, humidity: &str| {
        let mut rows = hours(50);
        rows.iter_mut().step_by(3).for_each(|row| drop(row.insert("humidity".into(), json!(humidity))));
        write_csv(&dir.path().join(name), &rows);
        run(&dir, &["transform", &model, name, "--keep", "humidity", "-o", "out.parquet"]).ok();
        fs::read(dir.path().join("out.parquet")).unwrap()
    };
    assert!(transformed("gaps.csv", "") == transformed("nans.csv", "NaN"));
}

#[test]
fn a_finite_number_is_a_value_however_large() {
    let dir = tempfile::tempdir().unwrap();
    let line = |row: usize| match row % 10 {
        0 => "1e150".to_owned(),
        1 => "-1.7976931348623157e308".to_owned(),
        _ => spread(row).to_string(),
    };
    let table = |name: &str, lines: &mut dyn Iterator<Item = String>| {
        fs::write(dir.path().join(name), format!("x\n{}\n", lines.collect::<Vec<_>>().join("\n"))).unwrap();
    };
    table("large.csv", &mut (0..500).map(line));
    let said = run(&dir, &["profile", "large.csv", "-o", "large.json", "--json"]).ok().json();
    assert!(said["assumed"].to_string().contains("`x`: 100 numbers beyond ±1e100 count as ±1e100"), "{said}");
    let column = &read_json(dir.path().join("large.json"))["inputs"]["columns"][0];
    assert_eq!((&column["null_count"], &column["kind"]["numeric"]["nan_count"]), (&json!(0), &json!(0)));
    let numeric = &column["kind"]["numeric"];
    assert_eq!((&numeric["minimum"], &numeric["maximum"]), (&json!(-1e100), &json!(1e100)));
    // Nothing is missing on either side, and infinite numbers are.
    table("again.csv", &mut (0..500).map(line));
    table("infinite.csv", &mut (0..500).map(line).map(|line| if line.contains('e') { "inf".into() } else { line }));
    let missing = |new: &str| {
        let report = run(&dir, &["profile", "--compare", "large.json", new, "--json"]).ok().json();
        report["columns"][0]["missing_count"].as_u64().unwrap()
    };
    assert_eq!((missing("again.csv"), missing("infinite.csv")), (0, 100));
}

fn fixture(dir: &TempDir, name: &str) -> Vec<u8> {
    let bytes = fs::read(root().join("host/tables/tests/fixtures").join(name)).unwrap();
    fs::write(dir.path().join(name), &bytes).unwrap();
    bytes
}

#[test]
fn a_column_that_cannot_be_read_fails_only_what_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let name = "pyarrow_one_lz4.parquet";
    fixture(&dir, name);
    let said = run(&dir, &["profile", name, "--json"]).ok().json();
    assert_eq!((&said["rows"], &said["columns"]), (&json!(20), &json!(1)));
    assert!(said["assumed"].to_string().contains("column `text` is left out: it is compressed by LZ4"), "{said}");
    run(&dir, &["profile", name, "--columns", "real"]).ok();
    run(&dir, &["profile", name, "--columns", "text"]).code(3).says(&["column `text`", "is compressed by LZ4"]);
    fs::write(dir.path().join("twice.csv"), "a,b,b\n1,2,3\n").unwrap();
    let said = run(&dir, &["profile", "twice.csv", "--json"]).ok().json();
    assert!(said["assumed"].to_string().contains("column `b` is left out: it is there twice"), "{said}");
    run(&dir, &["profile", "twice.csv", "--columns", "b"]).code(3).says(&["column `b`", "is there twice"]);
}

#[test]
fn a_page_that_does_not_fit_its_checksum_is_an_error_that_names_column_and_row_group() {
    let dir = tempfile::tempdir().unwrap();
    let name = "pyarrow_checksums.parquet";
    let mut bytes = fixture(&dir, name);
    run(&dir, &["profile", name]).ok();
    let at = bytes.windows(7).position(|window| window == b"text-13").unwrap();
    bytes[at + 6] ^= 1;
    fs::write(dir.path().join(name), bytes).unwrap();
    let says = [name, "column `text`, row group 1: ", "do not fit its checksum"];
    run(&dir, &["profile", name]).code(3).says(&says);
    run(&dir, &["profile", name, "--columns", "real"]).ok();
}

#[test]
fn a_line_that_is_too_long_ends_the_command() {
    let dir = tempfile::tempdir().unwrap();
    for (name, start) in [("long.csv", "x\n1\n"), ("quoted.csv", "x\n1\n\""), ("long.ndjson", "{\"x\":1}\n")] {
        let mut file = File::create(dir.path().join(name)).unwrap();
        file.write_all(start.as_bytes()).unwrap();
        // On no disk.
        file.set_len(1 << 30).unwrap();
        run(&dir, &["profile", name]).code(3).says(&[name, "a line of bytes beyond the limit of 67108864"]);
    }
}

/// The binary in a folder, under another umask and with more environment.
fn under(umask: &str, dir: &TempDir, arguments: &[&str], environment: &[(&str, String)]) -> Ran {
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask $0 && exec \"$@\"", umask, env!("CARGO_BIN_EXE_scry")]).args(arguments);
    shell.current_dir(dir).env_remove("SCRY_FAILPOINT").envs(environment.iter().map(|(key, value)| (key, value)));
    Ran::of(&mut shell)
}

#[test]
fn what_a_command_writes_for_its_user_has_the_mode_that_the_umask_gives() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::start();
    host.publish(&example("bikeshare"));
    write_ndjson(&dir.path().join("hours.ndjson"), &hours(20));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (model, source) = (text(&example("bikeshare").path), text(&root().join("examples/bikeshare")));
    // The folder of the other tests: nothing is compiled anew.
    let target_dir = text(&target().join("guests"));
    let environment = [("SCRY_ADMIN", host.admin.clone()), ("SCRY_ADMIN_TOKEN", host.token())];
    let commands: [(&str, &[&str]); 4] = [
        ("reference.json", &["profile", "hours.ndjson"]),
        ("out.parquet", &["transform", &model, "hours.ndjson", "-o", "out.parquet"]),
        ("state.toml", &["export", "-o", "state.toml"]),
        ("built.wasm", &["build", &source, "-o", "built.wasm", "--target-dir", &target_dir]),
    ];
    for (name, arguments) in commands {
        let path = dir.path().join(name);
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        for (umask, expected) in [("022", 0o644), ("027", 0o640), ("077", 0o600)] {
            under(umask, &dir, arguments, &environment).ok();
            assert_eq!(mode(), expected, "{name} under {umask}");
            fs::remove_file(&path).unwrap();
        }
        // A file that is there keeps its mode.
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        under("022", &dir, arguments, &environment).ok();
        assert_eq!(mode(), 0o640, "{name}");
        assert!(fs::metadata(&path).unwrap().len() > 0, "{name}");
    }
}
