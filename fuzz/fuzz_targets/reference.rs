//! Reference statistics: whatever the bytes, an error, or a reference that can
//! be written, compared and counted with.
//! `.ci/fuzz 60 reference`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_card::stats::{ALPHA, Counter, DriftReport, Profiler, Reference, References, compare, compare_live, watch};
use scry_card::{Batch, Field};
use std::sync::LazyLock;

static KNOWN: LazyLock<(Vec<Field>, Batch, Reference)> = LazyLock::new(|| {
    let (fields, rows) = (scry_fuzz::fields(), scry_fuzz::rows());
    let mut profiler = Profiler::new(&fields).sample_values(8);
    profiler.add(&rows).expect("rows of these fields");
    let reference = profiler.finish();
    (fields, rows, reference)
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(references) = References::from_json(bytes) else { return };
    let json = serde_json::to_vec(&references).expect("a reference can be written");
    assert_eq!(References::from_json(&json).expect("and read again"), references);
    let (fields, rows, known) = &*KNOWN;
    for reference in [Some(references.inputs), references.features, references.outputs].into_iter().flatten() {
        for (old, new) in [(&reference, known), (known, &reference), (&reference, &reference)] {
            compare(old, new, ALPHA).iter().for_each(is_finite);
        }
        let Ok(counter) = Counter::new(&reference, fields) else { continue };
        let mut counts = counter.start();
        counter.count(&mut counts, rows).expect("rows of the fields");
        is_finite(&watch(&reference, &counts, ALPHA).expect("counts of this reference"));
        is_finite(&compare_live(&reference, &counts, &counts, ALPHA).expect("counts of this reference"));
    }
});

fn is_finite(report: &DriftReport) {
    let mut checks = report.columns.iter().flat_map(|column| &column.checks);
    assert!(checks.all(|check| check.observed_value.is_finite()), "{report}");
}
