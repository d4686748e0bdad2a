//! What a schema refuses, and that every refusal names field, expected, found.

use scry_card::{
    Batch, Card, Datatype, Example, Field, Golden, NamedTensor, Schema, Tensor, Text, Values, assemble,
    batch_from_records, check, differences,
};
use serde_json::{Map, Value, json};

fn field(name: &str, datatype: Datatype) -> Field {
    Field {
        name: name.into(),
        description: String::new(),
        datatype,
        shape: vec![],
        nullable: false,
        unit: None,
        minimum: None,
        maximum: None,
        categories: vec![],
    }
}

fn fields() -> Vec<Field> {
    vec![
        Field { minimum: Some(0.0), maximum: Some(120.0), unit: Some("a".into()), ..field("age", Datatype::Fp64) },
        Field { categories: vec!["new".into(), "old".into()], nullable: true, ..field("state", Datatype::Bytes) },
        Field { shape: vec![2], ..field("pair", Datatype::Int8) },
    ]
}

fn rows(value: Value) -> Vec<Map<String, Value>> {
    serde_json::from_value(value).unwrap()
}

fn read(value: Value) -> Result<Batch, String> {
    batch_from_records(&fields(), &rows(value)).map_err(|e| e.to_string())
}

#[test]
fn records_become_columns() {
    let batch = read(json!([{"age": 3, "pair": [1, 2]}, {"age": 4.5, "state": "old", "pair": [3, -4]}])).unwrap();
    assert_eq!(batch.columns[0].values, Values::Fp64(vec![3.0, 4.5]));
    assert_eq!(batch.columns[1].validity, Some(vec![false, true]));
    assert_eq!(batch.columns[2], Tensor { shape: vec![2, 2], values: Values::Int8(vec![1, 2, 3, -4]), validity: None });
    assert!(check(&fields(), &batch, 16).is_empty());
}

#[test]
fn a_record_that_does_not_fit_is_named() {
    for (row, says) in [
        (json!([{"age": "x", "pair": [1, 2]}]), "field `age`, row 0: expected an FP64 value, found \"x\""),
        (json!([{"age": 1, "pair": [1]}]), "field `pair`, row 0: expected INT8 values of shape [2], found a list of 1"),
        (json!([{"age": 1, "pair": [1, 200]}]), "found 200"),
        (json!([{"age": 1, "pair": 7}]), "found 7"),
        (json!([{"age": {}, "pair": [1, 2]}]), "found an object"),
        (
            json!([{"age": 1, "pair": [1, 2], "agee": 1}]),
            "field `agee`, row 0: expected one of age, state, pair, found an unknown field",
        ),
    ] {
        let error = read(row).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn values_outside_the_schema_are_all_named() {
    let batch = read(json!([
        {"age": -1, "state": "new", "pair": [1, 2]},
        {"age": null, "state": "odd", "pair": [1, 2]},
        {"age": 121, "state": null, "pair": [1, null]},
    ]));
    let errors: Vec<_> = check(&fields(), &batch.unwrap(), 16).iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "field `age`, row 1: expected an FP64 value, found null",
            "field `age`, row 0: expected 0 to 120 a, found -1",
            "field `age`, row 2: expected 0 to 120 a, found 121",
            "field `state`, row 1: expected one of \"new\", \"old\", found \"odd\"",
            "field `pair`, row 2, element 1: expected an INT8 value, found null",
        ]
    );
    let batch = read(json!([{"age": -1, "pair": [1, 2]}, {"age": -1, "pair": [1, 2]}, {"age": -1, "pair": [1, 2]}]));
    assert_eq!(check(&fields(), &batch.unwrap(), 2).len(), 2);
}

#[test]
fn nan_and_infinity_are_never_valid() {
    let fields = [field("x", Datatype::Fp32)];
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let column = Tensor { shape: vec![2], values: Values::Fp32(vec![1.0, value]), validity: None };
        let errors = check(&fields, &Batch { rows: 2, columns: vec![column.clone()] }, 16);
        assert_eq!(errors.len(), 1);
        assert!(errors[0].to_string().starts_with("field `x`, row 1: expected a finite number"), "{}", errors[0]);
        let missing = Tensor { validity: Some(vec![true, false]), ..column };
        let fields = [Field { nullable: true, ..field("x", Datatype::Fp32) }];
        assert!(check(&fields, &Batch { rows: 2, columns: vec![missing] }, 16).is_empty());
    }
}

fn named(name: &str, shape: &[u64], values: Values) -> NamedTensor {
    NamedTensor { name: name.into(), tensor: Tensor { shape: shape.to_vec(), values, validity: None } }
}

#[test]
fn tensors_are_put_in_the_schemas_order() {
    let age = || named("age", &[1], Values::Fp64(vec![1.0]));
    let pair = || named("pair", &[1, 2], Values::Int8(vec![1, 2]));
    let batch = assemble(&fields(), vec![pair(), age()]).unwrap();
    assert_eq!(batch.columns[0], age().tensor);
    assert_eq!(batch.columns[1].validity, Some(vec![false]));
    let refuse = |tensors, says: &str| {
        let error = assemble(&fields(), tensors).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    };
    refuse(vec![age()], "field `pair`: expected an INT8 tensor, found nothing");
    refuse(vec![age(), age(), pair()], "field `age`: expected the field once, found the field twice");
    refuse(
        vec![age(), pair(), named("x", &[1], Values::Fp64(vec![1.0]))],
        "field `x`: expected one of age, state, pair",
    );
    refuse(vec![named("age", &[1], Values::Bool(vec![true])), pair()], "field `age`: expected FP64, found BOOL");
    let narrow = assemble(&fields(), vec![named("age", &[1, 1], Values::Fp32(vec![1.0])), pair()]).unwrap();
    assert_eq!(narrow.columns[0], age().tensor);
    refuse(vec![age(), named("pair", &[2], Values::Int8(vec![1, 2]))], "expected shape [1, 2], found shape [2]");
    refuse(vec![age(), named("pair", &[1, 2], Values::Int8(vec![1]))], "expected 2 elements for shape [1, 2], found 1");
    refuse(vec![], "expected at least one tensor, found none");
    // Nobody sent the elements of a missing column: they are bounded apart.
    let rows = vec![named("age", &[u64::MAX / 4], Values::Fp64(vec![]))];
    assert!(assemble(&fields()[..2], rows).is_err());
}

#[test]
fn text_must_cover_its_bytes() {
    assert!(Text::new(vec![1, 3], b"abc".to_vec()).is_ok());
    for (ends, bytes) in [
        (vec![2, 1], b"abc".to_vec()),
        (vec![1], b"abc".to_vec()),
        (vec![4], b"abc".to_vec()),
        (vec![1, 2], "ä".as_bytes().to_vec()),
        (vec![1], vec![0xff]),
    ] {
        assert!(Text::new(ends.clone(), bytes.clone()).is_err(), "{ends:?} {bytes:?}");
    }
}

#[test]
fn a_difference_shows_expected_got_and_tolerance() {
    let fields = [field("y", Datatype::Fp64), field("ok", Datatype::Bool)];
    let golden = Golden { rtol: 0.01, atol: 0.001, examples: vec![] };
    let batch = |y: f64, ok: bool| Batch {
        rows: 1,
        columns: vec![
            Tensor { shape: vec![1], values: Values::Fp64(vec![y]), validity: None },
            Tensor { shape: vec![1], values: Values::Bool(vec![ok]), validity: None },
        ],
    };
    assert!(differences(&fields, &golden, &batch(10.0, true), &batch(10.1, true)).is_empty());
    let found = differences(&fields, &golden, &batch(10.0, true), &batch(10.2, false));
    let lines: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(lines[0], "output `y`, row 0: expected 10.0, got 10.2 (tolerance 1.01e-1)");
    assert_eq!(lines[1], "output `ok`, row 0: expected true, got false (tolerance 0e0)");
    assert_eq!(differences(&fields, &golden, &batch(1.0, true), &batch(f64::NAN, true)).len(), 1);
}

#[test]
fn an_example_needs_one_output_a_row() {
    let schema = Schema { inputs: fields(), features: fields(), outputs: vec![field("y", Datatype::Fp64)] };
    let input = rows(json!([{"age": 1, "pair": [1, 2]}]));
    let example = |outputs| Example { name: "e".into(), inputs: input.clone(), outputs: rows(outputs) };
    assert!(example(json!([{"y": 1}])).batches(&schema).is_ok());
    assert!(example(json!([])).batches(&schema).is_err());
    assert!(example(json!([{"z": 1}])).batches(&schema).is_err());
}

#[test]
fn a_schema_that_contradicts_itself_is_refused() {
    let card = |inputs: Vec<Field>| {
        let outputs = vec![field("y", Datatype::Fp64)];
        let schema = Schema { inputs, features: outputs.clone(), outputs };
        let card = json!({ "card_version": 1, "name": "m", "description": "", "schema": schema });
        Card::from_json(card.to_string().as_bytes()).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(card(fields()), Ok(()));
    for (wrong, says) in [
        (vec![], "expected at least one field"),
        (vec![field("a", Datatype::Fp64), field("a", Datatype::Bool)], "unique names"),
        (vec![Field { minimum: Some(1.0), ..field("a", Datatype::Bool) }], "range on a numeric field"),
        (
            vec![Field { minimum: Some(2.0), maximum: Some(1.0), ..field("a", Datatype::Fp64) }],
            "minimum at most maximum",
        ),
        (vec![Field { categories: vec!["x".into()], ..field("a", Datatype::Fp64) }], "categories on a BYTES field"),
        (vec![Field { shape: vec![u64::MAX, 2], ..field("a", Datatype::Fp64) }], "1 to 16777216 elements"),
        (vec![field("", Datatype::Fp64)], "a name of 1 to 128 bytes"),
    ] {
        let error = card(wrong).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    assert!(Card::from_json(b"{}").is_err());
}
