//! The rules: alarms where there is drift, few where there is none.

use crate::simulation::{Random, false_alarms, median_rows_to_alarm};
use crate::{batch, column, field, number_fields, numbers, profile, texts};
use scry_card::stats::{
    ALPHA, Basis, ColumnReport, Counter, Kind, Profiler, Reference, Rule, Statistic, Verdict, compare, compare_counts,
    compare_live, watch,
};
use scry_card::{Batch, Datatype, Field, Tensor, Values};

#[test]
fn epochs_without_drift_raise_no_more_alarms_than_promised() {
    let (evidence, alarms) = false_alarms(5, 400, 30, Random::normal, 2_000, 10);
    // At most 4 of 400 are expected; more than 8 come by chance in 2 % of runs.
    assert!(alarms <= evidence && evidence <= 8, "{evidence} of 400 epochs with evidence, {alarms} with an alarm");
}

#[test]
fn drift_is_seen_after_as_many_rows_as_promised() {
    for (shift, rows) in [(1.0, 33.0), (0.5, 148.0), (0.25, 650.0)] {
        let median = median_rows_to_alarm(9, 201, shift, 5, (30.0 / ALPHA).ln());
        assert!((median / rows - 1.0).abs() < 0.25, "{shift} sigma: {median} rows, promised {rows}");
    }
}

fn normal(seed: u64, rows: usize, shift: f64) -> Batch {
    let mut random = Random(seed);
    numbers(&(0..rows).map(|_| Some(random.normal() + shift)).collect::<Vec<_>>())
}

fn judged(reference: &Reference, fields: &[Field], live: &Batch, rule: Rule) -> ColumnReport {
    let counter = Counter::new(reference, fields).unwrap();
    let mut counts = counter.start();
    counter.count(&mut counts, live).unwrap();
    let report = match rule {
        Rule::Epoch => watch(reference, &counts, ALPHA),
        Rule::Window => compare_counts(reference, &counts, ALPHA),
    };
    report.unwrap().columns.remove(0)
}

#[test]
fn a_shift_is_drift_by_every_rule_and_basis() {
    let fields = number_fields(1);
    let reference = profile(&fields, &normal(1, 5_000, 0.0));
    for (live, verdict) in [(normal(2, 1_000, 0.0), Verdict::Ok), (normal(2, 1_000, 0.4), Verdict::Drift)] {
        for rule in [Rule::Epoch, Rule::Window] {
            let report = judged(&reference, &fields, &live, rule);
            assert_eq!((report.verdict, report.basis), (verdict, Basis::Bins), "{report}");
        }
        let live = profile(&fields, &live);
        let bare = reference.clone().without_samples();
        for (reference, live, basis) in [
            (&reference, live.clone(), Basis::Samples),
            (&bare, live.clone(), Basis::Bins),
            (&bare, live.without_samples(), Basis::Means),
        ] {
            let report = compare(reference, &live, ALPHA).unwrap().columns.remove(0);
            assert_eq!((report.verdict, report.basis), (verdict, basis), "{report}");
        }
    }
}

/// Both sides are samples: what both share is no difference, however far they
/// are from the training data.
#[test]
fn versions_are_compared_with_each_other_and_not_with_the_reference() {
    let fields = number_fields(1);
    let reference = profile(&fields, &normal(1, 5_000, 0.0));
    let counter = Counter::new(&reference, &fields).unwrap();
    let counted = |batch: &Batch| {
        let mut counts = counter.start();
        counter.count(&mut counts, batch).unwrap();
        counts
    };
    let live = counted(&normal(2, 2_000, 1.0));
    for (shift, verdict) in [(1.0, Verdict::Ok), (1.5, Verdict::Drift)] {
        let report = compare_live(&reference, &live, &counted(&normal(3, 2_000, shift)), ALPHA).unwrap();
        assert_eq!((report.verdict, report.reference_rows, report.live_rows), (verdict, 2_000, 2_000), "{report}");
        let apart = report.columns[0].value(Statistic::WNorm).unwrap();
        assert!((apart - (shift - 1.0)).abs() < 0.1, "{report}");
    }
    let none = compare_live(&reference, &counter.start(), &live, ALPHA).unwrap();
    assert_eq!(none.verdict, Verdict::InsufficientData, "{none}");
}

#[test]
fn categories_and_missing_values_of_two_versions_are_compared() {
    let fields = [field("c", Datatype::Bytes)];
    let sample = |a: usize, b: usize, none: usize| {
        let text = texts(std::iter::repeat_n("a", a).chain(std::iter::repeat_n("b", b + none)));
        let validity = Some((0..a + b + none).map(|i| i < a + b).collect());
        batch(vec![Tensor { validity, ..text }])
    };
    let reference = profile(&fields, &sample(500, 500, 0));
    let counter = Counter::new(&reference, &fields).unwrap();
    let judged = |live: &Batch, other: &Batch| {
        let [mut one, mut two] = [counter.start(), counter.start()];
        counter.count(&mut one, live).unwrap();
        counter.count(&mut two, other).unwrap();
        compare_live(&reference, &one, &two, ALPHA).unwrap().verdict
    };
    assert_eq!(judged(&sample(900, 100, 100), &sample(880, 120, 105)), Verdict::Ok);
    assert_eq!(judged(&sample(900, 100, 100), &sample(800, 200, 100)), Verdict::Drift);
    assert_eq!(judged(&sample(900, 100, 0), &sample(900, 100, 100)), Verdict::Drift);
}

#[test]
fn a_shift_too_small_to_matter_is_none_however_sure() {
    let fields = number_fields(1);
    let reference = profile(&fields, &normal(1, 200_000, 0.0));
    let report = judged(&reference, &fields, &normal(2, 200_000, 0.05), Rule::Window);
    assert!(report.check(Statistic::KsPValue).unwrap().reached, "{report}");
    assert_eq!(report.verdict, Verdict::Ok, "{report}");
    let report = judged(&reference, &fields, &normal(2, 200_000, 0.05), Rule::Epoch);
    assert!(report.check(Statistic::LnE).unwrap().reached, "{report}");
    assert_eq!(report.verdict, Verdict::Ok, "{report}");
}

#[test]
fn too_few_rows_are_not_judged() {
    let fields = number_fields(1);
    let reference = profile(&fields, &normal(1, 5_000, 0.0));
    let window = |rows| judged(&reference, &fields, &normal(2, rows, 3.0), Rule::Window).verdict;
    assert_eq!((window(99), window(100)), (Verdict::InsufficientData, Verdict::Drift));
    let bare = reference.clone().without_samples();
    let means = |rows| {
        let live = profile(&fields, &normal(2, rows, 3.0)).without_samples();
        compare(&bare, &live, ALPHA).unwrap().columns[0].verdict
    };
    assert_eq!((means(499), means(500)), (Verdict::InsufficientData, Verdict::Drift));
    let counts = Counter::new(&reference, &fields).unwrap().start();
    assert_eq!(watch(&reference, &counts, ALPHA).unwrap().verdict, Verdict::InsufficientData);
}

#[test]
fn missing_values_are_drift_of_their_own() {
    let fields = number_fields(1);
    let reference = profile(&fields, &normal(1, 2_000, 0.0));
    let mut random = Random(4);
    for missing in [None, Some(f64::NAN), Some(f64::INFINITY)] {
        let every_20th =
            |i: u32, random: &mut Random| if i.is_multiple_of(20) { missing } else { Some(random.normal()) };
        let live = numbers(&(0..2_000).map(|i| every_20th(i, &mut random)).collect::<Vec<_>>());
        for rule in [Rule::Epoch, Rule::Window] {
            let report = judged(&reference, &fields, &live, rule);
            assert_eq!((report.verdict, report.missing_count), (Verdict::Drift, 100), "{report}");
            assert!(!report.check(Statistic::WNorm).unwrap().reached, "{report}");
            assert_eq!(report.missing_percent, 5.0);
        }
    }
}

/// One missing in 56 is sure evidence after some rows, and never material; what
/// the values look like after as few rows must not count for it.
#[test]
fn evidence_of_one_change_is_none_of_another() {
    let fields = number_fields(1);
    let reference = profile(&fields, &normal(1, 50_000, 0.0));
    let counter = Counter::new(&reference, &fields).unwrap();
    let mut rows_with_both = 0;
    for seed in 0..6 {
        let (mut random, mut counts) = (Random(seed), counter.start());
        for i in 1..=1_000u32 {
            let value = if i.is_multiple_of(56) { None } else { Some(random.normal()) };
            counter.count(&mut counts, &numbers(&[value])).unwrap();
            let report = watch(&reference, &counts, ALPHA).unwrap().columns.remove(0);
            let reached = |statistic| report.check(statistic).unwrap().reached;
            rows_with_both += u32::from(reached(Statistic::LnE) && reached(Statistic::WNorm));
            assert_eq!(report.verdict, Verdict::Ok, "{report}");
        }
    }
    assert!(rows_with_both > 0);
}

#[test]
fn categories_drift_by_share_and_by_unseen_values() {
    let fields = [field("state", Datatype::Bytes)];
    let cycle = |values: &[&'static str], rows: usize| batch(vec![texts(values.iter().copied().cycle().take(rows))]);
    let reference = profile(&fields, &cycle(&["a", "b", "c", "a"], 2_000));
    for (live, verdict, unexpected) in [
        (cycle(&["a", "b", "c", "a"], 400), Verdict::Ok, 0),
        (cycle(&["a", "b", "c", "b"], 400), Verdict::Drift, 0),
        (cycle(&["a", "b", "d", "a"], 400), Verdict::Drift, 100),
    ] {
        for rule in [Rule::Epoch, Rule::Window] {
            let report = judged(&reference, &fields, &live, rule);
            assert_eq!((report.verdict, report.unexpected_count), (verdict, Some(unexpected)), "{report}");
        }
        let report = compare(&reference, &profile(&fields, &live), ALPHA).unwrap();
        assert_eq!(report.verdict, verdict, "{report}");
    }
}

#[test]
fn a_profile_says_what_it_assumed() {
    let fields = [
        field("few", Datatype::Int32),
        Field { shape: vec![9, 9], ..field("image", Datatype::Fp32) },
        Field { shape: vec![1], ..field("one", Datatype::Fp64) },
        field("word", Datatype::Bytes),
    ];
    let rows = 150_000usize;
    let words: Vec<String> = (0..rows).map(|i| format!("w{}", i % 300)).collect();
    let image = Tensor { shape: vec![rows as u64, 9, 9], values: Values::Fp32(vec![0.0; rows * 81]), validity: None };
    let mut random = Random(6);
    let batch = batch(vec![
        column(Values::Int32((0..rows as i32).map(|i| i % 20).collect())),
        image,
        Tensor { shape: vec![rows as u64, 1], ..column(Values::Fp64((0..rows).map(|_| random.normal()).collect())) },
        texts(words.iter().map(String::as_str)),
    ]);
    let mut profiler = Profiler::new(&fields);
    profiler.add(&batch).unwrap();
    let reference = profiler.finish();
    reference.validate().unwrap();
    assert_eq!(
        reference.assumed,
        [
            "`image` is left out: of [9, 9] elements a row, where at most 64 are compared",
            "`few` has 20 distinct numbers (at most 20): they are categories",
            "`one`: bins are those of a uniform sample of 65536 of 150000 values",
            "`word`: the 100 most frequent of 300 texts are kept",
        ]
    );
    let Kind::Numeric(one) = &reference.columns[1].kind else { panic!("{:?}", reference.columns[1]) };
    assert!((one.histogram.edges[4]).abs() < 0.02 && one.sample.as_ref().unwrap().len() == 1_000);
    let Kind::Categorical(few) = &reference.columns[0].kind else { panic!("{:?}", reference.columns[0]) };
    assert_eq!((few.counts.len(), few.counts[0].count, few.counts[0].value.as_str()), (20, 7_500, "0"));
    let counter = Counter::new(&reference, &fields).unwrap();
    let mut counts = counter.start();
    counter.count(&mut counts, &batch).unwrap();
    let report = watch(&reference, &counts, ALPHA).unwrap();
    assert_eq!(report.verdict, Verdict::Ok, "{report}");
}

#[test]
fn each_element_of_a_small_shape_is_a_column_as_good_as_a_field_of_its_own() {
    const ELEMENTS: usize = 6;
    let alone: Vec<Field> = (0..ELEMENTS).map(|i| field(&format!("x[{i}]"), Datatype::Fp64)).collect();
    let shaped =
        [field("before", Datatype::Bool), Field { shape: vec![2, 3], nullable: true, ..field("x", Datatype::Fp64) }];
    let mut random = Random(8);
    let mut both = |rows: usize, shift: f64| {
        // Element 4 moves, 5 has few values, 1 is missing now and then.
        let mut value = |i: usize| match i % ELEMENTS {
            4 => random.normal() + shift,
            5 => (random.uniform() * 3.0).floor(),
            _ => random.normal(),
        };
        let list: Vec<f64> = (0..rows * ELEMENTS).map(&mut value).collect();
        let flags: Vec<bool> = (0..rows * ELEMENTS).map(|i| i % ELEMENTS != 1 || i % 7 != 0).collect();
        let whole = Tensor {
            shape: vec![rows as u64, 2, 3],
            values: Values::Fp64(list.clone()),
            validity: Some(flags.clone()),
        };
        let part = |at: usize| Tensor {
            shape: vec![rows as u64],
            values: Values::Fp64(list.iter().skip(at).step_by(ELEMENTS).copied().collect()),
            validity: Some(flags.iter().skip(at).step_by(ELEMENTS).copied().collect()),
        };
        (batch(vec![column(Values::Bool(vec![true; rows])), whole]), batch((0..ELEMENTS).map(part).collect()))
    };
    let (whole, parts) = both(2_000, 0.0);
    let (reference, expected) = (profile(&shaped, &whole), profile(&alone, &parts));
    reference.validate().unwrap();
    assert_eq!((reference.columns[0].name.as_str(), &reference.columns[1..]), ("before", &expected.columns[..]));
    let (whole, parts) = both(500, 1.0);
    let counted = |reference: &Reference, fields: &[Field], batch: &Batch| {
        let counter = Counter::new(reference, fields).unwrap();
        let mut counts = counter.start();
        counter.count(&mut counts, batch).unwrap();
        watch(reference, &counts, ALPHA).unwrap()
    };
    let report = counted(&reference, &shaped, &whole);
    let drifting =
        |verdict| report.columns.iter().filter(|c| c.verdict == verdict).map(|c| c.column.as_str()).collect();
    let names: Vec<&str> = drifting(Verdict::Drift);
    assert_eq!(names, ["x[4]"]);
    for (ours, theirs) in report.columns[1..].iter().zip(counted(&expected, &alone, &parts).columns) {
        assert_eq!(ours.value(Statistic::WNorm), theirs.value(Statistic::WNorm), "{ours}");
        assert_eq!((ours.missing_count, ours.unexpected_count), (theirs.missing_count, theirs.unexpected_count));
    }
    // A batch of another form, and a reference of more elements than there are, are told so.
    let counter = Counter::new(&reference, &shaped).unwrap();
    let short = batch(vec![column(Values::Bool(vec![true])), column(Values::Fp64(vec![1.0; 5]))]);
    let error = counter.count(&mut counter.start(), &short).unwrap_err().to_string();
    assert_eq!(error, "field `x`: expected 6 FP64 elements, found 5 FP64 elements");
    let fewer = [shaped[0].clone(), Field { shape: vec![5], ..shaped[1].clone() }];
    let error = Counter::new(&reference, &fewer).unwrap_err().to_string();
    assert_eq!(error, "field `x[5]`: expected a field of this name, found none");
}

#[test]
fn batches_of_another_form_change_nothing() {
    let fields = number_fields(2);
    let two = |values: Values| batch(vec![column(Values::Fp64(vec![1.0, 2.0])), column(values)]);
    let good = two(Values::Fp64(vec![1.0, 2.0]));
    let (mut profiler, reference) = (Profiler::new(&fields), profile(&fields, &good));
    let counter = Counter::new(&reference, &fields).unwrap();
    let mut counts = counter.start();
    let bad =
        [two(Values::Fp32(vec![1.0, 2.0])), two(Values::Fp64(vec![1.0])), batch(vec![column(Values::Fp64(vec![]))])];
    for (bad, says) in bad.iter().zip([
        "field `x1`: expected 2 FP64 elements, found 2 FP32 elements",
        "field `x1`: expected 2 FP64 elements, found 1 FP64 elements",
        "field `batch`: expected 2 columns, found 1",
    ]) {
        assert_eq!(counter.count(&mut counts, bad).unwrap_err().to_string(), says);
        assert_eq!(profiler.add(bad).unwrap_err().to_string(), says);
    }
    assert_eq!((counts.rows(), profiler.finish().rows), (0, 0));
    for (fields, says) in [
        (number_fields(1), "field `x1`: expected a field of this name, found none"),
        (
            vec![fields[0].clone(), Field { shape: vec![3], ..fields[1].clone() }],
            "expected one element a row, found [3]",
        ),
    ] {
        let error = Counter::new(&reference, &fields).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let numeric = profile(&number_fields(1), &normal(1, 100, 0.0));
    let text = [field("x0", Datatype::Bytes)];
    assert!(Counter::new(&numeric, &text).unwrap_err().to_string().contains("expected numbers, as in the reference"));
    assert!(compare(&numeric, &profile(&text, &batch(vec![texts(["a"])])), ALPHA).is_err());
}

#[test]
fn a_report_reads_as_a_table() {
    let fields = number_fields(1);
    let reference = profile(&fields, &normal(1, 2_000, 0.0));
    let counter = Counter::new(&reference, &fields).unwrap();
    let mut counts = counter.start();
    counter.count(&mut counts, &normal(2, 200, 1.0)).unwrap();
    let table = watch(&reference, &counts, ALPHA).unwrap().to_string();
    for line in [
        "drift: 1 of 1 columns drift\n",
        "epoch of 200 rows against 2000, alpha 0.01; * reached its threshold\n",
        "x0: drift (200 elements, 0.00 % missing, ",
        "  null_rate_change          0.0000 >= 0.0200 \n",
        ">= 4.6052 *\n",
    ] {
        assert!(table.contains(line), "{line}\n{table}");
    }
}
