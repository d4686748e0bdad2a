//! What is wrong with a file is said by name, line, column, and what to do.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use scry_card::{Batch, Datatype, Field, Tensor, Values};
use scry_tables::{Kind, Position, Reader, TableError, Writer, limits};
use std::fs;
use std::path::Path;

fn field(datatype: Datatype, nullable: bool, shape: &[u64]) -> Field {
    let (unit, minimum, maximum) = (None, None, None);
    let (name, shape, description, categories) = ("x".to_owned(), shape.to_vec(), String::new(), vec![]);
    Field { name, description, datatype, shape, nullable, unit, minimum, maximum, categories }
}

fn error(name: &str, content: &str, field: Field) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    let read = Reader::open(&path).and_then(|reader| reader.batches(&[field])?.collect::<Result<Vec<_>, _>>());
    let error = read.unwrap_err().to_string();
    assert!(error.contains(name), "{error}");
    error
}

#[test]
fn a_page_that_asks_for_too_much_is_refused_by_its_header() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let fields = [field(Datatype::Int64, false, &[])];
    let mut writer = Writer::create(&path, &fields).unwrap();
    let columns = vec![Tensor { shape: vec![3], values: Values::Int64(vec![1, 2, 3]), validity: None }];
    writer.write(&Batch { rows: 3, columns }).unwrap();
    writer.finish().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    // The header of the first page: its type, and its size once unpacked, which becomes 2 GiB.
    assert!(matches!(bytes.get(4..9), Some([0x15, 4, 0x15, ..0x80, 0x15])), "{bytes:?}");
    bytes.splice(7..8, [0xfe, 0xff, 0xff, 0xff, 0x0f]);
    fs::write(&path, bytes).unwrap();
    let error = Reader::open(&path).unwrap().batches(&fields).unwrap().next().unwrap().unwrap_err();
    assert!(matches!(&error, TableError::Limit { limit: limits::PAGE_MAX_BYTES, .. }), "{error}");
    assert!(error.to_string().ends_with("t.parquet, row 0: a page of bytes beyond the limit of 134217728"), "{error}");
}

#[test]
fn values_that_no_field_holds_are_named() {
    use Datatype::*;
    let cases = [
        ("t.csv", "x\n1\n300\n", Int8, "line 3, column `x`: expected an INT8 value, found 300"),
        ("t.csv", "x\n1.5\n", Int64, "line 2, column `x`: expected an INT64 value, found 1.5"),
        ("t.csv", "x\n-1\n", Uint64, "found -1"),
        ("t.csv", "x\n1e400\n", Fp64, "found \"1e400\""),
        ("t.csv", "x\n1e39\n", Fp32, "found \"1e39\""),
        ("t.csv", "y,x\n\"a\nb\",yes\n", Bool, "line 2, column `x`: expected a BOOL value, found \"yes\""),
        ("t.csv", "y,x\n1,2\n\n3\n", Int8, "line 4: expected 2 fields, as the header has, found 1"),
        ("t.csv", "x,x\n", Int8, "column `x`: is there twice"),
        ("t.csv", "\n1\n", Int8, "line 1: no column has a name"),
        ("t.csv", "x\n9007199254740993.0\n", Int64, "found 9007199254740993.0"),
        ("t.csv", "x\n18446744073709551616\n", Uint64, "found 18446744073709551616"),
        ("t.csv", "x\nNaN\n", Bool, "expected a BOOL value, found \"NaN\""),
        ("t.csv", "PAR1\n", Int8, "a Parquet file; give it a name that ends in .parquet"),
        ("t.ndjson", "PAR1\n", Int8, "a Parquet file"),
        ("t.csv", "x;y\n", Int8, "separated by ';'"),
        ("t.csv", "", Int8, "the file is empty"),
        ("t.csv", "y,z\n", Int8, "is not there, and must be: the file has `y`, `z`"),
        ("t.ndjson", "{\"x\":1}\n\n{\"x\":\"a\"}\n", Int8, "line 3, column `x`: expected an INT8 value, found \"a\""),
        ("t.ndjson", "{\"x\":1,\"x\":2}\n", Int8, "found a second value"),
        ("t.ndjson", "{\"x\":[1]}\n", Int8, "found a list"),
        ("t.ndjson", "{\"x\":{}}\n", Int8, "found an object"),
        (
            "t.ndjson",
            "{\"x\":1e300}\n",
            Fp32,
            "line 1, column `x`: expected an FP32 value, found a number out of range",
        ),
        ("t.ndjson", "[{\"x\":1}]\n", Int8, "line 1: expected an object, found a list; write one JSON object a line"),
        (
            "t.ndjson",
            "{\"x\":1\n",
            Int8,
            "line 1: expected `,` or `}`, found the end (column 7); write one JSON object a line",
        ),
        (
            "t.ndjson",
            "{\"x\":1} {}\n",
            Int8,
            "line 1: expected the end, found `{` (column 9); write one JSON object a line",
        ),
        ("t.parquet", "PAR1", Int8, "t.parquet: "),
        ("t.csv.gz", "x\n1\n", Int8, "damaged"),
        ("t.parquet.gz", "x", Int8, "gunzip"),
        ("t.xlsx", "x", Int8, "ends in .csv"),
    ];
    for (name, content, datatype, expected) in cases {
        let error = error(name, content, field(datatype, false, &[]));
        assert!(error.contains(expected), "{content:?}: {error}");
    }
}

#[test]
fn text_is_utf8() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    fs::write(&path, b"y,x\n1,caf\xe9\n").unwrap();
    let mut reader = Reader::open(&path).unwrap();
    let read = reader.batches(&[field(Datatype::Bytes, true, &[])]).unwrap().collect::<Result<Vec<_>, _>>();
    let found = reader.columns(&mut |_| ()).map(<[_]>::len);
    for error in [read.unwrap_err().to_string(), found.unwrap_err().to_string()] {
        assert!(error.contains("line 2, column `x`") && error.contains("UTF-8"), "{error}");
    }
}

#[test]
fn rows_move_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<scry_tables::Batches>();
    is_send::<Writer>();
}

#[test]
fn shapes_are_exact() {
    for (content, found) in [
        ("{\"x\":[[1,2],[3]]}", "found a list of 1"),
        ("{\"x\":[[1,2],[3,4],[5,6]]}", "found a list of more than 2"),
        ("{\"x\":[1,2]}", "found a number"),
        ("{\"x\":[[1,2],null]}", "found null"),
        ("{\"x\":\"a\"}", "found \"a\""),
    ] {
        let error = error("t.jsonl", content, field(Datatype::Fp32, false, &[2, 2]));
        assert!(error.contains(found) && error.contains("FP32 values of shape [2, 2]"), "{error}");
    }
    assert!(error("t.csv", "x\n1\n", field(Datatype::Fp32, false, &[2])).contains("CSV has no form for"));
}

#[test]
fn assumptions_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    fs::write(&path, "a,b,c,d,e\n1,007,NaN,18446744073709551615,\n,8,1,1,\nNA,9,2,2,\n").unwrap();
    let mut reader = Reader::open(&path).unwrap();
    let mut last = Position { done_bytes: 0, total_bytes: 0 };
    let columns = reader.columns(&mut |position| last = position).unwrap();
    let types: Vec<_> = columns.iter().map(|column| column.field().unwrap().datatype).collect();
    assert_eq!(types, [Datatype::Bytes, Datatype::Int64, Datatype::Int64, Datatype::Uint64, Datatype::Bytes]);
    assert_eq!(last.done_bytes, last.total_bytes);
    let assumed = reader.assumed().join("\n");
    for part in [
        "`a` is text for line 4, \"NA\", though 1 of its 2",
        "`b` has numbers that start with 0",
        "`c` holds NaN 1 times (first in line 2): taken for missing",
        "`e` has no value: all of them are missing",
    ] {
        assert!(assumed.contains(part), "{assumed}");
    }
    let path = folder.path().join("t.ndjson");
    fs::write(&path, "{\"a\":1,\"b\":[1,2],\"c\":[]}\n{\"a\":\"x\",\"b\":[1],\"d\":{}}\n").unwrap();
    let mut reader = Reader::open(&path).unwrap();
    let why = reader.columns(&mut |_| ()).unwrap().iter().map(|column| match &column.kind {
        Kind::Unreadable(why) => why.as_str(),
        Kind::Values { .. } | Kind::Missing { .. } => "readable",
    });
    let expected = [
        "holds numbers (line 1) and text (line 2)",
        "holds values of shape [2] and, in line 2, of shape [1]",
        "holds an empty list (line 1)",
        "holds an object (line 2)",
    ];
    assert_eq!(why.collect::<Vec<_>>(), expected);
}

fn batch(values: Vec<f64>) -> Batch {
    let shape = vec![values.len() as u64];
    Batch { rows: values.len(), columns: vec![Tensor { shape, values: Values::Fp64(values), validity: None }] }
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_file_appears_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let fields = [field(Datatype::Fp64, false, &[])];
    for name in ["t.csv", "t.ndjson", "t.parquet"] {
        let path = folder.path().join(name);
        let mut writer = Writer::create(&path, &fields).unwrap();
        writer.write(&batch(vec![1.0])).unwrap();
        assert!(!path.exists());
        drop(writer);
        assert!(names(folder.path()).is_empty(), "{name}");
        fs::write(&path, "before").unwrap();
        let mut writer = Writer::create(&path, &fields).unwrap();
        writer.write(&batch(vec![1.0, 2.0])).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert_eq!(writer.finish().unwrap(), 2);
        assert_eq!(names(folder.path()), [name]);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn what_a_format_cannot_hold_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&folder.path().join("t.ndjson"), &[field(Datatype::Fp64, false, &[])]).unwrap();
    writer.write(&batch(vec![1.0])).unwrap();
    let error = writer.write(&batch(vec![2.0, f64::INFINITY])).unwrap_err().to_string();
    assert!(error.contains("row 2, column `x`") && error.contains("inf, which JSON has no form for"), "{error}");
    let mut missing = batch(vec![1.0]);
    missing.columns.iter_mut().for_each(|column| column.validity = Some(vec![false]));
    assert!(writer.write(&missing).unwrap_err().to_string().contains("found null"));
    let other = Batch { rows: 3, ..batch(vec![1.0]) };
    assert!(writer.write(&other).unwrap_err().to_string().contains("of shape [3]"));
    let shaped = [field(Datatype::Fp64, false, &[2])];
    assert!(Writer::create(&folder.path().join("t.csv"), &shaped).unwrap_err().to_string().contains("no form"));
    assert!(
        Writer::create(&folder.path().join("t.csv.gz"), &shaped).unwrap_err().to_string().contains("leave the .gz")
    );
    assert!(Writer::create(&folder.path().join("t.csv"), &[]).unwrap_err().to_string().contains("no field"));
}

#[test]
fn what_is_no_text_is_said_by_its_first_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[u8], &str); 4] = [
        (b"\x1f\x8b\x08", "compressed with gzip; give it a name that ends in .gz"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
        (b"\xff\xfex\0", "written in UTF-16; write it in UTF-8"),
        (b"\xfe\xff\0x", "written in UTF-16"),
    ];
    for (bytes, why) in cases {
        for name in ["t.csv", "t.ndjson"] {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            let read = Reader::open(&path).and_then(|mut reader| reader.columns(&mut |_| ()).map(<[_]>::len));
            let error = read.unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}

/// All rows of `x`, with what was missing in the file.
fn column(name: &str, content: &str, field: Field, allowed: &[&str]) -> Result<(Tensor, Vec<String>), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    let mut reader = Reader::open(&path).unwrap();
    reader.allow_absent(&allowed.iter().map(ToString::to_string).collect::<Vec<_>>());
    let mut batches = reader.batches(&[field]).map_err(|error| error.to_string())?;
    let all = batches.by_ref().collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let joined = Batch::join(&all.iter().collect::<Vec<_>>()).unwrap();
    Ok((joined.columns.into_iter().next().unwrap(), batches.absent().to_vec()))
}

#[test]
fn a_column_that_is_not_there_is_missing_only_where_it_may_be() {
    use Datatype::{Bytes, Fp64};
    for (name, content, why) in [
        ("t.csv", "y\n1\n2\n", "column `x`: is not there: the file has `y`; `--allow-missing x`"),
        ("t.ndjson", "{\"y\":1}\n{\"y\":2}\n", "column `x`: is in no line; `--allow-missing x`"),
    ] {
        for nullable in [field(Fp64, true, &[]), field(Bytes, true, &[])] {
            let error = column(name, content, nullable.clone(), &["z"]).unwrap_err();
            assert!(error.contains(why), "{error}");
            let (read, absent) = column(name, content, nullable, &["z", "x"]).unwrap();
            assert_eq!((read.validity, absent), (Some(vec![false; 2]), vec!["x".to_owned()]));
        }
        // Nothing allows what the schema demands.
        let error = column(name, content, field(Fp64, false, &[]), &["x"]).unwrap_err();
        assert!(error.contains("and must be") && !error.contains("--allow-missing"), "{error}");
    }
    // Nothing is said against a member that is `null`, or only in some lines.
    let (read, absent) = column("t.ndjson", "{\"y\":1}\n{\"x\":null}\n", field(Fp64, true, &[]), &[]).unwrap();
    assert_eq!((read.validity, absent.len()), (Some(vec![false; 2]), 0));
}

#[test]
fn nan_is_a_missing_number_and_a_text_of_its_own() {
    use Datatype::{Bytes, Fp32, Fp64, Int32};
    let content = "y,x\n1,NaN\n2,-nan\n3,\n4,5\n";
    for datatype in [Fp64, Fp32, Int32] {
        let (read, _) = column("t.csv", content, field(datatype, true, &[]), &[]).unwrap();
        assert_eq!(read.validity, Some(vec![false, false, false, true]), "{datatype}");
    }
    let (text, _) = column("t.csv", content, field(Bytes, true, &[]), &[]).unwrap();
    assert_eq!(text.validity, Some(vec![true, true, false, true]));
}

#[test]
fn a_column_that_no_field_reads_may_be_there_twice() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("t.csv", "x,y,y\n1,2,3\n"), ("t.ndjson", "{\"x\":1,\"y\":2,\"y\":3}\n{\"x\":1,\"y\":2}\n")]
    {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let mut reader = Reader::open(&path).unwrap();
        let why: Vec<_> = reader.columns(&mut |_| ()).unwrap().iter().map(|column| column.kind.clone()).collect();
        assert!(matches!(why.as_slice(), [Kind::Values { .. }, Kind::Unreadable(_)]), "{name}: {why:?}");
        assert!(reader.batches(&[field(Datatype::Int8, false, &[])]).unwrap().all(|batch| batch.is_ok()), "{name}");
    }
}

#[test]
fn an_output_has_the_mode_that_the_file_had_or_the_umask_gives() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (plain, path) = (folder.path().join("plain"), folder.path().join("t.csv"));
    fs::write(&plain, "").unwrap();
    let write = || Writer::create(&path, &[field(Datatype::Fp64, false, &[])]).unwrap().finish().unwrap();
    write();
    assert_eq!(mode(&path), mode(&plain));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    write();
    assert_eq!(mode(&path), 0o640);
}
