//! A request with rows as CSV: whatever the bytes, an error, or rows that fit the schema, or errors that each name a
//! column.
//! `.ci/fuzz 60 csv_rows`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_card::{Checker, Checks, Detail, Field, Interrupt, check_form};
use scry_protocol::Format;
use std::sync::LazyLock;

static KNOWN: LazyLock<(Vec<Field>, Checker)> = LazyLock::new(|| {
    let fields: Vec<_> = scry_fuzz::fields().into_iter().filter(|field| field.shape.is_empty()).collect();
    let checker = Checker::new(&fields, &Checks::default()).expect("no rules, no errors");
    (fields, checker)
});

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
