//! Whatever the bytes: a model that can be run, or a sentence that says what is wrong.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{File, assemble, columns};
use proptest::prelude::*;
use scry_card::{Tensor, Values};
use scry_graph::{FileError, Model, Parts};
use serde_json::{Value, json};

/// A file with some of everything.
fn some() -> File {
    let mut file = File::numbers(2);
    file.inputs.push(json!({"name": "city", "datatype": "BYTES", "nullable": true}));
    let text = file.node(json!({"op": "input", "input": 2}));
    let categories = file.texts(&["Rome", "Åbo"]);
    let city = file.node(json!({"op": "text_index", "of": [text], "categories": categories, "unknown": -1}));
    let columns = file.u32s(&[1, 0]);
    let hot = file.node(json!({"op": "one_hot", "of": [city], "columns": columns, "width": 2}));
    let all = file.node(json!({"op": "concat", "of": [0, 1, hot]}));
    let fill = file.list(&[0.5, 1.5, 0.0, 0.0]);
    let full = file.node(json!({"op": "impute", "of": [all], "fill": fill}));
    let (weights, bias) = (file.f64s(&[4, 2], &[0.25; 8]), file.list(&[1.0, -1.0]));
    let linear = file.node(json!({"op": "linear", "of": [full], "weights": weights, "bias": bias}));
    let soft = file.node(json!({"op": "softmax", "of": [linear]}));
    let tree = json!({"op": "trees", "of": [full], "cast": "f32", "sum": "f64",
        "roots": file.u32s(&[0, 3]), "flags": file.u8s(&[0, 1, 1, 10, 1, 1]), "feature": file.u32s(&[0, 0, 0, 1, 0, 0]),
        "threshold": file.list(&[0.5, 0.0, 0.0, 0.0, 0.0, 0.0]), "left": file.u32s(&[1, 0, 1, 4, 2, 0]),
        "right": file.u32s(&[2, 0, 0, 5, 0, 0]), "leaves": file.f64s(&[3, 1], &[0.5, -0.25, 2.0]),
        "initial": file.list(&[0.0]), "set": file.u32s(&[0; 6]), "set_starts": file.u32s(&[0, 1]), "set_words": file.u32s(&[5])});
    let trees = file.node(tree);
    file.features = full;
    file.output("probabilities", soft, 2);
    file.output("sum", trees, 1);
    let best = file.node(json!({"op": "argmax", "of": [soft]}));
    let classes = file.i64s(&[3, 5]);
    file.outputs.push(json!({"name": "label", "node": best, "datatype": "INT64", "classes": classes}));
    file.features = full;
    file
}

/// Runs whatever was read; the answer may be a refusal.
fn run(model: &Model) {
    let rows = 3;
    let column = |field: &scry_card::Field| Tensor {
        shape: field.batch_shape(rows as u64),
        values: Values::neutral(field.datatype, rows),
        validity: field.nullable.then(|| vec![true, false, true]),
    };
    let inputs: Vec<Tensor> = model.schema().inputs.iter().map(column).collect();
    let _ = model.transform(inputs.clone());
    let _ = model.predict(inputs);
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = some().bytes();
    run(&Model::read(&bytes).unwrap());
    for length in 0..bytes.len() {
        assert!(Model::read(&bytes[..length]).is_err(), "{length} of {}", bytes.len());
    }
    assert!(Model::read(&[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn a_file_is_taken_apart_and_its_graph_is_the_same() {
    let file = some();
    let mut header = file.header();
    header["card"] = json!({"name": "churn"});
    header["golden"] = json!({"examples": []});
    let whole = assemble(&serde_json::to_vec(&header).unwrap(), &file.payload);
    let parts = Parts::of(&whole).unwrap();
    assert_eq!(parts.model, file.bytes());
    assert_eq!(
        (parts.card, parts.golden, parts.reference),
        (Some(json!({"name": "churn"})), Some(json!({"examples": []})), None)
    );
    assert_eq!(Model::read(&whole).unwrap().schema(), file.model().schema());
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let refused = |change: &dyn Fn(&mut Value)| {
        let file = some();
        let mut header = file.header();
        change(&mut header["model"]);
        let error = Model::read(&assemble(&serde_json::to_vec(&header).unwrap(), &file.payload)).unwrap_err();
        error.to_string()
    };
    let set = |path: &str, value: Value| refused(&|model| *model.pointer_mut(path).unwrap() = value.clone());
    for (path, value, says) in [
        ("/nodes/5/of", json!([0, 1, 5]), "node 5 (`concat`): expected `of`: earlier nodes, below 5, found 5"),
        ("/nodes/5/of", json!([0, 2]), "node 5 (`concat`): expected numbers, found text"),
        ("/nodes/3/of", json!([1]), "node 3 (`text_index`): expected text, found numbers"),
        ("/nodes/4/op", json!("two_hot"), "node 4 (`two_hot`): expected an operation of format 1, found another"),
        ("/nodes/0/input", json!(3), "node 0 (`input`): expected one of 3 inputs, found 3"),
        ("/nodes/6/fill", json!(3), "node 6 (`impute`): expected `fill`: 4 numbers, found 8"),
        ("/nodes/6/fill", json!(1), "node 6 (`impute`): expected `fill`: an array of f64, found u32"),
        ("/nodes/6/fill", json!("x"), "node 6 (`impute`): expected `fill`: the index of an array, found \"x\""),
        (
            "/nodes/7/bias",
            json!(2),
            "node 7 (`linear`): expected `bias`: an array of its own, found array 2, which is used before",
        ),
        ("/nodes/9/cast", json!("f16"), "node 9 (`trees`): expected `cast`: `f32` or `f64`, found `f16`"),
        ("/features", json!(2), "output `features`: expected a node of numbers, found text"),
        (
            "/outputs/0/shape",
            json!([3]),
            "output `probabilities`: expected a shape of 2 values a row, as the node, found [3]",
        ),
        ("/outputs/2/datatype", json!("BYTES"), "output `label`: expected `datatype`: INT64, found BYTES"),
        ("/outputs/1/name", json!("label"), "schema: "),
        ("/arrays/1/at", json!(17), "array 1: expected a place that is a multiple of 16, found 17"),
        ("/arrays/1/at", json!(0), "array 1: expected a place behind the array before it, "),
        ("/arrays/1/shape", json!([1u64 << 40]), "array 1: expected "),
        (
            "/arrays/0/bytes",
            json!(3),
            "node 3 (`text_index`): expected `categories`: texts of UTF-8 that lie end to end, found ",
        ),
        ("/inputs/0/datatype", json!("FLOAT"), "header: `model.inputs[0].datatype`: expected "),
    ] {
        let found = set(path, value);
        assert!(found.starts_with(says), "{path}: {found:?} does not begin with {says:?}");
    }
    let more = refused(&|model| model["nodes"][7]["scale"] = json!(2));
    assert_eq!(more, "node 7 (`linear`): expected no other attribute, found `scale`");

    let bytes = some().bytes();
    let at = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        Model::read(&bytes).unwrap_err()
    };
    assert_eq!(at(0, b's'), FileError::Magic);
    assert_eq!(at(8, 2), FileError::Format { found: 2 });
    assert!(at(8, 2).to_string().contains("expected format 1 of the model file, found format 2"));
    assert!(matches!(at(12, 1), FileError::Layout { .. }) && matches!(at(24, 0), FileError::Layout { .. }));
}

#[test]
fn trees_that_lead_nowhere_or_twice_are_refused() {
    let tree = |roots: &[u32], flags: &[u8], left: &[u32], right: &[u32], threshold: f64| {
        let mut file = File::numbers(1);
        let node = json!({"op": "trees", "of": [0], "cast": "f64", "sum": "f64",
            "roots": file.u32s(roots), "flags": file.u8s(flags), "feature": file.u32s(&vec![0; flags.len()]),
            "threshold": file.list(&vec![threshold; flags.len()]), "left": file.u32s(left), "right": file.u32s(right),
            "leaves": file.f64s(&[2, 1], &[1.0, 2.0]), "initial": file.list(&[0.0])});
        file.node(node);
        file.output("sum", 1, 1);
        Model::read(&file.bytes()).map(drop).map_err(|error| error.to_string())
    };
    let leaf = [0, 1, 1];
    assert_eq!(tree(&[0], &leaf, &[1, 0, 1], &[2, 0, 0], 0.5), Ok(()));
    for (refused, says) in [
        (tree(&[0], &leaf, &[0, 0, 1], &[2, 0, 0], 0.5), "split 0 to lead to later nodes, found node 0"),
        (
            tree(&[0], &leaf, &[1, 0, 1], &[1, 0, 0], 0.5),
            "split 0 to lead to a node of 3 that nothing else leads to, found 1",
        ),
        (
            tree(&[0], &leaf, &[1, 0, 1], &[3, 0, 0], 0.5),
            "split 0 to lead to a node of 3 that nothing else leads to, found 3",
        ),
        (
            tree(&[0, 0], &leaf, &[1, 0, 1], &[2, 0, 0], 0.5),
            "a root to lead to a node of 3 that nothing else leads to, found 0",
        ),
        (tree(&[1], &[1, 1], &[0, 1], &[0, 0], 0.5), "nodes that a root leads to, found node 0"),
        (tree(&[0], &leaf, &[1, 2, 1], &[2, 0, 0], 0.5), "leaf 1: a row of 2 leaves, found 2"),
        (tree(&[0], &leaf, &[1, 0, 1], &[2, 0, 0], f64::NAN), "split 0: a threshold, found NaN"),
        (tree(&[0], &[8, 1, 1], &[1, 0, 1], &[2, 0, 0], 0.5), "split 0: a set below 0, found 0"),
        (tree(&[9], &leaf, &[1, 0, 1], &[2, 0, 0], 0.5), "`roots`: indexes below 3, found 9"),
    ] {
        let refused = refused.unwrap_err();
        assert!(refused.contains(says), "{refused:?} without {says:?}");
    }
}

#[test]
fn what_a_row_takes_has_a_limit() {
    let mut file = File::numbers(1);
    let mut node = 0;
    for _ in 0..40 {
        node = file.node(json!({"op": "concat", "of": [node, node]}));
    }
    file.output("x", 0, 1);
    let refused = file.refused();
    assert!(refused.contains("expected at most 4194304 numbers a row, all nodes together"), "{refused}");
}

#[test]
fn columns_of_another_kind_are_refused() {
    let model = some().model();
    let refused = model.predict(columns(&[[1.0, 2.0, 3.0]])).unwrap_err().to_string();
    assert!(refused.contains("city") && refused.contains("BYTES"), "{refused}");
    assert!(model.predict(columns(&[[1.0]])).is_err() && model.predict(Vec::new()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_changed_are_refused_or_run(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)) {
        let mut bytes = some().bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(model) = Model::read(&bytes) {
            run(&model);
        }
        let _ = Parts::of(&bytes);
    }

    #[test]
    fn any_payload_is_refused_or_run(payload in prop::collection::vec(any::<u8>(), 700)) {
        let file = some();
        let payload = payload.get(..file.payload.len()).unwrap_or(&payload);
        if let Ok(model) = Model::read(&assemble(&serde_json::to_vec(&file.header()).unwrap(), payload)) {
            run(&model);
        }
    }
}
