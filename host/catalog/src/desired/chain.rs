//! A chain in TOML, which has no null and no large numbers: a constant that needs
//! them is a text, in JSON.

use super::{Fallback, Value};
use crate::Reference;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Map;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Model(Reference),
    Constant(Row),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a constant: a table of outputs, or the same in JSON as a text")]
enum Row {
    Table(Map<String, Value>),
    Json(String),
}

pub(super) fn serialize<S: Serializer>(chain: &[Fallback], serializer: S) -> Result<S::Ok, S::Error> {
    let written = chain.iter().map(|fallback| match fallback {
        Fallback::Model(reference) => Written::Model(reference.clone()),
        Fallback::Constant(row) if row.values().all(is_toml) => Written::Constant(Row::Table(row.clone())),
        Fallback::Constant(row) => Written::Constant(Row::Json(Value::Object(row.clone()).to_string())),
    });
    serializer.collect_seq(written)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Fallback>, D::Error> {
    let read = |written| match written {
        Written::Model(reference) => Ok(Fallback::Model(reference)),
        Written::Constant(Row::Table(row)) => Ok(Fallback::Constant(row)),
        Written::Constant(Row::Json(json)) => {
            let row = scry_card::strict::from_slice(json.as_bytes());
            row.map(Fallback::Constant).map_err(|error| Error::custom(format!("constant: {error}")))
        }
    };
    Vec::<Written>::deserialize(deserializer)?.into_iter().map(read).collect()
}

fn is_toml(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Number(number) => number.is_i64() || number.is_f64(),
        Value::Array(list) => list.iter().all(is_toml),
        Value::Object(map) => map.values().all(is_toml),
        Value::Bool(_) | Value::String(_) => true,
    }
}
