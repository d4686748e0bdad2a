//! A limit is met while a file is read, before the memory is taken. Alone in its
//! program, whose peak of memory it measures.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]
#![cfg(target_os = "linux")]

use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::basic::Encoding;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use scry_card::{Datatype, Field};
use scry_tables::{Reader, TableError, limits};
use std::fs::{self, File};
use std::io::{Read, Write, copy, repeat};
use std::path::Path;
use std::sync::Arc;

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn field(datatype: Datatype) -> Field {
    serde_json::from_value(serde_json::json!({ "name": "x", "datatype": datatype, "nullable": true })).unwrap()
}

/// What ends the reading of `x`, and what is read before.
fn ends(path: &Path) -> (usize, TableError) {
    let reader = match Reader::open(path) {
        Ok(reader) => reader,
        Err(error) => return (0, error),
    };
    let mut rows = 0;
    for batch in reader.batches(&[field(Datatype::Bytes)]).unwrap() {
        match batch {
            Ok(batch) => rows += batch.rows,
            Err(error) => return (rows, error),
        }
    }
    unreachable!("{rows} rows were read of {}", path.display())
}

/// A start, then so many bytes that are on no disk.
fn sparse(path: &Path, start: &str, bytes: u64) {
    let mut file = File::create(path).unwrap();
    file.write_all(start.as_bytes()).unwrap();
    file.set_len(bytes).unwrap();
}

/// Rows of 64 KiB each that share all but their last bytes, in little more than one of them.
fn shared_starts(path: &Path, rows: usize) {
    let schema = parse_message_type("message schema { OPTIONAL BYTE_ARRAY x (UTF8); }").unwrap();
    let properties = WriterProperties::builder().set_dictionary_enabled(false);
    let properties = properties.set_encoding(Encoding::DELTA_BYTE_ARRAY).build();
    let mut writer =
        SerializedFileWriter::new(File::create(path).unwrap(), Arc::new(schema), Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let start = "x".repeat(64 << 10);
    for row in 0..rows {
        let value = ByteArray::from(format!("{start}{row:06}").into_bytes());
        column.typed::<ByteArrayType>().write_batch(&[value], Some(&[1]), None).unwrap();
    }
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    assert!(fs::metadata(path).unwrap().len() < 1 << 20);
}

#[test]
fn no_limit_is_met_late() {
    const MIB: u64 = 1 << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    sparse(&path("line.csv"), "y,x\n1,2\n", 1024 * MIB);
    sparse(&path("quoted.csv"), "y,x\n1,2\n3,\"", 1024 * MIB);
    sparse(&path("header.csv"), "y,x", 1024 * MIB);
    sparse(&path("line.ndjson"), "{\"x\":\"a\"}\n", 1024 * MIB);
    fs::write(path("ended.csv"), format!("y,x\n1,2\n3,{}\n", "x".repeat(65 << 20))).unwrap();
    fs::write(path("commas.csv"), format!("y,x\n1,2\n{}\n", ",".repeat(32 << 20))).unwrap();
    let mut packed = GzEncoder::new(File::create(path("line.csv.gz")).unwrap(), Compression::fast());
    packed.write_all(b"y,x\n1,2\n").unwrap();
    copy(&mut repeat(b'x').take(200 * MIB), &mut packed).unwrap();
    packed.finish().unwrap();
    // What the test itself took is not the reader's.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before_kib = peak_kib();
    for (name, limit) in [
        ("line.csv", limits::LINE_MAX_BYTES),
        ("quoted.csv", limits::LINE_MAX_BYTES),
        ("header.csv", limits::LINE_MAX_BYTES),
        ("line.ndjson", limits::LINE_MAX_BYTES),
        ("ended.csv", limits::LINE_MAX_BYTES),
        ("line.csv.gz", limits::LINE_MAX_BYTES),
        ("commas.csv", limits::COLUMNS_MAX),
    ] {
        let (_, error) = ends(&path(name));
        assert!(matches!(&error, TableError::Limit { limit: found, .. } if *found == limit), "{name}: {error}");
        let growth_kib = peak_kib().saturating_sub(before_kib);
        assert!(growth_kib <= 72 << 10, "{name}: {growth_kib} KiB");
    }
    shared_starts(&path("starts.parquet"), 8_000);
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before_kib = peak_kib();
    let (_, error) = ends(&path("starts.parquet"));
    assert!(matches!(&error, TableError::Limit { limit: limits::COLUMN_TEXT_MAX_BYTES, .. }), "{error}");
    let growth_kib = peak_kib().saturating_sub(before_kib);
    assert!(growth_kib <= 300 << 10, "{growth_kib} KiB");
}
