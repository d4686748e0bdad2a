//! JSON Schemas (draft 2020-12) of what people write for a model, and of what
//! travels in its component; from the types that read them.
//!
//! Never refuses a file that is as it is written. The rest no schema can say:
//! that names are the model's, that counts add up, that a rule can be run.

use crate::checks::Place;
use crate::{CheckKind, Policy};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

/// The JSON Schema of a document: a card, golden examples, properties, or
/// reference statistics.
pub fn json_schema<T: JsonSchema>() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().into();
    optional_may_be_null(&mut schema);
    schema
}

/// A member that need not be there may be null, which is the same.
fn optional_may_be_null(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            for (keyword, value) in map.iter_mut() {
                match value {
                    // Names of members and types are no keywords.
                    Value::Object(named) if matches!(keyword.as_str(), "properties" | "$defs") => {
                        named.values_mut().for_each(optional_may_be_null);
                    }
                    other => optional_may_be_null(other),
                }
            }
            let required = map.get("required").cloned().unwrap_or_default();
            let is_required =
                |name: &str| required.as_array().is_some_and(|names| names.iter().any(|known| known == name));
            if let Some(Value::Object(members)) = map.get_mut("properties") {
                members.iter_mut().filter(|(name, _)| !is_required(name)).for_each(|(_, member)| or_null(member));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(optional_may_be_null),
        _ => {}
    }
}

fn or_null(member: &mut Value) {
    let nothing = json!({ "type": "null" });
    if let Some(Value::Array(any)) = member.get_mut("anyOf") {
        if !any.contains(&nothing) {
            any.push(nothing);
        }
        return;
    }
    let has_names = if let Some(Value::Array(names)) = member.get_mut("enum") {
        if !names.contains(&Value::Null) {
            names.push(Value::Null);
        }
        true
    } else {
        false
    };
    match member.get_mut("type") {
        Some(kind @ Value::String(_)) => {
            let name = kind.take();
            *kind = json!([name, "null"]);
        }
        Some(_) => {}
        None if has_names => {}
        None => *member = json!({ "anyOf": [member.take(), nothing] }),
    }
}

/// Policies of all inputs.
pub(crate) fn input_policies(_: &mut SchemaGenerator) -> Schema {
    permitted(Place::Inputs)
}

/// Policies of all outputs.
pub(crate) fn output_policies(_: &mut SchemaGenerator) -> Schema {
    permitted(Place::Outputs)
}

/// Policies of one field.
pub(crate) fn field_policies(_: &mut SchemaGenerator) -> Schema {
    permitted(Place::Field)
}

/// The policy of one rule, if it has one of its own.
pub(crate) fn rule_policy(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": names(CheckKind::Rule, Place::Inputs).map(Some).chain([None]).collect::<Vec<_>>() })
}

/// The checks whose policy can be set there, each with what it permits.
fn permitted(place: Place) -> Schema {
    let of = |kind: CheckKind| (kind, names(kind, place).collect::<Vec<_>>());
    let settable = CheckKind::ALL.into_iter().map(of).filter(|(_, names)| !names.is_empty());
    let properties: Map<_, _> =
        settable.map(|(kind, names)| (kind.name().to_owned(), json!({ "enum": names }))).collect();
    json_schema!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn names(kind: CheckKind, place: Place) -> impl Iterator<Item = &'static str> {
    Policy::ALL.into_iter().filter(move |policy| kind.permits(place, *policy).is_ok()).map(Policy::name)
}
