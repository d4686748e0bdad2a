//! Each operation against numbers that numpy and scikit-learn give, or that are plain to see.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{File, bits, columns, features, text_column};
use scry_graph::EvaluateError;
use serde_json::{Value, json};

const NAN: f64 = f64::NAN;

/// The features that the last node makes of rows.
fn of<const N: usize>(rows: &[[f64; N]], build: impl FnOnce(&mut File) -> Value) -> Vec<f64> {
    let mut file = File::matrix(N);
    let mut node = build(&mut file);
    if node.get("of").is_none() {
        node["of"] = json!([N]);
    }
    let node = file.node(node);
    file.output("out", 0, 1);
    file.features = node;
    features(&file.model(), columns(rows))
}

fn same(found: Vec<f64>, expected: &[f64]) {
    assert_eq!(bits(&found), bits(expected), "{found:?} is not {expected:?}");
}

fn close(found: Vec<f64>, expected: &[f64]) {
    let is_close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-15 * b.abs().max(1.0) || (a.is_nan() && b.is_nan());
    assert!(found.len() == expected.len() && found.iter().zip(expected).all(is_close), "{found:?} is not {expected:?}");
}

#[test]
fn columns_are_chosen_filled_and_scaled() {
    same(of(&[[1.0, 2.0, 3.0]], |f| json!({"op": "select", "columns": f.u32s(&[2, 0, 2])})), &[3.0, 1.0, 3.0]);
    same(of(&[[1.0], [2.0]], |f| json!({"op": "constant", "value": f.list(&[7.0, 8.0])})), &[7.0, 8.0, 7.0, 8.0]);
    let rows = [[NAN, 1.0], [2.0, NAN], [-1.0, 0.0]];
    same(of(&rows, |f| json!({"op": "impute", "fill": f.list(&[5.0, 6.0])})), &[5.0, 1.0, 2.0, 6.0, -1.0, 0.0]);
    let fill = |f: &mut File| json!({"op": "impute", "missing": -1, "fill": f.list(&[5.0, 6.0])});
    same(of(&rows, fill), &[NAN, 1.0, 2.0, NAN, 5.0, 0.0]);
    same(of(&rows, |_| json!({"op": "indicate"})), &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    let scale = |f: &mut File| {
        json!({"op": "scale", "subtract": f.list(&[1.0, 0.0]), "divide": f.list(&[3.0, 1.0]),
            "multiply": f.list(&[2.0, 1.0]), "add": f.list(&[0.5, 0.0]), "low": f.list(&[-1.0, 0.0]),
            "high": f.list(&[1.0, 0.5])})
    };
    same(of(&rows, scale), &[NAN, 0.5, 1.0, NAN, -2.0 / 3.0 * 2.0 + 0.5, 0.0]);
    let products =
        |f: &mut File| json!({"op": "products", "starts": f.u32s(&[0, 0, 1, 3]), "columns": f.u32s(&[1, 0, 1])});
    same(of(&[[3.0, 5.0]], products), &[1.0, 5.0, 15.0]);
}

#[test]
fn matrices_are_combined_and_added() {
    let rows = [[1.0, 4.0], [6.0, 3.0]];
    let combine = |function: &str| of(&rows, |_| json!({"op": "combine", "of": [2, 1], "function": function}));
    same(combine("subtract"), &[-3.0, 0.0, 3.0, 0.0]);
    same(combine("divide"), &[0.25, 1.0, 2.0, 1.0]);
    same(combine("power"), &[1.0, 256.0, 216.0, 27.0]);
    same(combine("maximum"), &[4.0, 4.0, 6.0, 3.0]);
    let sum = |f: &mut File| json!({"op": "sum", "of": [0, 1, 0], "weights": f.list(&[0.1, 0.2, 0.3]), "divide": 3});
    same(of(&rows, sum), &[(0.1 + 4.0 * 0.2 + 0.3) / 3.0, (6.0 * 0.1 + 3.0 * 0.2 + 6.0 * 0.3) / 3.0]);
    let median = |f: &mut File| json!({"op": "weighted_median", "of": [0, 1, 0], "weights": f.list(&[1.0, 1.5, 0.25])});
    same(of(&rows, median), &[4.0, 3.0]);
}

#[test]
fn categories_become_indexes_and_columns() {
    let rows = [[2.0], [-0.0], [3.0], [NAN]];
    let index = |f: &mut File| json!({"op": "number_index", "categories": f.list(&[0.0, 2.0]), "unknown": -1});
    same(of(&rows, index), &[1.0, 0.0, -1.0, NAN]);
    let index = |f: &mut File| json!({"op": "number_index", "categories": f.list(&[NAN, 2.0]), "unknown": 9});
    same(of(&rows, index), &[1.0, 9.0, 9.0, 0.0]);
    let hot = |f: &mut File| json!({"op": "one_hot", "columns": f.u32s(&[u32::MAX, 3, 1, 0]), "width": 2});
    let mut file = File::matrix(1);
    let node = hot(&mut file);
    file.nodes.push(node);
    file.nodes.last_mut().unwrap()["of"] = json!([1]);
    file.output("out", 0, 1);
    assert!(file.refused().contains("expected `columns`: indexes below 2, or 4294967295 for none, found 3"));
    let hot = |f: &mut File| json!({"op": "one_hot", "columns": f.u32s(&[u32::MAX, 0, 1, 0]), "width": 2});
    same(of(&rows, hot), &[0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    let gather = |f: &mut File| json!({"op": "gather", "table": f.f64s(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), "default": f.list(&[0.0, NAN])});
    same(of(&rows, gather), &[5.0, 6.0, 1.0, 2.0, 0.0, NAN, 0.0, NAN]);
    let bins = |f: &mut File| json!({"op": "bins", "edges": f.list(&[0.0, 2.0, 2.5])});
    same(of(&rows, bins), &[2.0, 1.0, 3.0, 3.0]);
}

#[test]
fn texts_become_indexes_and_what_is_unknown_is_told_by_its_input() {
    let mut file = File::default();
    file.inputs.push(json!({"name": "city", "datatype": "BYTES", "nullable": true}));
    file.node(json!({"op": "input", "input": 0}));
    file.node(json!({"op": "text_fill", "of": [0], "value": "?"}));
    let categories = file.texts(&["Rome", "Åbo", "?"]);
    file.node(json!({"op": "text_index", "of": [1], "categories": categories, "unknown": "error"}));
    file.output("index", 2, 1);
    let model = file.model();
    same(features(&model, vec![text_column(&[Some("Åbo"), None, Some("Rome")])]), &[1.0, 2.0, 0.0]);
    let refused = model.predict(vec![text_column(&[Some("Rome"), Some("Bonn")])]).unwrap_err();
    let message = "expected one of the 3 categories that the model was trained with, found \"Bonn\"".to_owned();
    assert_eq!(refused, EvaluateError::Input { input: "city".into(), row: 1, message });
}

#[test]
fn functions_of_a_number() {
    let map = |function: &str, parameter: Option<f64>, x: f64| {
        of(&[[x]], |_| json!({"op": "map", "function": function, "parameter": parameter}))[0]
    };
    for (function, x, expected) in [
        ("exp", 1.5, 4.4816890703380645),
        ("expm1", 1e-10, 1.00000000005e-10),
        ("log1p", 1e-10, 9.9999999995e-11),
        ("log2", 12.0, 3.584962500721156),
        ("cbrt", -27.0, -3.0),
        ("sigmoid", -2.0, 0.11920292202211755),
        ("tanh", 0.3, 0.2913126124515909),
        ("sign", -0.5, -1.0),
        ("sign", -0.0, 0.0),
        ("rint", 2.5, 2.0),
        ("relu", -3.0, 0.0),
        ("reciprocal", -4.0, -0.25),
        ("float32", 0.1, 0.10000000149011612),
        ("log_count", 3.0, 2.09861228866811),
        ("is_missing", NAN, 1.0),
    ] {
        close(vec![map(function, None, x)], &[expected]);
    }
    assert!(map("relu", None, NAN).is_nan() && map("sign", None, NAN).is_nan());
    same(vec![map("at_least", Some(2.0), 2.0), map("greater", Some(2.0), 2.0)], &[1.0, 0.0]);
    same(vec![map("power", Some(3.0), 2.0), map("add", Some(1.0), 2.0)], &[8.0, 3.0]);
}

#[test]
fn transforms_of_a_column() {
    let power = |method: &str, lambda: f64, x: f64| {
        of(&[[x]], |f| json!({"op": "power", "method": method, "lambda": f.list(&[lambda])}))[0]
    };
    // scipy.stats.yeojohnson([1.7, -1.7], 0.3), ([-1.7], 2), scipy.special.boxcox(1.7, 0.3).
    for method in ["yeo_johnson", "yeo_johnson_expm1"] {
        close(vec![power(method, 0.3, 1.7)], &[((2.7f64).powf(0.3) - 1.0) / 0.3]);
        close(vec![power(method, 2.0, -1.7)], &[-(2.7f64).ln()]);
        close(vec![power(method, 0.0, 1.7)], &[(2.7f64).ln()]);
        assert!(power(method, 0.3, NAN).is_nan());
    }
    close(vec![power("box_cox", 0.3, 1.7)], &[((1.7f64).powf(0.3) - 1.0) / 0.3]);
    let line = |f: &mut File| json!({"op": "interpolate", "x": f.list(&[0.0, 1.0, 1.0, 3.0]), "y": f.list(&[0.0, 1.0, 2.0, 4.0])});
    same(of(&[[-1.0], [0.5], [1.0], [2.0], [9.0], [NAN]], line), &[0.0, 0.5, 2.0, 3.0, 4.0, NAN]);
    let quantile = |f: &mut File| json!({"op": "quantile", "quantiles": f.f64s(&[3, 1], &[0.0, 2.0, 2.0]), "references": f.list(&[0.0, 0.5, 1.0])});
    same(of(&[[-1.0], [0.0], [1.0], [2.0], [3.0], [NAN]], quantile), &[0.0, 0.0, 0.25, 1.0, 1.0, NAN]);
}

#[test]
fn functions_of_a_row() {
    let rows = [[3.0, -4.0], [0.0, 0.0]];
    let normalize = |norm: &str| of(&rows, |_| json!({"op": "normalize", "norm": norm}));
    same(normalize("l2"), &[0.6, -0.8, 0.0, 0.0]);
    same(normalize("l1"), &[3.0 / 7.0, -4.0 / 7.0, 0.0, 0.0]);
    same(normalize("max"), &[0.75, -1.0, 0.0, 0.0]);
    // scipy.special.softmax([1, 3]), log_softmax.
    close(of(&[[1.0, 3.0]], |_| json!({"op": "softmax"})), &[0.11920292202211757, 0.8807970779778824]);
    close(of(&[[1.0, 3.0]], |_| json!({"op": "log_softmax"})), &[-2.1269280110429727, -0.12692801104297252]);
    same(of(&[[1.0, 3.0], [0.0, 0.0]], |_| json!({"op": "proportion", "zero": "uniform"})), &[0.25, 0.75, 0.5, 0.5]);
    same(of(&[[0.0, 0.0]], |_| json!({"op": "proportion", "zero": "keep"})), &[0.0, 0.0]);
    same(of(&[[1.0, 3.0, 3.0], [NAN, 1.0, 9.0]], |_| json!({"op": "argmax"})), &[1.0, 0.0]);
    same(of(&[[1.0, 3.0, 1.0]], |_| json!({"op": "argmin"})), &[0.0]);
    same(of(&[[0.1, 0.2, 0.3]], |_| json!({"op": "row_sum"})), &[0.1 + 0.2 + 0.3]);
}

#[test]
fn sums_of_products_are_summed_in_order_for_any_number_of_rows_and_outputs() {
    let mut state = 7u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    for outputs in 1..=20 {
        let weights: Vec<f64> = (0..5 * outputs).map(|_| next()).collect();
        let bias: Vec<f64> = (0..outputs).map(|_| next()).collect();
        let rows: Vec<[f64; 5]> = (0..outputs + 2).map(|_| std::array::from_fn(|_| next())).collect();
        let dot =
            |x: &[f64; 5], k: usize| x.iter().enumerate().fold(0.0, |sum, (i, x)| sum + x * weights[i * outputs + k]);
        let expected: Vec<f64> =
            rows.iter().flat_map(|x| (0..outputs).map(move |k| (x, k))).map(|(x, k)| dot(x, k) + bias[k]).collect();
        let linear =
            |f: &mut File| json!({"op": "linear", "weights": f.f64s(&[5, outputs], &weights), "bias": f.list(&bias)});
        same(of(&rows, linear), &expected);
        let apart = |x: &[f64; 5], k: usize| {
            (0..5).fold(0.0, |sum, i| sum + (x[i] - weights[k * 5 + i]) * (x[i] - weights[k * 5 + i]))
        };
        let expected: Vec<f64> = rows.iter().flat_map(|x| (0..outputs).map(move |k| apart(x, k))).collect();
        same(of(&rows, |f| json!({"op": "distance", "centers": f.f64s(&[outputs, 5], &weights)})), &expected);
    }
}

#[test]
fn kernels_votes_likelihoods_and_neighbors() {
    let rows = [[1.0, 2.0]];
    let kernel = |more: Value| {
        of(&rows, |f| {
            let mut node = json!({"op": "kernel", "vectors": f.f64s(&[2, 2], &[3.0, 1.0, 0.0, 2.0])});
            node.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            node
        })
    };
    same(kernel(json!({"kind": "linear"})), &[5.0, 4.0]);
    same(kernel(json!({"kind": "rbf", "gamma": 0.5})), &[(-2.5f64).exp(), (-0.5f64).exp()]);
    same(kernel(json!({"kind": "poly", "gamma": 0.5, "coef0": 1, "degree": 3})), &[3.5 * 3.5 * 3.5, 27.0]);
    same(kernel(json!({"kind": "sigmoid", "gamma": 0.1, "coef0": -1})), &[(-0.5f64).tanh(), (0.4 - 1.0f64).tanh()]);
    // sklearn.multiclass._ovr_decision_function of decisions (0, 1), (0, 2), (1, 2).
    let pairs = [[0.5, -2.0, 1.0]];
    same(of(&pairs, |_| json!({"op": "one_vs_one", "classes": 3, "result": "votes"})), &[0.0]);
    close(
        of(&pairs, |_| json!({"op": "one_vs_one", "classes": 3, "result": "decision"})),
        &[1.0 - 1.5 / 7.5, 1.0 + 0.5 / 4.5, 1.0 + 1.0 / 6.0],
    );
    let bayes = |f: &mut File| {
        json!({"op": "gaussian_nb", "means": f.f64s(&[1, 2], &[1.0, 0.0]), "variances": f.f64s(&[1, 2], &[1.0, 4.0]),
            "log_prior": f.list(&[-0.25])})
    };
    // -0.25 + scipy.stats.norm([1, 0], [1, 2]).logpdf([1, 2]).sum()
    close(of(&rows, bayes), &[-3.2810242469692907]);
    let nearest = |weights: &str, x: f64| {
        of(&[[x]], |f| {
            json!({"op": "neighbors", "points": f.f64s(&[4, 1], &[0.0, 1.0, 3.0, 8.0]), "count": 2, "metric": "euclidean",
                "values": f.f64s(&[4, 1], &[10.0, 20.0, 30.0, 40.0]), "weights": weights})
        })[0]
    };
    same(vec![nearest("uniform", 2.0), nearest("uniform", 2.5)], &[25.0, 25.0]);
    same(vec![nearest("distance", 1.0)], &[20.0]);
    close(vec![nearest("distance", 2.5)], &[(30.0 / 0.5 + 20.0 / 1.5) / (1.0 / 0.5 + 1.0 / 1.5)]);
}

#[test]
fn texts_become_counts_of_terms() {
    // CountVectorizer(ngram_range=(1, 2), stop_words=["the"]) and analyzer="char_wb", ngram_range=(3, 4).
    let count = |text: &str, terms: &[&str], more: Value| {
        let mut file = File::default();
        file.inputs.push(json!({"name": "text", "datatype": "BYTES"}));
        file.node(json!({"op": "input", "input": 0}));
        let mut node =
            json!({"op": "tokens", "of": [0], "vocabulary": file.texts(terms), "lowercase": "yes", "binary": "no"});
        node.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        if let Some(letters) = node.as_object_mut().unwrap().remove("letters") {
            let known: Vec<u32> =
                letters["replace"].as_array().unwrap().iter().map(|code| code.as_u64().unwrap() as u32).collect();
            let by: Vec<&str> = letters["by"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
            (node["replace"], node["by"]) = (file.u32s(&known).into(), file.texts(&by).into());
            node["others"] = letters["others"].clone();
            // Python 3.11 does not know the Garay letters of Unicode 16, of which U+10D50 is a capital.
            node["unassigned"] = file.u32s(&[0x10d40, 0x10d8f]).into();
        }
        if node["unit"] == "word" {
            node["words"] = file.u32s(&[48, 57, 65, 90, 95, 95, 97, 122]).into();
            node["minimum"] = 2.into();
            node["stop"] = file.texts(&["the"]).into();
        }
        file.node(node);
        file.output("counts", 1, terms.len());
        let mut column = text_column(&[Some(text)]);
        column.validity = None;
        features(&file.model(), vec![column])
    };
    let words = json!({"unit": "word", "shortest": 1, "longest": 2});
    same(
        count("The cat, a cat: The DOG_1!", &["cat", "cat cat", "dog_1", "cat dog_1", "the"], words),
        &[2.0, 1.0, 1.0, 1.0, 0.0],
    );
    let within = json!({"unit": "char_wb", "shortest": 3, "longest": 4});
    same(count("ab  cde", &[" ab", "ab ", " ab ", " cde", "cde ", "b  "], within), &[1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    let characters = json!({"unit": "char", "shortest": 2, "longest": 2});
    same(count("a \t b", &["a ", " b", " \t"], characters), &[1.0, 1.0, 0.0]);
    // scikit-learn's strip_accents, in ASCII and in Unicode; "\u{10d50}\u{3a3}\u{10d50}".lower() in Python 3.11.
    let ascii = json!({"unit": "char", "shortest": 1, "longest": 1,
        "letters": {"replace": [0xb2, 0xe9], "by": ["2", "e"], "others": "drop"}});
    same(count("E\u{c9}\u{b2}\u{df}", &["e", "2", "\u{df}"], ascii), &[2.0, 1.0, 0.0]);
    let unicode = json!({"unit": "char", "shortest": 1, "longest": 3,
        "letters": {"replace": [0xe9], "by": ["e"], "others": "keep"}});
    let terms = ["e", "\u{df}", "\u{10d50}\u{3c3}\u{10d50}"];
    same(count("\u{c9}\u{df} \u{10d50}\u{3a3}\u{10d50}", &terms, unicode), &[1.0, 1.0, 1.0]);
}

#[test]
fn outputs_are_typed_and_an_answer_that_is_none_is_told() {
    use scry_card::Values;
    let mut file = File::matrix(1);
    let classes = file.texts(&["no", "yes"]);
    file.outputs.push(json!({"name": "label", "node": 0, "datatype": "BYTES", "classes": classes}));
    file.outputs.push(json!({"name": "count", "node": 0, "datatype": "INT64"}));
    file.outputs.push(json!({"name": "is", "node": 0, "datatype": "BOOL"}));
    let model = file.model();
    let answer = model.predict(columns(&[[1.0], [0.0]])).unwrap();
    let Values::Bytes(labels) = &answer[0].values else { panic!("{answer:?}") };
    assert_eq!(labels.iter().collect::<Vec<_>>(), ["yes", "no"]);
    assert_eq!((&answer[1].values, &answer[2].values), (&Values::Int64(vec![1, 0]), &Values::Bool(vec![true, false])));
    let refused = model.predict(columns(&[[1.0], [NAN]])).unwrap_err().to_string();
    assert_eq!(refused, "output `label`, row 1: expected the index of one of 2 classes, found NaN");
    let mut file = File::matrix(1);
    file.outputs.push(json!({"name": "x", "node": 0, "datatype": "FP64", "nullable": true}));
    let answer = file.model().predict(columns(&[[1.5], [NAN]])).unwrap().remove(0);
    assert_eq!((answer.values, answer.validity), (Values::Fp64(vec![1.5, 0.0]), Some(vec![true, false])));
    // Whatever the number of rows, blocks are alike.
    let many: Vec<[f64; 1]> = (0..1000).map(|row| [f64::from(row % 2)]).collect();
    let answer = model.predict(columns(&many)).unwrap();
    assert_eq!(answer[1].values, Values::Int64((0..1000).map(|row| row % 2).collect()));
    assert_eq!(model.predict(columns::<1>(&[])).unwrap()[0].shape, [0]);
}
