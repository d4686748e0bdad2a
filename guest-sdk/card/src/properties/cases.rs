//! Rows to try a property on: the golden examples', varied within the schema.

use crate::checks::rule::Compiled;
use crate::{Batch, Checker, Checks, Datatype, Detail, Field, Golden, Invalid, Schema, Verdict, batch_from_records};
use serde_json::{Map, Value};

/// A row as a JSON object.
pub(super) type Row = Map<String, Value>;

/// The rows that there are, and which of those made from them may be used.
pub(super) struct Cases<'a> {
    inputs: &'a [Field],
    base: Vec<&'a Row>,
    checker: Checker,
    condition: Option<Compiled>,
}

impl<'a> Cases<'a> {
    pub(super) fn new(
        schema: &'a Schema,
        checks: &Checks,
        golden: &'a Golden,
        condition: Option<Compiled>,
    ) -> Result<Self, Invalid> {
        let mut checks = checks.clone();
        // Made-up rows are no sample of anything.
        checks.fields.values_mut().for_each(|field| field.null_share_max = None);
        let base = golden.examples.iter().flat_map(|example| &example.inputs).collect();
        let checker = Checker::new(&schema.inputs, &checks)?;
        Ok(Self { inputs: &schema.inputs, base, checker, condition })
    }

    pub(super) fn batch(&self, rows: &[Row]) -> Result<Batch, String> {
        batch_from_records(self.inputs, rows).map_err(|wrong| wrong.to_string())
    }

    /// Whether the model would be asked each row, and the property speaks of it.
    pub(super) fn usable(&self, rows: &[Row]) -> Result<Vec<bool>, String> {
        let batch = self.batch(rows)?;
        let verdict: Verdict = self.checker.check(&batch, &Detail { errors_max: 0, ..Detail::default() });
        let mut usable = vec![false; rows.len()];
        let answered = verdict.answered_rows();
        let spoken_of = self.condition.as_ref().map(|condition| condition.rows_where(&batch));
        for row in answered {
            if let Some(usable) = usable.get_mut(row) {
                *usable = spoken_of.as_ref().is_none_or(|rows| rows.binary_search(&row).is_ok());
            }
        }
        Ok(usable)
    }

    /// A golden row, some of its inputs (never `kept`) changed.
    pub(super) fn varied(&self, kept: Option<&str>, random: &mut Random) -> Option<Varied<'a>> {
        const CHANGED_ONE_IN: u64 = 4;
        let base = *self.base.get(random.below(self.base.len() as u64) as usize)?;
        let mut row = base.clone();
        for field in self.inputs {
            if kept != Some(field.name.as_str()) && random.below(CHANGED_ONE_IN) == 0 {
                row.insert(field.name.clone(), self.value(field, random));
            }
        }
        Some(Varied { base, row })
    }

    /// A value that a field may have.
    pub(super) fn value(&self, field: &Field, random: &mut Random) -> Value {
        const NULL_ONE_IN: u64 = 16;
        let seen = |random: &mut Random| {
            let row = self.base.get(random.below(self.base.len() as u64) as usize);
            row.and_then(|row| row.get(&field.name)).cloned().unwrap_or(Value::Null)
        };
        if field.nullable && field.shape.is_empty() && random.below(NULL_ONE_IN) == 0 {
            return Value::Null;
        }
        if !field.shape.is_empty() || random.below(2) == 0 {
            return seen(random);
        }
        match field.datatype {
            Datatype::Bool => Value::Bool(random.below(2) == 0),
            Datatype::Bytes => {
                let category = field.categories.get(random.below(field.categories.len() as u64) as usize);
                category.map_or_else(|| seen(random), |category| Value::String(category.clone()))
            }
            _ => self.number(field, random).unwrap_or_else(|| seen(random)),
        }
    }

    /// A number within the field's range; where it has none, within what was seen.
    fn number(&self, field: &Field, random: &mut Random) -> Option<Value> {
        let seen = self.base.iter().filter_map(|row| row.get(&field.name)?.as_f64());
        let low = field.minimum.or_else(|| seen.clone().reduce(f64::min))?;
        let high = field.maximum.or_else(|| seen.reduce(f64::max))?;
        let value = low + (high - low) * random.unit();
        match field.datatype {
            Datatype::Fp32 => Value::from(f64::from(value as f32)),
            Datatype::Fp64 => Value::from(value),
            Datatype::Uint64 => Value::from((low.ceil() + ((high - low.ceil()).floor() + 1.0) * random.unit()) as u64),
            _ => Value::from((low.ceil() + ((high - low.ceil()).floor() + 1.0) * random.unit()) as i64),
        }
        .into()
    }
}

/// A row, and the golden one that it was made from.
pub(super) struct Varied<'a> {
    pub(super) base: &'a Row,
    pub(super) row: Row,
}

/// SplitMix64: the same numbers each time.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `count - 1`; 0 where there is none.
    pub(super) fn below(&mut self, count: u64) -> u64 {
        self.next().checked_rem(count).unwrap_or(0)
    }

    /// From 0 to below 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
