//! Files that exporters wrote, and what ONNX Runtime answers (tests/imports/onnxml.py).

use crate::import::boosters::tests::{damaged, differing, files_in, is_refused_or_reads};
use crate::import::parts_of;
use proptest::prelude::*;
use scry_graph::Model;
use scry_protocol::protobuf::{put_bytes, put_number};

const FOLDER: &str = "onnxml";

fn file(name: &str) -> Vec<u8> {
    files_in(FOLDER).into_iter().find(|(known, _)| known == name).unwrap().1
}

fn refused(file: &[u8]) -> String {
    parts_of(file).map(drop).unwrap_err().to_string()
}

#[test]
fn every_model_answers_what_onnx_runtime_answers() {
    let files: Vec<_> = files_in(FOLDER).into_iter().filter(|(name, _)| name != "refused.onnx").collect();
    assert!(files.len() > 12);
    for (name, file) in files {
        assert_eq!(differing(FOLDER, &name, &file), [] as [String; 0], "{name}");
    }
}

#[test]
fn inputs_have_their_types_and_what_is_missing() {
    let schema = |name: &str| {
        let model = Model::read(&parts_of(&file(name)).unwrap().model).unwrap();
        let field = |field: &scry_card::Field| format!("{} {} {}", field.name, field.datatype.name(), field.nullable);
        model.schema().inputs.iter().map(field).collect::<Vec<_>>()
    };
    assert_eq!(schema("titanic-logistic.onnx"), ["class BYTES false", "age FP32 true", "sex BYTES false"]);
    assert_eq!(
        schema("operators.onnx"),
        ["count INT64 false", "size BYTES false", "x_0 FP32 true", "x_1 FP32 true", "x_2 FP32 true"]
    );
    assert_eq!(schema("questions.onnx"), ["f0 FP32 true", "f1 FP32 true", "f2 FP32 true"]);
    let card = parts_of(&file("wine-linear.onnx")).unwrap().card.unwrap();
    assert_eq!(card["description"], "ONNX (Scaler, LinearClassifier, Normalizer, ZipMap), computed in float32");
    assert!(card["labels"]["producer"].as_str().unwrap().starts_with("skl2onnx"), "{card}");
}

/// An attribute: its name, and the field that holds its value.
fn attribute(name: &str, field: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut attribute = Vec::new();
    put_bytes(&mut attribute, 1, name.as_bytes());
    field(&mut attribute);
    attribute
}

fn floats(name: &str, list: &[f32]) -> Vec<u8> {
    let bytes: Vec<u8> = list.iter().flat_map(|x| x.to_le_bytes()).collect();
    attribute(name, |to| put_bytes(to, 7, &bytes))
}

fn ints(name: &str, list: &[u64]) -> Vec<u8> {
    attribute(name, |to| list.iter().for_each(|&x| put_number(to, 8, x)))
}

fn texts(name: &str, list: &[&str]) -> Vec<u8> {
    attribute(name, |to| list.iter().for_each(|text| put_bytes(to, 9, text.as_bytes())))
}

fn text(name: &str, value: &str) -> Vec<u8> {
    attribute(name, |to| put_bytes(to, 4, value.as_bytes()))
}

/// A node that reads `x` and makes `y` and `z`.
fn node(operator: &str, domain: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut node = Vec::new();
    put_bytes(&mut node, 1, b"x");
    put_bytes(&mut node, 2, b"y");
    put_bytes(&mut node, 4, operator.as_bytes());
    attributes.iter().for_each(|attribute| put_bytes(&mut node, 5, attribute));
    put_bytes(&mut node, 7, domain.as_bytes());
    node
}

/// A file with these nodes, an input `x` of floats, and the output `y`.
fn model(nodes: &[Vec<u8>], width: u64) -> Vec<u8> {
    let wrapped = |field: u64, inner: &[u8]| {
        let mut outer = Vec::new();
        put_bytes(&mut outer, field, inner);
        outer
    };
    let mut size = Vec::new();
    put_number(&mut size, 1, width);
    let shape = [wrapped(1, b""), wrapped(1, &size)].concat();
    let mut tensor = Vec::new();
    put_number(&mut tensor, 1, 1);
    put_bytes(&mut tensor, 2, &shape);
    let mut input = wrapped(1, b"x");
    put_bytes(&mut input, 2, &wrapped(1, &tensor));
    let mut graph = Vec::new();
    nodes.iter().for_each(|node| put_bytes(&mut graph, 1, node));
    put_bytes(&mut graph, 11, &input);
    put_bytes(&mut graph, 12, &wrapped(1, b"y"));
    let mut file = Vec::new();
    put_number(&mut file, 1, 8);
    put_bytes(&mut file, 7, &graph);
    file
}

fn classic(operator: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    model(&[node(operator, "ai.onnx.ml", attributes)], 2)
}

/// The nodes of a tree of one question and two leaves.
fn questions() -> [Vec<u8>; 7] {
    [
        ints("nodes_treeids", &[0, 0, 0]),
        ints("nodes_nodeids", &[0, 1, 2]),
        ints("nodes_featureids", &[1, 0, 0]),
        floats("nodes_values", &[0.5, 0.0, 0.0]),
        texts("nodes_modes", &["BRANCH_LEQ", "LEAF", "LEAF"]),
        ints("nodes_truenodeids", &[1, 0, 0]),
        ints("nodes_falsenodeids", &[2, 0, 0]),
    ]
}

/// Such a tree, with some attributes changed.
fn tree(changed: &[Vec<u8>]) -> Vec<u8> {
    let weights = [
        ints("target_treeids", &[0, 0]),
        ints("target_nodeids", &[1, 2]),
        ints("target_ids", &[0, 0]),
        floats("target_weights", &[1.0, -1.0]),
    ];
    let whole = [questions().as_slice(), &weights].concat();
    let name = |attribute: &[u8]| attribute.get(2..).unwrap()[..usize::from(attribute[1])].to_vec();
    let kept = whole.iter().filter(|one| changed.iter().all(|other| name(other) != name(one)));
    let attributes: Vec<_> = kept.chain(changed).cloned().collect();
    classic("TreeEnsembleRegressor", &attributes)
}

#[test]
fn what_is_wrong_is_named_with_its_node_and_attribute() {
    assert!(parts_of(&tree(&[])).is_ok());
    let scaler = |attributes: &[Vec<u8>]| classic("Scaler", attributes);
    let cases = [
        (file("refused.onnx"), "node 0, `SVMRegressor`: this operator of `ai.onnx.ml` is not translated: export the"),
        (tree(&[ints("nodes_truenodeids", &[0, 0, 0])]), "tree 0: expected a tree, whose nodes have one parent each"),
        (tree(&[ints("nodes_truenodeids", &[7, 0, 0])]), "`nodes_truenodeids` of node 0 to be a node of its tree"),
        (tree(&[ints("nodes_featureids", &[2, 0, 0])]), "`nodes_featureids` of node 0 to be below 2, found 2"),
        (tree(&[ints("nodes_nodeids", &[0, 1, 1])]), "`nodes_nodeids`: expected each node of a tree once"),
        (tree(&[ints("nodes_treeids", &[0, 1, 0])]), "`nodes_treeids`: expected the nodes of each tree side by side"),
        (tree(&[floats("nodes_values", &[f32::NAN, 0.0, 0.0])]), "expected thresholds that are numbers, found NaN"),
        (tree(&[floats("nodes_values", &[0.5])]), "`nodes_values`: expected 3 values, as `nodes_treeids` has, found 1"),
        (tree(&[texts("nodes_modes", &["BRANCH_MEMBER", "LEAF", "LEAF"])]), "BRANCH_NEQ or LEAF, found BRANCH_MEMBER"),
        (tree(&[ints("target_nodeids", &[1, 0])]), "expected weights of leaves, found node 0 of tree 0"),
        (tree(&[ints("target_nodeids", &[1, 1])]), "one weight of a leaf for each sum, found two"),
        (tree(&[ints("target_ids", &[0, 9])]), "`target_ids`: expected whole numbers below 1, found 9"),
        (tree(&[floats("target_weights", &[1.0, f32::INFINITY])]), "`target_weights`: expected finite numbers"),
        (tree(&[text("aggregate_function", "MIN")]), "`aggregate_function`: expected SUM or AVERAGE, found MIN"),
        (tree(&[text("post_transform", "PROBIT")]), "`post_transform`: expected NONE, found PROBIT"),
        (tree(&[floats("base_values", &[1.0, 2.0])]), "`base_values`: expected 1 numbers, or none, found 2"),
        (tree(&[text("invented", "x")]), "`TreeEnsembleRegressor`, `invented`: expected no such attribute, found one"),
        (tree(&[text("nodes_treeids", "x")]), "`nodes_treeids`: expected a list of whole numbers, found another kind"),
        (
            scaler(&[floats("offset", &[1.0; 3]), floats("scale", &[1.0; 3])]),
            "`offset`: expected 2 numbers, or 1, found 3",
        ),
        (
            scaler(&[floats("offset", &[1.0]), floats("scale", &[1.0, 2.0])]),
            "`offset`: expected 2 numbers, as `scale` has, found 1",
        ),
        (scaler(&[floats("offset", &[f32::NAN]), floats("scale", &[1.0])]), "`offset`: expected finite numbers"),
        (
            classic("Normalizer", &[text("norm", "L3")]),
            "node 0, `Normalizer`, `norm`: expected L1, L2 or MAX, found L3",
        ),
        (
            classic("LinearRegressor", &[floats("coefficients", &[1.0])]),
            "`coefficients`: expected 2 numbers, 2 for each",
        ),
        (
            classic("ZipMap", &[texts("classlabels_strings", &["a", "b", "c"])]),
            "expected 2 labels, as columns, found 3",
        ),
    ];
    for (file, says) in cases {
        let said = refused(&file);
        assert!(said.starts_with("ONNX of ai.onnx.ml: ") && said.contains(says), "{said}\nhas not: {says}");
    }
}

#[test]
fn two_classes_with_weights_of_both_are_refused() {
    let class = |name: &str, list: &[u64]| ints(&format!("class_{name}"), list);
    let file = |ids: &[u64]| {
        let weights = [
            class("treeids", &[0, 0]),
            class("nodeids", &[1, 2]),
            class("ids", ids),
            floats("class_weights", &[1.0, -1.0]),
            ints("classlabels_int64s", &[3, 4]),
        ];
        classic("TreeEnsembleClassifier", &[questions().as_slice(), &weights].concat())
    };
    assert!(parts_of(&file(&[0, 0])).is_ok());
    assert!(parts_of(&file(&[1, 1])).is_ok());
    assert!(refused(&file(&[0, 1])).contains("`class_ids`: expected weights of one class, where there are two"));
}

#[test]
fn sizes_are_bounded() {
    // Each node doubles the columns.
    let doubling = |count: usize| {
        let attributes = [attribute("axis", |to| put_number(to, 3, 1))];
        let mut nodes = vec![node("Scaler", "ai.onnx.ml", &[floats("offset", &[0.0]), floats("scale", &[1.0])])];
        for at in 0..count {
            let mut doubled = Vec::new();
            let from = if at == 0 { "y".to_owned() } else { format!("y{at}") };
            (0..2).for_each(|_| put_bytes(&mut doubled, 1, from.as_bytes()));
            put_bytes(&mut doubled, 2, format!("y{}", at + 1).as_bytes());
            put_bytes(&mut doubled, 4, b"Concat");
            put_bytes(&mut doubled, 5, &attributes[0]);
            nodes.push(doubled);
        }
        model(&nodes, 4)
    };
    assert!(parts_of(&doubling(3)).is_ok());
    assert!(refused(&doubling(80)).contains("expected 1 to 65536 columns, found 131072"));
    let identity = |at: usize| {
        let mut one = Vec::new();
        put_bytes(&mut one, 1, b"y");
        put_bytes(&mut one, 2, format!("y{at}").as_bytes());
        put_bytes(&mut one, 4, b"Exp");
        one
    };
    let scaler = node("Scaler", "ai.onnx.ml", &[floats("offset", &[0.0]), floats("scale", &[1.0])]);
    let many: Vec<_> = std::iter::once(scaler.clone()).chain((0..3_000).map(identity)).collect();
    assert!(refused(&model(&many, 4)).contains("it takes more than 4096 steps"), "{}", refused(&model(&many, 4)));
    let many: Vec<_> = std::iter::once(scaler.clone()).chain((0..5_000).map(identity)).collect();
    assert!(refused(&model(&many, 4)).contains("expected at most 4096 nodes"));
    assert!(refused(&model(std::slice::from_ref(&scaler), 1 << 40)).contains("1 to 4000 columns of all inputs"));
    assert!(refused(&model(&[scaler.clone(), scaler], 4)).contains("each name once, found `y` twice"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Bytes that are cut, replaced, or put in.
    #[test]
    fn a_damaged_file_is_refused_or_makes_a_model(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        how in 0..4,
        bytes in prop::collection::vec(any::<u8>(), 1..6),
    ) {
        let files = files_in(FOLDER);
        let (_, file) = which.get(&files).clone();
        let at = at.index(file.len());
        is_refused_or_reads(&damaged(file, at, how, bytes));
    }
}
