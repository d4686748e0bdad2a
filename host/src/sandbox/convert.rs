//! Batches to and from the contract's types. Lists are lent to the guest and
//! copied out of it, never converted element by element.

use super::bindings::exports::scry::model::predictor::Failure;
use super::bindings::scry::model::types::{
    Datatype as WitDatatype, Field as WitField, Schema as WitSchema, TensorParam, TensorResult, TextParam, ValuesParam,
    ValuesResult,
};
use super::call::CallError;
use scry_card::{Batch, Datatype, Field, Schema, Tensor, Text, Values};

pub(super) fn to_guest(batch: &Batch) -> Vec<TensorParam<'_>> {
    batch
        .columns
        .iter()
        .map(|tensor| TensorParam {
            shape: &tensor.shape,
            values: match &tensor.values {
                Values::Bool(list) => ValuesParam::Boolean(list),
                Values::Int8(list) => ValuesParam::Int8(list),
                Values::Int16(list) => ValuesParam::Int16(list),
                Values::Int32(list) => ValuesParam::Int32(list),
                Values::Int64(list) => ValuesParam::Int64(list),
                Values::Uint8(list) => ValuesParam::Uint8(list),
                Values::Uint16(list) => ValuesParam::Uint16(list),
                Values::Uint32(list) => ValuesParam::Uint32(list),
                Values::Uint64(list) => ValuesParam::Uint64(list),
                Values::Fp32(list) => ValuesParam::Fp32(list),
                Values::Fp64(list) => ValuesParam::Fp64(list),
                Values::Bytes(text) => {
                    ValuesParam::Bytes(TextParam { ends: text.ends(), utf8: text.utf8().as_bytes() })
                }
            },
            validity: tensor.validity.as_deref(),
        })
        .collect()
}

pub(super) fn from_guest(tensors: Vec<TensorResult>) -> Result<Vec<Tensor>, String> {
    tensors
        .into_iter()
        .map(|tensor| {
            let values = match tensor.values {
                ValuesResult::Boolean(list) => Values::Bool(list),
                ValuesResult::Int8(list) => Values::Int8(list),
                ValuesResult::Int16(list) => Values::Int16(list),
                ValuesResult::Int32(list) => Values::Int32(list),
                ValuesResult::Int64(list) => Values::Int64(list),
                ValuesResult::Uint8(list) => Values::Uint8(list),
                ValuesResult::Uint16(list) => Values::Uint16(list),
                ValuesResult::Uint32(list) => Values::Uint32(list),
                ValuesResult::Uint64(list) => Values::Uint64(list),
                ValuesResult::Fp32(list) => Values::Fp32(list),
                ValuesResult::Fp64(list) => Values::Fp64(list),
                ValuesResult::Bytes(text) => Values::Bytes(Text::new(text.ends, text.utf8)?),
            };
            Ok(Tensor { shape: tensor.shape, values, validity: tensor.validity })
        })
        .collect()
}

pub(super) fn failure(failure: Failure) -> CallError {
    match failure {
        Failure::Failed(message) => CallError::Failed(message),
        Failure::InvalidInput(wrong) => CallError::InvalidInput(match wrong.row {
            Some(row) => format!("field `{}`, row {row}: {}", wrong.input, wrong.message),
            None => format!("field `{}`: {}", wrong.input, wrong.message),
        }),
    }
}

pub(super) fn schema(schema: WitSchema) -> Schema {
    let fields = |fields: Vec<WitField>| fields.into_iter().map(field).collect();
    Schema { inputs: fields(schema.inputs), features: fields(schema.features), outputs: fields(schema.outputs) }
}

fn field(field: WitField) -> Field {
    Field {
        name: field.name,
        description: field.description,
        datatype: match field.datatype {
            WitDatatype::Boolean => Datatype::Bool,
            WitDatatype::Int8 => Datatype::Int8,
            WitDatatype::Int16 => Datatype::Int16,
            WitDatatype::Int32 => Datatype::Int32,
            WitDatatype::Int64 => Datatype::Int64,
            WitDatatype::Uint8 => Datatype::Uint8,
            WitDatatype::Uint16 => Datatype::Uint16,
            WitDatatype::Uint32 => Datatype::Uint32,
            WitDatatype::Uint64 => Datatype::Uint64,
            WitDatatype::Fp32 => Datatype::Fp32,
            WitDatatype::Fp64 => Datatype::Fp64,
            WitDatatype::Bytes => Datatype::Bytes,
        },
        shape: field.shape,
        nullable: field.nullable,
        unit: field.unit,
        minimum: field.minimum,
        maximum: field.maximum,
        categories: field.categories,
    }
}
