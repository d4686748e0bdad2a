//! A version of `bikeshare` that passes its golden examples and goes wrong at
//! four in the morning: with the feature `traps` it crashes, with `loops` it
//! never returns.

use bikeshare_records::{Hour, Riders};
use scry_guest::prelude::*;

/// The model that goes wrong.
pub struct Faulty {
    /// Mean of the training data.
    mean: f64,
}

impl scry_guest::Model for Faulty {
    type Input = Hour;
    type Features = Hour;
    type Output = Riders;

    fn load() -> Result<Self, LoadError> {
        Ok(Self { mean: 144.0 })
    }

    fn transform(&self, hours: Batch<Hour>) -> Result<Batch<Hour>, Failure> {
        Ok(hours)
    }

    fn predict(&self, hours: Batch<Hour>) -> Result<Batch<Riders>, Failure> {
        if hours.hour.contains(&4) {
            go_wrong();
        }
        Ok(hours.rows().map(|_| Riders { riders: self.mean }).collect())
    }
}

fn go_wrong() {
    #[cfg(feature = "traps")]
    panic!("no riders at four in the morning");
    #[cfg(feature = "loops")]
    loop {
        std::hint::spin_loop();
    }
}

scry_guest::export!(Faulty);

#[cfg(test)]
mod tests {
    #[test]
    fn passes_its_golden_examples() {
        scry_guest::testing::golden::<super::Faulty>(env!("CARGO_MANIFEST_DIR"));
    }
}
