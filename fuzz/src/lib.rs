//! What the targets share: columns of every kind, rows of them, and modules.

pub mod modules;

use scry::import::parts_of;
use scry_card::{Batch, Column, ColumnBuilder, Datatype, Field, Tensor, Values};
use scry_graph::Model;

/// Translates a file of another tool. What reads answers three rows, or says why not.
pub fn translate(file: &[u8]) {
    let Ok(parts) = parts_of(file) else { return };
    let Ok(model) = Model::read(&parts.model) else { return };
    const ROWS: usize = 3;
    let column = |field: &Field| Tensor {
        shape: field.batch_shape(ROWS as u64),
        values: Values::neutral(field.datatype, ROWS),
        validity: field.nullable.then(|| vec![true, false, true]),
    };
    let _ = model.predict(model.schema().inputs.iter().map(column).collect());
}

/// One column of each kind that checks and statistics know.
pub fn fields() -> Vec<Field> {
    let field = |name: &str, datatype, nullable| Field {
        name: name.into(),
        description: String::new(),
        datatype,
        shape: Vec::new(),
        nullable,
        unit: None,
        minimum: None,
        maximum: None,
        categories: Vec::new(),
    };
    let mut fields = vec![
        field("a", Datatype::Int64, false),
        field("b", Datatype::Fp64, false),
        field("c", Datatype::Bytes, true),
        field("d", Datatype::Bool, false),
        field("e", Datatype::Uint64, true),
        field("f", Datatype::Fp32, false),
    ];
    fields.push(Field { shape: vec![2], ..field("g", Datatype::Fp64, false) });
    fields.push(Field { categories: vec!["x".into(), "y".into()], ..field("h", Datatype::Bytes, false) });
    fields
}

/// Rows with the values at which code goes wrong.
pub fn rows() -> Batch {
    const ROWS: usize = 8;
    let wholes = [0, 1, -1, i64::MAX, i64::MIN, 7, 1 << 53, -(1 << 53)];
    let floats = [0.0, -0.0, 1.5, -1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 5e-324];
    let texts = ["", "x", "y", "ä", "0", "true", "a longer text than most", "\u{10ffff}"];
    let column = |field: &Field| {
        let mut builder = ColumnBuilder::new(field.datatype, ROWS);
        let per_row = field.elements_per_row().unwrap_or(1);
        for (at, ((whole, float), text)) in wholes.into_iter().zip(floats).zip(texts).enumerate() {
            for _ in 0..per_row {
                let pushed = match field.datatype {
                    _ if field.nullable && at == 3 => builder.push_null(),
                    Datatype::Bool => builder.push_bool(at % 2 == 0),
                    Datatype::Uint64 => builder.push_u64(whole.unsigned_abs()),
                    Datatype::Int64 => builder.push_i64(whole),
                    Datatype::Bytes => builder.push_str(text),
                    _ => builder.push_f64(float).or_else(|_| builder.push_f64(0.5)),
                };
                pushed.expect("a value of the field's type");
            }
        }
        let Column { values, validity } = builder.finish();
        Tensor { shape: field.batch_shape(ROWS as u64), values, validity }
    };
    Batch { rows: ROWS, columns: fields().iter().map(column).collect() }
}
