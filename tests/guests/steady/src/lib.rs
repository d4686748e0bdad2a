//! Always answers: the good neighbour, the fallback, the two versions of a swap.

use scry_guest::prelude::*;

#[cfg(not(feature = "single"))]
type Answer = f64;
#[cfg(feature = "single")]
type Answer = f32;

/// From here on `fragile` and `slow` are what they are called.
const LARGE: f64 = 1000.0;

#[cfg(feature = "fragile")]
fn large() {
    panic!("too large for a fragile model");
}

/// Some 30 ms of work.
#[cfg(feature = "slow")]
fn large() {
    for turn in 0..50_000_000 {
        std::hint::black_box(turn);
    }
}

#[cfg(not(any(feature = "fragile", feature = "slow")))]
fn large() {}

/// What `hostile` reads.
#[derive(Record)]
pub struct Input {
    /// Ignored.
    pub behaviour: String,
    /// Any number.
    #[cfg_attr(feature = "narrow", field(min = 0))]
    pub x: f64,
}

/// What `hostile` answers.
#[derive(Record)]
pub struct Output {
    /// Which version this is, times x.
    pub y: Answer,
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
        let crowd = if cfg!(feature = "crowd") { inputs.len().saturating_sub(1) } else { 0 };
        Ok(inputs.rows().map(|row| self.answer(row.x + crowd as f64)).collect())
    }
}

impl Steady {
    fn answer(&self, x: f64) -> Output {
        if x >= LARGE {
            large();
        }
        Output { y: (x * self.factor + self.shift) as Answer }
    }
}

scry_guest::export!(Steady);
