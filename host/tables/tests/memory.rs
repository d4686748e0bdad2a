//! However long a file is, reading and writing it takes no more memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![cfg(target_os = "linux")]

use scry_card::{Batch, Datatype, Field, Tensor, Values};
use scry_tables::{Reader, Writer};
use std::path::Path;

const COLUMNS: usize = 4;
const BATCH_ROWS: usize = 50_000;
const ROWS: usize = 2_000_000;
/// Under half of what the values alone take (61 MiB); a row group that waits to
/// be written, and a page of each column, fit.
const GROWTH_MAX_KIB: u64 = 28 << 10;

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn fields() -> Vec<Field> {
    let field = |at: usize| Field {
        name: format!("x{at}"),
        description: String::new(),
        datatype: Datatype::Fp64,
        shape: vec![],
        nullable: at == 0,
        unit: None,
        minimum: None,
        maximum: None,
        categories: vec![],
    };
    (0..COLUMNS).map(field).collect()
}

fn write(path: &Path, rows: usize) {
    let mut writer = Writer::create(path, &fields()).unwrap();
    for from in (0..rows).step_by(BATCH_ROWS) {
        let column = |at: usize| Tensor {
            shape: vec![BATCH_ROWS as u64],
            values: Values::Fp64((0..BATCH_ROWS).map(|i| ((from + i) as f64 + 0.5) / (at + 3) as f64).collect()),
            validity: None,
        };
        writer.write(&Batch { rows: BATCH_ROWS, columns: (0..COLUMNS).map(column).collect() }).unwrap();
    }
    writer.finish().unwrap();
}

fn read(path: &Path) -> (usize, f64) {
    let mut reader = Reader::open(path).unwrap();
    let found = reader.found_fields(&mut |_| ()).unwrap();
    let (mut rows, mut sum, mut done_bytes) = (0, 0.0, 0);
    let mut batches = reader.batches(&found).unwrap();
    while let Some(batch) = batches.next() {
        let batch = batch.unwrap();
        assert!(batch.rows <= 8_192);
        rows += batch.rows;
        for tensor in &batch.columns {
            let Values::Fp64(list) = &tensor.values else { panic!("{:?}", tensor.values.datatype()) };
            sum += list.iter().sum::<f64>();
        }
        assert!(batches.position().done_bytes >= done_bytes);
        done_bytes = batches.position().done_bytes;
    }
    assert_eq!(batches.position().done_bytes, batches.position().total_bytes);
    (rows, sum)
}

#[test]
fn millions_of_rows_take_the_memory_of_few() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["t.csv", "t.ndjson", "t.parquet"] {
        let path = folder.path().join(name);
        write(&path, BATCH_ROWS);
        read(&path);
        let before_kib = peak_kib();
        write(&path, ROWS);
        let (rows, sum) = read(&path);
        let growth_kib = peak_kib() - before_kib;
        assert_eq!(rows, ROWS, "{name}");
        // The sum of (i + 1/2) / (c + 3) over all rows and columns.
        let expected = (ROWS as f64).powi(2) / 2.0 * (1.0 / 3.0 + 1.0 / 4.0 + 1.0 / 5.0 + 1.0 / 6.0);
        assert!((sum - expected).abs() < expected * 1e-9, "{name}: {sum} {expected}");
        assert!(growth_kib <= GROWTH_MAX_KIB, "{name}: {growth_kib} KiB more");
    }
}
