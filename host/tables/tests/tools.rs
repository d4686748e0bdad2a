//! Files that pandas, pyarrow and polars wrote (`fixtures.py`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use scry_card::{Batch, Datatype, Field, Tensor, Values};
use scry_tables::{Kind, Reader, TableError};
use std::path::PathBuf;

const ROWS: usize = 20;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn field(name: &str, datatype: Datatype, shape: &[u64]) -> Field {
    let nullable = true;
    let (unit, minimum, maximum) = (None, None, None);
    let (name, shape, description, categories) = (name.to_owned(), shape.to_vec(), String::new(), vec![]);
    Field { name, description, datatype, shape, nullable, unit, minimum, maximum, categories }
}

/// All rows as one batch.
fn read(name: &str, fields: &[Field]) -> Result<Batch, TableError> {
    let mut reader = Reader::open(&path(name))?;
    reader.allow_absent(&["absent".to_owned()]);
    let batches = reader.batches(fields)?.collect::<Result<Vec<_>, _>>()?;
    Ok(Batch::join(&batches.iter().collect::<Vec<_>>()).unwrap())
}

fn column(name: &str, field: Field) -> Tensor {
    read(name, &[field]).unwrap().columns.remove(0)
}

fn text(tensor: &Tensor, at: usize) -> &str {
    match &tensor.values {
        Values::Bytes(text) => text.get(at).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn rows<T>(of: impl Fn(usize) -> T) -> Vec<T> {
    (0..ROWS).map(of).collect()
}

const PLAIN: [&str; 9] = [
    "pandas.csv",
    "pandas_index.csv",
    "pandas.csv.gz",
    "polars.csv",
    "pandas.jsonl",
    "polars.ndjson",
    "pandas.parquet",
    "pandas_gaps_as_floats.parquet",
    "polars.parquet",
];

#[test]
fn every_tool_gives_the_same_table() {
    let fields = [
        field("text", Datatype::Bytes, &[]),
        field("gaps", Datatype::Int16, &[]),
        field("real", Datatype::Fp64, &[]),
        field("truth", Datatype::Bool, &[]),
        field("whole", Datatype::Uint8, &[]),
        field("absent", Datatype::Fp32, &[2]),
    ];
    for name in PLAIN {
        // CSV has no lists, and so none that are absent.
        let fields = if name.contains(".csv") { &fields[..5] } else { &fields[..] };
        let batch = read(name, fields).unwrap();
        let [words, gaps, real, truth, whole, ..] = batch.columns.as_slice() else { panic!("{name}") };
        assert_eq!(whole.values, Values::Uint8(rows(|i| i as u8)), "{name}");
        assert_eq!(truth.values, Values::Bool(rows(|i| i % 2 == 0)), "{name}");
        assert_eq!(gaps.values, Values::Int16(rows(|i| if i % 3 == 0 { 0 } else { i as i16 })), "{name}");
        assert_eq!(gaps.validity, Some(rows(|i| i % 3 != 0)), "{name}");
        assert_eq!(words.validity, Some(rows(|i| i % 5 != 0)), "{name}");
        assert_eq!(text(words, 7), "a, \"7\"\nü", "{name}");
        let Values::Fp64(list) = &real.values else { panic!("{name}") };
        // pandas writes JSON with 15 digits.
        let tolerance = if name == "pandas.jsonl" { 1e-14 } else { 0.0 };
        assert!(list.iter().enumerate().all(|(i, v)| (v - i as f64 / 7.0).abs() <= tolerance), "{name}: {list:?}");
        if let Some(absent) = batch.columns.get(5) {
            assert_eq!(absent.validity, Some(vec![false; 2 * ROWS]), "{name}");
        }
    }
}

#[test]
fn types_are_found() {
    for name in PLAIN {
        let mut reader = Reader::open(&path(name)).unwrap();
        let found = reader.found_fields(&mut |_| ());
        let types: Vec<_> = found.unwrap().into_iter().map(|field| (field.name, field.datatype)).collect();
        let gaps = match name {
            "pandas.parquet" => Datatype::Int32,
            "pandas_gaps_as_floats.parquet" => Datatype::Fp64,
            "polars.csv" | "polars.ndjson" | "polars.parquet" => Datatype::Int64,
            _ => Datatype::Fp64,
        };
        let expected = [
            ("whole", Datatype::Int64),
            ("gaps", gaps),
            ("real", Datatype::Fp64),
            ("truth", Datatype::Bool),
            ("text", Datatype::Bytes),
            ("image", Datatype::Int16),
        ];
        let count = if name == "polars.parquet" { 6 } else { 5 };
        assert_eq!(types, expected[..count].iter().map(|(n, t)| (n.to_string(), *t)).collect::<Vec<_>>(), "{name}");
        assert_eq!(reader.rows_total(), Some(ROWS as u64), "{name}");
        assert_eq!(reader.assumed().len(), usize::from(name == "pandas_index.csv" || count == 6), "{name}");
    }
}

#[test]
fn numbers_of_every_width_are_exact() {
    let name = "pyarrow.parquet";
    let values = |name_of: &str, datatype| column(name, field(name_of, datatype, &[])).values;
    assert_eq!(values("i8", Datatype::Int8), Values::Int8(rows(|i| i as i8 - 10)));
    assert_eq!(values("u8", Datatype::Uint8), Values::Uint8(rows(|i| 255 - i as u8)));
    assert_eq!(values("i16", Datatype::Int64), Values::Int64(rows(|i| i as i64 - 10)));
    assert_eq!(values("u16", Datatype::Uint16), Values::Uint16(rows(|i| 65535 - i as u16)));
    assert_eq!(values("u32", Datatype::Uint32), Values::Uint32(rows(|i| u32::MAX - i as u32)));
    assert_eq!(values("u64", Datatype::Uint64), Values::Uint64(rows(|i| u64::MAX - i as u64)));
    assert_eq!(values("f16", Datatype::Fp32), Values::Fp32(rows(|i| i as f32 / 4.0)));
    assert_eq!(values("f32", Datatype::Fp32), Values::Fp32(rows(|i| (i as f64 / 7.0) as f32)));
    assert_eq!(values("money", Datatype::Fp64), Values::Fp64(rows(|i| (i as f64 - 100.0) / 100.0)));
    assert_eq!(column("pyarrow_split.parquet", field("real", Datatype::Fp64, &[])).values, {
        Values::Fp64(rows(|i| i as f64 / 7.0))
    });
}

#[test]
fn times_are_text() {
    let read = |file, name| column(file, field(name, Datatype::Bytes, &[]));
    let name = "pyarrow.parquet";
    assert_eq!(text(&read(name, "day"), 2), "1975-06-24");
    assert_eq!(text(&read(name, "naive"), 2), "1975-06-24T00:00:00.000002Z");
    assert_eq!(text(&read(name, "zoned"), 2), "1975-06-24T00:00:00.000002Z");
    assert_eq!(text(&read(name, "seconds"), 2), "1975-06-24T00:00:00Z");
    assert_eq!(text(&read("pyarrow_int96.parquet", "naive"), 2), "1975-06-24T00:00:00.000002Z");
    let batches = Reader::open(&path(name)).unwrap().batches(&[field("naive", Datatype::Bytes, &[])]).unwrap();
    assert!(batches.assumed()[0].contains("without a time zone"), "{:?}", batches.assumed());
    assert!(batches.ignored().contains(&"zoned".to_owned()));
    for (name_of, prefix) in [("large", "l"), ("view", "v")] {
        assert_eq!(text(&read(name, name_of), 19), format!("{prefix}19"));
    }
    assert_eq!(text(&read(name, "coded"), 19), "c1");
}

#[test]
fn lists_have_their_fields_shape() {
    let fixed = column("pyarrow.parquet", field("fixed", Datatype::Fp32, &[3]));
    assert_eq!(fixed.shape, [20, 3]);
    assert_eq!(fixed.validity, Some((0..60).map(|i| i % 3 != 1 && i / 3 != 3).collect()));
    let nested = column("pyarrow.parquet", field("nested", Datatype::Int8, &[2, 1]));
    assert_eq!(nested.values, Values::Int8((0..40).map(|i| i / 2 + i % 2).collect()));
    let image = column("polars.parquet", field("image", Datatype::Int32, &[2, 2]));
    assert_eq!(image.values, Values::Int32((0..20).flat_map(|i| [i, i + 1, i, -i]).collect()));
    for (shape, found) in [(vec![2u64], "row 0"), (vec![1], "row 1"), (vec![2, 2], "lists 1 deep")] {
        let error = read("pyarrow.parquet", &[field("ragged", Datatype::Int64, &shape)]).unwrap_err().to_string();
        assert!(error.contains(found) && error.contains("`ragged`"), "{error}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let mut reader = Reader::open(&path("pyarrow.parquet")).unwrap();
    let unreadable = reader.columns(&mut |_| ()).unwrap().iter().filter_map(|column| match &column.kind {
        Kind::Unreadable(why) => Some((column.name.clone(), why.clone())),
        Kind::Values { .. } | Kind::Missing { .. } => None,
    });
    let unreadable: Vec<_> = unreadable.collect();
    let names: Vec<_> = unreadable.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["struct", "map", "binary", "time"], "{unreadable:?}");
    let error = reader.found_fields(&mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("column `struct`: holds a struct"), "{error}");
    let error = read("pyarrow.parquet", &[field("binary", Datatype::Bytes, &[])]).unwrap_err().to_string();
    assert!(error.contains("BYTE_ARRAY, without a meaning"), "{error}");
    let error = read("pyarrow_lz4.parquet", &[field("real", Datatype::Fp64, &[])]).unwrap_err().to_string();
    assert!(error.contains("column `real`: is compressed by LZ4") && error.contains("zstd"), "{error}");
    let error = read("pyarrow.parquet", &[field("i8", Datatype::Bytes, &[])]).unwrap_err().to_string();
    assert!(error.contains("holds INT8, which a BYTES field cannot hold"), "{error}");
}

#[test]
fn a_column_that_cannot_be_unpacked_keeps_no_other_from_being_read() {
    let name = "pyarrow_one_lz4.parquet";
    let reals = rows(|i| i as f64 / 7.0);
    assert_eq!(column(name, field("real", Datatype::Fp64, &[])).values, Values::Fp64(reals));
    let error = read(name, &[field("text", Datatype::Bytes, &[])]).unwrap_err().to_string();
    assert!(error.contains("column `text`: is compressed by LZ4"), "{error}");
    let mut reader = Reader::open(&path(name)).unwrap();
    let columns = reader.columns(&mut |_| ()).unwrap();
    assert!(matches!(&columns[0].kind, Kind::Unreadable(why) if why.contains("LZ4")), "{columns:?}");
    assert!(matches!(columns[1].kind, Kind::Values { .. }), "{columns:?}");
}

#[test]
fn nan_is_missing_beside_null_and_alone() {
    let name = "pyarrow_nan.parquet";
    let there = |i: usize| i % 4 > 1;
    let expected = |i: usize| if there(i) { i as f64 } else { 0.0 };
    for (column_name, datatype) in [("f64", Datatype::Fp64), ("full", Datatype::Fp64), ("f32", Datatype::Fp64)] {
        let read = column(name, field(column_name, datatype, &[]));
        assert_eq!((read.values, read.validity), (Values::Fp64(rows(expected)), Some(rows(there))), "{column_name}");
    }
    for column_name in ["f32", "f16"] {
        let read = column(name, field(column_name, Datatype::Fp32, &[]));
        let values = Values::Fp32(rows(|i| expected(i) as f32));
        assert_eq!((read.values, read.validity), (values, Some(rows(there))), "{column_name}");
        let whole = column(name, field(column_name, Datatype::Int8, &[]));
        assert_eq!(whole.validity, Some(rows(there)), "{column_name}");
    }
}

#[test]
fn a_column_without_a_value_is_of_every_type() {
    let name = "pyarrow_missing.parquet";
    let mut reader = Reader::open(&path(name)).unwrap();
    let kinds = reader.columns(&mut |_| ()).unwrap().iter().map(|column| matches!(column.kind, Kind::Missing { .. }));
    assert_eq!(kinds.collect::<Vec<_>>(), [true, true, false]);
    for column_name in ["typed", "nothing"] {
        for (datatype, shape) in [(Datatype::Bytes, &[][..]), (Datatype::Bool, &[]), (Datatype::Int8, &[2])] {
            let read = column(name, field(column_name, datatype, shape));
            assert!(read.validity.is_some_and(|flags| flags.iter().all(|there| !there)), "{column_name} as {datatype}");
        }
    }
}

/// Every bit of what pages hold, in turn: `text-07`, or a float's bytes.
#[test]
fn a_flipped_bit_in_a_page_is_an_error_that_names_column_and_row_group() {
    let whole = std::fs::read(path("pyarrow_checksums.parquet")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("t.parquet");
    // The smallest and largest of a row group stand in its statistics, too, which no checksum covers.
    let find = |what: &[u8]| {
        let mut places = (0..whole.len()).filter(|&at| whole[at..].starts_with(what));
        places.next().filter(|_| places.next().is_none())
    };
    let fields = |name: &str| [field(name, if name == "text" { Datatype::Bytes } else { Datatype::Fp64 }, &[])];
    let mut tried = 0;
    for row in 0..ROWS {
        let text = find(format!("text-{row:02}").as_bytes());
        let real = find(&(row as f64 / 7.0).to_le_bytes());
        for (name, at, len) in [("text", text, 7), ("real", real, 8)] {
            let Some(at) = at else { continue };
            tried += 1;
            for bit in 0..len * 8 {
                let mut bytes = whole.clone();
                bytes[at + bit / 8] ^= 1 << (bit % 8);
                std::fs::write(&damaged, bytes).unwrap();
                let read = Reader::open(&damaged).unwrap().batches(&fields(name)).unwrap().find_map(Result::err);
                let error = read.expect("the bit counts").to_string();
                let group = row / 8;
                let says = format!("row {}: column `{name}`, row group {group}: ", 8 * group);
                assert!(error.contains(&says) && error.contains("do not fit its checksum"), "{error}");
                // The other column is read all the same.
                let other = if name == "text" { "real" } else { "text" };
                let mut rest = Reader::open(&damaged).unwrap().batches(&fields(other)).unwrap();
                assert!(rest.all(|batch| batch.is_ok()), "{name}, {row}");
            }
        }
    }
    assert!(tried >= 28, "{tried}: all but two of each row group");
}

#[test]
fn pages_with_checksums_are_read_packed_or_not() {
    for name in ["pyarrow_checksums.parquet", "pyarrow_checksums_zstd.parquet"] {
        assert_eq!(column(name, field("real", Datatype::Fp64, &[])).values, Values::Fp64(rows(|i| i as f64 / 7.0)));
        let texts = column(name, field("text", Datatype::Bytes, &[]));
        assert!((0..ROWS).all(|row| text(&texts, row) == format!("text-{row:02}")), "{name}");
    }
    // Packed pages: whatever byte of them is damaged, values are right or there are none.
    let whole = std::fs::read(path("pyarrow_checksums_zstd.parquet")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("t.parquet");
    let mut refused = 0;
    for at in 4..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&damaged, bytes).unwrap();
        let field = field("real", Datatype::Fp64, &[]);
        let read = Reader::open(&damaged).and_then(|reader| reader.batches(&[field])?.collect::<Result<Vec<_>, _>>());
        refused += usize::from(read.is_err_and(|error| error.to_string().contains("checksum")));
    }
    assert!(refused > 200, "{refused}");
}
