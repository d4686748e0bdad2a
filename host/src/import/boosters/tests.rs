//! Files that the original libraries wrote, and what they answer (tests/imports/boosters.py).

use crate::import::{ImportError, parts_of};
use proptest::prelude::*;
use scry_card::{Batch, Golden, differences, strict};
use scry_graph::Model;
use std::path::PathBuf;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/imports").join(name)
}

/// The names of all models in a folder, with their files.
pub(super) fn files_in(name: &str) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path());
    let of = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (!name.ends_with(".golden.json") && !name.ends_with(".rows.json")).then(|| (name, std::fs::read(path).unwrap()))
    };
    let mut files: Vec<_> = files.filter_map(of).collect();
    files.sort();
    files
}

fn files() -> Vec<(String, Vec<u8>)> {
    files_in("boosters")
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(folder("boosters").join(name)).unwrap()
}

fn model(file: &[u8]) -> Model {
    Model::read(&parts_of(file).unwrap().model).unwrap()
}

fn refused(file: &[u8]) -> String {
    parts_of(file).map(drop).unwrap_err().to_string()
}

/// The first differences of a model's answers from its golden examples.
pub(super) fn differing(of: &str, name: &str, file: &[u8]) -> Vec<String> {
    let (stem, _) = name.rsplit_once('.').unwrap();
    let golden = std::fs::read(folder(of).join(format!("{stem}.golden.json"))).unwrap();
    let golden: Golden = strict::from_slice(&golden).unwrap();
    let model = model(file);
    let of_example = |example: &scry_card::Example| {
        let (inputs, expected) = example.batches(model.schema()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let rows = inputs.rows;
        let columns = model.predict(inputs.columns).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = differences(&model.schema().outputs, &golden, &expected, &Batch { rows, columns });
        found.iter().take(3).map(ToString::to_string).collect::<Vec<_>>()
    };
    golden.examples.iter().flat_map(of_example).collect()
}

#[test]
fn every_model_answers_what_its_library_answers() {
    let files = files();
    assert!(files.len() > 30);
    for (name, file) in files {
        assert_eq!(differing("boosters", &name, &file), [] as [String; 0], "{name}");
    }
}

/// The file with all of these replaced; there is one at least.
fn changed(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(file.to_vec()).unwrap();
    assert!(text.contains(from), "{from}");
    text.replace(from, to).into_bytes()
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let light = file("lightgbm-regression.txt");
    let extreme = file("xgboost-regression.json");
    let cat = file("catboost-regression.json");
    let first = String::from_utf8(extreme.clone()).unwrap();
    let first = first.split_once("\"split_conditions\":[").unwrap().1.split_once(',').unwrap().0.to_owned();
    let cases: [(Vec<u8>, &str); 15] = [
        (b"PK\x03\x04".to_vec(), "or of CatBoost as JSON; found `PK\\x03\\x04`"),
        (b"".to_vec(), "found an empty file"),
        (b"{\"a\": 1}".to_vec(), "expected `learner` (XGBoost, saved by `save_model`) or `features_info` (CatBoost)"),
        (b"{\"learner\": ".to_vec(), "found the end (line 1, column 13)"),
        (changed(&light, "version=v4", "version=v9"), "line 2, `version`: expected v3 or v4, found v9"),
        (changed(&light, "max_feature_idx=4", "max_feature_idx=5"), "`feature_names`: expected 6 names"),
        (changed(&light, "\nend of trees", "\nend"), "expected `end of trees`, found the end"),
        (changed(&light, "leaf_value=", "leaf_value=x "), "`leaf_value`: expected numbers, found \"x\""),
        (changed(&light, "left_child=", "left_child=1 "), "`left_child`: expected 7 values, found 8"),
        (changed(&light, "is_linear=0", "is_linear=1"), "linear_tree=False"),
        (changed(&light, "objective=regression", "objective=mine"), "its objective `mine` is not known"),
        (changed(&extreme, "\"reg:squarederror\"", "\"survival:cox\""), "its objective `survival:cox` is not known"),
        (changed(&extreme, "\"name\":\"gbtree\"", "\"name\":\"gblinear\""), "its booster is `gblinear`"),
        (changed(&extreme, &format!("[{first},"), "[NaN,"), "tree 0: expected thresholds that are numbers, found NaN"),
        (changed(&cat, "\"RMSE\"", "\"RMSEWithUncertainty\""), "its loss `RMSEWithUncertainty` is not known"),
    ];
    for (file, says) in cases {
        let said = refused(&file);
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn a_tree_with_a_cycle_is_refused() {
    let light = file("lightgbm-regression.txt");
    let text = String::from_utf8(light).unwrap();
    let line = text.lines().find(|line| line.starts_with("left_child=")).unwrap();
    let cycle = format!("left_child={}", vec!["0"; line.split(' ').count()].join(" "));
    assert!(refused(text.replacen(line, &cycle, 1).as_bytes()).contains("one parent each"));
}

#[test]
fn nesting_and_lengths_are_bounded() {
    let deep = |open: &str| format!("{{\"learner\":{}", open.repeat(100_000));
    assert!(refused(deep("{\"model\":").as_bytes()).contains("at most 128 levels"));
    assert!(refused(deep("[").as_bytes()).contains("at most 128 levels"));
    let ubj = [b"{L\0\0\0\0\0\0\0\x07learner".as_slice(), &b"[".repeat(100_000)].concat();
    assert!(refused(&ubj).contains("at most 128 levels"));
    // A list of more numbers than there are bytes.
    let ubj = [b"{L\0\0\0\0\0\0\0\x07learner[$d#L".as_slice(), &i64::MAX.to_be_bytes()].concat();
    assert!(refused(&ubj).contains("a length of at most 0"), "{}", refused(&ubj));
    let values = format!("{{\"learner\":[{}\"\"]}}", "\"\",".repeat(1 << 21));
    assert!(refused(values.as_bytes()).contains("at most 2097152 values"));
}

#[test]
fn too_many_features_and_sums_are_refused() {
    let light = String::from_utf8(file("lightgbm-regression.txt")).unwrap();
    let many = vec!["x"; 5_000].join(" ");
    let names = light.lines().find(|line| line.starts_with("feature_names=")).unwrap();
    let wide =
        light.replace(names, &format!("feature_names={many}")).replace("max_feature_idx=4", "max_feature_idx=4999");
    assert!(refused(wide.as_bytes()).contains("expected 1 to 4000 features, found 5000"));
    let sums = light.replace("num_tree_per_iteration=1", "num_tree_per_iteration=1000000000");
    assert!(refused(sums.as_bytes()).contains("a number below 4000"));
}

/// A file that is cut, or of which bytes are removed, replaced, or put in.
pub(super) fn damaged(mut file: Vec<u8>, at: usize, how: i32, bytes: Vec<u8>) -> Vec<u8> {
    let end = (at + bytes.len()).min(file.len());
    match how {
        0 => file.truncate(at),
        1 => drop(file.drain(at..end)),
        2 => drop(file.splice(at..end, bytes)),
        _ => drop(file.splice(at..at, bytes)),
    }
    file
}

#[track_caller]
pub(super) fn is_refused_or_reads(file: &[u8]) {
    match parts_of(file) {
        Ok(parts) => drop(Model::read(&parts.model)),
        Err(ImportError::Booster(..) | ImportError::Unknown(_)) => {}
        Err(other) => panic!("{other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Bytes that are cut, replaced, or put in.
    #[test]
    fn a_damaged_file_is_refused_or_makes_a_model(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        how in 0..4,
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), b'0'..=b'9', Just(b'-'), Just(b'e'), Just(b',')], 1..6),
    ) {
        let files = files();
        let (_, file) = which.get(&files).clone();
        let at = at.index(file.len());
        is_refused_or_reads(&damaged(file, at, how, bytes));
    }
}
