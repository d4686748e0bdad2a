//! A request with rows, in any of their forms: whatever the bytes, an error, or rows that fit the
//! schema, or errors that each have their place.
//! `.ci/fuzz 60 records`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_card::{Checker, Checks, Detail, Field, Finding, Interrupt, Policy, check_form};
use scry_protocol::{Members, RowsAt, RowsRequest, Surface, detail};
use std::sync::LazyLock;

static KNOWN: LazyLock<(Vec<Field>, Checker)> = LazyLock::new(|| {
    let fields = scry_fuzz::fields();
    let checker = Checker::new(&fields, &Checks::default()).expect("no rules, no errors");
    (fields, checker)
});

fuzz_target!(|body: &[u8]| {
    let Ok(RowsRequest { rows, at, .. }) = RowsRequest::from_json(body, Members::Any) else { return };
    let (fields, checker) = &*KNOWN;
    let limits = Detail { errors_max: 4, ..Detail::default() };
    let read = rows.in_order(fields, &limits, &mut Interrupt::never()).expect("nothing interrupts");
    let findings: Vec<Finding> = match read {
        Ok(batch) => {
            check_form(fields, &batch).expect("a batch of the fields' form");
            checker.check(&batch, &limits).findings
        }
        Err(unfit) => unfit.errors.into_iter().map(|invalid| Finding { invalid, policy: Policy::Reject }).collect(),
    };
    assert!(findings.len() <= limits.errors_max);
    let sent: serde_json::Value = serde_json::from_slice(body).expect("it was read before");
    for finding in &findings {
        let told = detail(finding, Surface::Rows(&at));
        let pointer = told["pointer"].as_str().expect("a finding has a pointer");
        // A member that is missing has no place of its own; where rows come by column, its list has none either.
        let up = |pointer: &str| pointer.rsplit_once('/').map_or(String::new(), |(parent, _)| parent.to_owned());
        let parent = up(pointer);
        let places = [pointer, &parent, &up(&parent)].map(|place| sent.pointer(place));
        let known = if at == RowsAt::Columns { &places[..] } else { &places[..2] };
        assert!(known.iter().any(Option::is_some), "{told}");
    }
});
