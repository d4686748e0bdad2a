//! OpenAPI documents (3.1) of the two listeners; of predictions, with the types of each model from its card.
//!
//! Pure: cards to JSON. Never looks at what is served, and never grows beyond its limits.

mod admin;
mod fields;
mod json;
mod models;
mod operation;
mod prediction;

pub use models::Described;

use json::json_map;
use operation::{Operation, components};
use serde_json::{Map, Value, json};

/// Models whose types a document holds.
const MODELS_MAX: usize = 100;
/// Of the JSON of these types together; a first model has its place, however large.
const TYPES_MAX_BYTES: usize = 4 << 20;

/// The document of the prediction listener: what is there for any model, and the types of these.
pub fn prediction<'a>(models: impl Iterator<Item = Described<'a>>) -> Value {
    let mut document = document("Scry: predictions", prediction::ABOUT, prediction::OPERATIONS, prediction::SCHEMAS);
    let (mut left_out, mut bytes, mut count) = (0_u64, 0, 0);
    for model in models {
        if count == MODELS_MAX || bytes > TYPES_MAX_BYTES {
            left_out += 1;
            continue;
        }
        let typed = model.typed();
        let size = serde_json::to_vec(&typed.schemas).map_or(0, |json| json.len());
        if count > 0 && bytes + size > TYPES_MAX_BYTES {
            left_out += 1;
            continue;
        }
        (bytes, count) = (bytes + size, count + 1);
        extend(&mut document, "/paths", typed.paths);
        extend(&mut document, "/components/schemas", typed.schemas);
    }
    if left_out > 0 {
        extend(&mut document, "/info", [("x-scry-models-left-out".to_owned(), left_out.into())].into_iter().collect());
    }
    document
}

/// The document of the admin listener.
pub fn admin() -> Value {
    let mut document = document("Scry: administration", admin::ABOUT, admin::OPERATIONS, admin::SCHEMAS);
    let bearer = json!({ "token": { "type": "http", "scheme": "bearer" } });
    extend(&mut document, "", json_map(json!({ "security": [{ "token": [] }] })));
    extend(&mut document, "/components", json_map(json!({ "securitySchemes": bearer })));
    for path in admin::OPEN {
        let operation = format!("/paths/{}/get", path.replace('/', "~1"));
        extend(&mut document, &operation, json_map(json!({ "security": [] })));
    }
    document
}

fn document(title: &str, about: &str, operations: &[Operation], schemas: &str) -> Value {
    let mut paths = Map::new();
    for operation in operations {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(operation.method.to_owned(), operation.described());
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": env!("CARGO_PKG_VERSION"),
            "description": about,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": components(schemas),
    })
}

/// Adds members to an object within a document.
fn extend(document: &mut Value, pointer: &str, more: Map<String, Value>) {
    if let Some(map) = document.pointer_mut(pointer).and_then(Value::as_object_mut) {
        map.extend(more);
    }
}

#[cfg(test)]
mod tests;
