use super::*;
use proptest::prelude::*;

/// A model text of these trees, as `save_model` writes it.
fn model(header: &str, trees: &[&str]) -> String {
    let mut text = format!("tree\nversion=v4\nmax_feature_idx=1\n{header}\n");
    for (i, tree) in trees.iter().enumerate() {
        text.push_str(&format!("\nTree={i}\n{tree}\nis_linear=0\nshrinkage=1\n\n"));
    }
    text + "\nend of trees\n\nfeature_importances:\nx=1\n"
}

/// One split on feature 0: left is 1, right is 2.
fn stump(decision: u8, threshold: &str, more: &str) -> String {
    format!(
        "num_leaves=2\n{more}\nsplit_feature=0\nthreshold={threshold}\ndecision_type={decision}\nleft_child=-1\nright_child=-2\nleaf_value=1 2"
    )
}

const ONE: &str = "num_tree_per_iteration=1\nobjective=regression";

#[track_caller]
fn leaves(tree: &str, cases: &[(f64, f64)]) {
    let trees = trees_from_lightgbm(&model(ONE, &[tree])).unwrap();
    for &(value, leaf) in cases {
        assert_eq!(trees.predict(&[value, 0.0]), [leaf], "{value} in {tree}");
    }
}

#[test]
fn nothing_missing_reads_nan_as_zero() {
    leaves(&stump(0, "0.5", "num_cat=0"), &[(0.5, 1.0), (0.6, 2.0), (f64::NAN, 1.0)]);
    leaves(&stump(2, "-0.5", "num_cat=0"), &[(-0.5, 1.0), (0.0, 2.0), (f64::NAN, 2.0)]);
}

#[test]
fn a_missing_value_goes_where_the_split_says() {
    let (nan, right, left) = (f64::NAN, 2 << 2, 2 << 2 | 2);
    leaves(&stump(right, "0.5", "num_cat=0"), &[(nan, 2.0), (0.0, 1.0), (1.0, 2.0)]);
    leaves(&stump(left, "0.5", "num_cat=0"), &[(nan, 1.0), (0.0, 1.0), (1.0, 2.0)]);
}

#[test]
fn zero_may_be_missing_too() {
    let (nan, right, left) = (f64::NAN, 1 << 2, 1 << 2 | 2);
    leaves(
        &stump(right, "0.5", "num_cat=0"),
        &[(nan, 2.0), (0.0, 2.0), (-0.0, 2.0), (1e-36, 2.0), (0.1, 1.0), (1.0, 2.0)],
    );
    leaves(&stump(left, "-0.5", "num_cat=0"), &[(nan, 1.0), (0.0, 1.0), (-1e-36, 1.0), (-1.0, 1.0), (0.1, 2.0)]);
}

#[test]
fn a_category_goes_left_when_the_set_holds_it() {
    // Members 1, 3 and 33.
    let tree = stump(1, "0", "num_cat=1\ncat_boundaries=0 2\ncat_threshold=10 2");
    let cases = [(1.0, 1.0), (3.0, 1.0), (33.0, 1.0), (0.0, 2.0), (2.0, 2.0), (32.0, 2.0), (64.0, 2.0), (1e300, 2.0)];
    leaves(&tree, &cases);
    leaves(&tree, &[(-1.0, 2.0), (f64::NAN, 2.0), (f64::INFINITY, 2.0)]);
}

#[test]
fn classes_share_their_probability() {
    let trees = [stump(8, "0.5", "num_cat=0"), "num_leaves=1\nleaf_value=0.5".into(), stump(8, "0.5", "num_cat=0")];
    let trees: Vec<_> = trees.iter().map(String::as_str).collect();
    let text = model("num_class=3\nnum_tree_per_iteration=3\nobjective=multiclass num_class:3", &trees);
    let model = trees_from_lightgbm(&text).unwrap();
    assert_eq!((model.classes(), model.features()), (3, 2));
    let found = model.predict(&[0.0, 0.0, 1.0, 0.0]);
    let softmax = |x: f64| [x.exp(), 0.5f64.exp(), x.exp()].map(|e| e / (2.0 * x.exp() + 0.5f64.exp()));
    for (found, expected) in found.iter().zip(softmax(1.0).into_iter().chain(softmax(2.0))) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }
}

#[test]
fn a_forest_averages_and_objectives_shape_the_sum() {
    let tree = stump(8, "0.5", "num_cat=0");
    let one = |header: &str, trees: usize| {
        trees_from_lightgbm(&model(header, &vec![tree.as_str(); trees])).unwrap().predict(&[0.0, 0.0])[0]
    };
    assert_eq!(one(ONE, 5), 5.0);
    assert_eq!(one(&format!("{ONE}\naverage_output"), 5), 1.0);
    assert_eq!(one("num_tree_per_iteration=1\nobjective=poisson", 2), 2f64.exp());
    let sigmoid = 1.0 / (1.0 + (-2.0f64).exp());
    assert!((one("num_tree_per_iteration=1\nobjective=binary sigmoid:1", 2) - sigmoid).abs() < 1e-15);
    assert!((one("num_tree_per_iteration=1\nobjective=binary sigmoid:2", 1) - sigmoid).abs() < 1e-15);
}

#[test]
fn a_malformed_text_says_what_is_wrong() {
    let good = stump(0, "0.5", "num_cat=0");
    let refuses = |text: &str, says: &str| {
        let error = trees_from_lightgbm(text).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.starts_with("LightGBM model: ") && error.contains(says), "{error:?} does not say {says:?}");
    };
    let with = |from: &str, to: &str| model(ONE, &[&good.replace(from, to)]);
    refuses("", "`max_feature_idx` is missing");
    refuses(&model(ONE, &[]), "0 trees");
    refuses(&model("objective=regression", &[&good]), "`num_tree_per_iteration` is missing");
    refuses(&model("num_tree_per_iteration=0", &[&good]), "0 classes");
    refuses(&model("num_tree_per_iteration=2", &[&good]), "1 trees for 2 classes");
    refuses(&model("num_tree_per_iteration=1\nobjective=lambdarank", &[&good]), "`lambdarank` is not known");
    refuses(&model("num_tree_per_iteration=1\nobjective=regression sqrt", &[&good]), "sqrt");
    refuses(&model(ONE, &[&good]).replace("is_linear=0", "is_linear=1"), "linear trees");
    refuses(&model(ONE, &[&good]).replace("idx=1", &format!("idx={}", usize::MAX)), "max_feature_idx");
    refuses(&with("split_feature=0", "split_feature=2"), "reads feature 2 of 2");
    refuses(&with("left_child=-1", "left_child=-9"), "leads to leaf 8");
    refuses(&with("left_child=-1", "left_child=0"), "leads to split 0");
    refuses(&with("leaf_value=1 2", "leaf_value="), "tree 0");
    refuses(&with("leaf_value=1 2", "leaf_value=1 x"), "`leaf_value` holds \"x\"");
    refuses(&with("threshold=0.5", "threshold=0.5 0.6"), "lists of different length");
    refuses(&with("decision_type=0", "decision_type=12"), "missing type 3");
    refuses(&with("decision_type=0", "decision_type=1"), "categorical split without its set");
    refuses(&model(ONE, &[&stump(1, "0", "num_cat=1\ncat_boundaries=2 0\ncat_threshold=1 1")]), "cat_boundaries");
}

proptest! {
    /// Any text at all, and any small change to a good one: an error or a
    /// model that predicts, never a panic.
    #[test]
    fn a_mutated_text_is_refused_or_predicts(
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&b"0123456789-.=e \nTx"[..])), 1..6),
        row in [any::<f64>(), any::<f64>()],
    ) {
        let tree = stump(1, "0", "num_cat=1\ncat_boundaries=0 2\ncat_threshold=10 2");
        let mut text = model(ONE, &[&tree, &stump(10, "0.5", "num_cat=0"), "num_leaves=1\nleaf_value=0.5"]).into_bytes();
        for (at, byte) in changes {
            let at = at.index(text.len());
            text[at] = byte;
        }
        if let Ok(model) = trees_from_lightgbm(&String::from_utf8(text).unwrap()) {
            let rows: Vec<f64> = row.iter().copied().cycle().take(model.features()).collect();
            prop_assert_eq!(model.predict(&rows).len(), model.classes());
        }
    }
}
