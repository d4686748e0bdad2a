//! What holds of any data.

use crate::{batch, column, field, number_fields, numbers, profile, texts};
use proptest::prelude::*;
use scry_card::stats::{
    Counter, Counts, DriftReport, Moments, Reference, Statistic, Verdict, compare, compare_counts, ks, wasserstein,
    watch,
};
use scry_card::{Datatype, Field, Values};
use serde_json::Value;

/// Awkward numbers among ordinary ones.
fn number() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        8 => (-50.0..50.0).prop_map(Some),
        4 => (-20i32..20).prop_map(|value| Some(f64::from(value) / 4.0)),
        1 => prop::sample::select(vec![0.0, -0.0, 1e99, -1e99, 1e-300, f64::NAN, f64::INFINITY, f64::MAX]).prop_map(Some),
        1 => Just(None),
    ]
}

fn column_of_numbers(rows: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Option<f64>>> {
    prop::collection::vec(number(), rows)
}

fn counted(reference: &Reference, values: &[Option<f64>]) -> Counts {
    let counter = Counter::new(reference, &number_fields(1)).unwrap();
    let mut counts = counter.start();
    counter.count(&mut counts, &numbers(values)).unwrap();
    counts.check(reference).unwrap();
    counts
}

fn finite(values: &[Option<f64>]) -> Vec<f64> {
    let finite = values.iter().flatten().copied().filter(|value| value.is_finite());
    let mut finite: Vec<f64> = finite.map(|value| value.clamp(-1e100, 1e100)).collect();
    finite.sort_by(f64::total_cmp);
    finite
}

/// Everything but the sums is equal; sums are, up to rounding.
fn assert_same(a: &Counts, b: &Counts) {
    fn walk(a: &Value, b: &Value, largest: f64) {
        match (a, b) {
            (Value::Array(a), Value::Array(b)) => {
                assert_eq!(a.len(), b.len());
                let largest = a.iter().filter_map(Value::as_f64).fold(1.0, |most: f64, x| most.max(x.abs()));
                a.iter().zip(b).for_each(|(a, b)| walk(a, b, largest));
            }
            (Value::Object(a), Value::Object(b)) => a.iter().for_each(|(key, a)| walk(a, &b[key], 1.0)),
            (Value::Number(x), Value::Number(y)) if x.is_f64() => {
                let (x, y) = (x.as_f64().unwrap(), y.as_f64().unwrap());
                assert!((x - y).abs() <= 1e-9 * largest.max(x.abs()), "{x} {y}");
            }
            _ => assert_eq!(a, b),
        }
    }
    walk(&serde_json::to_value(a).unwrap(), &serde_json::to_value(b).unwrap(), 1.0);
}

fn assert_sane(report: &DriftReport) {
    for column in &report.columns {
        let mut values = column.checks.iter().map(|check| check.observed_value);
        assert!(values.all(f64::is_finite), "{report}");
        for check in &column.checks {
            assert_eq!(serde_json::to_value(check.statistic).unwrap(), check.statistic.name());
        }
        let within = |statistic, low, high| column.value(statistic).is_none_or(|value| (low..=high).contains(&value));
        assert!(within(Statistic::KsD, 0.0, 1.0) && within(Statistic::KsPValue, 0.0, 1.0), "{report}");
        assert!(within(Statistic::LInfinity, 0.0, 1.0) && within(Statistic::JsdBits, 0.0, 1.0), "{report}");
        assert!(within(Statistic::ChiSquarePValue, 0.0, 1.0) && within(Statistic::FisherPValue, 0.0, 1.0), "{report}");
        assert!(within(Statistic::Psi, 0.0, f64::MAX) && within(Statistic::WNorm, 0.0, f64::MAX), "{report}");
        assert!(within(Statistic::NullRateChange, 0.0, 1.0), "{report}");
    }
    let json = serde_json::to_string(report).unwrap();
    assert_eq!(&serde_json::from_str::<DriftReport>(&json).unwrap(), report);
    assert!(report.to_string().contains(&report.verdict.to_string()));
}

proptest! {
    #[test]
    fn parts_merge_to_the_whole_in_any_order(
        reference in column_of_numbers(1..200),
        live in column_of_numbers(0..200),
        at in 0usize..200,
    ) {
        let profiled = profile(&number_fields(1), &numbers(&reference));
        let at = at.min(live.len());
        let whole = counted(&profiled, &live);
        let (mut first, mut second) = (counted(&profiled, &live[..at]), counted(&profiled, &live[at..]));
        let head = first.clone();
        first.merge(&second).unwrap();
        second.merge(&head).unwrap();
        let mut backwards = live.clone();
        backwards.reverse();
        for other in [&first, &second, &counted(&profiled, &backwards)] {
            assert_same(&whole, other);
        }
        let json = serde_json::to_vec(&whole).unwrap();
        prop_assert_eq!(Counts::from_json(&json, &profiled).unwrap(), whole);
    }

    #[test]
    fn every_statistic_is_a_number_within_its_bounds(
        reference in column_of_numbers(0..300),
        live in column_of_numbers(0..300),
    ) {
        let fields = number_fields(1);
        let profiled = profile(&fields, &numbers(&reference));
        let other = profile(&fields, &numbers(&live));
        let counts = counted(&profiled, &live);
        for report in [
            watch(&profiled, &counts, 0.01).unwrap(),
            compare_counts(&profiled, &counts, 0.01).unwrap(),
            compare(&profiled, &other, 0.01).unwrap(),
            compare(&profiled.clone().without_samples(), &other, 0.01).unwrap(),
            compare(&profiled.clone().without_samples(), &other.without_samples(), 0.01).unwrap(),
        ] {
            assert_sane(&report);
        }
        let json = serde_json::to_vec(&profiled).unwrap();
        prop_assert_eq!(Reference::from_json(&json).unwrap(), profiled);
    }

    #[test]
    fn bins_bound_what_samples_say(
        reference in prop::collection::vec(-5.0..5.0, 30..300),
        live in prop::collection::vec(-6.0..9.0, 1..300),
    ) {
        let some = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
        let (reference, live) = (some(&reference), some(&live));
        let profiled = profile(&number_fields(1), &numbers(&reference));
        let report = watch(&profiled, &counted(&profiled, &live), 0.01).unwrap().columns.remove(0);
        let (reference, live) = (finite(&reference), finite(&live));
        let (distance, area) = (ks(&reference, &live), wasserstein(&reference, &live));
        let binned = |statistic| report.value(statistic).unwrap();
        prop_assert!(binned(Statistic::KsD) <= distance + 1e-12 && distance <= binned(Statistic::KsDMax) + 1e-12);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let means_apart = (mean(&reference) - mean(&live)).abs();
        prop_assert!(means_apart <= binned(Statistic::Wasserstein) + 1e-9);
        prop_assert!(binned(Statistic::Wasserstein) <= area + 1e-9, "{} {area}", binned(Statistic::Wasserstein));
        prop_assert!((0.0..=1.0).contains(&distance));
    }

    #[test]
    fn moments_of_parts_are_those_of_the_whole(
        offset in prop::sample::select(vec![0.0, 1e6, -1e9]),
        values in prop::collection::vec(-10.0..10.0, 1..200),
        at in 0usize..200,
    ) {
        let all = |values: &[f64]| {
            let mut moments = Moments::default();
            values.iter().for_each(|value| moments.push(value + offset));
            moments
        };
        let (head, tail) = values.split_at(at.min(values.len()));
        let (whole, mut joined) = (all(&values), all(head));
        joined.merge(&all(tail));
        prop_assert_eq!(joined.count(), whole.count());
        prop_assert_eq!((joined.minimum(), joined.maximum()), (whole.minimum(), whole.maximum()));
        prop_assert!((joined.mean() - whole.mean()).abs() <= 1e-12 * offset.abs().max(10.0));
        prop_assert!((joined.std_dev() - whole.std_dev()).abs() <= 1e-6);
    }

    #[test]
    fn text_is_counted_by_category(values in prop::collection::vec("[a-e]{1,2}|1|2.5", 0..200)) {
        let fields = [field("x0", Datatype::Bytes)];
        let column = || texts(values.iter().map(String::as_str));
        let profiled = profile(&fields, &batch(vec![column()]));
        let counter = Counter::new(&profiled, &fields).unwrap();
        let mut counts = counter.start();
        counter.count(&mut counts, &batch(vec![column()])).unwrap();
        let report = watch(&profiled, &counts, 0.01).unwrap();
        assert_sane(&report);
        prop_assert_eq!(report.columns[0].observed_value, 0.0);
        prop_assert_eq!(report.columns[0].unexpected_count, Some(0));
        prop_assert_ne!(report.verdict, Verdict::Drift);
    }
}

#[test]
fn every_datatype_is_counted_as_it_is_read() {
    let lists = [
        Values::Bool(vec![true, false, true]),
        Values::Int8(vec![-1, 0, 1]),
        Values::Int16(vec![-1, 0, 1]),
        Values::Int32(vec![-1, 0, 1]),
        Values::Int64(vec![-1, 0, i64::MAX]),
        Values::Uint8(vec![1, 0, 1]),
        Values::Uint16(vec![1, 0, 1]),
        Values::Uint32(vec![1, 0, 1]),
        Values::Uint64(vec![1, 0, u64::MAX]),
        Values::Fp32(vec![0.1, -0.0, 0.0]),
        Values::Fp64(vec![0.1, -0.0, 1e-30]),
    ];
    let fields: Vec<_> = lists.iter().map(|list| field(list.datatype().name(), list.datatype())).collect();
    let batch = batch(lists.into_iter().map(column).collect());
    let profiled = profile(&fields, &batch);
    let counter = Counter::new(&profiled, &fields).unwrap();
    let mut counts = counter.start();
    counter.count(&mut counts, &batch).unwrap();
    for column in watch(&profiled, &counts, 0.01).unwrap().columns {
        assert_eq!((column.observed_value, column.unexpected_count), (0.0, Some(0)), "{column}");
    }
}

proptest! {
    /// Rows of fields with shapes, of texts and of missing elements, too.
    #[test]
    fn rows_counted_in_pieces_are_counted_as_a_whole(
        rows in prop::collection::vec((column_of_numbers(3..4), "[a-c]{0,2}"), 1..60),
        cuts in prop::collection::vec(0..60_usize, 0..4),
    ) {
        let triple = Field { shape: vec![3], ..field("x", Datatype::Fp64) };
        let fields = [triple, field("c", Datatype::Bytes)];
        let elements: Vec<_> = rows.iter().flat_map(|(three, _)| three.iter().copied()).collect();
        let mut live = numbers(&elements);
        live.rows = rows.len();
        live.columns[0].shape = vec![rows.len() as u64, 3];
        live.columns.push(texts(rows.iter().map(|(_, text)| text.as_str())));
        let reference = profile(&fields, &live);
        let counter = Counter::new(&reference, &fields).unwrap();
        prop_assert_eq!(counter.elements_per_row(), 4);
        let (mut whole, mut pieces) = (counter.start(), counter.start());
        counter.count(&mut whole, &live).unwrap();
        let mut ends: Vec<_> = cuts.into_iter().chain([0, rows.len()]).map(|cut| cut.min(rows.len())).collect();
        ends.sort_unstable();
        for pair in ends.windows(2) {
            counter.count_rows(&mut pieces, &live, pair[0]..pair[1]).unwrap();
        }
        assert_same(&whole, &pieces);
    }
}
