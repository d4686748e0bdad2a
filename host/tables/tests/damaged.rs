//! Damaged files are errors, or other tables; never panics.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use proptest::prelude::*;
use scry_card::{Datatype, Field};
use scry_tables::{ColumnInfo, Format, Reader, TableError};
use std::fs;
use std::path::{Path, PathBuf};

/// Reads all there is, as found and as one other type.
fn read(path: &Path, format: Format) -> Result<u64, TableError> {
    let mut reader = Reader::open_as(path, format)?;
    let fields: Vec<Field> = reader.columns(&mut |_| ())?.iter().filter_map(ColumnInfo::field).collect();
    let mut rows = 0;
    for batch in reader.batches(&fields)? {
        rows += batch?.rows as u64;
    }
    let narrow: Vec<_> = fields.into_iter().map(|field| Field { datatype: Datatype::Int8, ..field }).collect();
    for batch in reader.batches(&narrow)? {
        batch?;
    }
    Ok(rows)
}

fn content(content: &[u8], format: Format) -> Result<u64, TableError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    fs::write(&path, content).unwrap();
    read(&path, format)
}

fn fixtures() -> Vec<(PathBuf, Format)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = paths
        .filter(|path| !path.to_str().unwrap().ends_with(".gz"))
        .map(|path| (path.clone(), Format::of(&path).unwrap()))
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn parquet_that_ends_early_is_an_error() {
    for (path, format) in fixtures().into_iter().filter(|(_, format)| *format == Format::Parquet) {
        let whole = fs::read(&path).unwrap();
        for len in (0..whole.len()).step_by(97) {
            assert!(content(&whole[..len], format).is_err(), "{path:?} cut to {len}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "[\"a,1.\n\r{}:\\[\\]-]{0,80}") {
        for format in [Format::Csv, Format::Ndjson, Format::Parquet] {
            let _ = content(&bytes, format);
            let _ = content(text.as_bytes(), format);
        }
        let parquet = [b"PAR1", bytes.as_slice(), &(bytes.len() as u32).to_le_bytes(), b"PAR1"].concat();
        prop_assert!(content(&parquet, Format::Parquet).is_err());
    }

    #[test]
    fn changed_bytes(which in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let all = fixtures();
        let (path, format) = &all[which.index(all.len())];
        let mut bytes = fs::read(path).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = content(&bytes, *format);
    }
}
