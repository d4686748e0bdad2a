//! The runtime of imported tabular models.
//!
//! `scry import` places a model file in the memory of this module. `load` reads it, and wipes it: the
//! model is in the snapshot once, as it is computed with.

use scry_graph::EvaluateError;
use scry_guest::card::{Schema, Tensor};
use scry_guest::{Failure, LoadError};
use std::hint::black_box;

/// Room beside what computing takes: a call that need not grow the memory is put back.
const HEADROOM_BYTES: usize = 1 << 20;

/// A model that was imported.
#[derive(Debug)]
pub struct Tabular(scry_graph::Model);

impl scry_guest::ColumnModel for Tabular {
    fn load() -> Result<Self, LoadError> {
        let file = scry_placed::file().ok_or("no model file is placed in this runtime: `scry import` places it")?;
        let model = scry_graph::Model::read(file)?;
        file.fill(0);
        // Opaque: an allocation that is not used is optimized away.
        drop(black_box(Vec::<u8>::with_capacity(model.working_bytes() + HEADROOM_BYTES)));
        Ok(Self(model))
    }

    fn schema(&self) -> Schema {
        self.0.schema().clone()
    }

    fn transform(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
        self.0.transform(inputs).map_err(failure)
    }

    fn predict(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
        self.0.predict(inputs).map_err(failure)
    }
}

fn failure(error: EvaluateError) -> Failure {
    match error {
        EvaluateError::Input { input, row, message } => Failure::InvalidInput { input, row: Some(row), message },
        other => Failure::Failed(other.to_string()),
    }
}

scry_guest::export!(Tabular);
