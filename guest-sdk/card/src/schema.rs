//! What columns a model reads and writes, and whether a batch is that.
//!
//! Never decides what to do about a batch that is not: policy is the caller's.

use crate::builder::shortened;
use crate::{Batch, Datatype, Tensor, Values, element_count};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One column that a model reads or writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Unique among the fields on its side of the model.
    pub name: String,
    /// What the field means, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The type of each element.
    pub datatype: Datatype,
    /// Shape of one row's value; empty for a scalar.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shape: Vec<u64>,
    /// Whether an element may be missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nullable: bool,
    /// UCUM code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Smallest value allowed, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// Largest value allowed, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    /// All values allowed, for text; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

impl Field {
    /// Elements in one row's value; `None` when the shape overflows.
    pub fn elements_per_row(&self) -> Option<usize> {
        element_count(&self.shape)
    }

    /// The shape that a batch of `rows` must have.
    pub fn batch_shape(&self, rows: u64) -> Vec<u64> {
        std::iter::once(rows).chain(self.shape.iter().copied()).collect()
    }
}

/// What a model reads, what its pipeline makes of that, what it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Raw columns, as a client sends them.
    pub inputs: Vec<Field>,
    /// The columns that the model was trained on.
    pub features: Vec<Field>,
    /// What a prediction holds.
    pub outputs: Vec<Field>,
}

/// One thing that is wrong with a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invalid {
    /// The field at fault.
    pub field: String,
    /// The row at fault, from 0, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<usize>,
    /// What the schema wants.
    pub expected: String,
    /// What came.
    pub found: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field `{}`", self.field)?;
        if let Some(row) = self.row {
            write!(f, ", row {row}")?;
        }
        write!(f, ": expected {}, found {}", self.expected, self.found)
    }
}

/// A tensor that names its column and says its type, as clients send it.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedTensor {
    /// Which field it is.
    pub name: String,
    /// The data.
    pub tensor: Tensor,
}

impl std::error::Error for Invalid {}

pub(crate) fn invalid(
    field: &str,
    row: Option<usize>,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> Invalid {
    Invalid { field: field.to_owned(), row, expected: expected.into(), found: found.into() }
}

/// Puts named tensors into the schema's order. A nullable column that is not
/// there is all missing. Types, shapes and row counts are checked; values are
/// `check`'s.
pub fn assemble(fields: &[Field], mut named: Vec<NamedTensor>) -> Result<Batch, Invalid> {
    for (i, tensor) in named.iter().enumerate() {
        if !fields.iter().any(|field| field.name == tensor.name) {
            let known: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
            return Err(invalid(&tensor.name, None, format!("one of {}", known.join(", ")), "an unknown field"));
        }
        if named.iter().take(i).any(|other| other.name == tensor.name) {
            return Err(invalid(&tensor.name, None, "the field once", "the field twice"));
        }
    }
    let Some(rows) = named.first().map(|first| first.tensor.shape.first().copied().unwrap_or(0)) else {
        let missing = fields.first().map_or("inputs", |field| field.name.as_str());
        return Err(invalid(missing, None, "at least one tensor", "none"));
    };
    let rows_count = usize::try_from(rows).map_err(|_| invalid("inputs", None, "fewer rows", rows.to_string()))?;
    let columns = fields
        .iter()
        .map(|field| match named.iter().position(|tensor| tensor.name == field.name) {
            Some(at) => {
                let tensor = named.swap_remove(at).tensor;
                check_form(field, rows, &tensor)?;
                Ok(tensor)
            }
            None if field.nullable => missing_column(field, rows),
            None => Err(invalid(&field.name, None, format!("a {} tensor", field.datatype), "nothing")),
        })
        .collect::<Result<_, _>>()?;
    Ok(Batch { rows: rows_count, columns })
}

fn missing_column(field: &Field, rows: u64) -> Result<Tensor, Invalid> {
    /// The client sent no data for it, so no body limit bounds it.
    const MISSING_MAX_ELEMENTS: usize = 1 << 24;
    let shape = field.batch_shape(rows);
    let count = element_count(&shape).filter(|&count| count <= MISSING_MAX_ELEMENTS).ok_or_else(|| {
        invalid(&field.name, None, format!("at most {MISSING_MAX_ELEMENTS} elements"), format!("{rows} rows"))
    })?;
    Ok(Tensor { shape, values: Values::neutral(field.datatype, count), validity: Some(vec![false; count]) })
}

/// Type, shape and lengths of one column.
fn check_form(field: &Field, rows: u64, tensor: &Tensor) -> Result<(), Invalid> {
    if tensor.values.datatype() != field.datatype {
        return Err(invalid(&field.name, None, field.datatype.name(), tensor.values.datatype().name()));
    }
    let shape = field.batch_shape(rows);
    if tensor.shape != shape {
        return Err(invalid(&field.name, None, format!("shape {shape:?}"), format!("shape {:?}", tensor.shape)));
    }
    let count = element_count(&shape)
        .ok_or_else(|| invalid(&field.name, None, "a shape that can be counted", format!("shape {shape:?}")))?;
    if tensor.values.len() != count {
        return Err(invalid(
            &field.name,
            None,
            format!("{count} elements for shape {shape:?}"),
            tensor.values.len().to_string(),
        ));
    }
    match &tensor.validity {
        Some(flags) if flags.len() != count => {
            Err(invalid(&field.name, None, format!("{count} validity flags"), flags.len().to_string()))
        }
        _ => Ok(()),
    }
}

/// Everything that is wrong with a batch, up to `errors_max` errors: form,
/// missing values, ranges, categories, numbers that are not finite.
pub fn check(fields: &[Field], batch: &Batch, errors_max: usize) -> Vec<Invalid> {
    if fields.len() != batch.columns.len() {
        return vec![invalid("*", None, format!("{} columns", fields.len()), batch.columns.len().to_string())];
    }
    let mut errors = Vec::new();
    for (field, tensor) in fields.iter().zip(&batch.columns) {
        match check_form(field, batch.rows as u64, tensor) {
            Err(error) => errors.push(error),
            Ok(()) => check_values(field, tensor, errors_max, &mut errors),
        }
        if errors.len() >= errors_max {
            errors.truncate(errors_max);
            break;
        }
    }
    errors
}

fn check_values(field: &Field, tensor: &Tensor, errors_max: usize, errors: &mut Vec<Invalid>) {
    let per_row = field.elements_per_row().unwrap_or(1).max(1);
    let mut report = |i: usize, expected: String, found: String| {
        errors.push(invalid(&field.name, Some(i / per_row), expected, found));
        errors.len() < errors_max
    };
    if !field.nullable
        && let Some(i) = tensor.validity.as_ref().and_then(|flags| flags.iter().position(|&present| !present))
        && !report(i, format!("a {} value", field.datatype), "null".into())
    {
        return;
    }
    match &tensor.values {
        Values::Bytes(text) if !field.categories.is_empty() => {
            for (i, value) in text.iter().enumerate() {
                if tensor.is_valid(i) && !field.categories.iter().any(|category| category == value) {
                    let allowed = field.categories.iter().map(|c| format!("{c:?}")).collect::<Vec<_>>().join(", ");
                    if !report(i, format!("one of {allowed}"), shortened(value)) {
                        return;
                    }
                }
            }
        }
        Values::Bool(_) | Values::Bytes(_) => {}
        Values::Fp64(list) => check_range(field, tensor, list.iter().copied(), true, report),
        Values::Fp32(list) => check_range(field, tensor, list.iter().map(|&v| f64::from(v)), true, report),
        Values::Int8(list) => check_range(field, tensor, list.iter().map(|&v| f64::from(v)), false, report),
        Values::Int16(list) => check_range(field, tensor, list.iter().map(|&v| f64::from(v)), false, report),
        Values::Int32(list) => check_range(field, tensor, list.iter().map(|&v| f64::from(v)), false, report),
        Values::Int64(list) => check_range(field, tensor, list.iter().map(|&v| v as f64), false, report),
        Values::Uint8(list) => check_range(field, tensor, list.iter().map(|&v| f64::from(v)), false, report),
        Values::Uint16(list) => check_range(field, tensor, list.iter().map(|&v| f64::from(v)), false, report),
        Values::Uint32(list) => check_range(field, tensor, list.iter().map(|&v| f64::from(v)), false, report),
        Values::Uint64(list) => check_range(field, tensor, list.iter().map(|&v| v as f64), false, report),
    }
}

fn check_range(
    field: &Field,
    tensor: &Tensor,
    values: impl Iterator<Item = f64>,
    is_float: bool,
    mut report: impl FnMut(usize, String, String) -> bool,
) {
    if !is_float && field.minimum.is_none() && field.maximum.is_none() {
        return;
    }
    let low = field.minimum.unwrap_or(f64::NEG_INFINITY);
    let high = field.maximum.unwrap_or(f64::INFINITY);
    for (i, value) in values.enumerate() {
        let allowed = value.is_finite() && low <= value && value <= high;
        if allowed || !tensor.is_valid(i) {
            continue;
        }
        let unit = field.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
        let expected = match (field.minimum, field.maximum) {
            _ if !value.is_finite() => "a finite number".to_owned(),
            (Some(low), Some(high)) => format!("{low} to {high}{unit}"),
            (Some(low), None) => format!("at least {low}{unit}"),
            (None, Some(high)) => format!("at most {high}{unit}"),
            (None, None) => "a finite number".to_owned(),
        };
        if !report(i, expected, value.to_string()) {
            return;
        }
    }
}

impl Schema {
    /// Checks the schema itself; the error names the field and what is wrong.
    pub fn validate(&self) -> Result<(), Invalid> {
        for (side, fields) in [("inputs", &self.inputs), ("features", &self.features), ("outputs", &self.outputs)] {
            if fields.is_empty() {
                return Err(invalid(side, None, "at least one field", "none"));
            }
            for (i, field) in fields.iter().enumerate() {
                field.validate()?;
                if fields.iter().take(i).any(|other| other.name == field.name) {
                    return Err(invalid(&field.name, None, format!("unique names in {side}"), "the name twice"));
                }
            }
        }
        Ok(())
    }
}

impl Field {
    fn validate(&self) -> Result<(), Invalid> {
        /// More than any image or window of a series needs in one row.
        const ROW_MAX_ELEMENTS: usize = 1 << 24;
        let wrong = |expected: &str, found: String| Err(invalid(&self.name, None, expected, found));
        if self.name.is_empty() || self.name.len() > 128 {
            return wrong("a name of 1 to 128 bytes", format!("{} bytes", self.name.len()));
        }
        if self.elements_per_row().is_none_or(|count| count == 0 || count > ROW_MAX_ELEMENTS) {
            return wrong("a shape of 1 to 16777216 elements a row", format!("{:?}", self.shape));
        }
        let ranged = self.minimum.is_some() || self.maximum.is_some();
        if ranged && !self.datatype.is_numeric() {
            return wrong("a range on a numeric field only", self.datatype.to_string());
        }
        if let (Some(low), Some(high)) = (self.minimum, self.maximum)
            && low > high
        {
            return wrong("minimum at most maximum", format!("{low} > {high}"));
        }
        if !self.categories.is_empty() && self.datatype != Datatype::Bytes {
            return wrong("categories on a BYTES field only", self.datatype.to_string());
        }
        Ok(())
    }
}
