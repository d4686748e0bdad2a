//! What answers when a version does not: a link of a chain, and how one version's columns become
//! another's.
//!
//! Never decides when.

use super::version::ServedVersion;
use scry_card::{Batch, Card, Field, Schema, ShownShape, Tensor, Values, batch_from_records};
use scry_catalog::Version;
use serde_json::{Map, Value};
use std::sync::Arc;

/// One link of a fallback chain, ready to answer in the requested model's form.
#[derive(Debug)]
pub enum FallbackLink {
    /// A component, and how its columns correspond.
    Version {
        /// The version that answers.
        target: Arc<ServedVersion>,
        /// For each of its inputs: which of the request's columns.
        inputs: Vec<Option<usize>>,
        /// For each output of the requested model: which of its columns.
        outputs: Vec<usize>,
    },
    /// One row, repeated.
    Constant(Batch),
    /// A component that is not ready, or cannot stand in.
    Unavailable(String),
}

impl FallbackLink {
    /// What a component answers.
    pub(super) fn card(&self) -> Option<&Arc<Card>> {
        match self {
            Self::Version { target, .. } => Some(&target.card),
            Self::Constant(_) | Self::Unavailable(_) => None,
        }
    }

    /// A component that answers in the form of `schema`'s outputs.
    pub fn to(model: &str, schema: &Schema, target: Arc<ServedVersion>) -> Result<Self, FallbackError> {
        let (inputs, outputs) = correspond(model, schema, &target.model, target.version, &target.card.schema)?;
        Ok(Self::Version { target, inputs, outputs })
    }

    /// Makes a constant answer in the form of `schema`'s outputs.
    pub fn constant(model: &str, schema: &Schema, row: &Map<String, Value>) -> Result<Self, FallbackError> {
        let wrong =
            |message: String| FallbackError { fallback: "the constant".into(), model: model.to_owned(), message };
        let batch = batch_from_records(&schema.outputs, std::slice::from_ref(row)).map_err(|e| wrong(e.to_string()))?;
        match scry_card::check(&schema.outputs, &batch, 1).first() {
            Some(error) => Err(wrong(error.to_string())),
            None => Ok(Self::Constant(batch)),
        }
    }
}

/// A one-row batch, once a row. A constant whose text would grow past what a
/// column holds stays one row.
pub(super) fn repeated(row: &Batch, rows: usize) -> Batch {
    if rows == 0 {
        return row.split(&[0, 1]).and_then(|parts| parts.into_iter().next()).unwrap_or_else(|| row.clone());
    }
    Batch::join(&vec![row; rows]).unwrap_or_else(|| row.clone())
}

/// A fallback that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fallback} cannot be a fallback for `{model}`: {message}")]
pub struct FallbackError {
    /// The fallback.
    pub fallback: String,
    /// The model that needs one.
    pub model: String,
    /// Which field, expected and found.
    pub message: String,
}

/// How a fallback's columns correspond to a model's: for each of its inputs which
/// of the request's, for each output of the model which of its own; or why it
/// cannot stand in.
pub fn correspond(
    model: &str,
    schema: &Schema,
    fallback: &str,
    version: Version,
    theirs: &Schema,
) -> Result<(Vec<Option<usize>>, Vec<usize>), FallbackError> {
    let fallback = format!("`{fallback}` version {}", version.number);
    let wrong = |message: String| FallbackError { fallback: fallback.clone(), model: model.to_owned(), message };
    let mut inputs = Vec::with_capacity(theirs.inputs.len());
    for field in &theirs.inputs {
        let at = schema.inputs.iter().position(|ours| ours.name == field.name);
        match at.and_then(|at| schema.inputs.get(at)) {
            Some(ours) => accepts(field, ours).map_err(|m| wrong(format!("input `{}`: {m}", field.name)))?,
            None if field.nullable => {}
            None => return Err(wrong(format!("it needs an input `{}`", field.name))),
        }
        inputs.push(at);
    }
    let mut outputs = Vec::with_capacity(schema.outputs.len());
    for ours in &schema.outputs {
        let at = theirs.outputs.iter().position(|field| field.name == ours.name);
        let Some((at, field)) = at.and_then(|at| theirs.outputs.get(at).map(|field| (at, field))) else {
            return Err(wrong(format!("it has no output `{}`", ours.name)));
        };
        if (field.datatype, &field.shape) != (ours.datatype, &ours.shape) {
            return Err(wrong(format!(
                "output `{}`: expected {} {}, found {} {}",
                ours.name,
                ours.datatype,
                ShownShape(&ours.shape),
                field.datatype,
                ShownShape(&field.shape)
            )));
        }
        outputs.push(at);
    }
    Ok((inputs, outputs))
}

/// Whether every value of `ours` fits a fallback's field.
fn accepts(field: &Field, ours: &Field) -> Result<(), String> {
    if (field.datatype, &field.shape) != (ours.datatype, &ours.shape) {
        let (expected, found) = (ShownShape(&field.shape), ShownShape(&ours.shape));
        return Err(format!("expected {} {expected}, found {} {found}", field.datatype, ours.datatype));
    }
    if ours.nullable && !field.nullable {
        return Err("expected a nullable field, found a required one".into());
    }
    Ok(())
}

/// The request's columns in a fallback's order.
pub(super) fn fallback_inputs(batch: &Batch, fields: &[Field], from: &[Option<usize>]) -> Batch {
    let column = |(field, at): (&Field, &Option<usize>)| match at.and_then(|at| batch.columns.get(at)) {
        Some(tensor) => tensor.clone(),
        None => {
            let count = batch.rows * field.elements_per_row().unwrap_or(1);
            Tensor {
                shape: field.batch_shape(batch.rows as u64),
                values: Values::neutral(field.datatype, count),
                validity: Some(vec![false; count]),
            }
        }
    };
    Batch { rows: batch.rows, columns: fields.iter().zip(from).map(column).collect() }
}

/// A fallback's columns in the requested model's order.
pub(super) fn fallback_outputs(answer: &Batch, from: &[usize]) -> Batch {
    Batch { rows: answer.rows, columns: from.iter().filter_map(|&at| answer.columns.get(at).cloned()).collect() }
}
