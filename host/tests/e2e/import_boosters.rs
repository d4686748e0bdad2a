//! Files of boosters: imported, proved, published, and asked over HTTP. `tests/imports/boosters.py` made them.

use crate::import::{assert_answers, import};
use crate::support::data::read_json;
use crate::support::{Host, Ran, root, scry};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    root().join("tests/imports/boosters").join(name)
}

fn golden(stem: &str) -> PathBuf {
    file(&format!("{stem}.golden.json"))
}

/// Rows and expected columns, of golden examples.
pub(crate) fn known(golden: &Path) -> Value {
    let examples = read_json(golden);
    let example = &examples["examples"][0];
    let outputs = example["outputs"].as_array().unwrap();
    let names = outputs[0].as_object().unwrap().keys();
    let column = |name: &String| (name.clone(), outputs.iter().map(|row| row[name].clone()).collect());
    let expected: serde_json::Map<String, Value> = names.map(column).collect();
    json!({ "rows": example["inputs"], "expected": expected })
}

#[test]
fn boosters_files_answer_over_http_what_their_libraries_answer() {
    let host = Host::start();
    let dir = tempfile::tempdir().unwrap();
    let models = [
        ("lightgbm-regression.txt", 0.0),
        ("lightgbm-categories.txt", 1e-15),
        ("xgboost-regression.json", 0.0),
        ("xgboost-categories.ubj", 2.5e-7),
        ("catboost-multiclass.json", 1e-15),
    ];
    for (name, within) in models {
        let (stem, _) = name.rsplit_once('.').unwrap();
        let (output, golden) = (dir.path().join("x.wasm"), golden(stem));
        let more = ["--name", stem, "--owner", "tests", "--golden", golden.to_str().unwrap(), "--json"];
        let imported = import(&file(name), &output, &more).ok().json();
        assert_eq!((&imported["model"], &imported["golden_examples"]), (&json!(stem), &json!(1)), "{imported}");
        // The same file, the same component.
        let again = dir.path().join("again.wasm");
        assert_eq!(import(&file(name), &again, &more).ok().json()["digest"], imported["digest"]);

        let card = Ran::of(scry().arg("inspect").arg(&output).arg("--json")).ok().json()["card"].clone();
        host.scry(&["publish", output.to_str().unwrap()]).ok();
        assert_answers(&host, stem, &card, &known(&golden), within);
        // Texts that are no category, which golden examples may not have.
        let more = file(&format!("{stem}.rows.json"));
        if more.exists() {
            assert_answers(&host, stem, &card, &read_json(more), within);
        }
    }
}

#[test]
fn a_boosters_file_needs_a_name_and_golden_examples() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("x.wasm");
    let golden = golden("lightgbm-regression");
    let golden = golden.to_str().unwrap();
    let refused = |name: &str, more: &[&str], says: &[&str]| {
        import(&file(name), &output, more).code(1).says(says);
        assert!(!output.exists());
    };
    refused("lightgbm-regression.txt", &["--golden", golden], &["does not name the model", "--name"]);
    refused("lightgbm-regression.txt", &["--name", "x"], &["no golden examples", "--golden", "docs/guide/import.md"]);
    // Examples of another model.
    refused(
        "lightgbm-dart.txt",
        &["--name", "x", "--golden", golden],
        &["golden.json: example `edges`", "expected", "nothing was written"],
    );
    refused("xgboost-categories.ubj", &["--name", "x", "--golden", golden], &["edges"]);

    // A file that is cut, and one of another objective.
    let text = std::fs::read_to_string(file("lightgbm-regression.txt")).unwrap();
    let path = dir.path().join("model.txt");
    let refused = |text: &str, says: &[&str]| {
        std::fs::write(&path, text).unwrap();
        import(&path, &output, &["--name", "x", "--golden", golden]).code(1).says(says);
        assert!(!output.exists());
    };
    refused(&text[..text.len() / 2], &["LightGBM text: line ", "expected `end of trees`, found the end"]);
    refused(&text.replace("objective=regression", "objective=mine"), &["its objective `mine` is not known"]);
    refused("{\"learner\": {}}", &["`learner.objective`: expected a value, found nothing"]);
}
