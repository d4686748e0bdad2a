//! ONNX files of scikit-learn's models and boosters: imported, tested, published, and asked over HTTP.
//! `tests/imports/onnxml.py` made them.

use crate::import::{assert_answers, import};
use crate::import_boosters::known;
use crate::support::{Host, Ran, root, scry};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    root().join("tests/imports/onnxml").join(name)
}

fn command(name: &str, file: &Path) -> Value {
    Ran::of(scry().arg(name).arg(file).arg("--json")).ok().json()
}

#[test]
fn onnx_files_answer_over_http_what_onnx_runtime_answers() {
    let host = Host::start();
    let dir = tempfile::tempdir().unwrap();
    let models = [("titanic-forest", 0.0), ("bikes-boosted", 0.0), ("xgboost-multiclass", 1e-6), ("operators", 1e-5)];
    for (stem, within) in models {
        let (model, golden) = (file(&format!("{stem}.onnx")), file(&format!("{stem}.golden.json")));
        let output = dir.path().join(format!("{stem}.wasm"));
        let more = ["--name", stem, "--owner", "tests", "--golden", golden.to_str().unwrap(), "--json"];
        let imported = import(&model, &output, &more).ok().json();
        assert_eq!((&imported["model"], &imported["golden_examples"]), (&json!(stem), &json!(1)), "{imported}");
        let again = dir.path().join("again.wasm");
        assert_eq!(import(&model, &again, &more).ok().json()["digest"], imported["digest"]);
        assert_eq!(command("test", &output)["failed"], 0);

        let card = command("inspect", &output)["card"].clone();
        assert!(card["description"].as_str().unwrap().ends_with("computed in float32"), "{card}");
        host.scry(&["publish", output.to_str().unwrap()]).ok();
        assert_answers(&host, stem, &card, &known(&golden), within);
    }
    // A column that is one alone has the name of its input.
    let row = json!({"instances": [{"class": "1st", "age": null, "sex": "female"}]});
    let answer = host.post("/v1/models/titanic-forest:predict", &row).status(200).json();
    assert_eq!(answer["predictions"][0]["label"], 1, "{answer}");
}

#[test]
fn an_onnx_file_that_cannot_be_exact_is_refused_by_its_operator() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("x.wasm");
    let golden = file("questions.golden.json");
    let golden = golden.to_str().unwrap();
    let refused = |file: &Path, more: &[&str], says: &[&str]| {
        import(file, &output, more).code(1).says(says);
        assert!(!output.exists());
    };
    let named = ["--name", "x", "--golden", golden];
    refused(
        &file("refused.onnx"),
        &named,
        &["`SVMRegressor`: this operator of `ai.onnx.ml` is not translated", "scry.export"],
    );
    refused(&file("questions.onnx"), &named[2..], &["does not name the model", "--name"]);
    refused(&file("questions.onnx"), &named[..2], &["no golden examples", "--golden", "docs/guide/import.md"]);
    // Examples of another model.
    refused(&file("bikes-boosted.onnx"), &named, &["rows 0"]);
    let whole = std::fs::read(file("questions.onnx")).unwrap();
    let path = dir.path().join("cut.onnx");
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    refused(&path, &named, &["damaged"]);
}
