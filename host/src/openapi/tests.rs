use super::*;
use scry_card::{Card, Golden};
use std::collections::BTreeSet;

/// Every reference within a document leads somewhere.
fn check_references(document: &Value) {
    fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| walk(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(document, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn ids(document: &Value) -> Vec<String> {
    let methods = document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    methods.map(|operation| operation["operationId"].as_str().unwrap().to_owned()).collect()
}

fn model(name: &str) -> (String, Card, Golden) {
    let card = json!({
        "card_version": 1, "name": name, "description": "",
        "schema": {
            "inputs": [
                { "name": "a", "datatype": "INT8", "minimum": 1.0, "unit": "km", "nullable": true },
                { "name": "b", "datatype": "BYTES", "categories": ["x", "y"] },
                { "name": "c", "datatype": "FP64", "shape": [2, 3] },
            ],
            "features": [{ "name": "a", "datatype": "FP64" }],
            "outputs": [{ "name": "y", "datatype": "FP64" }],
        },
    });
    let golden = json!({ "examples": [{
        "name": "one",
        "inputs": [{ "b": "x", "c": [[1, 2, 3], [4, 5, 6]] }],
        "outputs": [{ "y": 0.5 }],
    }] });
    (name.to_owned(), serde_json::from_value(card).unwrap(), serde_json::from_value(golden).unwrap())
}

fn described<'a>(models: &'a [(String, Card, Golden)]) -> impl Iterator<Item = Described<'a>> {
    models.iter().map(|(name, card, golden)| Described { name, version: 1, card, golden })
}

#[test]
fn references_lead_somewhere_and_operations_have_names_of_their_own() {
    for document in [prediction(described(&[model("m"), model("n")])), admin()] {
        check_references(&document);
        let ids = ids(&document);
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    }
}

#[test]
fn a_models_types_are_those_of_its_card() {
    let document = prediction(described(&[model("m")]));
    let row = &document["components"]["schemas"]["m.Input"];
    assert_eq!(row["required"], json!(["b", "c"]));
    let a = json!({ "type": ["integer", "null"], "minimum": 1, "maximum": 127, "description": "Unit: km." });
    assert_eq!(row["properties"]["a"], a);
    assert_eq!(row["properties"]["b"], json!({ "type": "string", "enum": ["x", "y"] }));
    let inner = json!({ "type": "array", "items": { "type": "number" }, "minItems": 3, "maxItems": 3 });
    assert_eq!(row["properties"]["c"], json!({ "type": "array", "items": inner, "minItems": 2, "maxItems": 2 }));
}

#[test]
fn golden_examples_are_examples_in_both_forms() {
    let document = prediction(described(&[model("m")]));
    let request = |path: &str| {
        document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"]["one"]["value"]
            .clone()
    };
    let inputs = json!([
        { "name": "a", "datatype": "INT8", "shape": [1], "data": [null] },
        { "name": "b", "datatype": "BYTES", "shape": [1], "data": ["x"] },
        { "name": "c", "datatype": "FP64", "shape": [1, 2, 3], "data": [1, 2, 3, 4, 5, 6] },
    ]);
    assert_eq!(request("/v2/models/m/infer"), json!({ "inputs": inputs }));
    assert_eq!(request("/v1/models/m:predict"), json!({ "instances": [{ "b": "x", "c": [[1, 2, 3], [4, 5, 6]] }] }));
}

#[test]
fn a_document_has_a_limit_and_says_what_it_leaves_out() {
    let models: Vec<_> = (0..MODELS_MAX + 7).map(|n| model(&format!("m{n}"))).collect();
    let document = prediction(described(&models));
    assert_eq!(document["info"]["x-scry-models-left-out"], 7);
    let typed = document["paths"].as_object().unwrap().keys().filter(|path| path.starts_with("/v1/models/m"));
    assert_eq!(typed.count(), MODELS_MAX);
}
