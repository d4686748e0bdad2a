//! A field as JSON Schema: its type, and what the card says of its values.

use scry_card::{Datatype, Field};
use serde_json::{Map, Value, json};

/// Categories that are listed; of more than these, none.
const CATEGORIES_MAX: usize = 1_000;

/// A row: an object with a member for each field.
pub(super) fn row(fields: &[Field]) -> Value {
    let properties: Map<_, _> = fields.iter().map(|field| (field.name.clone(), value(field))).collect();
    let required: Vec<_> = fields.iter().filter(|field| !field.nullable).map(|field| field.name.as_str()).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// A field's value in one row, its dimensions as nested lists.
pub(super) fn value(field: &Field) -> Value {
    let nested =
        |inner: Value, &size: &u64| json!({ "type": "array", "items": inner, "minItems": size, "maxItems": size });
    let mut value = field.shape.iter().rev().fold(element(field), nested);
    if let Some(map) = value.as_object_mut() {
        let unit = field.unit.as_ref().map(|unit| format!("Unit: {unit}."));
        let about: Vec<_> =
            [Some(field.description.clone()), unit].into_iter().flatten().filter(|text| !text.is_empty()).collect();
        if !about.is_empty() {
            map.insert("description".into(), about.join(" ").into());
        }
    }
    value
}

/// The fields' tensors in a V2 request or answer, whose first dimension is the rows.
pub(super) fn tensors(fields: &[Field]) -> Value {
    let tensor = |field: &Field| {
        let sizes = field.shape.iter().map(|size| json!({ "const": size }));
        let shape: Vec<_> = std::iter::once(json!({ "type": "integer", "minimum": 0 })).chain(sizes).collect();
        let dimensions = shape.len();
        // Flat, or nested as the shape says.
        let items = if field.shape.is_empty() { element(field) } else { json!({}) };
        let mut schema = json!({
            "type": "object",
            "required": ["name", "datatype", "shape"],
            "properties": {
                "name": { "const": field.name },
                "datatype": { "const": field.datatype },
                "shape": { "type": "array", "prefixItems": shape, "minItems": dimensions, "maxItems": dimensions },
                "data": { "type": "array", "items": items },
            },
        });
        if let Some(map) = schema.as_object_mut().filter(|_| !field.description.is_empty()) {
            map.insert("description".into(), field.description.as_str().into());
        }
        schema
    };
    let any: Vec<_> = fields.iter().map(tensor).collect();
    json!({ "type": "array", "items": { "anyOf": any } })
}

/// One element.
fn element(field: &Field) -> Value {
    let kind = match field.datatype {
        Datatype::Bool => "boolean",
        Datatype::Bytes => "string",
        Datatype::Fp32 | Datatype::Fp64 => "number",
        _ => "integer",
    };
    let mut schema = Map::new();
    schema.insert("type".into(), if field.nullable { json!([kind, "null"]) } else { json!(kind) });
    let (least, most) = range(field.datatype);
    for (keyword, bound) in [("minimum", field.minimum.or(least)), ("maximum", field.maximum.or(most))] {
        if let Some(bound) = bound {
            schema.insert(keyword.into(), number(bound));
        }
    }
    if !field.categories.is_empty() && field.categories.len() <= CATEGORIES_MAX {
        let null = field.nullable.then_some(Value::Null);
        let known = field.categories.iter().map(|name| Value::from(name.as_str())).chain(null);
        schema.insert("enum".into(), known.collect());
    }
    schema.into()
}

/// A number as short as it can be written.
fn number(value: f64) -> Value {
    // Every whole number of this size is one of both types.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    match value.fract() == 0.0 && value.abs() <= WHOLE_MAX {
        true => json!(value as i64),
        false => json!(value),
    }
}

/// The range of a type's whole numbers, where every reader of JSON has them.
fn range(datatype: Datatype) -> (Option<f64>, Option<f64>) {
    let both = |least: f64, most: f64| (Some(least), Some(most));
    match datatype {
        Datatype::Int8 => both(i8::MIN.into(), i8::MAX.into()),
        Datatype::Int16 => both(i16::MIN.into(), i16::MAX.into()),
        Datatype::Int32 => both(i32::MIN.into(), i32::MAX.into()),
        Datatype::Uint8 => both(0.0, u8::MAX.into()),
        Datatype::Uint16 => both(0.0, u16::MAX.into()),
        Datatype::Uint32 => both(0.0, u32::MAX.into()),
        Datatype::Uint64 => (Some(0.0), None),
        Datatype::Int64 | Datatype::Bool | Datatype::Fp32 | Datatype::Fp64 | Datatype::Bytes => (None, None),
    }
}
