//! Trying properties, and making what breaks one as simple as it gets.

use super::cases::{Cases, Random, Row};
use super::{Claim, Counterexample, Predict, Properties, Property, PropertyResult};
use crate::golden::{agrees, tolerance};
use crate::{Batch, Checks, Field, Golden, Invalid, Records, Schema, check};
use serde_json::Value;
use std::cmp::Ordering;

/// Rows that are made for each that is used: not all may be.
const ATTEMPTS: usize = 4;

impl Properties {
    /// Tries each property on rows made from the golden examples, of those
    /// that the checks let through. The error is of the properties themselves.
    pub fn check(
        &self,
        schema: &Schema,
        checks: &Checks,
        golden: &Golden,
        predict: &mut Predict<'_>,
    ) -> Result<Vec<PropertyResult>, Invalid> {
        self.validate(schema)?;
        let mut results = Vec::with_capacity(self.properties.len());
        for (property, seed) in self.properties.iter().zip(1..) {
            let cases = Cases::new(schema, checks, golden, property.compiled(&schema.inputs)?)?;
            let random = Random(seed);
            let mut trial = Trial { property, schema, golden, cases, rows: self.rows, random, predict: &mut *predict };
            results.push(trial.result());
        }
        Ok(results)
    }
}

/// One property that is being tried.
struct Trial<'a, 'p> {
    property: &'a Property,
    schema: &'a Schema,
    golden: &'a Golden,
    cases: Cases<'a>,
    rows: usize,
    random: Random,
    predict: &'a mut Predict<'p>,
}

/// Two rows that differ in one input.
#[derive(Clone)]
struct Pair<'a> {
    base: &'a Row,
    rows: [Row; 2],
}

/// The first rows of all pairs, and the second.
fn sides(pairs: &[Pair<'_>]) -> [Vec<Row>; 2] {
    let (first, second) =
        pairs.iter().map(|Pair { rows: [first, second], .. }| (first.clone(), second.clone())).unzip();
    [first, second]
}

/// Two numbers in order, whole ones to the last digit.
fn compared(one: &Value, other: &Value) -> Option<Ordering> {
    let whole = |value: &Value| value.as_i64().map(i128::from).or(value.as_u64().map(i128::from));
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

type Outcome = Result<(usize, Option<Counterexample>), String>;

impl<'a> Trial<'a, '_> {
    fn result(&mut self) -> PropertyResult {
        let property = self.property;
        let outcome = match &property.claim {
            Claim::Increases(direction) | Claim::Decreases(direction) => self.pairs(&direction.input),
            Claim::Invariant(invariance) => self.pairs(&invariance.input),
            Claim::RowOrder => self.order(),
            Claim::Batch => self.alone(),
        };
        let (cases, counterexample, problem) = match outcome {
            Ok((cases, counterexample)) => (cases, counterexample, None),
            Err(problem) => (0, None, Some(problem)),
        };
        PropertyResult { name: property.name.clone(), cases, counterexample, problem }
    }

    fn pairs(&mut self, input: &str) -> Outcome {
        let field = self.schema.inputs.iter().find(|field| field.name == input).ok_or("no such input")?;
        let mut pairs: Vec<_> = (0..self.rows * ATTEMPTS).filter_map(|_| self.pair(field)).collect();
        let [first, second] = sides(&pairs);
        let (first, second) = (self.cases.usable(&first)?, self.cases.usable(&second)?);
        let mut both = first.into_iter().zip(second).map(|(first, second)| first && second);
        pairs.retain(|_| both.next().unwrap_or(false));
        pairs.truncate(self.rows);
        if pairs.is_empty() {
            return Err("no rows that could be tried: the golden examples or `where` leave none".into());
        }
        let [first, second] = sides(&pairs);
        let (first, second) = (self.answers(&first)?, self.answers(&second)?);
        let Some(pair) = self.broken_at(&first, &second).and_then(|at| pairs.get(at)) else {
            return Ok((pairs.len(), None));
        };
        let pair = self.simplified(pair.clone(), field)?;
        let [first, second] = &pair.rows;
        let (first, second) = (self.answers(std::slice::from_ref(first))?, self.answers(std::slice::from_ref(second))?);
        Ok((pairs.len(), Some(self.counterexample(pair.rows, None, [(&first, 0), (&second, 0)]))))
    }

    fn pair(&mut self, field: &Field) -> Option<Pair<'a>> {
        let random = &mut self.random;
        let varied = self.cases.varied(Some(&field.name), random)?;
        let with = |value: Value| {
            let mut row = varied.row.clone();
            row.insert(field.name.clone(), value);
            row
        };
        let (one, other) = (self.cases.value(field, random), self.cases.value(field, random));
        let (one, other) = match self.property.claim {
            Claim::Invariant(_) if one == other => return None,
            Claim::Invariant(_) => (one, other),
            _ => match compared(&one, &other)? {
                Ordering::Less => (one, other),
                Ordering::Greater => (other, one),
                Ordering::Equal => return None,
            },
        };
        Some(Pair { base: varied.base, rows: [with(one), with(other)] })
    }

    /// The order of rows: the same rows, once in another order.
    fn order(&mut self) -> Outcome {
        let rows = self.some_rows()?;
        let mut order: Vec<usize> = (0..rows.len()).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, self.random.below(i as u64 + 1) as usize);
        }
        let shuffled: Vec<_> = order.iter().filter_map(|&row| rows.get(row).cloned()).collect();
        let mut places = vec![0; order.len()];
        for (place, &row) in order.iter().enumerate() {
            if let Some(at) = places.get_mut(row) {
                *at = place;
            }
        }
        let (together, other) = (self.answers(&rows)?, self.answers(&shuffled)?);
        let other = other.select(&places).ok_or("answers that are not row after row")?;
        let counterexample = self.broken_at(&together, &other).map(|at| {
            let place = places.get(at).copied().unwrap_or_default();
            let asked = [format!("at place {at} of {}", rows.len()), format!("at place {place}, the others shuffled")];
            let row = rows.get(at).cloned().unwrap_or_default();
            self.counterexample([row.clone(), row], Some(asked), [(&together, at), (&other, at)])
        });
        Ok((rows.len(), counterexample))
    }

    /// Rows alone and together.
    fn alone(&mut self) -> Outcome {
        let rows = self.some_rows()?;
        let together = self.answers(&rows)?;
        let alone = rows.iter().map(|row| self.answers(std::slice::from_ref(row))).collect::<Result<Vec<_>, _>>()?;
        let alone = Batch::join(&alone.iter().collect::<Vec<_>>()).ok_or("answers of different forms")?;
        let counterexample = self.broken_at(&together, &alone).map(|at| {
            let asked = [format!("among {} rows", rows.len()), "alone".to_owned()];
            let row = rows.get(at).cloned().unwrap_or_default();
            self.counterexample([row.clone(), row], Some(asked), [(&together, at), (&alone, at)])
        });
        Ok((rows.len(), counterexample))
    }

    fn some_rows(&mut self) -> Result<Vec<Row>, String> {
        let made = (0..self.rows * ATTEMPTS).filter_map(|_| self.cases.varied(None, &mut self.random));
        let mut rows: Vec<_> = made.map(|varied| varied.row).collect();
        let mut usable = self.cases.usable(&rows)?.into_iter();
        rows.retain(|_| usable.next().unwrap_or(false));
        rows.truncate(self.rows);
        if rows.is_empty() { Err("no rows that could be tried".into()) } else { Ok(rows) }
    }

    fn answers(&mut self, rows: &[Row]) -> Result<Batch, String> {
        let answers = (self.predict)(&self.cases.batch(rows)?)?;
        if answers.rows != rows.len() {
            return Err(format!("{} rows came in, {} answers came out", rows.len(), answers.rows));
        }
        match check(&self.schema.outputs, &answers, 1).pop() {
            Some(wrong) => Err(format!("the answer is wrong: {wrong}")),
            None => Ok(answers),
        }
    }

    /// The first row whose two answers break the claim.
    fn broken_at(&self, first: &Batch, second: &Batch) -> Option<usize> {
        (0..first.rows).find(|&row| match &self.property.claim {
            Claim::Increases(direction) => self.falls(&direction.output, direction.strictly, [first, second], row),
            Claim::Decreases(direction) => self.falls(&direction.output, direction.strictly, [second, first], row),
            Claim::Invariant(invariance) => self.differs(invariance.output.as_deref(), [first, second], row),
            Claim::RowOrder | Claim::Batch => self.differs(None, [first, second], row),
        })
    }

    fn falls(&self, output: &str, strictly: bool, [first, second]: [&Batch; 2], row: usize) -> bool {
        let at = self.schema.outputs.iter().position(|field| field.name == output);
        let tensors = at.and_then(|at| Some((first.columns.get(at)?, second.columns.get(at)?)));
        let Some((first, second)) = tensors else { return false };
        let tolerance = tolerance(self.golden, first, row);
        if let (Some(before), Some(after)) = (first.large(row), second.large(row)) {
            return if strictly { before >= after } else { (before - after) as f64 > tolerance };
        }
        let (Some(before), Some(after)) = (first.number(row), second.number(row)) else { return false };
        if strictly { before >= after } else { before - after > tolerance }
    }

    fn differs(&self, output: Option<&str>, [first, second]: [&Batch; 2], row: usize) -> bool {
        let columns = self.schema.outputs.iter().zip(first.columns.iter().zip(&second.columns));
        columns.filter(|(field, _)| output.is_none_or(|output| field.name == output)).any(|(field, (a, b))| {
            let per_row = field.elements_per_row().unwrap_or(1);
            (row * per_row..(row + 1) * per_row).any(|i| !agrees(a, b, i, tolerance(self.golden, a, i)))
        })
    }

    /// The pair with as many inputs as in the golden row, and the one that
    /// differs as round, as still break the claim.
    fn simplified(&mut self, mut pair: Pair<'a>, field: &Field) -> Result<Pair<'a>, String> {
        for other in self.schema.inputs.iter().filter(|other| other.name != field.name) {
            let mut simpler = pair.clone();
            for row in &mut simpler.rows {
                match pair.base.get(&other.name) {
                    Some(value) => row.insert(other.name.clone(), value.clone()),
                    None => row.remove(&other.name),
                };
            }
            if simpler.rows != pair.rows && self.breaks(&simpler)? {
                pair = simpler;
            }
        }
        for scale in [1.0, 10.0, 100.0, 1000.0] {
            let mut rounder = pair.clone();
            for value in rounder.rows.iter_mut().filter_map(|row| row.get_mut(&field.name)) {
                if let Some(number) = value.as_f64().filter(|_| value.is_f64()) {
                    *value = Value::from((number * scale).round() / scale);
                }
            }
            let [first, second] = &rounder.rows;
            if first != second && self.breaks(&rounder)? {
                return Ok(rounder);
            }
        }
        Ok(pair)
    }

    fn breaks(&mut self, pair: &Pair<'_>) -> Result<bool, String> {
        if self.cases.usable(&pair.rows)?.contains(&false) {
            return Ok(false);
        }
        let [first, second] = &pair.rows;
        let (first, second) = (self.answers(std::slice::from_ref(first))?, self.answers(std::slice::from_ref(second))?);
        Ok(self.broken_at(&first, &second).is_some())
    }

    fn counterexample(
        &self,
        inputs: [Row; 2],
        asked: Option<[String; 2]>,
        outputs: [(&Batch, usize); 2],
    ) -> Counterexample {
        let shown = |(batch, row): (&Batch, usize)| {
            let one = batch.select(&[row]).unwrap_or(Batch { rows: 0, columns: vec![] });
            let rows = serde_json::to_value(Records { fields: &self.schema.outputs, batch: &one });
            let row = rows.ok().and_then(|rows| rows.get(0).and_then(Value::as_object).cloned());
            row.unwrap_or_default()
        };
        Counterexample { expected: self.property.claim.to_string(), inputs, asked, outputs: outputs.map(shown) }
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Increases(d) if d.strictly => write!(f, "`{}` to rise as `{}` rises", d.output, d.input),
            Self::Increases(d) => write!(f, "`{}` not to fall as `{}` rises", d.output, d.input),
            Self::Decreases(d) if d.strictly => write!(f, "`{}` to fall as `{}` rises", d.output, d.input),
            Self::Decreases(d) => write!(f, "`{}` not to rise as `{}` rises", d.output, d.input),
            Self::Invariant(invariance) => match &invariance.output {
                Some(output) => write!(f, "`{output}` not to depend on `{}`", invariance.input),
                None => write!(f, "no answer to depend on `{}`", invariance.input),
            },
            Self::RowOrder => f.write_str("the same answer whatever the order of rows"),
            Self::Batch => f.write_str("the same answer alone and among other rows"),
        }
    }
}
