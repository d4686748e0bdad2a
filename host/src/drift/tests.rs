use super::epochs::Epochs;
use super::*;
use scry_card::stats::{ALPHA, Counter, EPOCH_ROWS, Profiler};
use scry_card::{Datatype, Tensor, Values};

fn fields(names: &[&str]) -> Vec<Field> {
    let field = |name: &&str| serde_json::from_value(serde_json::json!({ "name": name, "datatype": "FP64" })).unwrap();
    names.iter().map(field).collect()
}

/// `count` rows of a uniform distribution around `middle`, of width 1.
fn rows(count: usize, middle: f64) -> Batch {
    let list = (0..count).map(|i| middle - 0.5 + (i as f64 * 0.618_033_988_75).fract()).collect();
    Batch {
        rows: count,
        columns: vec![Tensor { shape: vec![count as u64], values: Values::Fp64(list), validity: None }],
    }
}

fn reference(name: &str) -> Reference {
    let mut profiler = Profiler::new(&fields(&[name]));
    profiler.add(&rows(5_000, 0.0)).unwrap();
    profiler.finish()
}

fn schema() -> Schema {
    let (x, y) = (fields(&["x"]), fields(&["y"]));
    Schema { inputs: x.clone(), features: x, outputs: y }
}

fn references() -> References {
    References { inputs: reference("x"), features: Some(reference("x")), outputs: Some(reference("y")) }
}

fn watch() -> DriftMonitor {
    let version = Version { number: 1, digest: Digest::of(b"m") };
    DriftMonitor::new("m", version, &references(), &schema(), 1.5)
}

#[test]
fn an_epoch_ends_with_its_rows_and_the_next_begins_with_a_whole_batch() {
    let reference = reference("x");
    let counter = Counter::new(&reference, &fields(&["x"])).unwrap();
    let counted = |count: usize| {
        let mut counts = counter.start();
        counter.count(&mut counts, &rows(count, 0.0)).unwrap();
        counts
    };
    let mut epochs = Epochs::begin(counter.start());
    for _ in 0..4 {
        epochs.add(&counter, &counted(600), Some(0)).unwrap();
    }
    assert_eq!((epochs.mark(), epochs.last.is_none()), ((1, 2_400, 0), true));
    epochs.add(&counter, &counted(5_000), Some(0)).unwrap();
    assert_eq!(epochs.mark(), (2, 5_000, 0));
    assert_eq!(epochs.last.as_ref().unwrap().counts.rows(), 2_400);
    assert!(epochs.last.as_ref().unwrap().counts.rows() >= EPOCH_ROWS);
    // No look at the first one yet: it is not forgotten.
    epochs.add(&counter, &counted(100), Some(0)).unwrap();
    assert_eq!(epochs.mark(), (2, 5_100, 0));
    epochs.add(&counter, &counted(100), Some(1)).unwrap();
    assert_eq!((epochs.mark(), epochs.last.unwrap().number), ((3, 100, 0), 2));
}

#[test]
fn an_alarm_is_raised_once_an_epoch_and_stays() {
    let side = Series::new(INPUTS, reference("x"), &fields(&["x"])).unwrap();
    side.saw(&rows(200, 0.0), &mut Interrupt::never());
    assert!(side.look(ALPHA, 1).is_empty());
    side.saw(&rows(200, 1.0), &mut Interrupt::never());
    let [alarm] = side.look(ALPHA, 2).try_into().unwrap();
    assert_eq!((alarm.at_ms, alarm.rows, alarm.columns_drifting), (2, 400, 1));
    let column = &alarm.columns[0];
    assert_eq!((column.column.as_str(), column.effect), ("x", scry_card::stats::Statistic::WNorm));
    assert!(column.observed_value >= column.threshold && column.ln_e >= column.ln_e_threshold, "{alarm}");
    assert!(alarm.to_string().starts_with("x: w_norm "), "{alarm}");
    // Again in the same epoch: no news, however it looks.
    side.saw(&rows(200, 1.0), &mut Interrupt::never());
    assert!(side.look(ALPHA, 3).is_empty());
    side.saw(&rows(1_400, 0.0), &mut Interrupt::never());
    // The next epoch, and a shift that ended before any look.
    side.saw(&rows(1, 0.0), &mut Interrupt::never());
    assert!(side.look(ALPHA, 3).is_empty());
    side.saw(&rows(1_999, 1.0), &mut Interrupt::never());
    side.saw(&rows(10, 0.0), &mut Interrupt::never());
    let [late] = side.look(ALPHA, 4).try_into().unwrap();
    assert_eq!((late.at_ms, late.rows), (4, 2_000));
    let report = side.report(ALPHA).unwrap();
    assert_eq!((report.alarms, report.current.epoch, report.current.report.live_rows), (2, 3, 10));
    assert_eq!((report.current.alarm, report.last.unwrap().alarm), (None, Some(late)));
    assert_eq!((side.moment().alarms, side.moment().rows), (2, 10));
}

/// Each of 50 categories has a share too small to matter alone.
#[test]
fn an_alarm_of_many_small_changes_names_what_they_add_up_to() {
    let fields: Vec<Field> =
        vec![serde_json::from_value(serde_json::json!({ "name": "c", "datatype": "BYTES" })).unwrap()];
    let rows = |categories: usize| {
        let mut text = scry_card::Text::default();
        (0..2_000).for_each(|row| text.push(&format!("k{}", row % categories)).unwrap());
        Batch { rows: 2_000, columns: vec![Tensor { shape: vec![2_000], values: Values::Bytes(text), validity: None }] }
    };
    let mut profiler = Profiler::new(&fields);
    profiler.add(&rows(50)).unwrap();
    let side = Series::new(INPUTS, profiler.finish(), &fields).unwrap();
    side.saw(&rows(25), &mut Interrupt::never());
    let [alarm] = side.look(ALPHA, 1).try_into().unwrap();
    assert_eq!(alarm.columns[0].effect, scry_card::stats::Statistic::TotalVariation, "{alarm}");
    assert!((alarm.columns[0].observed_value - 0.5).abs() < 1e-9, "{alarm}");
}

/// Far more rows than an epoch has come between two looks, and drift among them.
#[test]
fn however_fast_rows_come_none_goes_unseen() {
    let side = Series::new(INPUTS, reference("x"), &fields(&["x"])).unwrap();
    for middle in [1.0, 0.0, 0.0, 0.0] {
        (0..10).for_each(|_| side.saw(&rows(200, middle), &mut Interrupt::never()));
    }
    let [alarm] = side.look(ALPHA, 1).try_into().unwrap();
    assert_eq!(alarm.rows, 2_000);
    assert_eq!(side.mark(), (2, 6_000, 1));
}

#[test]
fn an_alarm_stands_until_an_epoch_ends_without_one() {
    let side = Series::new(INPUTS, reference("x"), &fields(&["x"])).unwrap();
    let mut turns = Vec::new();
    // Ten looks an epoch; the second and the third drift.
    for epoch in 1..=6 {
        for _ in 0..10 {
            side.saw(&rows(200, if [2, 3].contains(&epoch) { 1.0 } else { 0.0 }), &mut Interrupt::never());
            side.look(ALPHA, 1);
            let stands = side.standing_alarm().is_some();
            if turns.last().is_none_or(|(_, before)| *before != stands) {
                turns.push((side.mark(), stands));
            }
        }
    }
    // From the first drifting rows on, to the first of the epoch after a clean one.
    assert_eq!(turns, [((1, 200, 0), false), ((2, 200, 1), true), ((5, 200, 2), false)]);
}

#[test]
fn nothing_new_is_not_judged_again() {
    let side = Series::new(INPUTS, reference("x"), &fields(&["x"])).unwrap();
    side.saw(&rows(300, 0.0), &mut Interrupt::never());
    side.look(ALPHA, 1);
    let moment = side.moment();
    assert_eq!((moment.rows, moment.drifting), (300, 0));
    side.look(ALPHA, 2);
    assert_eq!(side.moment(), moment);
}

#[test]
fn counts_go_on_exactly_where_they_ended() {
    let (whole, first) = (watch(), watch());
    for (input, output) in [(0.0, 0.5), (0.25, 0.0), (1.0, 0.125)] {
        whole.saw(&rows(700, input), &rows(700, output), &mut Interrupt::never());
    }
    first.saw(&rows(700, 0.0), &rows(700, 0.5), &mut Interrupt::never());
    first.saw(&rows(700, 0.25), &rows(700, 0.0), &mut Interrupt::never());
    let kept = serde_json::to_vec(&first.counted()).unwrap();
    let second = watch();
    second.resume(serde_json::from_slice(&kept).unwrap()).unwrap();
    assert_eq!(second.counted(), first.counted());
    second.saw(&rows(700, 1.0), &rows(700, 0.125), &mut Interrupt::never());
    assert_eq!(second.counted(), whole.counted());
}

#[test]
fn rows_that_came_before_the_earlier_ones_were_read_are_not_lost() {
    let (early, late) = (watch(), watch());
    let look = |watch: &DriftMonitor| watch.sides().for_each(|side| drop(side.look(ALPHA, 1)));
    for _ in 0..5 {
        early.saw(&rows(1_000, 0.0), &rows(1_000, 0.0), &mut Interrupt::never());
        look(&early);
    }
    late.saw(&rows(300, 0.0), &rows(300, 0.0), &mut Interrupt::never());
    late.resume(early.counted()).unwrap();
    let side = late.inputs.as_ref().unwrap();
    assert_eq!(side.mark(), (3, 1_300, 0));
    assert_eq!(side.epochs().last.unwrap().number, 2);
    // Where an epoch has ended since, the earlier one is over.
    let late = watch();
    for _ in 0..3 {
        late.saw(&rows(2_000, 0.0), &rows(2_000, 0.0), &mut Interrupt::never());
        look(&late);
    }
    late.resume(early.counted()).unwrap();
    assert_eq!(late.inputs.as_ref().unwrap().mark(), (6, 2_000, 0));
}

#[test]
fn counts_of_something_else_change_nothing() {
    let (one, other) = (watch(), watch());
    one.saw(&rows(100, 0.0), &rows(100, 0.0), &mut Interrupt::never());
    let before = other.counted();
    let mut foreign = one.counted();
    let inputs = foreign.remove(INPUTS).unwrap();
    foreign.insert(OUTPUTS.to_owned(), inputs);
    assert!(other.resume(foreign).is_err());
    assert_eq!(other.counted(), before);
    let text = serde_json::to_string(&one.counted()).unwrap();
    let damaged = text.replacen("\"rows\":100", "\"rows\":101", 1);
    assert_ne!(text, damaged);
    assert!(other.resume(serde_json::from_str(&damaged).unwrap()).is_err());
    assert_eq!(other.counted(), before);
}

#[test]
fn a_reference_of_another_form_leaves_its_side_unwatched_and_says_so() {
    let mut schema = schema();
    schema.outputs[0].datatype = Datatype::Bytes;
    let version = Version { number: 1, digest: Digest::of(b"m") };
    let watch = DriftMonitor::new("m", version, &references(), &schema, 0.0);
    assert!(watch.outputs.is_none() && watch.inputs.is_some());
    assert!(watch.features.is_none(), "a share of 0 switches it off");
    assert!(watch.unwatched[0].starts_with("outputs: field `y`"), "{:?}", watch.unwatched);
    // A batch that fits nowhere is no failure.
    watch.saw(&Batch { rows: 1, columns: vec![] }, &rows(1, 0.0), &mut Interrupt::never());
    assert_eq!(watch.mark(), [(1, 0, 0)]);
}

#[test]
fn two_versions_are_compared_where_both_have_the_columns() {
    let (ours, mut theirs) = (schema(), schema());
    theirs.inputs = fields(&["z"]);
    let paired = Paired::new((3, 4), &references(), [&ours, &theirs], true);
    for _ in 0..3 {
        paired.saw(Arm::Live, &rows(500, 2.0), &rows(500, 0.25), &mut Interrupt::never());
        paired.saw(Arm::Other, &rows(500, 2.0), &rows(500, 0.5), &mut Interrupt::never());
    }
    let report = paired.report(ALPHA);
    assert_eq!((report.live, report.inputs.is_none()), (3, true));
    assert!(report.unlike[0].contains("field `x`"), "{:?}", report.unlike);
    let outputs = report.outputs.unwrap();
    assert_eq!((outputs.reference_rows, outputs.live_rows), (1_500, 1_500));
    assert_eq!(outputs.verdict, scry_card::stats::Verdict::Drift, "{outputs}");
    let alike = Paired::new((3, 4), &references(), [&ours, &ours], true);
    alike.saw(Arm::Live, &rows(500, 2.0), &rows(500, 2.0), &mut Interrupt::never());
    alike.saw(Arm::Other, &rows(500, 2.0), &rows(500, 2.0), &mut Interrupt::never());
    let report = alike.report(ALPHA);
    for side in [report.inputs.unwrap(), report.outputs.unwrap()] {
        assert_eq!(side.verdict, scry_card::stats::Verdict::Ok, "{side}");
    }
}

#[test]
fn counting_is_given_up_by_elements_not_by_columns() {
    let field = serde_json::json!([{ "name": "x", "datatype": "FP64", "shape": [64] }]);
    let fields: Vec<Field> = serde_json::from_value(field).unwrap();
    let image = |rows: usize| Batch {
        rows,
        columns: vec![Tensor {
            shape: vec![rows as u64, 64],
            values: Values::Fp64((0..rows * 64).map(|i| (i as f64 * 0.618_033_988_75).fract()).collect()),
            validity: None,
        }],
    };
    let mut profiler = Profiler::new(&fields);
    profiler.add(&image(5_000)).unwrap();
    let side = Series::new(INPUTS, profiler.finish(), &fields).unwrap();
    // More elements than are counted without asking.
    side.saw(&image(200), &mut Interrupt::when(&|| true));
    assert_eq!(side.mark(), (1, 0, 0));
    let asked = std::cell::Cell::new(0);
    let is_over = || {
        asked.set(asked.get() + 1);
        asked.get() > 2
    };
    side.saw(&image(5_000), &mut Interrupt::when(&is_over));
    assert_eq!(side.mark(), (1, 2 * PIECE_ROWS as u64, 0));
    side.saw(&image(5_000), &mut Interrupt::never());
    assert_eq!(side.mark(), (2, 5_000, 0));
}
