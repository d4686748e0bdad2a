//! Properties and golden examples: whatever the bytes, an error, or claims that
//! are tried and a result each.
//! `.ci/fuzz 60 properties`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_card::properties::Properties;
use scry_card::{Batch, Checks, Golden, Schema, strict};
use serde::Deserialize;
use std::sync::LazyLock;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let fields = scry_fuzz::fields();
    let outputs = fields.iter().filter(|field| field.name == "b").cloned().collect();
    Schema { inputs: fields.clone(), features: fields, outputs }
});

/// The two files as one.
#[derive(Deserialize)]
struct Files {
    properties: Properties,
    golden: Golden,
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(Files { mut properties, golden }) = strict::from_slice(bytes) else { return };
    let schema = &*SCHEMA;
    if properties.validate(schema).is_err() {
        return;
    }
    // More takes longer and shows nothing else.
    properties.rows = properties.rows.min(10);
    properties.properties.truncate(4);
    let mut model =
        |rows: &Batch| Ok(Batch { rows: rows.rows, columns: rows.columns.get(1).cloned().into_iter().collect() });
    if let Ok(results) = properties.check(schema, &Checks::default(), &golden, &mut model) {
        assert_eq!(results.len(), properties.properties.len());
        results.iter().for_each(|result| assert!(!result.to_string().is_empty()));
    }
});
