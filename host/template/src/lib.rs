//! A model for Scry: what it reads, what it answers, how it predicts.
//!
//! `cargo test` checks it here; `scry build` seals it into one component.

use scry_guest::kernels::{Linear, sigmoid};
use scry_guest::prelude::*;

/// One customer, as clients send it. Descriptions, units and ranges become
/// part of the model card; the host checks every request against them.
#[derive(Record)]
pub struct Customer {
    /// Time since the contract began.
    #[field(unit = "mo", min = 0, max = 600)]
    pub tenure: f64,
    /// What the customer pays a month; may be missing.
    #[field(min = 0)]
    pub monthly_charge: Option<f64>,
    /// How the contract renews.
    pub contract: Contract,
}

/// The only values that `contract` may have.
#[derive(Category, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    Monthly,
    #[category("one year")]
    OneYear,
}

/// What the model was trained on.
#[derive(Record)]
pub struct Features {
    pub features: [f64; 3],
}

/// The answer for one customer.
#[derive(Record)]
pub struct Prediction {
    /// Probability that the customer leaves.
    #[field(min = 0, max = 1)]
    pub probability: f64,
}

/// The model, as it is in memory once it is loaded.
pub struct Model {
    linear: Linear,
    mean_charge: f64,
}

impl scry_guest::Model for Model {
    type Input = Customer;
    type Features = Features;
    type Output = Prediction;

    /// Runs once, when the component is built.
    fn load() -> Result<Self, LoadError> {
        let weights = Weights::from_safetensors(include_bytes!("../weights.safetensors"))?;
        let number = |name: &str| -> Result<f64, LoadError> { Ok(*weights.f64(name)?.first().ok_or("empty")?) };
        Ok(Self {
            linear: Linear { coefficients: weights.f64("coefficients")?, intercept: number("intercept")? },
            mean_charge: number("mean_charge")?,
        })
    }

    /// The feature pipeline: training runs this too.
    fn transform(&self, customers: Batch<Customer>) -> Result<Batch<Features>, Failure> {
        let features = |customer: Customer| Features {
            features: [
                customer.tenure / 12.0,
                customer.monthly_charge.unwrap_or(self.mean_charge),
                f64::from(customer.contract == Contract::Monthly),
            ],
        };
        Ok(customers.rows().map(features).collect())
    }

    /// The model itself. `rows.rows()` gives structs; `rows.features` is the
    /// whole column, for speed.
    fn predict(&self, rows: Batch<Features>) -> Result<Batch<Prediction>, Failure> {
        let predict = |row: &[f64; 3]| Prediction { probability: sigmoid(self.linear.predict(row)) };
        Ok(rows.features.iter().map(predict).collect())
    }
}

scry_guest::export!(Model);

#[cfg(test)]
mod tests {
    #[test]
    fn agrees_with_the_golden_examples() {
        scry_guest::testing::golden::<super::Model>(env!("CARGO_MANIFEST_DIR"));
    }
}
