//! An answer, before it is written.

use scry_card::{Batch, Card, Finding};
use std::sync::Arc;

/// An answer, and who gave it.
#[derive(Debug)]
pub struct Answer {
    /// Card of the version that was asked.
    pub card: Arc<Card>,
    /// The predictions, in the form of that card's outputs.
    pub outputs: Batch,
    /// The model that answered.
    pub model: String,
    /// Its version: a number, or `constant`.
    pub version: String,
    /// Its digest, as text; a constant has none.
    pub digest: Option<Arc<str>>,
    /// Why a fallback answered, when one did.
    pub degraded: Option<&'static str>,
    /// What was found in the inputs.
    pub remarks: Remarks,
}

/// What an answer says of the inputs.
#[derive(Debug, Default)]
pub struct Remarks {
    /// Rows that were refused, in ascending order: they are missing in the outputs.
    pub refused_rows: Vec<usize>,
    /// Why they were.
    pub refusals: Vec<Finding>,
    /// What was found in rows that were answered.
    pub warnings: Vec<Finding>,
    /// Findings that are not among those.
    pub unlisted: usize,
}
