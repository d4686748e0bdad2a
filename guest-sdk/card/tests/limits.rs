//! What a model's author, and a caller, may make the host hold.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use scry_card::properties::Properties;
use scry_card::stats::References;
use scry_card::{Card, Datatype, Field, Golden, NamedTensor, Tensor, Values, assemble, batch_from_records};
use serde_json::{Map, Value, json};

fn field(name: &str, more: &Value) -> Value {
    let mut field = json!({ "name": name, "datatype": "FP64" });
    field.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    field
}

/// What is wrong with a card of these inputs.
fn refused(inputs: &[Value]) -> String {
    let y = field("y", &json!({}));
    let schema = json!({ "inputs": inputs, "features": [y], "outputs": [y] });
    let card = json!({ "card_version": 1, "name": "m", "description": "", "schema": schema });
    match Card::from_new_json(card.to_string().as_bytes()) {
        Ok(_) => "nothing".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn as_much_as_a_limit_allows_is_taken_and_one_more_is_refused() {
    let fields = |count: usize| (0..count).map(|n| field(&format!("f{n}"), &json!({}))).collect::<Vec<_>>();
    assert_eq!(refused(&fields(4096)), "nothing");
    assert_eq!(refused(&fields(4097)), "the schema is wrong: field `inputs`: expected at most 4096 fields, found 4097");

    let shaped = |dimensions: usize| [field("f", &json!({ "shape": vec![1; dimensions] }))];
    assert_eq!(refused(&shaped(32)), "nothing");
    assert_eq!(refused(&shaped(33)), "the schema is wrong: field `f`: expected at most 32 dimensions, found 33");

    let categories = |count: usize| {
        let categories: Vec<_> = (0..count).map(|n| n.to_string()).collect();
        [field("f", &json!({ "datatype": "BYTES", "categories": categories }))]
    };
    assert_eq!(refused(&categories(10_000)), "nothing");
    let expected = "the schema is wrong: field `f`: expected at most 10000 categories, found 10001";
    assert_eq!(refused(&categories(10_001)), expected);

    let wide = |more: u64| {
        let half = field("a", &json!({ "shape": [1 << 23] }));
        [half, field("b", &json!({ "shape": [(1 << 23) + more] }))]
    };
    assert_eq!(refused(&wide(0)), "nothing");
    let expected = "the schema is wrong: field `inputs`: expected at most 16777216 elements a row, all fields together, \
                    found 16777217";
    assert_eq!(refused(&wide(1)), expected);
}

#[test]
fn what_is_too_large_to_be_read_is_not_read() {
    let blank = |bytes: usize| vec![b' '; bytes];
    let said = |bytes: usize, found: String| {
        assert!(found.contains(&format!("at most {bytes} bytes, found {}", bytes + 1)), "{found}")
    };
    said(4 << 20, Card::from_new_json(&blank((4 << 20) + 1)).unwrap_err().to_string());
    said(16 << 20, Golden::from_new_json(&blank((16 << 20) + 1)).unwrap_err().to_string());
    said(1 << 20, Properties::from_new_json(&blank((1 << 20) + 1)).unwrap_err().to_string());
    let references = References::from_json(&blank((64 << 20) + 1)).unwrap_err().to_string();
    assert_eq!(references, "field `references`: expected at most 67108864 bytes, found 67108865");
}

#[test]
fn examples_and_properties_are_counted_when_they_are_read() {
    let golden = |count: usize| {
        let example = json!({ "name": "e", "inputs": [{}], "outputs": [{}] });
        Golden::from_new_json(json!({ "examples": vec![example; count] }).to_string().as_bytes())
    };
    assert_eq!(golden(1000).unwrap().examples.len(), 1000);
    assert_eq!(golden(1001).unwrap_err().to_string(), "expected at most 1000 examples, found 1001");

    let properties = |count: usize, condition: &str| {
        let property = json!({ "name": "p", "claim": "row-order", "where": condition });
        Properties::from_new_json(json!({ "properties": vec![property; count] }).to_string().as_bytes())
    };
    assert_eq!(properties(64, "true").unwrap().properties.len(), 64);
    let many = properties(65, "true").unwrap_err().to_string();
    assert_eq!(many, "field `properties`: expected at most 64 properties, found 65");
    assert!(properties(1, &"1".repeat(1000)).is_ok());
    let long = properties(1, &"1".repeat(1001)).unwrap_err().to_string();
    assert_eq!(long, "field `p`: expected an expression of at most 1000 characters, found 1001");
}

/// A host that holds such a component already goes on serving it.
#[test]
fn what_is_larger_than_a_new_component_may_be_still_reads() {
    let example = json!({ "name": "e", "inputs": [{}], "outputs": [{}] });
    let golden = json!({ "examples": vec![example; 1001] }).to_string();
    assert_eq!(Golden::from_json(golden.as_bytes()).unwrap().examples.len(), 1001);
    let property = json!({ "name": "p", "claim": "row-order" });
    let properties = json!({ "properties": vec![property; 65] }).to_string();
    assert_eq!(Properties::from_json(properties.as_bytes()).unwrap().properties.len(), 65);
    let inputs: Vec<_> = (0..4097).map(|n| field(&format!("f{n}"), &json!({}))).collect();
    let y = field("y", &json!({}));
    let schema = json!({ "inputs": inputs, "features": [y], "outputs": [y] });
    let card = json!({ "card_version": 1, "name": "m", "description": "x".repeat(5 << 20), "schema": schema });
    assert_eq!(Card::from_json(card.to_string().as_bytes()).unwrap().schema.inputs.len(), 4097);
}

/// What is missing takes no bytes of a request, and as many of memory as what is there.
#[test]
fn absent_values_are_bounded_over_all_columns() {
    let nullable = |name: &str| Field {
        name: name.into(),
        description: String::new(),
        datatype: Datatype::Fp64,
        shape: Vec::new(),
        nullable: true,
        unit: None,
        minimum: None,
        maximum: None,
        categories: Vec::new(),
    };
    let fields: Vec<_> = (0..100).map(|n| nullable(&format!("f{n}"))).collect();
    let named = |rows: usize| {
        let tensor = Tensor { shape: vec![rows as u64], values: Values::Fp64(vec![0.0; rows]), validity: None };
        vec![NamedTensor { name: "f0".into(), tensor }]
    };
    // 99 columns are not there.
    let most = (1 << 24) / 99;
    assert_eq!(assemble(&fields, named(most)).unwrap().rows, most);
    let error = assemble(&fields, named(most + 1)).unwrap_err().to_string();
    assert!(error.contains("expected at most 16777216 elements"), "{error}");

    let records = |rows: usize| vec![Map::from_iter([("f0".to_owned(), Value::from(1.0))]); rows];
    assert_eq!(batch_from_records(&fields, &records(1000)).unwrap().rows, 1000);
    let error = batch_from_records(&fields, &records(most + 1)).unwrap_err().to_string();
    assert!(error.contains("expected at most 16777216 missing values"), "{error}");
}
