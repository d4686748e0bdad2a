//! What the Parquet crate panics about is an error, and nothing that anybody
//! sees but that. Alone in its program, whose panic hook it takes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests")]

use scry_card::Field;
use scry_tables::{ColumnInfo, Format, Reader, TableError};
use std::fs;
use std::panic::{set_hook, take_hook};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

static PRINTED: AtomicUsize = AtomicUsize::new(0);

fn read(path: &Path) -> Result<(), TableError> {
    let mut reader = Reader::open_as(path, Format::Parquet)?;
    let fields: Vec<Field> = reader.columns(&mut |_| ())?.iter().filter_map(ColumnInfo::field).collect();
    reader.batches(&fields)?.try_for_each(|batch| batch.map(drop))
}

#[test]
fn a_damaged_file_prints_no_panic() {
    set_hook(Box::new(|_| {
        PRINTED.fetch_add(1, Ordering::Relaxed);
    }));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    let whole = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pyarrow_split.parquet")).unwrap();
    let mut caught = 0;
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x7f;
        fs::write(&path, bytes).unwrap();
        let error = read(&path).err().map(|error| error.to_string()).unwrap_or_default();
        caught += usize::from(error.contains("the Parquet data is damaged"));
    }
    assert!(caught > 0, "nothing here panics any more; damage a file otherwise");
    assert_eq!(PRINTED.load(Ordering::Relaxed), 0);
    // Panics that nobody catches are printed as before.
    assert!(std::thread::spawn(|| panic!("of another kind")).join().is_err());
    assert_eq!(PRINTED.load(Ordering::Relaxed), 1);
    drop(take_hook());
}
