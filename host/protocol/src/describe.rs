//! What V2 says of a model: its metadata, and its configuration as Triton writes it.
//!
//! Says nothing that the card does not.

use scry_card::{Card, Datatype, Field, FieldChecks, Rule};
use serde_json::{Map, Value, json};

/// A model's metadata: its versions, and what its tensors are like. What V2 has no member for is under `parameters`.
pub fn metadata(name: &str, versions: &[String], card: &Card) -> Value {
    let rules: Vec<_> = card.checks.rules.iter().map(|rule| (rule, fields_of(rule, card))).collect();
    let input = |field: &Field| {
        let of_field = rules.iter().filter(|(_, names)| names.contains(&field.name));
        let rules: Vec<_> = of_field.map(|(rule, _)| rule.expression.as_str()).collect();
        tensor(field, input_row(field), card.checks.fields.get(&field.name), &rules)
    };
    let output = |field: &Field| tensor(field, &field.shape, card.checks.outputs.fields.get(&field.name), &[]);
    let mut parameters = Map::new();
    if !card.description.is_empty() {
        parameters.insert("description".into(), card.description.as_str().into());
    }
    if !rules.is_empty() {
        let rules = rules
            .iter()
            .map(|(rule, names)| json!({ "name": rule.name, "expression": rule.expression, "fields": names }));
        parameters.insert("rules".into(), rules.collect());
    }
    json!({
        "name": name,
        "versions": versions,
        "platform": "scry_wasm_component",
        "inputs": card.schema.inputs.iter().map(input).collect::<Vec<_>>(),
        "outputs": card.schema.outputs.iter().map(output).collect::<Vec<_>>(),
        "parameters": parameters,
    })
}

/// The fields that a rule reads; none where it cannot be run.
fn fields_of(rule: &Rule, card: &Card) -> Vec<String> {
    rule.fields(&card.schema.inputs).unwrap_or_default()
}

/// What a row of an input looks like to a client that Triton's configuration tells of `max_batch_size`: such a client
/// knows no tensors without dimensions, and sends a scalar as `[1]`. Other clients see by `scalar` which one is.
fn input_row(field: &Field) -> &[u64] {
    if field.shape.is_empty() { &[1] } else { &field.shape }
}

fn tensor(field: &Field, row: &[u64], checks: Option<&FieldChecks>, rules: &[&str]) -> Value {
    let dimension = |&size: &u64| i64::try_from(size).unwrap_or(i64::MAX);
    let shape: Vec<i64> = std::iter::once(-1).chain(row.iter().map(dimension)).collect();
    let mut told = json!({ "name": field.name, "datatype": field.datatype, "shape": shape });
    let mut parameters = parameters(field, checks, rules);
    if row != field.shape {
        parameters.insert("scalar".into(), true.into());
    }
    if let Some(map) = told.as_object_mut().filter(|_| !parameters.is_empty()) {
        map.insert("parameters".into(), parameters.into());
    }
    told
}

/// What is known of a field beyond its type and shape.
fn parameters(field: &Field, checks: Option<&FieldChecks>, rules: &[&str]) -> Map<String, Value> {
    let mut known = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            known.insert(name.to_owned(), value);
        }
    };
    put("description", (!field.description.is_empty()).then(|| field.description.as_str().into()));
    put("nullable", field.nullable.then(|| true.into()));
    put("unit", field.unit.as_deref().map(Value::from));
    put("minimum", field.minimum.map(Value::from));
    put("maximum", field.maximum.map(Value::from));
    put("categories", (!field.categories.is_empty()).then(|| field.categories.clone().into()));
    put("length_max_chars", checks.and_then(|checks| checks.length_max_chars).map(Value::from));
    put("null_share_max", checks.and_then(|checks| checks.null_share_max).map(Value::from));
    put("rules", (!rules.is_empty()).then(|| rules.to_vec().into()));
    known
}

/// A model's configuration in the form of Triton's `ModelConfig`: what is true of any model of Scry, and of this one.
/// Each request has as many rows as fit into a body of so many bytes.
pub fn config(name: &str, card: &Card, body_max_bytes: usize) -> Value {
    let row_bytes: usize = card.schema.inputs.iter().map(bytes_per_row).fold(0, usize::saturating_add);
    let rows_max = i32::try_from(body_max_bytes / row_bytes.max(1)).unwrap_or(i32::MAX).max(1);
    let input = |field: &Field| {
        let mut told = side(field);
        told.insert("format".into(), "FORMAT_NONE".into());
        told.insert("allow_ragged_batch".into(), false.into());
        told.insert("optional".into(), field.nullable.into());
        told
    };
    let output = |field: &Field| {
        let mut told = side(field);
        told.insert("label_filename".into(), "".into());
        told
    };
    json!({
        "name": name,
        "platform": "scry",
        "backend": "scry",
        "max_batch_size": rows_max,
        "input": card.schema.inputs.iter().map(input).collect::<Vec<_>>(),
        "output": card.schema.outputs.iter().map(output).collect::<Vec<_>>(),
        "model_transaction_policy": { "decoupled": false },
    })
}

/// What inputs and outputs have in common. The first dimension, the rows, is left out, as it is wherever
/// `max_batch_size` is not 0; a scalar has one dimension there and none in a request.
fn side(field: &Field) -> Map<String, Value> {
    let mut told = Map::new();
    told.insert("name".into(), field.name.as_str().into());
    told.insert("data_type".into(), data_type(field.datatype).into());
    told.insert("is_shape_tensor".into(), false.into());
    match field.shape.as_slice() {
        [] => {
            told.insert("dims".into(), json!([1]));
            told.insert("reshape".into(), json!({ "shape": [] }));
        }
        shape => drop(told.insert("dims".into(), shape.into())),
    }
    told
}

/// The name that Triton's configuration has for a type.
fn data_type(datatype: Datatype) -> String {
    match datatype {
        Datatype::Bytes => "TYPE_STRING".into(),
        other => format!("TYPE_{}", other.name()),
    }
}

/// Of one row of a field in binary form; of text at least.
fn bytes_per_row(field: &Field) -> usize {
    let each = match field.datatype {
        Datatype::Bool | Datatype::Int8 | Datatype::Uint8 => 1,
        Datatype::Int16 | Datatype::Uint16 => 2,
        Datatype::Int32 | Datatype::Uint32 | Datatype::Fp32 | Datatype::Bytes => 4,
        Datatype::Int64 | Datatype::Uint64 | Datatype::Fp64 => 8,
    };
    field.elements_per_row().unwrap_or(usize::MAX).saturating_mul(each)
}
