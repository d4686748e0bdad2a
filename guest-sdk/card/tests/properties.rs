//! Properties that hold, and the counterexamples of those that do not.

use proptest::prelude::*;
use scry_card::properties::{Properties, PropertyResult};
use scry_card::{Batch, Checks, Golden, Schema, Tensor, Values};
use serde_json::{Value, json};

fn schema() -> Schema {
    let schema = json!({
        "inputs": [
            {"name": "income", "datatype": "FP64", "minimum": 0, "maximum": 100},
            {"name": "age", "datatype": "INT64", "nullable": true},
            {"name": "kind", "datatype": "BYTES", "categories": ["a", "b"]},
            {"name": "pair", "datatype": "FP32", "shape": [2]},
        ],
        "features": [{"name": "x", "datatype": "FP64"}],
        "outputs": [{"name": "risk", "datatype": "FP64", "minimum": -1e9}, {"name": "grade", "datatype": "BYTES"}],
    });
    serde_json::from_value(schema).unwrap()
}

fn golden() -> Golden {
    let input =
        |income: f64, age: Value, kind: &str| json!({"income": income, "age": age, "kind": kind, "pair": [1, 2]});
    let output = json!({"risk": 0, "grade": "g"});
    let inputs = [input(20.0, json!(30), "a"), input(50.5, json!(41), "b"), input(80.0, Value::Null, "a")];
    serde_json::from_value(json!({
        "rtol": 1e-9,
        "examples": [{"name": "e", "inputs": inputs, "outputs": [output, output, output]}],
    }))
    .unwrap()
}

/// A model: one number from income, age, kind and the row's place.
type Model = fn(f64, Option<i64>, &str, usize, usize) -> f64;

fn try_all(properties: Value, checks: Value, model: Model) -> Vec<PropertyResult> {
    let properties: Properties = serde_json::from_value(properties).unwrap();
    let checks: Checks = serde_json::from_value(checks).unwrap();
    let mut predict = |batch: &Batch| {
        let (Values::Fp64(income), Values::Int64(age), Values::Bytes(kind)) =
            (&batch.columns[0].values, &batch.columns[1].values, &batch.columns[2].values)
        else {
            return Err("not the schema's columns".to_owned());
        };
        let risk = (0..batch.rows).map(|row| {
            let age = batch.columns[1].is_valid(row).then(|| age[row]);
            model(income[row], age, kind.get(row).unwrap(), row, batch.rows)
        });
        let tensor = |values| Tensor { shape: vec![batch.rows as u64], values, validity: None };
        let mut grade = scry_card::Text::default();
        (0..batch.rows).for_each(|row| grade.push(kind.get(row).unwrap()).unwrap());
        Ok(Batch {
            rows: batch.rows,
            columns: vec![tensor(Values::Fp64(risk.collect())), tensor(Values::Bytes(grade))],
        })
    };
    properties.check(&schema(), &checks, &golden(), &mut predict).unwrap()
}

fn one(claim: Value, model: Model) -> PropertyResult {
    let properties = json!({"properties": [{"name": "p", "claim": claim}]});
    try_all(properties, json!({}), model).pop().unwrap()
}

fn moves(claim: &str, strictly: bool) -> Value {
    json!({claim: {"input": "income", "output": "risk", "strictly": strictly}})
}

#[test]
fn what_holds_is_found_to_hold() {
    let falling: Model = |income, age, _, _, _| age.unwrap_or(40) as f64 - income;
    for claim in [
        moves("decreases", false),
        moves("decreases", true),
        json!({"increases": {"input": "age", "output": "risk"}}),
        json!({"invariant": {"input": "kind", "output": "risk"}}),
        json!({"invariant": {"input": "pair"}}),
        json!("row-order"),
        json!("batch"),
    ] {
        let result = one(claim.clone(), falling);
        // A pair of equal golden values is no case: `pair` has no other.
        let expected = claim != json!({"invariant": {"input": "pair"}});
        assert_eq!(result.holds(), expected, "{result}");
        assert_eq!(result.cases > 100, expected, "{result}");
    }
}

#[test]
fn a_counterexample_is_simple() {
    // Wrong only above an income of 60, whatever the rest is.
    let result = one(moves("decreases", false), |income, _, _, _, _| if income > 60.0 { income } else { -income });
    let counterexample = result.counterexample.clone().unwrap();
    let [first, second] = &counterexample.inputs;
    assert_eq!(counterexample.differing(), ["income", "risk"]);
    let whole = |row: &serde_json::Map<String, Value>| row["income"].as_f64().unwrap().fract() == 0.0;
    assert!(whole(first) && whole(second), "{result}");
    assert!(second["income"].as_f64() > Some(60.0));
    // All else is a golden row's.
    assert!(["a", "b"].map(Value::from).contains(&first["kind"]) && first["pair"] == json!([1, 2]));
    let text = result.to_string();
    assert!(text.starts_with("property `p`: expected `risk` not to rise as `income` rises\n  row {"), "{text}");
    assert!(text.contains("\n  input `income`: ") && text.contains("\n  output `risk`: -"), "{text}");
    // The same each time.
    let again = one(moves("decreases", false), |income, _, _, _, _| if income > 60.0 { income } else { -income });
    assert_eq!(result, again);
}

#[test]
fn every_claim_has_a_counterexample() {
    let flat = one(moves("increases", true), |_, _, _, _, _| 1.0);
    assert!(flat.to_string().contains("both times {"), "{flat}");
    assert!(one(moves("increases", false), |_, _, _, _, _| 1.0).holds());
    let result = one(json!({"invariant": {"input": "kind", "output": "risk"}}), |_, _, kind, _, _| {
        kind.len() as f64 + f64::from(kind == "b")
    });
    let counterexample = result.counterexample.unwrap();
    let mut differing = counterexample.differing();
    differing.sort_unstable();
    assert_eq!(differing, ["grade", "kind", "risk"]);
    let result = one(json!({"invariant": {"input": "age"}}), |_, age, _, _, _| age.map_or(-1.0, |age| age as f64));
    assert!(result.to_string().contains("no answer to depend on `age`"), "{result}");
    let result = one(json!("row-order"), |_, _, _, row, _| row as f64);
    assert!(
        result.to_string().contains("whatever the order of rows") && result.to_string().contains("asked at place"),
        "{result}"
    );
    let result = one(json!("batch"), |_, _, _, _, rows| rows as f64);
    assert!(result.to_string().contains("asked among 200 rows, then alone"), "{result}");
    let json = serde_json::to_value(&result).unwrap();
    assert_eq!(json["counterexample"]["outputs"][0]["risk"], 200.0);
    // Rounding is not a direction.
    assert!(one(moves("increases", false), |income, _, _, _, _| 1.0 - income * 1e-15).holds());
}

#[test]
fn only_rows_that_the_model_answers_are_tried() {
    let above_sixty: Model = |income, _, _, _, _| if income > 60.0 { income } else { -income };
    let property = |condition: &str| json!({"rows": 50, "properties": [{"name": "p", "claim": moves("decreases", false), "where": condition}]});
    assert!(try_all(property("income <= 60"), json!({}), above_sixty)[0].holds());
    assert!(!try_all(property("income > 40"), json!({}), above_sixty)[0].holds());
    let rule = json!({"rules": [{"name": "poor", "expression": "income < 59.5"}]});
    let result = &try_all(property("true"), rule, above_sixty)[0];
    assert!(result.holds() && result.cases > 10, "{result}");
    // A row without the field is not one of which the condition is true.
    let young = try_all(property("age > 0"), json!({}), |_, age, _, _, _| age.unwrap() as f64);
    assert!(young[0].holds());
    let none = &try_all(property("income > 1000"), json!({}), above_sixty)[0];
    assert!(none.to_string().contains("not tried: no rows"), "{none}");
    assert!(!none.holds());
}

#[test]
fn a_model_that_fails_is_a_problem() {
    let properties: Properties =
        serde_json::from_value(json!({"properties": [{"name": "p", "claim": "batch"}]})).unwrap();
    let results = properties.check(&schema(), &Checks::default(), &golden(), &mut |_| Err("a trap".into())).unwrap();
    assert_eq!(results[0].problem.as_deref(), Some("a trap"));
}

#[test]
fn names_are_checked() {
    for (wrong, says) in [
        (json!({"increases": {"input": "x", "output": "risk"}}), "field `x`: expected one of income, age, kind, pair"),
        (json!({"increases": {"input": "kind", "output": "risk"}}), "field `kind`: expected one number, found BYTES"),
        (json!({"increases": {"input": "pair", "output": "risk"}}), "of shape [2]"),
        (json!({"decreases": {"input": "age", "output": "grade"}}), "field `grade`: expected one number"),
        (json!({"invariant": {"input": "age", "output": "x"}}), "field `x`: expected one of risk, grade"),
    ] {
        let properties: Properties =
            serde_json::from_value(json!({"properties": [{"name": "p", "claim": wrong}]})).unwrap();
        let error = properties.validate(&schema()).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let condition: Properties =
        serde_json::from_value(json!({"properties": [{"name": "p", "claim": "batch", "where": "y > 3"}]})).unwrap();
    assert!(condition.validate(&schema()).unwrap_err().to_string().contains("an unknown `y`"));
    for unreadable in [
        json!({"properties": [{"name": "p", "claim": "batches"}]}),
        json!({"properties": [{"name": "p", "claim": "batch", "when": "true"}]}),
        json!({"properties": [{"name": "p", "claim": {"increases": {"input": "age", "output": "risk", "x": 1}}}]}),
        json!({"property": []}),
    ] {
        assert!(serde_json::from_value::<Properties>(unreadable.clone()).is_err(), "{unreadable}");
    }
    for rows in [0, 10_001] {
        let properties: Properties = serde_json::from_value(json!({"rows": rows, "properties": []})).unwrap();
        assert!(properties.validate(&schema()).is_err());
    }
}

proptest! {
    /// An f64 has no place for the last digits of these.
    #[test]
    fn large_whole_numbers_rise_and_fall_by_one(base in 1_i64 << 54..1 << 62, rises: bool, strictly: bool) {
        let field = |name: &str| json!({"name": name, "datatype": "INT64"});
        let schema = json!({"inputs": [field("x")], "features": [field("x")], "outputs": [field("y")]});
        let schema: Schema = serde_json::from_value(schema).unwrap();
        let rows = [0, 1, 2].map(|n| (json!({"x": base + n}), json!({"y": n})));
        let (inputs, outputs): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let golden = json!({"examples": [{"name": "e", "inputs": inputs, "outputs": outputs}]});
        let golden: Golden = serde_json::from_value(golden).unwrap();
        let claim = json!({"increases": {"input": "x", "output": "y", "strictly": strictly}});
        let properties = json!({"properties": [{"name": "p", "claim": claim}]});
        let properties: Properties = serde_json::from_value(properties).unwrap();
        let mut predict = |batch: &Batch| {
            let Values::Int64(x) = &batch.columns[0].values else { return Err("not the schema's column".to_owned()) };
            let y = x.iter().map(|x| if rises { *x } else { -x }).collect();
            let column = Tensor { shape: vec![batch.rows as u64], values: Values::Int64(y), validity: None };
            Ok(Batch { rows: batch.rows, columns: vec![column] })
        };
        let result = properties.check(&schema, &Checks::default(), &golden, &mut predict).unwrap().pop().unwrap();
        prop_assert_eq!(result.holds(), rises, "{}", result);
        prop_assert_eq!(result.counterexample.is_some(), !rises, "{}", result);
    }
}
