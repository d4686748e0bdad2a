//! Rows as JSON objects, one member a field: the form that people write.
//!
//! Never fills in or converts: a missing member is missing, and must be
//! nullable.

use crate::{Batch, ColumnBuilder, Field, Invalid, Tensor, Values};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Map, Value};

/// Reads rows into a batch in the order of `fields`.
pub fn batch_from_records(fields: &[Field], rows: &[Map<String, Value>]) -> Result<Batch, Invalid> {
    for (row, record) in rows.iter().enumerate() {
        if let Some(unknown) = record.keys().find(|key| fields.iter().all(|field| field.name != **key)) {
            let known: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
            return Err(Invalid {
                field: unknown.clone(),
                row: Some(row),
                expected: format!("one of {}", known.join(", ")),
                found: "an unknown field".into(),
            });
        }
    }
    let columns = fields.iter().map(|field| read_column(field, rows)).collect::<Result<_, _>>()?;
    Ok(Batch { rows: rows.len(), columns })
}

fn read_column(field: &Field, rows: &[Map<String, Value>]) -> Result<Tensor, Invalid> {
    let mut builder = ColumnBuilder::new(field.datatype, rows.len());
    for (row, record) in rows.iter().enumerate() {
        let value = record.get(&field.name).unwrap_or(&Value::Null);
        push_value(&mut builder, &field.shape, value).map_err(|found| Invalid {
            field: field.name.clone(),
            row: Some(row),
            expected: match field.shape.as_slice() {
                [] => format!("a {} value", field.datatype),
                shape => format!("{} values of shape {shape:?}", field.datatype),
            },
            found,
        })?;
    }
    let column = builder.finish();
    Ok(Tensor { shape: field.batch_shape(rows.len() as u64), values: column.values, validity: column.validity })
}

fn push_value(builder: &mut ColumnBuilder, shape: &[u64], value: &Value) -> Result<(), String> {
    if let Some((&dim, inner)) = shape.split_first() {
        return match value {
            Value::Array(items) if items.len() as u64 == dim => {
                items.iter().try_for_each(|item| push_value(builder, inner, item))
            }
            Value::Array(items) => Err(format!("a list of {}", items.len())),
            other => Err(describe(other)),
        };
    }
    match value {
        Value::Null => builder.push_null(),
        Value::Bool(value) => builder.push_bool(*value),
        Value::String(value) => builder.push_str(value),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(value), _, _) => builder.push_u64(value),
            (_, Some(value), _) => builder.push_i64(value),
            (_, _, Some(value)) => builder.push_f64(value),
            _ => Err(number.to_string()),
        },
        other => Err(describe(other)),
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".into(),
        Value::String(text) => crate::builder::shortened(text),
        other => other.to_string(),
    }
}

/// A batch that serialises as a list of JSON objects.
#[derive(Debug, Clone, Copy)]
pub struct Records<'a> {
    /// The columns' names and shapes.
    pub fields: &'a [Field],
    /// The data, in the order of `fields`.
    pub batch: &'a Batch,
}

impl Serialize for Records<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.batch.rows))?;
        for row in 0..self.batch.rows {
            list.serialize_element(&Record { records: self, row })?;
        }
        list.end()
    }
}

struct Record<'a> {
    records: &'a Records<'a>,
    row: usize,
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.records.fields.len()))?;
        for (field, tensor) in self.records.fields.iter().zip(&self.records.batch.columns) {
            let start = self.row * field.elements_per_row().unwrap_or(1);
            map.serialize_entry(&field.name, &Nested { tensor, shape: &field.shape, start })?;
        }
        map.end()
    }
}

struct Nested<'a> {
    tensor: &'a Tensor,
    shape: &'a [u64],
    start: usize,
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some((&dim, inner)) = self.shape.split_first() else {
            return serialize_element(self.tensor, self.start, serializer);
        };
        let step = crate::element_count(inner).unwrap_or(1);
        let mut list = serializer.serialize_seq(usize::try_from(dim).ok())?;
        for i in 0..usize::try_from(dim).unwrap_or(0) {
            list.serialize_element(&Nested { tensor: self.tensor, shape: inner, start: self.start + i * step })?;
        }
        list.end()
    }
}

fn serialize_element<S: Serializer>(tensor: &Tensor, i: usize, serializer: S) -> Result<S::Ok, S::Error> {
    if !tensor.is_valid(i) {
        return serializer.serialize_none();
    }
    let values: &Values = &tensor.values;
    crate::for_each_values!(values, list => list.get(i).serialize(serializer), text => text.get(i).serialize(serializer))
}
