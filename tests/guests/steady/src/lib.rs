//! Always answers: the good neighbour, the spare, the two versions of a swap.

use scry_guest::prelude::*;

/// What `hostile` reads.
#[derive(Record)]
pub struct Input {
    /// Ignored.
    pub behaviour: String,
    /// Any number.
    pub x: f64,
}

/// What `hostile` answers.
#[derive(Record)]
pub struct Output {
    /// Which version this is, times x.
    pub y: f64,
}

/// The model.
pub struct Steady {
    factor: f64,
    shift: f64,
}

impl scry_guest::Model for Steady {
    type Input = Input;
    type Features = Input;
    type Output = Output;

    fn load() -> Result<Self, LoadError> {
        Ok(Self {
            factor: if cfg!(feature = "triple") { 3.0 } else { 2.0 },
            shift: if cfg!(feature = "shifted") { 1.0 } else { 0.0 },
        })
    }

    fn transform(&self, inputs: Batch<Input>) -> Result<Batch<Input>, Failure> {
        Ok(inputs)
    }

    fn predict(&self, inputs: Batch<Input>) -> Result<Batch<Output>, Failure> {
        Ok(inputs.rows().map(|row| Output { y: row.x * self.factor + self.shift }).collect())
    }
}

scry_guest::export!(Steady);
