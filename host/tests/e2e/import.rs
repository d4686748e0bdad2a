//! Trained models from Python: imported, proved, published, and asked over HTTP.

use crate::support::data::read_json;
use crate::support::{Host, Ran, root, scry};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[path = "../../../guest-sdk/graph/tests/common/mod.rs"]
mod model_file;

use model_file::File;

fn file(name: &str) -> PathBuf {
    root().join("tests/imports").join(format!("{name}.scry"))
}

pub(crate) fn import(file: &Path, output: &Path, more: &[&str]) -> Ran {
    Ran::of(scry().arg("import").arg(file).arg("-o").arg(output).args(more))
}

/// Rows as a V2 request, by the card's schema.
pub(crate) fn v2(card: &Value, rows: &[Value]) -> Value {
    let input = |field: &Value| {
        let name = &field["name"];
        let data: Vec<&Value> = rows.iter().map(|row| &row[name.as_str().unwrap()]).collect();
        json!({ "name": name, "shape": [rows.len()], "datatype": field["datatype"], "data": data })
    };
    json!({ "inputs": card["schema"]["inputs"].as_array().unwrap().iter().map(input).collect::<Vec<_>>() })
}

/// Whether a host answers to rows what is expected of a model.
pub(crate) fn assert_answers(host: &Host, name: &str, card: &Value, known: &Value, within: f64) {
    let rows = known["rows"].as_array().unwrap();
    let answer = host.post(&format!("/v2/models/{name}/infer"), &v2(card, rows)).status(200).json();
    for output in answer["outputs"].as_array().unwrap() {
        let name = output["name"].as_str().unwrap();
        let expected = known["expected"][name].as_array().unwrap();
        let flat: Vec<Value> = match &expected[0] {
            Value::Array(_) => expected.iter().flat_map(|row| row.as_array().unwrap().clone()).collect(),
            _ => expected.clone(),
        };
        assert_close(name, output["data"].as_array().unwrap(), &flat, within);
    }
}

/// Whether an output is what the original answered: labels as they are, numbers within a relative difference.
pub(crate) fn assert_close(name: &str, found: &[Value], expected: &[Value], within: f64) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        match (found.as_f64(), expected.as_f64()) {
            (Some(a), Some(b)) => {
                assert!((a - b).abs() <= within * b.abs().max(1.0), "{name}, element {row}: {a}, {b}")
            }
            _ => assert_eq!(found, expected, "{name}, element {row}"),
        }
    }
}

#[test]
fn imported_models_answer_over_http_what_scikit_learn_answers() {
    let host = Host::start();
    let dir = tempfile::tempdir().unwrap();
    for (name, within) in [("titanic", 1e-15), ("titanic-boosted", 1e-15), ("bikes-forest", 0.0)] {
        let output = dir.path().join(format!("{name}.wasm"));
        let imported = import(&file(name), &output, &["--json"]).ok().json();
        let said = (&imported["model"], imported["golden_examples"].as_u64().unwrap() > 0);
        assert_eq!(said, (&json!(name), true), "{imported}");
        let bytes = std::fs::read(&output).unwrap();
        assert_eq!(imported["size_bytes"], bytes.len());
        // What the runtime has read is gone.
        assert!(memchr::memmem::find(&bytes, br#"{"model":{"arrays":"#).is_none(), "{name}");
        // The same file, the same component.
        let again = dir.path().join("again.wasm");
        assert_eq!(import(&file(name), &again, &["--json"]).ok().json()["digest"], imported["digest"]);
        assert_eq!(std::fs::read(&again).unwrap(), bytes);

        let tested = Ran::of(scry().arg("test").arg(&output).arg("--json")).ok().json();
        assert_eq!(tested["failed"], 0);
        let card = Ran::of(scry().arg("inspect").arg(&output).arg("--json")).ok().json()["card"].clone();
        assert!(card["runtime"].as_str().unwrap().starts_with("sha256:"), "{card}");
        assert!(card["labels"]["scikit-learn"].is_string(), "{card}");

        host.scry(&["publish", output.to_str().unwrap()]).ok();
        let known = read_json(file(name).with_extension("json"));
        let rows = known["rows"].as_array().unwrap();
        assert_answers(&host, name, &card, &known, within);
        // A call leaves an instance that can be put back: it need not grow the memory.
        let put_back = || host.metric(&format!("scry_instances_put_back_total{{model=\"{name}\"}}"));
        let before = put_back();
        let one = v2(&card, &rows[..1]);
        (0..20).for_each(|_| drop(host.post(&format!("/v2/models/{name}/infer"), &one).status(200)));
        assert!(put_back() - before >= 16.0, "{before}, {}", put_back());
    }
}

#[test]
fn a_runtime_is_compiled_once_for_all_imports_and_never_from_what_another_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, output) = (dir.path().join("scry"), dir.path().join("titanic.wasm"));
    let import = || {
        let mut command = scry();
        command.arg("import").arg(file("titanic")).arg("-o").arg(&output).env("XDG_CACHE_HOME", dir.path());
        Ran::of(&mut command).ok();
        std::fs::read(&output).unwrap()
    };
    let kept = || {
        let engine = std::fs::read_dir(cache.join("functions")).unwrap().next().unwrap().unwrap().path();
        let path = std::fs::read_dir(engine).unwrap().next().unwrap().unwrap().path();
        (std::fs::read(&path).unwrap(), path)
    };
    let first = import();
    let (functions, path) = kept();
    let written = || std::fs::metadata(&path).unwrap().modified().unwrap();
    let before = written();
    assert_eq!(import(), first, "the second");
    assert_eq!(written(), before, "nothing was left to keep");
    // Another's bytes are not taken: the runtime is compiled again.
    let mut other = functions.clone();
    *other.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &other).unwrap();
    assert_eq!(import(), first, "after a change");
    assert_eq!(kept().0, functions);
    // Nor is a key that others may read.
    let key = cache.join("cache.key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let before = written();
    assert_eq!(import(), first, "with a key that is not secret");
    assert_eq!(written(), before);
}

#[test]
fn training_data_leaves_the_statistics_that_a_profile_gives_and_no_single_values() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let known = read_json(file("titanic").with_extension("json"));
    let rows: Vec<String> = known["rows"].as_array().unwrap().iter().map(Value::to_string).collect();
    std::fs::write(path("rows.ndjson"), rows.join("\n")).unwrap();
    let (plain, profiled, sampled) = (path("plain.wasm"), path("profiled.wasm"), path("sampled.wasm"));
    import(&file("titanic"), Path::new(&plain), &[]).ok();
    import(&file("titanic"), Path::new(&profiled), &["--data", &path("rows.ndjson")]).ok();
    import(&file("titanic"), Path::new(&sampled), &["--data", &path("rows.ndjson"), "--sample", "50"]).ok();
    let inspect = |component: &str| Ran::of(scry().args(["inspect", component, "--json"])).ok().json();
    assert!(inspect(&plain)["reference"].is_null());
    let profile = |sample: &str| {
        let command = ["profile", &path("rows.ndjson"), "--model", &plain, "--sample", sample, "-o"];
        Ran::of(scry().args(command).arg(path("reference.json"))).ok();
        read_json(path("reference.json"))
    };
    let without = profile("0");
    assert_eq!(inspect(&profiled)["reference"], without);
    assert_eq!(without["outputs"]["rows"], rows.len());
    let held = |component: &str| {
        let bytes = std::fs::read(component).unwrap();
        memchr::memmem::find(&bytes, br#""sample":["#).is_some()
    };
    assert_eq!((held(&profiled), held(&sampled)), (false, true));
    // A host says which labels it has.
    let host = Host::start();
    host.scry(&["publish", &profiled]).ok();
    let labels = host.admin_get("/v1/models/titanic").json()["versions"][0]["labels"].clone();
    assert_eq!(labels, inspect(&profiled)["card"]["labels"]);
    let shown = format!("scikit-learn={}", labels["scikit-learn"].as_str().unwrap());
    for said in [host.scry(&["models", "-o", "wide"]), Ran::of(scry().args(["inspect", &profiled]))] {
        assert!(said.ok().stdout.contains(&shown), "no {shown}");
    }
}

/// x0 + 2 x1, and a golden example that says so.
fn sum() -> (File, Value) {
    let mut file = File::matrix(2);
    let (weights, bias) = (file.f64s(&[2, 1], &[1.0, 2.0]), file.list(&[0.0]));
    let linear = file.node(json!({"op": "linear", "of": [2], "weights": weights, "bias": bias}));
    file.output("prediction", linear, 1);
    let mut header = file.header();
    header["card"] = json!({"name": "sum", "owner": "me", "description": "A sum."});
    header["golden"] = json!({"examples": [
        {"name": "plain", "inputs": [{"x0": 1.0, "x1": 0.5}], "outputs": [{"prediction": 2.0}]},
    ]});
    (file, header)
}

fn write(dir: &Path, header: &Value, payload: &[u8]) -> PathBuf {
    let path = dir.join("model.scry");
    std::fs::write(&path, model_file::assemble(&serde_json::to_vec(header).unwrap(), payload)).unwrap();
    path
}

#[test]
fn what_cannot_be_imported_is_refused_by_name_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("sum.wasm");
    let (file, header) = sum();
    let refused = |header: &Value, more: &[&str], says: &[&str]| {
        let path = write(dir.path(), header, &file.payload);
        import(&path, &output, more).code(1).says(says);
        assert!(!output.exists());
    };
    let with = |pointer: &str, value: Value| {
        let mut header = header.clone();
        *header.pointer_mut(pointer).unwrap() = value;
        header
    };
    refused(
        &with("/golden/examples/0/outputs/0/prediction", json!(2.5)),
        &[],
        &["plain", "expected 2.5, got 2", "nothing was written"],
    );
    refused(&with("/golden/examples", json!([])), &[], &["golden examples"]);
    refused(&with("/golden/examples/0/inputs/0", json!({"x": 1.0})), &[], &["plain", "`x`"]);
    refused(&with("/card/name", json!("A sum")), &[], &["`card`", "`A sum` is not a model name"]);
    refused(&with("/card/owner", json!(3)), &[], &["`card`", "owner"]);
    refused(
        &with("/model/nodes/3/weights", json!(1)),
        &[],
        &["node 3 (`linear`): expected `weights`: a shape of 2 by 1 or more"],
    );
    refused(&with("/model/outputs/0/node", json!(9)), &[], &["output `prediction`: expected one of 4 nodes, found 9"]);
    let nobody = {
        let mut header = header.clone();
        header.as_object_mut().unwrap().remove("card");
        header
    };
    refused(&nobody, &[], &["does not name the model", "--name"]);

    // A file that is cut, of another format, or none.
    let bytes = model_file::assemble(&serde_json::to_vec(&header).unwrap(), &file.payload);
    let path = dir.path().join("model.scry");
    let refused = |bytes: &[u8], says: &[&str]| {
        std::fs::write(&path, bytes).unwrap();
        import(&path, &output, &[]).code(1).says(says);
        assert!(!output.exists());
    };
    refused(&bytes[..bytes.len() - 1], &["model file: expected", "bytes, found"]);
    refused(&[&bytes[..8], &[9], &bytes[9..]].concat(), &["expected format 1 of the model file, found format 9"]);
    refused(b"PK\x03\x04", &["expected a model file", "of LightGBM as text", "found `PK\\x03\\x04`"]);

    // Words of the command line stand in for those of the file.
    std::fs::write(&path, model_file::assemble(&serde_json::to_vec(&nobody).unwrap(), &file.payload)).unwrap();
    let words = ["--name", "total", "--owner", "us", "--description", "A total.", "--json"];
    assert_eq!(import(&path, &output, &words).ok().json()["model"], "total");
    let card = Ran::of(scry().arg("inspect").arg(&output).arg("--json")).ok().json()["card"].clone();
    assert_eq!(
        (&card["name"], &card["owner"], &card["description"]),
        (&json!("total"), &json!("us"), &json!("A total."))
    );
}
