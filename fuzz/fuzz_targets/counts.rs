//! Counts of another host: whatever the bytes, an error, or counts that can be
//! added, judged and written.
//! `.ci/fuzz 60 counts`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_card::stats::{ALPHA, Counter, Counts, Profiler, Reference, compare_counts, compare_live, watch};
use std::sync::LazyLock;

static KNOWN: LazyLock<(Reference, Counts)> = LazyLock::new(|| {
    let (fields, rows) = (scry_fuzz::fields(), scry_fuzz::rows());
    let mut profiler = Profiler::new(&fields);
    profiler.add(&rows).expect("rows of these fields");
    let reference = profiler.finish();
    let counter = Counter::new(&reference, &fields).expect("of these fields");
    let mut counts = counter.start();
    counter.count(&mut counts, &rows).expect("rows of the fields");
    (reference, counts)
});

fuzz_target!(|bytes: &[u8]| {
    let (reference, known) = &*KNOWN;
    let Ok(counts) = Counts::from_json(bytes, reference) else { return };
    let json = serde_json::to_vec(&counts).expect("counts can be written");
    assert_eq!(Counts::from_json(&json, reference).expect("and read again"), counts);
    let mut sum = known.clone();
    sum.merge(&counts).expect("of one reference");
    assert_eq!(sum.rows(), known.rows() + counts.rows());
    for counts in [&counts, &sum] {
        let reports = [
            watch(reference, counts, ALPHA),
            compare_counts(reference, counts, ALPHA),
            compare_live(reference, counts, known, ALPHA),
        ];
        for report in reports.into_iter().flatten() {
            let mut checks = report.columns.iter().flat_map(|column| &column.checks);
            assert!(checks.all(|check| check.observed_value.is_finite()), "{report}");
        }
    }
});
