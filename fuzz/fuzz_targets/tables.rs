//! Tables: whatever a file holds, an error or rows of its columns, within the
//! limits. Parquet by its first bytes, NDJSON by an opening brace, else CSV.
//! `.ci/fuzz 60 tables`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_card::{Datatype, Field, check_form};
use scry_tables::{ColumnInfo, Format, Reader, TableError};
use std::sync::LazyLock;
use tempfile::NamedTempFile;

static FILE: LazyLock<NamedTempFile> = LazyLock::new(|| NamedTempFile::new().expect("a file"));

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(FILE.path(), bytes).expect("a disk with room");
    let format = match bytes {
        [b'P', b'A', b'R', b'1', ..] => Format::Parquet,
        [b'{', ..] => Format::Ndjson,
        _ => Format::Csv,
    };
    let _ = read(format);
});

fn read(format: Format) -> Result<(), TableError> {
    let mut reader = Reader::open_as(FILE.path(), format)?;
    reader.set_rows_max(100);
    let fields: Vec<Field> = reader.columns(&mut |_| ())?.iter().filter_map(ColumnInfo::field).collect();
    let narrow: Vec<Field> = fields.iter().map(|field| Field { datatype: Datatype::Int8, ..field.clone() }).collect();
    for fields in [fields, narrow] {
        let Ok(batches) = reader.batches(&fields) else { continue };
        // A few bytes may say that they are many rows, which is true of a column with one value.
        for batch in batches.take(20) {
            let Ok(batch) = batch else { break };
            check_form(&fields, &batch).expect("a batch of the fields' form");
        }
    }
    Ok(())
}
