//! Predictions of tables, by a client that has no admin token.

use crate::support::data::{command, hours, write_ndjson};
use crate::support::{Host, Ran, example, features, guest};
use scry_tables::{Reader, Writer};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

/// `scry predict` with a URL and nothing else.
fn predict(dir: &TempDir, host: &Host, arguments: &[&str]) -> Ran {
    let mut command = command(dir, &["predict"]);
    Ran::of(command.args(arguments).env("SCRY_URL", &host.prediction))
}

/// A table as JSON rows.
fn rows(path: &Path) -> Vec<Value> {
    let mut reader = Reader::open(path).unwrap();
    let fields = reader.found_fields(&mut |_| ()).unwrap();
    let batches = reader.batches(&fields).unwrap();
    let mut rows = Vec::new();
    for batch in batches {
        let records = scry_card::Records { fields: &fields, batch: &batch.unwrap() };
        rows.extend(serde_json::to_value(records).unwrap().as_array().unwrap().clone());
    }
    rows
}

/// The same table in another format.
fn convert(from: &Path, to: &Path) {
    let mut reader = Reader::open(from).unwrap();
    let fields = reader.found_fields(&mut |_| ()).unwrap();
    let mut writer = Writer::create(to, &fields).unwrap();
    reader.batches(&fields).unwrap().for_each(|batch| writer.write(&batch.unwrap()).unwrap());
    writer.finish().unwrap();
}

#[test]
fn a_table_of_any_format_gets_the_predictions_of_its_rows_in_order() {
    let host = Host::start();
    host.publish(&example("bikeshare"));
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let mut all = hours(700);
    write_ndjson(&path("hours.ndjson"), &all);
    convert(&path("hours.ndjson"), &path("hours.csv"));
    convert(&path("hours.ndjson"), &path("hours.parquet"));
    // What the host answers to all rows in one request is what is expected.
    all.iter_mut().for_each(|row| drop(row.remove("riders")));
    let expected = host.post("/v1/models/bikeshare:predict", &json!({ "instances": all })).status(200).json();
    let expected = expected["predictions"].as_array().unwrap().clone();
    assert_eq!(expected.len(), 700);
    for input in ["hours.ndjson", "hours.csv", "hours.parquet"] {
        for output in ["out.csv", "out.ndjson", "out.parquet"] {
            let ran = predict(&dir, &host, &["bikeshare", "--input", input, "-o", output, "--json"]).ok();
            assert_eq!((&ran.json()["rows"], &ran.json()["path"]), (&json!(700), &json!(output)));
            assert_eq!(rows(&path(output)), expected, "{input} to {output}");
            assert_eq!(ran.stderr, "");
        }
    }
    let ran = predict(&dir, &host, &["bikeshare@1", "--input", "hours.csv", "--batch-rows", "7"]).ok();
    assert_eq!(ran.json(), json!(expected));
    let before = host.metric("scry_requests_total{code=\"ok\",model=\"bikeshare\",version=\"1\"}");
    assert!(before >= 0.0);
    // JSON, too, needs no token, and goes to a file.
    std::fs::write(path("rows.json"), json!(all[..3]).to_string()).unwrap();
    predict(&dir, &host, &["bikeshare", "--input", "rows.json", "-o", "few.csv"]).ok();
    assert_eq!(rows(&path("few.csv")), expected[..3]);
    let printed = predict(&dir, &host, &["bikeshare", "--input", "rows.json", "--json"]).ok();
    assert_eq!((printed.json(), printed.stdout.lines().count()), (json!(expected[..3]), 1));
}

#[test]
fn a_row_that_is_refused_is_placed_and_leaves_no_file() {
    let host = Host::start();
    host.publish(&example("bikeshare"));
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let mut all = hours(20);
    all[13].insert("hour".into(), json!(24));
    write_ndjson(&path("hours.ndjson"), &all);
    let arguments = ["bikeshare", "--input", "hours.ndjson", "-o", "out.csv", "--batch-rows", "10"];
    let said = ["hours.ndjson, rows 10 to 19", "field `hour`, row 3", "expected 0 to 23 h", "found 24"];
    predict(&dir, &host, &arguments).code(3).says(&said);
    assert!(!path("out.csv").exists());
    // A column that is not there, and one that may be missing.
    all[13].insert("hour".into(), json!(1));
    all.iter_mut().for_each(|row| drop(row.remove("felt_temperature")));
    write_ndjson(&path("hours.ndjson"), &all);
    predict(&dir, &host, &arguments).code(3).says(&["felt_temperature", "--allow-missing felt_temperature"]);
    predict(&dir, &host, &[&arguments[..], &["--allow-missing", "felt_temperature"]].concat()).ok();
    std::fs::write(path("v2.json"), crate::serving::v2(&json!([hours(1)[0]])).to_string()).unwrap();
    let v2 = predict(&dir, &host, &["bikeshare", "--input", "v2.json", "-o", "v2.csv"]);
    v2.code(2).says(&["V2", "leave `-o` out"]);
    predict(&dir, &host, &["bikeshare", "--input", "hours.ndjson", "--batch-rows", "0"]).code(2);
    let mut command = command(&dir, &["predict", "bikeshare", "--input", "hours.ndjson", "--url", "127.0.0.1:1"]);
    Ran::of(&mut command).code(1).says(&["http://127.0.0.1:1 does not answer", "SCRY_URL"]);
}

#[test]
fn who_answered_instead_is_counted_once() {
    let host = Host::start();
    host.publish(&guest("hostile"));
    host.publish(&features("steady", "triple"));
    host.deploy(&["hostile", "--fallback", "steady"]).ok();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("rows.csv"), "behaviour,x\ntrap,1\nwell,2\ntrap,3\n").unwrap();
    let ran = predict(&dir, &host, &["hostile", "--input", "rows.csv", "--batch-rows", "1"]).ok();
    assert_eq!((&ran.json()[0]["y"], &ran.json()[2]["y"]), (&json!(3.0), &json!(9.0)));
    ran.says(&["note: steady@1 answered instead of hostile (trap) in 2 of 3 requests"]);
}
