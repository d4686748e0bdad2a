//! A request with rows as CSV: whatever the bytes, an error, or rows that fit the schema and are those of the same bytes in
//! a file, or errors that each name a column.
//! `.ci/fuzz 60 csv_rows`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_card::{Batch, Checker, Checks, Detail, Field, Interrupt, check_form};
use scry_protocol::Format;
use scry_tables::Reader;
use std::sync::LazyLock;
use tempfile::NamedTempFile;

static KNOWN: LazyLock<(Vec<Field>, Checker)> = LazyLock::new(|| {
    let fields: Vec<_> = scry_fuzz::fields().into_iter().filter(|field| field.shape.is_empty()).collect();
    let checker = Checker::new(&fields, &Checks::default()).expect("no rules, no errors");
    (fields, checker)
});

static FILE: LazyLock<NamedTempFile> = LazyLock::new(|| NamedTempFile::with_suffix(".csv").expect("a file"));

/// The rows of the bytes in a file; none where it has none. What it lacks may be missing: that is for checks to judge.
fn in_file(bytes: &[u8], fields: &[Field]) -> Option<Batch> {
    std::fs::write(FILE.path(), bytes).expect("a disk with room");
    let fields: Vec<_> = fields.iter().map(|field| Field { nullable: true, ..field.clone() }).collect();
    let mut reader = Reader::open(FILE.path()).expect("a file that is as good as the request");
    reader.allow_absent(&fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>());
    let batches = reader.batches(&fields).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    Batch::join(&batches.expect("rows that are as good as the request's").iter().collect::<Vec<_>>())
}

/// Whether the first line names one column, in which quotes mean something else in a file.
fn has_one_column(body: &[u8]) -> bool {
    !body.split(|&byte| byte == b'\n').next().unwrap_or_default().contains(&b',')
}

fuzz_target!(|body: &[u8]| {
    let (fields, checker) = &*KNOWN;
    let limits = Detail { errors_max: 4, ..Detail::default() };
    for is_only_known in [false, true] {
        let Ok(mut decoded) = Format::Csv.decode(body, &Interrupt::never()) else { return };
        if is_only_known {
            decoded.rows.keep_only(fields);
        }
        match decoded.rows.in_order(fields, &limits, &mut Interrupt::never()).expect("nothing interrupts") {
            Ok(batch) => {
                check_form(fields, &batch).expect("a batch of the fields' form");
                checker.check(&batch, &limits);
                if !is_only_known && !has_one_column(body) {
                    let batch = Some(batch).filter(|batch| batch.rows > 0);
                    assert_eq!(format!("{batch:?}"), format!("{:?}", in_file(body, fields)));
                }
            }
            Err(unfit) => {
                assert!(!unfit.errors.is_empty() && unfit.errors.len() <= limits.errors_max);
                assert!(
                    unfit.errors.iter().all(|error| !error.expected.is_empty() && error.to_string().len() < 16_384)
                );
            }
        }
    }
});
