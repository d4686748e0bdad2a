//! How often comparisons without drift raise an alarm, and how often drift of
//! each kind is seen: by every way in which two sets of data are compared.

use crate::simulation::Random;
use scry_card::stats::{ALPHA, Counter, EPOCH_ROWS, Profiler, Reference, Verdict, compare, compare_counts, watch};
use scry_card::{Batch, Datatype, Field, Tensor, Text, Values};

/// Draws so many values of a column.
pub(crate) type Draw = Box<dyn Fn(&mut Random, usize) -> Values>;
type Source = fn() -> Draw;

/// What a column is drawn from, before and after.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) reference: (usize, Draw),
    pub(crate) live: (usize, Draw),
}

/// In which way two sets of data are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Two tables, read for the purpose.
    Tables,
    /// Kept statistics and a table.
    Kept,
    /// Kept statistics of both.
    BothKept,
    /// A window of live rows, judged once.
    Window,
    /// An epoch of live rows, judged all along.
    Epoch,
}

impl Way {
    pub(crate) const ALL: [Self; 5] = [Self::Tables, Self::Kept, Self::BothKept, Self::Window, Self::Epoch];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tables => "two tables",
            Self::Kept => "reference and table",
            Self::BothKept => "two references",
            Self::Window => "live window",
            Self::Epoch => "live epoch",
        }
    }
}

/// How many comparisons came to each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Verdicts {
    pub(crate) ok: usize,
    pub(crate) drift: usize,
    pub(crate) insufficient: usize,
}

/// Rows after which an epoch is looked at.
const LOOK_EVERY: usize = 50;

impl Case {
    /// The same data before and after.
    fn undrifted(name: &str, draw: Source, rows: (usize, usize)) -> Self {
        let name = format!("{name}, {} and {} rows", rows.0, rows.1);
        Self { name, reference: (rows.0, draw()), live: (rows.1, draw()) }
    }

    /// Compares so often, each time with new data.
    pub(crate) fn verdicts(&self, way: Way, seed: u64, times: usize) -> Verdicts {
        let mut random = Random(seed);
        let mut verdicts = Verdicts::default();
        for _ in 0..times {
            match self.verdict(way, &mut random) {
                Verdict::Ok => verdicts.ok += 1,
                Verdict::Drift => verdicts.drift += 1,
                Verdict::InsufficientData => verdicts.insufficient += 1,
            }
        }
        verdicts
    }

    fn verdict(&self, way: Way, random: &mut Random) -> Verdict {
        let [reference, live] = [&self.reference, &self.live].map(|(rows, draw)| column(draw(random, *rows)));
        let fields = [field(reference.values.datatype())];
        let [reference, live] =
            [reference, live].map(|column| Batch { rows: column.values.len(), columns: vec![column] });
        let read = |batch: &Batch, profiler: Profiler| {
            let mut profiler = profiler.sample_values(10_000);
            profiler.add(batch).unwrap();
            profiler
        };
        let new = || Profiler::new(&fields);
        let kept = |batch: &Batch| through_json(&read(batch, new()).finish());
        let report = match way {
            Way::Tables => {
                let (old, new) = read(&reference, new()).finish_both(read(&live, new()));
                compare(&old, &new, ALPHA)
            }
            Way::Kept => {
                let old = kept(&reference);
                compare(&old, &read(&live, new().naming(&old)).finish(), ALPHA)
            }
            Way::BothKept => compare(&kept(&reference), &kept(&live), ALPHA),
            Way::Window => {
                let old = kept(&reference);
                let counter = Counter::new(&old, &fields).unwrap();
                let mut counts = counter.start();
                counter.count(&mut counts, &live).unwrap();
                compare_counts(&old, &counts, ALPHA)
            }
            Way::Epoch => return epoch(&kept(&reference), &fields, &live),
        };
        report.unwrap().verdict
    }
}

/// Drift where any look at an epoch finds it.
fn epoch(reference: &Reference, fields: &[Field], live: &Batch) -> Verdict {
    let counter = Counter::new(reference, fields).unwrap();
    let mut counts = counter.start();
    let mut last = Verdict::InsufficientData;
    for from in (0..live.rows.min(EPOCH_ROWS as usize)).step_by(LOOK_EVERY) {
        let part = part(&live.columns[0].values, from..(from + LOOK_EVERY).min(live.rows));
        counter.count(&mut counts, &Batch { rows: part.values.len(), columns: vec![part] }).unwrap();
        last = watch(reference, &counts, ALPHA).unwrap().verdict;
        if last == Verdict::Drift {
            return last;
        }
    }
    last
}

fn part(values: &Values, range: std::ops::Range<usize>) -> Tensor {
    column(match values {
        Values::Fp64(list) => Values::Fp64(list[range].to_vec()),
        Values::Int64(list) => Values::Int64(list[range].to_vec()),
        Values::Bool(list) => Values::Bool(list[range].to_vec()),
        Values::Bytes(list) => text(list.iter().skip(range.start).take(range.len())),
        other => panic!("no part of {}", other.datatype()),
    })
}

fn through_json(reference: &Reference) -> Reference {
    Reference::from_json(&serde_json::to_vec(reference).unwrap()).unwrap()
}

fn field(datatype: Datatype) -> Field {
    serde_json::from_value(serde_json::json!({ "name": "c", "datatype": datatype.name(), "nullable": true })).unwrap()
}

fn column(values: Values) -> Tensor {
    Tensor { shape: vec![values.len() as u64], values, validity: None }
}

fn text<'a>(values: impl Iterator<Item = &'a str>) -> Values {
    let mut text = Text::default();
    values.for_each(|value| text.push(value).unwrap());
    Values::Bytes(text)
}

fn texts(draw: impl Fn(&mut Random) -> String + 'static) -> Draw {
    Box::new(move |random, rows| {
        let values: Vec<_> = (0..rows).map(|_| draw(random)).collect();
        text(values.iter().map(String::as_str))
    })
}

fn numbers(draw: impl Fn(&mut Random) -> f64 + 'static) -> Draw {
    Box::new(move |random, rows| Values::Fp64((0..rows).map(|_| draw(random)).collect()))
}

fn wholes(draw: impl Fn(&mut Random) -> i64 + 'static) -> Draw {
    Box::new(move |random, rows| Values::Int64((0..rows).map(|_| draw(random)).collect()))
}

/// One of so many categories, from the one of this number on, each as likely.
fn uniform(from: u32, count: u32) -> Draw {
    texts(move |random| format!("k{}", from + (random.uniform() * f64::from(count)) as u32))
}

/// One of so many categories, the first ones more likely: about as Zipf's law.
fn falling(count: u32) -> Draw {
    texts(move |random| format!("k{}", (f64::from(count).powf(random.uniform()) - 1.0) as u32))
}

fn is_one_of(random: &mut Random, share: f64) -> bool {
    random.uniform() < share
}

fn with_sentinel(random: &mut Random, middle: f64) -> f64 {
    if is_one_of(random, 0.01) { -9999.0 } else { random.normal() + middle }
}

fn heavy(random: &mut Random) -> f64 {
    // Cauchy: neither mean nor variance.
    (std::f64::consts::PI * (random.uniform() - 0.5)).tan()
}

/// Columns without drift.
pub(crate) fn undrifted() -> Vec<Case> {
    let draws: [(&str, Source); 13] = [
        ("2 categories", || uniform(0, 2)),
        ("30 categories", || uniform(0, 30)),
        ("300 categories", || uniform(0, 300)),
        ("3,000 categories", || uniform(0, 3_000)),
        ("30 categories, falling", || falling(30)),
        ("300 categories, falling", || falling(300)),
        ("3,000 categories, falling", || falling(3_000)),
        ("every text its own", || texts(|random| random.next().to_string())),
        ("normal", || numbers(Random::normal)),
        ("heavy-tailed (Cauchy)", || numbers(heavy)),
        ("normal, 1 % sentinels", || numbers(|random| with_sentinel(random, 0.0))),
        ("whole numbers beyond 2^53", || wholes(|random| (1 << 60) + (random.normal() * 100.0) as i64)),
        ("whole numbers, few", || wholes(|random| (random.uniform() * 12.0) as i64)),
    ];
    let sizes = [(2_000, 2_000), (400, 5_000), (20_000, 500)];
    draws.iter().flat_map(|(name, draw)| sizes.map(|rows| Case::undrifted(name, *draw, rows))).collect()
}

/// Columns with drift.
pub(crate) fn drifted() -> Vec<Case> {
    let case = |name: &str, reference, live| Case { name: name.to_owned(), reference, live };
    let always = |value: &'static str| texts(move |_| value.to_owned());
    let quarter =
        |other: &'static str| texts(move |random| (if is_one_of(random, 0.25) { other } else { "a" }).to_owned());
    let large = 1i64 << 53;
    let mixed = move |share: f64| wholes(move |random| large + i64::from(is_one_of(random, share)));
    let far = move |middle: f64| wholes(move |random| (1 << 60) + ((random.normal() + middle) * 100.0) as i64);
    let truth = |share: f64| -> Draw {
        Box::new(move |random, rows| Values::Bool((0..rows).map(|_| is_one_of(random, share)).collect()))
    };
    vec![
        case("a category never seen fills all rows", (50_000, always("card")), (500, always("cash"))),
        case("a category never seen takes the place of a quarter", (5_000, quarter("b")), (200, quarter("B"))),
        case("half of 50 categories vanish", (20_000, uniform(0, 50)), (20_000, uniform(0, 25))),
        case("half of 300 categories vanish", (20_000, uniform(0, 300)), (20_000, uniform(0, 150))),
        case("half of 3,000 categories vanish", (20_000, uniform(0, 3_000)), (20_000, uniform(0, 1_500))),
        case("300 categories are 300 others", (20_000, uniform(0, 300)), (20_000, uniform(300, 300))),
        case(
            "a shift of 3 σ beside 1 % sentinels",
            (2_000, numbers(|r| with_sentinel(r, 0.0))),
            (2_000, numbers(|r| with_sentinel(r, 3.0))),
        ),
        case(
            "a shift of 0.5 σ beside 1 % sentinels",
            (2_000, numbers(|r| with_sentinel(r, 0.0))),
            (2_000, numbers(|r| with_sentinel(r, 0.5))),
        ),
        case("a shift of 1 of heavy tails (Cauchy)", (2_000, numbers(heavy)), (2_000, numbers(|r| heavy(r) + 1.0))),
        case(
            "a shift of 1 σ in a small unit",
            (2_000, numbers(|r| 1e-6 * r.normal())),
            (2_000, numbers(|r| 1e-6 * (r.normal() + 1.0))),
        ),
        case("2^53 and 2^53 + 1: half and half, then 1 to 9", (2_000, mixed(0.5)), (2_000, mixed(0.9))),
        case("a shift of 0.5 σ about 2^60", (2_000, far(0.0)), (2_000, far(0.5))),
        case("truth values: half true, then six tenths", (2_000, truth(0.5)), (2_000, truth(0.6))),
        case("truth values: all true, then one in ten false", (2_000, truth(1.0)), (2_000, truth(0.9))),
    ]
}

/// References that say too little to be compared with.
pub(crate) fn too_small() -> Vec<Case> {
    [1, 5, 20, 99]
        .into_iter()
        .map(|rows| Case {
            name: format!("a reference of {rows} rows, and a shift of 100 σ"),
            reference: (rows, numbers(Random::normal)),
            live: (2_000, numbers(|random| random.normal() + 100.0)),
        })
        .collect()
}
