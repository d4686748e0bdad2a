//! Rows written as JSON read back as the same columns.

use proptest::prelude::*;
use scry_card::{
    Batch, Datatype, Detail, Field, Interrupt, Interrupted, Records, Tensor, Text, Values, batch_from_records,
    batch_from_records_until,
};
use serde_json::{Map, json};

fn field(name: &str, datatype: Datatype, shape: &[u64], nullable: bool) -> Field {
    Field {
        name: name.into(),
        description: String::new(),
        datatype,
        shape: shape.to_vec(),
        nullable,
        unit: None,
        minimum: None,
        maximum: None,
        categories: vec![],
    }
}

type Row = (Option<f64>, [i64; 2], [[u8; 2]; 2], bool, String, f32);

prop_compose! {
    fn row()(
        x in prop::option::of(prop::num::f64::NORMAL | prop::num::f64::ZERO),
        pair in any::<[i64; 2]>(), image in any::<[[u8; 2]; 2]>(), flag in any::<bool>(), text in any::<String>(),
        narrow in prop::num::f32::NORMAL | prop::num::f32::ZERO,
    ) -> Row {
        (x, pair, image, flag, text, narrow)
    }
}

fn batch(rows: &[Row]) -> Batch {
    let count = rows.len() as u64;
    let mut text = Text::default();
    rows.iter().for_each(|row| text.push(&row.4).unwrap());
    let validity = rows.iter().any(|row| row.0.is_none()).then(|| rows.iter().map(|row| row.0.is_some()).collect());
    let tensor = |shape: &[u64], values| Tensor { shape: [&[count], shape].concat(), values, validity: None };
    let columns = vec![
        Tensor { validity, ..tensor(&[], Values::Fp64(rows.iter().map(|row| row.0.unwrap_or(0.0)).collect())) },
        tensor(&[2], Values::Int64(rows.iter().flat_map(|row| row.1).collect())),
        tensor(&[2, 2], Values::Uint8(rows.iter().flat_map(|row| row.2).flatten().collect())),
        tensor(&[], Values::Bool(rows.iter().map(|row| row.3).collect())),
        tensor(&[], Values::Bytes(text)),
        tensor(&[], Values::Fp32(rows.iter().map(|row| row.5).collect())),
    ];
    Batch { rows: rows.len(), columns }
}

proptest! {
    #[test]
    fn records_round_trip(rows in prop::collection::vec(row(), 1..20)) {
        let fields = [
            field("x", Datatype::Fp64, &[], true),
            field("pair", Datatype::Int64, &[2], false),
            field("image", Datatype::Uint8, &[2, 2], false),
            field("flag", Datatype::Bool, &[], false),
            field("text", Datatype::Bytes, &[], false),
            field("narrow", Datatype::Fp32, &[], false),
        ];
        let batch = batch(&rows);
        let json = serde_json::to_string(&Records { fields: &fields, batch: &batch }).unwrap();
        let read = batch_from_records(&fields, &serde_json::from_str::<Vec<_>>(&json).unwrap()).unwrap();
        prop_assert_eq!(read, batch);
    }
}

/// One value may hold as much as a whole body, however deep.
#[test]
fn reading_is_given_up_within_a_value_too() {
    let read = |fields: &[Field], value: serde_json::Value| {
        let rows = [Map::from_iter([("x".to_owned(), value)])];
        batch_from_records_until(fields, &rows, &Detail::default(), &mut Interrupt::when(&|| true)).map(drop)
    };
    let deep = [field("x", Datatype::Fp64, &[1, 1, 20_000], false)];
    assert_eq!(read(&deep, json!([[vec![0.5; 20_000]]])), Err(Interrupted));
    let text = [field("x", Datatype::Bytes, &[], false)];
    assert_eq!(read(&text, json!("x".repeat(1 << 20))), Err(Interrupted));
    assert_eq!(read(&deep, json!(1)), Ok(()), "which is short");
}
