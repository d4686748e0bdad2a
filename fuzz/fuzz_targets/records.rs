//! A request of records: whatever the bytes, an error, or rows that fit the
//! schema, or errors that each have their place.
//! `.ci/fuzz 60 records`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_card::{Checker, Checks, Detail, Field, Finding, Policy, batch_from_records_all, check_form};
use scry_protocol::{RecordsRequest, Surface, detail};
use std::sync::LazyLock;

static KNOWN: LazyLock<(Vec<Field>, Checker)> = LazyLock::new(|| {
    let fields = scry_fuzz::fields();
    let checker = Checker::new(&fields, &Checks::default()).expect("no rules, no errors");
    (fields, checker)
});

fuzz_target!(|body: &[u8]| {
    let Ok(RecordsRequest { instances, .. }) = RecordsRequest::from_json(body) else { return };
    let (fields, checker) = &*KNOWN;
    let limits = Detail { errors_max: 4, ..Detail::default() };
    let findings: Vec<Finding> = match batch_from_records_all(fields, &instances, &limits) {
        Ok(batch) => {
            check_form(fields, &batch).expect("a batch of the fields' form");
            checker.check(&batch, &limits).findings
        }
        Err(unfit) => unfit.errors.into_iter().map(|invalid| Finding { invalid, policy: Policy::Reject }).collect(),
    };
    assert!(findings.len() <= limits.errors_max);
    for finding in &findings {
        let told = detail(finding, Surface::Records);
        assert!(told["pointer"].as_str().is_some_and(|pointer| pointer.starts_with("/instances")), "{told}");
        assert!(finding.invalid.row.is_none_or(|row| row < instances.len()), "{told}");
    }
});
