//! How a shadow's answers differ from those of the live version.
//!
//! Counts and one example a field, bounded however many answers are compared.
//! Never says whether a difference is a fault: the new version may be right.

use scry_card::{Batch, Field, Tensor, Values};
use scry_catalog::Latencies;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything that was compared so far.
#[derive(Debug, Clone, Default)]
pub struct Differences {
    rows: u64,
    rows_differing: u64,
    fields: BTreeMap<String, FieldDifference>,
    errors: BTreeMap<&'static str, u64>,
    live: Latencies,
    shadow: Latencies,
}

/// One output field of both versions.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct FieldDifference {
    /// Elements compared.
    pub elements: u64,
    /// Elements that differ.
    pub differing: u64,
    /// The largest absolute difference between two numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absolute_max: Option<f64>,
    /// The mean absolute difference, over all pairs of numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absolute_mean: Option<f64>,
    /// The first two elements that differed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<Pair>,
    /// Pairs of numbers.
    #[serde(skip)]
    numbers: u64,
}

/// An element of both answers, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// What callers got.
    pub live: String,
    /// What the shadow answered.
    pub shadow: String,
}

/// The comparison as operators see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DifferenceReport {
    /// Rows that both versions answered.
    pub rows: u64,
    /// Rows that differ in any field.
    pub rows_differing: u64,
    /// By output field.
    pub fields: BTreeMap<String, FieldDifference>,
    /// Requests that only the live version answered, by reason.
    pub errors: BTreeMap<&'static str, u64>,
    /// Requests that were not copied: there was no room.
    pub dropped: u64,
    /// What half of the live answers took at most.
    pub live_p50_ms: Option<f64>,
    /// The 95th percentile of the live answers.
    pub live_p95_ms: Option<f64>,
    /// What half of the shadow's answers took at most.
    pub shadow_p50_ms: Option<f64>,
    /// The 95th percentile of the shadow's answers.
    pub shadow_p95_ms: Option<f64>,
}

impl Differences {
    /// A shadow outlives deployments, and each may bring other fields.
    const FIELDS_MAX: usize = 256;

    /// Compares two answers to one request, both in the form of `fields`.
    pub fn add(&mut self, fields: &[Field], live: &Batch, shadow: &Batch) {
        let mut differs = vec![false; live.rows];
        for ((field, ours), theirs) in fields.iter().zip(&live.columns).zip(&shadow.columns) {
            if self.fields.len() >= Self::FIELDS_MAX && !self.fields.contains_key(&field.name) {
                continue;
            }
            let per_row = field.elements_per_row().unwrap_or(1).max(1);
            let sums = self.fields.entry(field.name.clone()).or_default();
            for i in 0..ours.values.len() {
                if sums.add(&Element::at(ours, i), &Element::at(theirs, i))
                    && let Some(row) = differs.get_mut(i / per_row)
                {
                    *row = true;
                }
            }
        }
        self.rows += differs.len() as u64;
        self.rows_differing += differs.iter().filter(|&&differs| differs).count() as u64;
    }

    /// How long the two took for one request.
    pub fn took(&mut self, live: Duration, shadow: Duration) {
        self.live.record(live);
        self.shadow.record(shadow);
    }

    /// The shadow failed where the live version answered.
    pub fn failed(&mut self, reason: &'static str) {
        *self.errors.entry(reason).or_default() += 1;
    }

    /// All of it; the caller counts the samples that found no room.
    pub fn report(&self, dropped: u64) -> DifferenceReport {
        let ms = |of: &Latencies, share: f64| of.quantile(share).map(|took| took.as_secs_f64() * 1e3);
        DifferenceReport {
            rows: self.rows,
            rows_differing: self.rows_differing,
            fields: self.fields.clone(),
            errors: self.errors.clone(),
            dropped,
            live_p50_ms: ms(&self.live, 0.5),
            live_p95_ms: ms(&self.live, 0.95),
            shadow_p50_ms: ms(&self.shadow, 0.5),
            shadow_p95_ms: ms(&self.shadow, 0.95),
        }
    }
}

impl FieldDifference {
    /// Compares two elements; says whether they differ.
    fn add(&mut self, live: &Element<'_>, shadow: &Element<'_>) -> bool {
        self.elements += 1;
        // What overflows, or is not a number, differs but has no size.
        if let Some(size) = live.distance(shadow).filter(|size| size.is_finite()) {
            self.numbers += 1;
            let mean = self.absolute_mean.unwrap_or(0.0);
            self.absolute_mean = Some(mean + (size - mean) / self.numbers as f64);
            self.absolute_max = Some(self.absolute_max.map_or(size, |max| max.max(size)));
        }
        if live.equals(shadow) {
            return false;
        }
        self.differing += 1;
        self.example.get_or_insert_with(|| Pair { live: live.shown(), shadow: shadow.shown() });
        true
    }
}

/// One element of any datatype.
#[derive(Debug, Clone, Copy)]
enum Element<'a> {
    Missing,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(&'a str),
}

impl<'a> Element<'a> {
    /// Relative to the larger of two numbers: less is how a sum was ordered.
    const TOLERANCE: f64 = 1e-9;

    fn at(tensor: &'a Tensor, i: usize) -> Self {
        if !tensor.is_valid(i) {
            return Self::Missing;
        }
        let integer = |value: Option<i128>| value.map(Self::Integer);
        let element = match &tensor.values {
            Values::Bool(list) => list.get(i).copied().map(Self::Bool),
            Values::Int8(list) => integer(list.get(i).map(|&value| value.into())),
            Values::Int16(list) => integer(list.get(i).map(|&value| value.into())),
            Values::Int32(list) => integer(list.get(i).map(|&value| value.into())),
            Values::Int64(list) => integer(list.get(i).map(|&value| value.into())),
            Values::Uint8(list) => integer(list.get(i).map(|&value| value.into())),
            Values::Uint16(list) => integer(list.get(i).map(|&value| value.into())),
            Values::Uint32(list) => integer(list.get(i).map(|&value| value.into())),
            Values::Uint64(list) => integer(list.get(i).map(|&value| value.into())),
            Values::Fp32(list) => list.get(i).map(|&value| Self::Float(value.into())),
            Values::Fp64(list) => list.get(i).copied().map(Self::Float),
            Values::Bytes(text) => text.get(i).map(Self::Text),
        };
        element.unwrap_or(Self::Missing)
    }

    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Missing, Self::Missing) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => {
                a == b
                    || (a.is_nan() && b.is_nan())
                    || (a.is_finite() && b.is_finite() && (a - b).abs() <= Self::TOLERANCE * a.abs().max(b.abs()))
            }
            _ => false,
        }
    }

    /// How far two numbers of one kind are apart.
    fn distance(&self, other: &Self) -> Option<f64> {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => Some(a.abs_diff(*b) as f64),
            (Self::Float(a), Self::Float(b)) => Some((a - b).abs()),
            _ => None,
        }
    }

    fn shown(&self) -> String {
        const SHOWN_MAX_CHARS: usize = 60;
        match self {
            Self::Missing => "null".into(),
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Float(value) => format!("{value:?}"),
            Self::Text(text) => text.chars().take(SHOWN_MAX_CHARS).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use scry_card::{Datatype, Text};

    fn field(name: &str, datatype: Datatype) -> Field {
        serde_json::from_value(serde_json::json!({ "name": name, "datatype": datatype })).unwrap()
    }

    fn column(values: Values) -> Tensor {
        Tensor { shape: vec![values.len() as u64], values, validity: None }
    }

    fn text(list: &[&str]) -> Values {
        let mut text = Text::default();
        list.iter().for_each(|element| text.push(element).unwrap());
        Values::Bytes(text)
    }

    #[test]
    fn numbers_and_labels_are_compared_row_by_row() {
        let fields = [field("score", Datatype::Fp64), field("label", Datatype::Bytes)];
        let batch = |scores: [f64; 4], labels: [&str; 4]| Batch {
            rows: 4,
            columns: vec![column(Values::Fp64(scores.to_vec())), column(text(&labels))],
        };
        let live = batch([1.0, 2.0, f64::NAN, 4.0], ["yes", "no", "no", "no"]);
        let mut shadow = batch([1.0 + 1e-12, 2.5, f64::NAN, 4.0], ["yes", "yes", "no", "no"]);
        shadow.columns[1].validity = Some(vec![true, true, true, false]);
        let mut differences = Differences::default();
        differences.add(&fields, &live, &shadow);
        differences.took(Duration::from_millis(1), Duration::from_millis(3));
        differences.failed("trap");
        let report = serde_json::to_value(differences.report(1)).unwrap();
        assert_eq!((&report["rows"], &report["rows_differing"]), (&4.into(), &2.into()));
        let (score, label) = (&report["fields"]["score"], &report["fields"]["label"]);
        assert_eq!((&score["differing"], &score["absolute_max"]), (&1.into(), &0.5.into()));
        assert!((score["absolute_mean"].as_f64().unwrap() - 0.5 / 3.0).abs() < 1e-9, "three pairs are numbers");
        assert_eq!(score["example"], serde_json::json!({ "live": "2.0", "shadow": "2.5" }));
        assert_eq!((&label["differing"], &label["example"]["shadow"]), (&2.into(), &"yes".into()));
        assert_eq!((&report["errors"]["trap"], &report["dropped"]), (&1.into(), &1.into()));
        assert!(report["live_p95_ms"].as_f64().unwrap() < report["shadow_p50_ms"].as_f64().unwrap());
    }

    #[test]
    fn large_integers_and_long_texts() {
        let fields = [field("id", Datatype::Int64), field("text", Datatype::Bytes)];
        let batch = |id: i64, long: &str| Batch {
            rows: 1,
            columns: vec![column(Values::Int64(vec![id])), column(text(&[long]))],
        };
        let mut differences = Differences::default();
        differences.add(&fields, &batch(i64::MAX, &"ä".repeat(100)), &batch(i64::MAX - 1, "b"));
        let report = differences.report(1);
        assert_eq!((report.fields["id"].differing, report.fields["id"].absolute_max), (1, Some(1.0)));
        assert_eq!(report.fields["text"].example.as_ref().unwrap().live, "ä".repeat(60));
    }

    fn any_column(rows: usize) -> impl Strategy<Value = Tensor> {
        let list = prop::collection::vec(any::<u64>(), rows);
        let validity = prop::option::of(prop::collection::vec(any::<bool>(), rows));
        (list, validity, 0..12).prop_map(|(list, validity, datatype)| {
            let values = match datatype {
                0 => Values::Bool(list.iter().map(|v| v % 2 == 0).collect()),
                1 => Values::Int8(list.iter().map(|&v| v as i8).collect()),
                2 => Values::Int16(list.iter().map(|&v| v as i16).collect()),
                3 => Values::Int32(list.iter().map(|&v| v as i32).collect()),
                4 => Values::Int64(list.iter().map(|&v| v as i64).collect()),
                5 => Values::Uint8(list.iter().map(|&v| v as u8).collect()),
                6 => Values::Uint16(list.iter().map(|&v| v as u16).collect()),
                7 => Values::Uint32(list.iter().map(|&v| v as u32).collect()),
                8 => Values::Uint64(list),
                9 => Values::Fp32(list.iter().map(|&v| f32::from_bits(v as u32)).collect()),
                10 => Values::Fp64(list.iter().map(|&v| f64::from_bits(v)).collect()),
                _ => text(
                    &list.iter().map(u64::to_string).collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>(),
                ),
            };
            Tensor { validity, ..column(values) }
        })
    }

    fn any_batch() -> impl Strategy<Value = Batch> {
        (0usize..6).prop_flat_map(|rows| {
            prop::collection::vec(any_column(rows), 1..4).prop_map(move |columns| Batch { rows, columns })
        })
    }

    fn fields(batch: &Batch) -> Vec<Field> {
        (0..).zip(&batch.columns).map(|(n, column)| field(&format!("f{n}"), column.values.datatype())).collect()
    }

    proptest! {
        #[test]
        fn an_answer_does_not_differ_from_itself(batch in any_batch()) {
            let mut differences = Differences::default();
            differences.add(&fields(&batch), &batch, &batch);
            let report = differences.report(1);
            prop_assert_eq!((report.rows, report.rows_differing), (batch.rows as u64, 0));
            prop_assert!(report.fields.values().all(|field| field.differing == 0 && field.absolute_max.unwrap_or(0.0) == 0.0));
        }

        /// Two answers that have nothing to do with each other, in form or size.
        #[test]
        fn whatever_is_compared_can_be_reported(pairs in prop::collection::vec((any_batch(), any_batch()), 1..4)) {
            let mut differences = Differences::default();
            for (live, shadow) in &pairs {
                differences.add(&fields(live), live, shadow);
            }
            let report = differences.report(1);
            prop_assert!(report.rows_differing <= report.rows);
            prop_assert!(report.fields.values().all(|field| field.differing <= field.elements));
            prop_assert!(serde_json::to_string(&report).is_ok());
        }
    }
}
