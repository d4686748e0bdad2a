//! What is at a limit is read, and what is beyond it refused.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use scry_card::{Datatype, Field};
use scry_tables::{Reader, TableError, limits};
use std::fs;

fn field(datatype: Datatype) -> Field {
    serde_json::from_value(serde_json::json!({ "name": "x", "datatype": datatype, "nullable": true })).unwrap()
}

#[test]
fn a_line_of_the_limit_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    let longest = "x".repeat(limits::LINE_MAX_BYTES - 2);
    // With its end, with one after it, and at the end of the file without any.
    for end in ["\n", "\ny\n", ""] {
        fs::write(&path, format!("x\n-{longest}{end}")).unwrap();
        let rows = Reader::open(&path).unwrap().batches(&[field(Datatype::Bytes)]).unwrap();
        let rows: usize = rows.map(|batch| batch.unwrap().rows).sum();
        assert_eq!(rows, 1 + usize::from(end.len() > 1), "{end:?}");
    }
}

#[test]
fn an_end_that_is_too_long_and_a_name_that_is_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let mut end = vec![0; 100 << 20];
    end.extend(((100_u32 << 20) - 4).to_le_bytes());
    end.extend(b"PAR1");
    fs::write(&path, [b"PAR1".as_slice(), &end].concat()).unwrap();
    let error = Reader::open(&path).unwrap_err();
    assert!(matches!(&error, TableError::Limit { limit: limits::FOOTER_MAX_BYTES, .. }), "{error}");
    let name = "n".repeat(limits::NAME_MAX_BYTES + 1);
    fs::write(folder.path().join("t.csv"), format!("{name}\n1\n")).unwrap();
    assert!(matches!(Reader::open(&folder.path().join("t.csv")), Err(TableError::Limit { .. })));
    let path = folder.path().join("t.ndjson");
    fs::write(&path, format!("{{\"x\":\"a\",\"{name}\":1}}\n")).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    let read = reader.batches(&[field(Datatype::Bytes)]).unwrap().find_map(Result::err).unwrap().to_string();
    for error in [reader.columns(&mut |_| ()).unwrap_err().to_string(), read] {
        assert!(error.contains("a column's name of more than 1024 bytes"), "{error}");
    }
}
