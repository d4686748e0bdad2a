//! References and counts that come from anywhere: refused, or harmless.

use crate::simulation::Random;
use crate::{batch, column, field, number_fields, profile, texts};
use proptest::prelude::*;
use scry_card::stats::{ALPHA, Counter, Counts, Reference, compare, compare_counts, watch};
use scry_card::{Batch, Datatype, Field, Values};
use serde_json::{Value, json};
use std::sync::LazyLock;

struct Known {
    fields: Vec<Field>,
    batch: Batch,
    reference: Reference,
    reference_json: String,
    counts_json: String,
}

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let mut random = Random(1);
    let fields = vec![field("x", Datatype::Fp64), field("few", Datatype::Int8), field("word", Datatype::Bytes)];
    let batch = batch(vec![
        column(Values::Fp64((0..60).map(|_| random.normal()).collect())),
        column(Values::Int8((0..60).map(|i| i % 3).collect())),
        texts((0..60).map(|i| if i % 4 == 0 { "a" } else { "b" })),
    ]);
    let reference = profile(&fields, &batch);
    let counter = Counter::new(&reference, &fields).unwrap();
    let mut counts = counter.start();
    counter.count(&mut counts, &batch).unwrap();
    Known {
        reference_json: serde_json::to_string(&reference).unwrap(),
        counts_json: serde_json::to_string(&counts).unwrap(),
        fields,
        batch,
        reference,
    }
});

/// Whatever is accepted can be used: counted with, judged, written again.
fn use_reference(json: &[u8]) -> bool {
    let Ok(reference) = Reference::from_json(json) else { return false };
    let known = &*KNOWN;
    if let Ok(counter) = Counter::new(&reference, &known.fields) {
        let mut counts = counter.start();
        counter.count(&mut counts, &known.batch).unwrap();
        let report = watch(&reference, &counts, ALPHA).unwrap();
        let mut values = report.columns.iter().flat_map(|column| &column.checks);
        assert!(values.all(|check| check.observed_value.is_finite()), "{report}");
    }
    for (a, b) in [(&reference, &known.reference), (&known.reference, &reference), (&reference, &reference)] {
        if let Ok(report) = compare(a, b, ALPHA) {
            let mut values = report.columns.iter().flat_map(|column| &column.checks);
            assert!(values.all(|check| check.observed_value.is_finite()), "{report}");
        }
    }
    true
}

fn use_counts(json: &[u8]) -> bool {
    let known = &*KNOWN;
    let Ok(mut counts) = Counts::from_json(json, &known.reference) else { return false };
    let copy = counts.clone();
    counts.merge(&copy).unwrap();
    for counts in [&copy, &counts] {
        for report in [watch(&known.reference, counts, ALPHA), compare_counts(&known.reference, counts, ALPHA)] {
            let Ok(report) = report else { continue };
            let mut values = report.columns.iter().flat_map(|column| &column.checks);
            assert!(values.all(|check| check.observed_value.is_finite()), "{report}");
        }
    }
    true
}

fn mutated(json: &str, at: usize, byte: u8, is_insertion: bool) -> Vec<u8> {
    let mut bytes = json.as_bytes().to_vec();
    let at = at % bytes.len();
    if is_insertion {
        bytes.insert(at, byte);
    } else {
        bytes[at] = byte;
    }
    bytes
}

/// Every number in a document, by its place.
fn numbers_of(value: &mut Value) -> Vec<&mut Value> {
    match value {
        Value::Array(list) => list.iter_mut().flat_map(numbers_of).collect(),
        Value::Object(map) => map.values_mut().flat_map(numbers_of).collect(),
        Value::Number(_) => vec![value],
        _ => vec![],
    }
}

proptest! {
    #[test]
    fn bytes_of_any_kind_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(!use_reference(&bytes) && !use_counts(&bytes));
    }

    #[test]
    fn a_changed_byte_is_refused_or_harmless(
        at in any::<usize>(),
        byte in prop::sample::select(b"0123456789.-e,:[]{}\"nul ".to_vec()),
        is_insertion in any::<bool>(),
    ) {
        use_reference(&mutated(&KNOWN.reference_json, at, byte, is_insertion));
        use_counts(&mutated(&KNOWN.counts_json, at, byte, is_insertion));
    }

    #[test]
    fn a_changed_number_is_refused_or_harmless(
        at in any::<prop::sample::Index>(),
        to in prop::sample::select(vec![
            json!(0), json!(-1), json!(1), json!(1e100), json!(-1e100), json!(1e-300), json!(1e300), json!(u64::MAX),
            json!(1u64 << 53), json!(60), json!(61), json!(null),
        ]),
    ) {
        for (document, read) in
            [(&KNOWN.reference_json, use_reference as fn(&[u8]) -> bool), (&KNOWN.counts_json, use_counts)]
        {
            let mut document: Value = serde_json::from_str(document).unwrap();
            let mut numbers = numbers_of(&mut document);
            let at = at.index(numbers.len());
            *numbers[at] = to.clone();
            read(document.to_string().as_bytes());
        }
    }
}

#[test]
fn what_is_right_is_accepted() {
    assert!(use_reference(KNOWN.reference_json.as_bytes()) && use_counts(KNOWN.counts_json.as_bytes()));
}

#[test]
fn the_largest_counts_are_judged_at_once() {
    let most = 1u64 << 53;
    let mut counts: Value = serde_json::from_str(&KNOWN.counts_json).unwrap();
    counts["rows"] = json!(most);
    for tally in counts["columns"].as_array_mut().unwrap() {
        let cells = tally["cells"].as_array_mut().unwrap();
        cells.iter_mut().for_each(|cell| *cell = json!(0));
        cells[0] = json!(most / 2);
        tally["null_count"] = json!(most / 2);
        tally["sums"].as_array_mut().unwrap().iter_mut().for_each(|sum| *sum = json!(0.0));
    }
    assert!(use_counts(counts.to_string().as_bytes()));
}

#[test]
fn a_reference_that_contradicts_itself_is_refused() {
    let numeric = "/columns/0/kind/numeric";
    for (pointer, value, says) in [
        ("/rows".to_owned(), json!(61), "field `x`: expected a count of 61, as rows, found 60"),
        ("/columns/0/null_count".into(), json!(99), "field `x`: expected at most 60 missing, found 99"),
        ("/columns/0/name".into(), json!(""), "expected a name of 1 to 132 bytes, found 0 bytes"),
        ("/columns/0/name".into(), json!("few"), "field `few`: expected unique names, found the name twice"),
        ("/columns/2/kind/categorical/other_count".into(), json!(1), "field `word`: expected counts that add up to 60"),
        ("/columns/2/kind/categorical/counts/0/value".into(), json!("a"), "field `word`: expected each category once"),
        (format!("{numeric}/std_dev"), json!(-1), "field `x`: expected a std_dev of at least 0, found -1"),
        (format!("{numeric}/mean"), json!(1e101), "field `x`: expected moments within ±1e100"),
        (format!("{numeric}/minimum"), json!(99), "field `x`: expected minimum at most maximum"),
        (format!("{numeric}/histogram/edges/0"), json!(9), "field `x`: expected edges in strictly ascending order"),
        (format!("{numeric}/histogram/counts/0"), json!(0), "field `x`: expected no empty bin but the last"),
        (format!("{numeric}/histogram/counts/0"), json!(600), "field `x`: expected counts that add up to 1 to 60"),
        (format!("{numeric}/histogram/counts"), json!([60]), "field `x`: expected 10 counts and means"),
        (
            format!("{numeric}/histogram/edges"),
            json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
            "field `x`: expected at most 9 edges",
        ),
        (format!("{numeric}/histogram/means/0"), json!(50), "field `x`: expected each mean inside its bin"),
        (format!("{numeric}/sample"), json!([2, 1]), "field `x`: expected a sample in ascending order"),
        (format!("{numeric}/sample"), json!([]), "field `x`: expected 1 to 10000 values in a sample"),
        (format!("{numeric}/nan_count"), json!(60), "field `x`: expected counts that add up to 1 to 0"),
    ] {
        let mut document: Value = serde_json::from_str(&KNOWN.reference_json).unwrap();
        *document.pointer_mut(&pointer).unwrap() = value;
        let error = Reference::from_json(document.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains(says), "{pointer}: {error}");
    }
}

#[test]
fn counts_of_another_reference_are_refused() {
    let other = profile(&number_fields(1), &batch(vec![column(Values::Fp64(vec![1.0]))]));
    let mut counts = Counter::new(&other, &number_fields(1)).unwrap().start();
    let known = Counts::from_json(KNOWN.counts_json.as_bytes(), &KNOWN.reference).unwrap();
    assert!(counts.merge(&known).unwrap_err().to_string().starts_with("field `fingerprint`: expected "));
    assert!(watch(&other, &known, ALPHA).is_err());
    assert!(Counts::from_json(KNOWN.counts_json.as_bytes(), &other).is_err());
    // Samples, counts and dates do not matter: bins do.
    assert_eq!(KNOWN.reference.fingerprint(), KNOWN.reference.clone().without_samples().fingerprint());
}
