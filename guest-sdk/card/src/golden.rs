//! Golden examples: inputs, and what the original model answered to them.
//!
//! They travel in the component; a version that does not reproduce them is
//! never served.

use crate::{Batch, CheckKind, Field, Invalid, Schema, Tensor, Values, batch_from_records};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// The examples of one model, with the tolerance that all of them share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(title = "Golden examples of a model for Scry"))]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Tolerance relative to the expected value (as numpy.allclose).
    #[serde(default)]
    pub rtol: f64,
    /// Absolute tolerance, added to the relative one.
    #[serde(default)]
    pub atol: f64,
    /// The examples.
    #[cfg_attr(feature = "schema", schemars(length(max = EXAMPLES_MAX)))]
    pub examples: Vec<Example>,
}

/// The largest golden examples, in bytes of JSON.
const GOLDEN_MAX_BYTES: usize = 16 << 20;
/// Each is a call in a fresh instance, of every version that is published.
const EXAMPLES_MAX: usize = 1_000;

/// Why golden examples do not read.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// Larger than any examples need to be.
    #[error("expected at most {GOLDEN_MAX_BYTES} bytes, found {0}")]
    TooLarge(usize),
    /// Not JSON, or not of the form.
    #[error(transparent)]
    Unreadable(#[from] serde_json::Error),
    /// More than a host has time for.
    #[error("expected at most {EXAMPLES_MAX} examples, found {0}")]
    TooMany(usize),
}

impl Golden {
    /// Reads examples, however many.
    pub fn from_json(json: &[u8]) -> Result<Self, GoldenError> {
        Ok(serde_json::from_slice(json)?)
    }

    /// Reads the examples of a new component, which keep to the limits of today.
    pub fn from_new_json(json: &[u8]) -> Result<Self, GoldenError> {
        if json.len() > GOLDEN_MAX_BYTES {
            return Err(GoldenError::TooLarge(json.len()));
        }
        let golden = Self::from_json(json)?;
        match golden.examples.len() {
            found if found > EXAMPLES_MAX => Err(GoldenError::TooMany(found)),
            _ => Ok(golden),
        }
    }
}

/// A batch of rows and the predictions expected of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What the example shows.
    pub name: String,
    /// Rows as JSON objects.
    pub inputs: Vec<Map<String, Value>>,
    /// One object a row.
    pub outputs: Vec<Map<String, Value>>,
}

impl Golden {
    /// Refuses tolerances with which no example would prove anything, and
    /// examples whose rows and answers are not one for one.
    pub fn validate(&self) -> Result<(), Invalid> {
        let wrong = |field: &str, expected: &str, found: f64| {
            Err(Invalid::new(CheckKind::Form, field, expected, format!("{found:?}")))
        };
        // NaN is in no range.
        if !(0.0..1.0).contains(&self.rtol) {
            return wrong("rtol", "a tolerance of at least 0 and below 1", self.rtol);
        }
        if !(0.0..f64::INFINITY).contains(&self.atol) {
            return wrong("atol", "a finite tolerance of at least 0", self.atol);
        }
        self.examples.iter().try_for_each(|example| {
            example
                .check_rows()
                .map_err(|error| Invalid { field: format!("{}/{}", example.name, error.field), ..error })
        })
    }

    /// Refuses an absolute tolerance with which the answer 0 would do for
    /// every number that any example expects.
    pub fn check_atol(&self, schema: &Schema) -> Result<(), Invalid> {
        let expected = self.examples.iter().filter_map(|example| example.batches(schema).ok());
        let columns = expected.flat_map(|(_, outputs)| outputs.columns);
        let largest = columns.map(|column| largest(&column)).fold(0.0, f64::max);
        if largest > 0.0 && self.atol >= largest {
            let expected = format!("a tolerance below {largest:?}, the largest number that an example expects");
            return Err(Invalid::new(CheckKind::Form, "atol", expected, format!("{:?}", self.atol)));
        }
        Ok(())
    }
}

/// The largest float of a tensor, signs aside; 0 of none.
fn largest(tensor: &Tensor) -> f64 {
    (0..tensor.values.len()).filter_map(|i| float(tensor, i)).map(f64::abs).fold(0.0, f64::max)
}

impl Example {
    fn check_rows(&self) -> Result<(), Invalid> {
        if self.inputs.is_empty() || self.inputs.len() != self.outputs.len() {
            let expected = format!("one for each of at least 1 input (inputs: {})", self.inputs.len());
            return Err(Invalid::new(CheckKind::Form, "outputs", expected, self.outputs.len().to_string()));
        }
        Ok(())
    }

    /// The example as batches: inputs, expected outputs.
    pub fn batches(&self, schema: &Schema) -> Result<(Batch, Batch), Invalid> {
        self.check_rows()?;
        let inputs = batch_from_records(&schema.inputs, &self.inputs)?;
        let outputs = batch_from_records(&schema.outputs, &self.outputs)?;
        Ok((inputs, outputs))
    }
}

/// One element that is not what the example says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The output field.
    pub field: String,
    /// The row, from 0.
    pub row: usize,
    /// What the example says.
    pub expected: String,
    /// What the model answered.
    pub got: String,
    /// How far apart they may be.
    pub tolerance: f64,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, row, expected, got, tolerance } = self;
        write!(f, "output `{field}`, row {row}: expected {expected}, got {got} (tolerance {tolerance:e})")
    }
}

/// Where `got` is not `expected`, by `|got - expected| <= atol + rtol * |expected|`.
/// Both batches have the form of `fields`.
pub fn differences(fields: &[Field], golden: &Golden, expected: &Batch, got: &Batch) -> Vec<Difference> {
    let mut found = Vec::new();
    for ((field, want), have) in fields.iter().zip(&expected.columns).zip(&got.columns) {
        let per_row = field.elements_per_row().unwrap_or(1).max(1);
        for i in 0..want.values.len() {
            let tolerance = tolerance(golden, want, i);
            if !agrees(want, have, i, tolerance) {
                found.push(Difference {
                    field: field.name.clone(),
                    row: i / per_row,
                    expected: shown(want, i),
                    got: shown(have, i),
                    tolerance,
                });
            }
        }
    }
    found
}

pub(crate) fn float(tensor: &Tensor, i: usize) -> Option<f64> {
    match &tensor.values {
        Values::Fp64(list) => list.get(i).copied(),
        Values::Fp32(list) => list.get(i).map(|&value| f64::from(value)),
        _ => None,
    }
}

pub(crate) fn tolerance(golden: &Golden, want: &Tensor, i: usize) -> f64 {
    float(want, i).map_or(0.0, |value| golden.atol + golden.rtol * value.abs())
}

pub(crate) fn agrees(want: &Tensor, have: &Tensor, i: usize, tolerance: f64) -> bool {
    match (want.is_valid(i), have.is_valid(i)) {
        (false, false) => true,
        (true, true) => match (float(want, i), float(have, i)) {
            (Some(want), Some(have)) => (want - have).abs() <= tolerance,
            _ => shown(want, i) == shown(have, i),
        },
        _ => false,
    }
}

fn shown(tensor: &Tensor, i: usize) -> String {
    if !tensor.is_valid(i) {
        return "null".into();
    }
    crate::for_each_values!(
        &tensor.values,
        list => list.get(i).map_or("nothing".into(), |value| format!("{value:?}")),
        text => text.get(i).map_or("nothing".into(), |value| format!("{value:?}"))
    )
}
