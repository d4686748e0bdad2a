//! Tolerances with which examples prove something, and those with which they do not.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use proptest::prelude::*;
use scry_card::{Golden, Schema};
use serde_json::{Value, json};

fn schema() -> Schema {
    let field = |name: &str| json!({ "name": name, "datatype": "FP64" });
    serde_json::from_value(json!({ "inputs": [field("x")], "features": [], "outputs": [field("y")] })).unwrap()
}

fn golden(rtol: f64, atol: f64, expected: &[f64]) -> Golden {
    let example = |y: &f64| json!({ "name": "one", "inputs": [{ "x": 1 }], "outputs": [{ "y": y }] });
    let examples: Vec<Value> = expected.iter().map(example).collect();
    Golden { rtol, atol, examples: serde_json::from_value(json!(examples)).unwrap() }
}

proptest! {
    #[test]
    fn a_tolerance_is_within_its_range_or_refused_by_its_name(rtol in any::<u64>(), atol in any::<u64>(), usual in 0.0..1.0) {
        let [rtol, atol] = [rtol, atol].map(f64::from_bits);
        let error = |rtol, atol| golden(rtol, atol, &[]).validate().err().map(|error| error.to_string());
        let is_named = |error: Option<String>, name: &str| error.is_some_and(|error| error.contains(name));
        prop_assert_eq!(is_named(error(rtol, usual), "`rtol`"), !(0.0..1.0).contains(&rtol));
        prop_assert_eq!(is_named(error(usual, atol), "`atol`"), !(0.0..f64::INFINITY).contains(&atol));
    }

    /// What 0 would pass everywhere proves nothing, and no more than that is refused.
    #[test]
    fn an_absolute_tolerance_is_refused_where_zero_would_pass(expected in prop::collection::vec(-50.0..50.0, 1..5), atol in 0.0..60.0) {
        let zero_passes = expected.iter().all(|y: &f64| y.abs() <= atol);
        let refused = golden(0.0, atol, &expected).check_atol(&schema()).is_err();
        prop_assert_eq!(refused, zero_passes);
    }
}

#[test]
fn the_ends_of_the_ranges_and_what_is_no_number_are_told_apart() {
    for (rtol, atol, is_right) in [
        (0.0, 0.0, true),
        (0.999, 1e300, true),
        (1.0, 0.0, false),
        (f64::NAN, 0.0, false),
        (f64::INFINITY, 0.0, false),
        (-1e-300, 0.0, false),
        (0.0, f64::NAN, false),
        (0.0, f64::INFINITY, false),
        (0.0, -1e-300, false),
    ] {
        assert_eq!(golden(rtol, atol, &[]).validate().is_ok(), is_right, "{rtol} {atol}");
    }
    // Where all that is expected is 0, nothing can be said.
    assert!(golden(0.0, 1e-6, &[0.0, 0.0]).check_atol(&schema()).is_ok());
}
