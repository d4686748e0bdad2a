//! JSON values as their members. Never reads a text.

use serde_json::{Map, Value};

/// The members of an object; of anything else none.
pub(super) fn json_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
