//! Networks in ONNX files: imported, proved, published, and asked over HTTP.

use crate::import::{assert_close, import};
use crate::support::data::read_json;
use crate::support::{Host, Ran, root, scry};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Whether every network is tried: `SCRY_NETWORKS=all`. Each is compiled twice, which takes seconds.
fn is_all() -> bool {
    std::env::var("SCRY_NETWORKS").is_ok_and(|networks| networks == "all")
}

fn file(name: &str) -> PathBuf {
    root().join("tests/imports/networks").join(format!("{name}.onnx"))
}

/// All elements of nested lists.
fn flat(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list.iter().flat_map(flat).collect(),
        other => vec![other.clone()],
    }
}

/// Rows as a V2 request, by the card's schema.
fn v2(card: &Value, rows: &[Value]) -> Value {
    let input = |field: &Value| {
        let name = &field["name"];
        let data: Vec<Value> = rows.iter().flat_map(|row| flat(&row[name.as_str().unwrap()])).collect();
        let mut shape = vec![json!(rows.len())];
        shape.extend(field["shape"].as_array().cloned().unwrap_or_default());
        json!({ "name": name, "shape": shape, "datatype": field["datatype"], "data": data })
    };
    json!({ "inputs": card["schema"]["inputs"].as_array().unwrap().iter().map(input).collect::<Vec<_>>() })
}

/// The first rows and what ONNX Runtime answers to them, as golden.json.
fn golden(known: &Value, dir: &Path) -> PathBuf {
    let example = |row: usize| {
        let expected = known["expected"].as_object().unwrap();
        let outputs: serde_json::Map<_, _> =
            expected.iter().map(|(name, all)| (name.clone(), all[row].clone())).collect();
        json!({ "name": format!("row {row}"), "inputs": [known["rows"][row]], "outputs": [outputs] })
    };
    let path = dir.join("golden.json");
    let json = json!({ "rtol": 1e-5, "atol": 1e-6, "examples": (0..3).map(example).collect::<Vec<_>>() });
    std::fs::write(&path, json.to_string()).unwrap();
    path
}

fn largest(row: &[Value]) -> usize {
    let at = |i: &usize| row[*i].as_f64().unwrap();
    (0..row.len()).max_by(|a, b| at(a).total_cmp(&at(b))).unwrap()
}

#[test]
fn imported_networks_answer_over_http_what_onnx_runtime_answers() {
    let host = Host::start();
    let dir = tempfile::tempdir().unwrap();
    let names: &[&str] = if is_all() { &["mlp", "cnn", "lstm", "transformer"] } else { &["mlp", "cnn"] };
    for &name in names {
        let known = read_json(file(name).with_extension("json"));
        let golden = golden(&known, dir.path());
        let output = dir.path().join(format!("{name}.wasm"));
        let words = ["--name", name, "--golden", golden.to_str().unwrap(), "--json"];
        let imported = import(&file(name), &output, &words).ok().json();
        assert_eq!((&imported["model"], &imported["golden_examples"]), (&json!(name), &json!(3)), "{imported}");

        // The weights are there once.
        let (onnx, bytes) = (std::fs::read(file(name)).unwrap(), std::fs::read(&output).unwrap());
        if name == "mlp" {
            let middle = &onnx[onnx.len() / 2..][..64];
            assert_eq!(memchr::memmem::find_iter(&bytes, middle).count(), 1);
        }

        host.scry(&["publish", output.to_str().unwrap()]).ok();
        let card = Ran::of(scry().arg("inspect").arg(&output).arg("--json")).ok().json()["card"].clone();
        assert!(card["runtime"].as_str().unwrap().starts_with("sha256:"), "{card}");
        assert_eq!(card["labels"], json!({ "opset": "17", "producer": "tests" }));
        let rows = known["rows"].as_array().unwrap();
        let answer = host.post(&format!("/v2/models/{name}/infer"), &v2(&card, rows)).status(200).json();
        for output in answer["outputs"].as_array().unwrap() {
            let (name, found) = (output["name"].as_str().unwrap(), output["data"].as_array().unwrap());
            let expected = flat(&known["expected"][name]);
            assert_close(name, found, &expected, 1e-5);
            let width = found.len() / rows.len();
            for (found, expected) in found.chunks(width).zip(expected.chunks(width)) {
                assert_eq!(largest(found), largest(expected), "{name}");
            }
        }

        // A call leaves an instance that can be put back: it need not grow the memory.
        let put_back = || host.metric(&format!("scry_instances_put_back_total{{model=\"{name}\"}}"));
        for some in [&rows[..1], rows] {
            let (before, some) = (put_back(), v2(&card, some));
            (0..20).for_each(|_| drop(host.post(&format!("/v2/models/{name}/infer"), &some).status(200)));
            assert!(put_back() - before >= 16.0, "{name}: {before}, {}", put_back());
        }
    }
}

#[test]
fn a_network_that_cannot_be_imported_is_refused_by_name_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("net.wasm");
    let golden = golden(&read_json(file("mlp").with_extension("json")), dir.path());
    let refused = |file: &Path, says: &[&str]| {
        import(file, &output, &["--name", "net", "--golden", golden.to_str().unwrap()]).code(1).says(says);
        assert!(!output.exists());
    };
    // What the host sees.
    refused(&file("external"), &["keeps its weights in other files", "onnx.save"]);
    let whole = std::fs::read(file("mlp")).unwrap();
    let path = dir.path().join("net.onnx");
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    refused(&path, &["the ONNX file is damaged: expected a field of at most"]);
    std::fs::write(&path, &whole[..2]).unwrap();
    refused(&path, &["no graph"]);
    import(&file("mlp"), &output, &["--name", "net"]).code(1).says(&["--golden"]);
    import(&file("mlp"), &output, &["--golden", golden.to_str().unwrap()]).code(1).says(&["--name"]);

    // What the runtime sees, in the sandbox.
    refused(&file("unknown"), &["elsewhere/Invented operator not supported"]);
    if is_all() {
        refused(&file("open"), &["input `x`", "a fixed size of dimension 1, found `length`"]);
        refused(&file("two"), &["input `x`", "first dimension", "found 2"]);
    }
}
