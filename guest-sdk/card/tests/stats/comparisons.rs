//! Drift that comparisons missed once, and alarms that they raised without any.

use crate::figures::{Case, Way, drifted, too_small, undrifted};
use crate::simulation::Random;
use crate::{batch, column, field, number_fields, numbers, profile, texts};
use proptest::prelude::*;
use scry_card::stats::{
    ALPHA, Basis, Counter, Counts, Kind, Profiler, Reference, Statistic, Verdict, chi_square, compare, compare_counts,
    compare_live, means_p_value, total_variation, total_variation_by_chance, watch,
};
use scry_card::{Batch, Datatype, Field, Values};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The example `drift_table` has twenty times as many.
#[test]
fn comparisons_without_drift_raise_no_more_alarms_than_promised() {
    const TIMES: usize = 20;
    let (mut alarms, mut comparisons) = (0, 0);
    for case in undrifted() {
        for way in Way::ALL {
            let drift = case.verdicts(way, 1, TIMES).drift;
            // 0.2 are expected; 4 or more come by chance in one of 25,000.
            assert!(drift <= 3, "{}, {}: {drift} of {TIMES}", case.name, way.name());
            (alarms, comparisons) = (alarms + drift, comparisons + TIMES);
        }
    }
    assert!(alarms as f64 <= comparisons as f64 * ALPHA, "{alarms} of {comparisons}");
}

#[test]
fn drift_of_every_kind_is_seen_by_every_way() {
    const TIMES: usize = 5;
    // What is kept names a hundred values: too few of 3,000 to tell, and of two
    // that are kept, neither may name what the other does.
    let is_hidden = |case: &Case, way: Way| match way {
        Way::Tables => false,
        Way::BothKept => case.name.contains("3,000") || case.name.contains("300 others"),
        _ => case.name.contains("3,000"),
    };
    for case in drifted() {
        for way in Way::ALL.into_iter().filter(|way| !is_hidden(&case, *way)) {
            let verdicts = case.verdicts(way, 2, TIMES);
            assert!(verdicts.drift >= TIMES - 1, "{}, {}: {verdicts:?}", case.name, way.name());
        }
    }
}

#[test]
fn a_reference_of_few_rows_is_insufficient() {
    for case in too_small() {
        for way in Way::ALL {
            assert_eq!(case.verdicts(way, 3, 3).insufficient, 3, "{}, {}", case.name, way.name());
        }
    }
    // Of missing values it says too little as well.
    let fields = number_fields(1);
    for (rows, verdict) in [(99, Verdict::InsufficientData), (100, Verdict::Drift)] {
        let reference = profile(&fields, &numbers(&vec![Some(1.0); rows]));
        let counter = Counter::new(&reference, &fields).unwrap();
        let mut counts = counter.start();
        counter.count(&mut counts, &numbers(&vec![None; 500])).unwrap();
        for report in [watch(&reference, &counts, ALPHA), compare_counts(&reference, &counts, ALPHA)] {
            let report = report.unwrap();
            assert_eq!(report.verdict, verdict, "{report}");
        }
    }
}

/// However far out a few values are, what is too small to matter stays so.
#[test]
fn a_small_shift_beside_sentinels_is_none_however_sure() {
    let fields = number_fields(1);
    let side = |seed: u64, middle: f64| {
        let mut random = Random(seed);
        let mut value = || if random.uniform() < 0.01 { -9999.0 } else { random.normal() + middle };
        numbers(&(0..200_000).map(|_| Some(value())).collect::<Vec<_>>())
    };
    let reference = profile(&fields, &side(1, 0.0));
    let counter = Counter::new(&reference, &fields).unwrap();
    for (middle, verdict) in [(0.05, Verdict::Ok), (0.3, Verdict::Drift)] {
        let mut counts = counter.start();
        counter.count(&mut counts, &side(2, middle)).unwrap();
        for report in [watch(&reference, &counts, ALPHA), compare_counts(&reference, &counts, ALPHA)] {
            let column = report.unwrap().columns.remove(0);
            assert!(column.check(Statistic::LnEValues).unwrap().reached, "{column}");
            assert!(!column.check(Statistic::WNorm).unwrap().reached, "the sentinels widen it: {column}");
            assert_eq!(column.verdict, verdict, "{column}");
        }
    }
}

/// What two means alone say, they say with the chance that they differ.
#[test]
fn means_that_differ_by_chance_are_no_drift() {
    let fields = number_fields(1);
    let mut alarms = 0;
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut side = || numbers(&(0..500).map(|_| Some(random.normal())).collect::<Vec<_>>());
        let [one, two] = [side(), side()].map(|batch| profile(&fields, &batch).without_samples());
        let report = compare(&one, &two, ALPHA).unwrap().columns.remove(0);
        assert_eq!(report.basis, Basis::Means);
        alarms += usize::from(report.verdict == Verdict::Drift);
    }
    assert!(alarms <= 2, "{alarms} of 200");
    // scipy.stats.norm.sf(2) * 2 and scipy.stats.norm.sf(0.5) * 2, of 0.6² + 0.8² = 1.
    for (apart, p_value) in [(2.0, 0.045_500_263_896_358_42), (0.5, 0.617_075_077_451_973_9)] {
        assert!((means_p_value(apart, [0.6, 0.8]) / p_value - 1.0).abs() < 1e-9);
    }
    assert_eq!((means_p_value(0.0, [0.0, 0.0]), means_p_value(1.0, [0.0, 0.0])), (1.0, 0.0));
}

#[test]
fn what_a_pooled_cell_holds_makes_up_for_no_other_cell() {
    // `b` is gone, and `other` is as many; once, both were one cell.
    assert!(chi_square(&[3_750, 1_250, 0], &[150, 0, 50]).p_value < 1e-9);
    // Where cells alone are too few to test, the exact evidence is what is left.
    assert_eq!(chi_square(&[50_000, 0], &[0, 500]).p_value, 1.0);
}

#[test]
fn total_variation_is_half_of_all_changes_and_chance_has_its_part() {
    assert_eq!(total_variation(&[50, 50, 0], &[25, 25, 50]), 0.5);
    assert_eq!((total_variation(&[], &[]), total_variation_by_chance(&[5], &[0])), (0.0, 0.0));
    let mut random = Random(5);
    for (cells, rows) in [(2, 200), (100, 2_000), (1_000, 500)] {
        let mut sample = || {
            let mut counts = vec![0u64; cells];
            (0..rows).for_each(|_| counts[(random.uniform() * cells as f64) as usize] += 1);
            counts
        };
        let mut mean = (0.0, 0.0);
        for _ in 0..200 {
            let (one, two) = (sample(), sample());
            mean.0 += total_variation(&one, &two) / 200.0;
            mean.1 += total_variation_by_chance(&one, &two) / 200.0;
        }
        assert!((mean.0 / mean.1 - 1.0).abs() < 0.15, "{cells} cells of {rows} rows: {mean:?}");
    }
}

/// `earlier.json` is what version 0.1.0 of 23 November 2026 wrote: 2,000 rows, of
/// which 100 of 251 words were kept by their counts, and two numbers of 2^53 merged.
fn earlier() -> (Reference, Counts, Vec<Field>) {
    let stored: Value = serde_json::from_str(include_str!("../earlier.json")).unwrap();
    let reference = Reference::from_json(stored["reference"].to_string().as_bytes()).unwrap();
    let counts = Counts::from_json(stored["counts"].to_string().as_bytes(), &reference).unwrap();
    assert_eq!(serde_json::to_value(&reference).unwrap(), stored["reference"]);
    let names = [("x", Datatype::Fp64), ("few", Datatype::Int64), ("id", Datatype::Int64), ("word", Datatype::Bytes)];
    (reference, counts, names.map(|(name, datatype)| field(name, datatype)).to_vec())
}

/// Rows as those of `earlier.json`, but for the words, which are these.
fn like_earlier(seed: u64, rows: usize, word: impl Fn(&mut Random) -> String) -> Batch {
    let mut random = Random(seed);
    let mut words: Vec<String> = Vec::new();
    let (mut x, mut few, mut id) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        words.push(word(&mut random));
        x.push((100.0 * (random.uniform() + random.uniform() + random.uniform())).round() / 100.0);
        few.push((random.uniform() * 4.0) as i64);
        id.push((1i64 << 53) + (random.uniform() * 2.0) as i64);
    }
    let words = texts(words.iter().map(String::as_str));
    batch(vec![column(Values::Fp64(x)), column(Values::Int64(few)), column(Values::Int64(id)), words])
}

#[test]
fn statistics_and_counts_of_earlier_versions_are_read_and_go_on() {
    let (reference, counts, fields) = earlier();
    assert_eq!(counts.rows(), 500);
    let word = |random: &mut Random| format!("k{}", (300f64.powf(random.uniform()) - 1.0) as u32);
    let counter = Counter::new(&reference, &fields).unwrap();
    for seed in 0..10 {
        let live = like_earlier(seed, 1_500, word);
        let mut epoch = counts.clone();
        counter.count(&mut epoch, &live).unwrap();
        assert_eq!(epoch.rows(), 2_000);
        let mut profiler = Profiler::new(&fields).naming(&reference);
        profiler.add(&live).unwrap();
        let (named, whole) = (profiler.finish(), profile(&fields, &live));
        for report in [
            compare(&named, &reference, ALPHA),
            compare(&whole, &reference, ALPHA),
            watch(&reference, &epoch, ALPHA),
            compare_counts(&reference, &epoch, ALPHA),
            compare(&reference, &named, ALPHA),
            compare(&reference, &whole, ALPHA),
        ] {
            let report = report.unwrap();
            let verdicts: Vec<_> = report.columns.iter().map(|column| column.verdict).collect();
            // Of `x`, 20 values are kept: as live data, too few to say.
            assert!(verdicts[0] != Verdict::Drift && verdicts[1..] == [Verdict::Ok; 3], "{report}");
        }
    }
    // A word that was never there takes the place of the most frequent one.
    let live = like_earlier(1, 1_500, |random| word(random).replace("k0", "new"));
    let mut epoch = counter.start();
    counter.count(&mut epoch, &live).unwrap();
    for report in [watch(&reference, &epoch, ALPHA), compare_counts(&reference, &epoch, ALPHA)] {
        let report = report.unwrap();
        let verdicts: Vec<_> = report.columns.iter().map(|column| column.verdict).collect();
        assert_eq!(verdicts, [Verdict::Ok, Verdict::Ok, Verdict::Ok, Verdict::Drift], "{report}");
    }
}

/// As earlier versions kept them: the most frequent texts by all their counts.
fn kept_as_earlier(words: &[String]) -> Reference {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    words.iter().for_each(|word| *counts.entry(word).or_default() += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let other: u64 = counts.iter().skip(100).map(|(_, count)| count).sum();
    let named: Vec<_> =
        counts.iter().take(100).map(|(value, count)| json!({ "value": value, "count": count })).collect();
    let kind = json!({ "categorical": { "counts": named, "other_count": other } });
    let column = json!({ "name": "c", "count": words.len(), "null_count": 0, "kind": kind });
    Reference::from_json(json!({ "rows": words.len(), "columns": [column] }).to_string().as_bytes()).unwrap()
}

#[test]
fn references_of_earlier_versions_with_many_categories_raise_no_alarm_without_drift() {
    let fields = [field("c", Datatype::Bytes)];
    for seed in 0..20 {
        let mut random = Random(seed);
        let is_falling = seed % 2 == 0;
        let mut words = || -> Vec<String> {
            let mut at = || if is_falling { 300f64.powf(random.uniform()) } else { 300.0 * random.uniform() };
            (0..2_000).map(|_| format!("k{}", at() as u32)).collect()
        };
        let (old, new) = (words(), words());
        let live = batch(vec![texts(new.iter().map(String::as_str))]);
        let (old, other) = (kept_as_earlier(&old), kept_as_earlier(&new));
        let mut profiler = Profiler::new(&fields).naming(&old);
        profiler.add(&live).unwrap();
        let named = profiler.finish();
        let counter = Counter::new(&old, &fields).unwrap();
        let mut counts = counter.start();
        counter.count(&mut counts, &live).unwrap();
        for report in [
            watch(&old, &counts, ALPHA),
            compare_counts(&old, &counts, ALPHA),
            compare(&old, &named, ALPHA),
            compare(&named, &old, ALPHA),
            compare(&old, &other, ALPHA),
            compare(&old, &profile(&fields, &live), ALPHA),
            compare(&profile(&fields, &live), &old, ALPHA),
        ] {
            let report = report.unwrap();
            assert_eq!(report.verdict, Verdict::Ok, "seed {seed}: {report}");
        }
    }
}

/// Nothing that is kept of the reference is compared with what chose it.
#[test]
fn versions_beside_each_other_are_compared_by_all_their_counts() {
    let fields = [field("c", Datatype::Bytes)];
    let sample = |seed: u64, from: u32| {
        let mut random = Random(seed);
        let words: Vec<_> = (0..2_000).map(|_| format!("k{}", from + (random.uniform() * 300.0) as u32)).collect();
        batch(vec![texts(words.iter().map(String::as_str))])
    };
    let reference = profile(&fields, &sample(1, 0));
    let Kind::Categorical(kept) = &reference.columns[0].kind else { panic!("{reference:?}") };
    let held_out = kept.held_out.as_ref().unwrap();
    let all_held_out = held_out.counts.iter().sum::<u64>() + held_out.other_count;
    assert!((900..1_100).contains(&all_held_out), "half of 2,000: {all_held_out}");
    let counter = Counter::new(&reference, &fields).unwrap();
    let counted = |batch: &Batch| {
        let mut counts = counter.start();
        counter.count(&mut counts, batch).unwrap();
        counts
    };
    for (from, verdict) in [(0, Verdict::Ok), (200, Verdict::Drift)] {
        let report = compare_live(&reference, &counted(&sample(2, 0)), &counted(&sample(3, from)), ALPHA).unwrap();
        assert_eq!(report.verdict, verdict, "{report}");
    }
}

#[test]
fn held_out_counts_and_origins_that_contradict_themselves_are_refused() {
    let fields = [field("c", Datatype::Bytes)];
    let mut random = Random(1);
    let words: Vec<_> = (0..5_000).map(|_| format!("k{}", (random.uniform() * 200.0) as u32)).collect();
    let reference = profile(&fields, &batch(vec![texts(words.iter().map(String::as_str))]));
    let of = |reference: &Reference, pointer: &str, value: Value| {
        let mut document = serde_json::to_value(reference).unwrap();
        *document.pointer_mut(pointer).unwrap() = value;
        Reference::from_json(document.to_string().as_bytes()).unwrap_err().to_string()
    };
    let kind = "/columns/0/kind/categorical/held_out";
    assert!(of(&reference, &format!("{kind}/counts"), json!([1])).contains("expected 100 counts held out, found 1"));
    let more = of(&reference, &format!("{kind}/other_count"), json!(5_000));
    assert!(more.contains("no more held out than there are"), "{more}");
    let ids: Vec<_> = (0..100).map(|i| (1i64 << 60) + i).collect();
    let whole = profile(&[field("c", Datatype::Int64)], &batch(vec![column(Values::Int64(ids))]));
    let json = serde_json::to_string(&whole).unwrap();
    let far = json.replace("\"origin\":1152921504606847026", "\"origin\":1000000000000000000000000000000");
    assert_ne!(far, json);
    let error = Reference::from_json(far.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("expected an origin of 64 bits"), "{error}");
}

/// Rows of which more than half are near each other, and the same in ascending order.
fn whole_numbers() -> impl Strategy<Value = (Vec<i64>, Vec<i64>)> {
    let bases = vec![0, 1i64 << 52, (1 << 53) - 200, 1 << 53, -(1 << 60), i64::MAX - 500, i64::MIN];
    let sentinel = prop::sample::select(vec![0, -999, i64::MIN, i64::MAX]);
    let near = prop::collection::vec(0i64..400, 1..300);
    let rows = (prop::sample::select(bases), near, sentinel, 0..100usize).prop_map(|(base, steps, sentinel, few)| {
        let few = steps.len() * few / 200;
        steps.into_iter().map(|step| base + step).chain(vec![sentinel; few]).collect::<Vec<_>>()
    });
    rows.prop_shuffle().prop_map(|rows| {
        let mut sorted = rows.clone();
        sorted.sort_unstable();
        (rows, sorted)
    })
}

/// With the moments of another reference, where they differ by rounding alone.
fn without_rounding(mut found: Reference, other: &Reference) -> Reference {
    if let (Kind::Numeric(found), Kind::Numeric(other)) = (&mut found.columns[0].kind, &other.columns[0].kind) {
        // Next to 2^53 a mean without an origin is itself a whole number.
        let small = 1e-9 * found.std_dev.max(1e-3) + f64::EPSILON * found.mean.abs();
        let is_near = |one: f64, two: f64| (one - two).abs() <= small;
        if is_near(found.mean, other.mean) && is_near(found.std_dev, other.std_dev) {
            (found.mean, found.std_dev) = (other.mean, other.std_dev);
        }
    }
    found
}

/// Where numbers about 2^60 are half of a column, and the other half is small, either may be
/// the larger half: both sides are counted from one number.
#[test]
fn both_sides_of_a_comparison_count_from_one_number() {
    let fields = [field("c", Datatype::Int64)];
    let read = |seed: u64, large: usize, wider: f64, mut profiler: Profiler| {
        let mut random = Random(seed);
        let value = |row: usize| match row < large {
            true => (1i64 << 60) + (random.uniform() * 200.0 * wider) as i64,
            false => (random.uniform() * 200.0) as i64,
        };
        profiler.add(&batch(vec![column(Values::Int64((0..2_000).map(value).collect()))])).unwrap();
        profiler
    };
    let new = || Profiler::new(&fields).sample_values(2_000);
    for (large, other, wider, verdict) in
        [(1_020, 980, 1.0, Verdict::Ok), (980, 1_020, 1.0, Verdict::Ok), (1_020, 980, 0.5, Verdict::Drift)]
    {
        let reference = read(1, large, 1.0, new()).finish();
        let named = read(2, other, wider, new().naming(&reference)).finish();
        let (one, two) = read(1, large, 1.0, new()).finish_both(read(2, other, wider, new()));
        for report in [compare(&reference, &named, ALPHA), compare(&one, &two, ALPHA)] {
            let report = report.unwrap();
            assert_eq!(report.verdict, verdict, "{large} and {other}, {wider}: {report}");
        }
    }
}

proptest! {
    /// Whole numbers that most others are near are never taken for one, whatever stands for
    /// missing ones and in whatever order the rows come.
    #[test]
    fn whole_numbers_are_counted_exactly((mut rows, sorted) in whole_numbers()) {
        let fields = [field("c", Datatype::Int64)];
        let reference_of = |rows: &[i64]| profile(&fields, &batch(vec![column(Values::Int64(rows.to_vec()))]));
        let live = batch(vec![column(Values::Int64(rows.clone()))]);
        let reference = reference_of(&rows);
        let json = serde_json::to_vec(&reference).unwrap();
        prop_assert_eq!(&Reference::from_json(&json).unwrap(), &reference);
        let counter = Counter::new(&reference, &fields).unwrap();
        let mut counts = counter.start();
        counter.count(&mut counts, &live).unwrap();
        let cells = serde_json::to_value(&counts).unwrap()["columns"][0]["cells"].clone();
        let cells: Vec<u64> = serde_json::from_value(cells).unwrap();
        match &reference.columns[0].kind {
            Kind::Categorical(found) => {
                let mut expected: BTreeMap<String, u64> = BTreeMap::new();
                rows.iter().for_each(|value| *expected.entry(value.to_string()).or_default() += 1);
                let named = found.counts.iter().map(|category| (category.value.clone(), category.count));
                prop_assert_eq!(named.collect::<BTreeMap<_, _>>(), expected);
                let counted: Vec<u64> = found.counts.iter().map(|category| category.count).chain([0]).collect();
                prop_assert_eq!(cells, counted);
            }
            Kind::Numeric(found) => {
                let rank = |j: usize| (sorted.len() as f64 * j as f64 / 10.0).round() as usize;
                let mut edges: Vec<i64> = (1..10).filter_map(|j| Some(sorted[rank(j).checked_sub(1)?])).collect();
                edges.dedup();
                let mut expected = vec![0u64; edges.len() + 1];
                sorted.iter().for_each(|value| expected[edges.partition_point(|edge| value > edge)] += 1);
                prop_assert_eq!(&found.histogram.counts, &expected);
                prop_assert_eq!(cells, expected);
            }
        }
        let report = watch(&reference, &counts, ALPHA).unwrap();
        prop_assert_ne!(report.verdict, Verdict::Drift);
        rows.reverse();
        for other in [rows, sorted] {
            prop_assert_eq!(without_rounding(reference_of(&other), &reference), reference.clone());
        }
    }

    /// Two tables are compared by the same names, and nothing is lost of either.
    #[test]
    fn both_tables_name_the_same_texts(
        one in prop::collection::vec("[a-d]{1,2}", 0..300),
        two in prop::collection::vec("[c-f]{1,2}", 0..300),
    ) {
        let fields = [field("c", Datatype::Bytes)];
        let read = |words: &[String], profiler: Profiler| {
            let mut profiler = profiler;
            profiler.add(&batch(vec![texts(words.iter().map(String::as_str))])).unwrap();
            profiler
        };
        let new = || Profiler::new(&fields);
        let (first, second) = read(&one, new()).finish_both(read(&two, new()));
        let stored = profile(&fields, &batch(vec![texts(one.iter().map(String::as_str))]));
        let named = read(&two, new().naming(&stored)).finish();
        let values = |reference: &Reference| -> Vec<String> {
            let Kind::Categorical(kept) = &reference.columns[0].kind else { panic!("{reference:?}") };
            kept.counts.iter().map(|category| category.value.clone()).collect()
        };
        prop_assert_eq!(values(&first), values(&second));
        prop_assert_eq!(values(&stored), values(&named));
        for (reference, words) in [(&first, &one), (&second, &two), (&named, &two)] {
            reference.validate().unwrap();
            let Kind::Categorical(kept) = &reference.columns[0].kind else { panic!("{reference:?}") };
            for category in &kept.counts {
                prop_assert_eq!(category.count, words.iter().filter(|word| **word == category.value).count() as u64);
            }
        }
    }
}
