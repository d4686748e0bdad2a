//! A schema, from the contract's types.

use super::bindings::scry::model::types::{Datatype as WitDatatype, Field as WitField, Schema as WitSchema};
use scry_card::{Datatype, Field, Schema};

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
