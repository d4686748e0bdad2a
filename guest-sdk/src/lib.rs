//! Write a model: a struct of inputs, one of outputs, `load`, `predict`.
//!
//! ```
//! use scry_guest::prelude::*;
//!
//! #[derive(Record)]
//! struct Customer {
//!     /// Time since the contract began.
//!     #[field(unit = "mo", min = 0, max = 600)]
//!     tenure: f64,
//!     contract: Contract,
//!     age: Option<f64>,
//! }
//!
//! #[derive(Category, Clone, Copy)]
//! enum Contract { Monthly, Yearly }
//!
//! #[derive(Record)]
//! struct Churn {
//!     #[field(min = 0, max = 1)]
//!     probability: f64,
//! }
//!
//! struct Model { bias: f64 }
//!
//! impl scry_guest::Model for Model {
//!     type Input = Customer;
//!     type Features = Customer; // what the model is trained on
//!     type Output = Churn;
//!
//!     fn load() -> Result<Self, LoadError> {
//!         Ok(Self { bias: -1.0 })
//!     }
//!     fn transform(&self, customers: Batch<Customer>) -> Result<Batch<Customer>, Failure> {
//!         Ok(customers) // no feature pipeline
//!     }
//!     fn predict(&self, customers: Batch<Customer>) -> Result<Batch<Churn>, Failure> {
//!         let churn = |c: Customer| Churn { probability: sigmoid(self.bias + 0.01 * c.tenure) };
//!         Ok(customers.rows().map(churn).collect())
//!     }
//! }
//! use scry_guest::kernels::sigmoid;
//!
//! scry_guest::export!(Model);
//! ```
//!
//! The crate never depends on the host and has no state of its own: a model is
//! loaded once, when `scry build` runs, and every prediction starts from there.

extern crate self as scry_guest; // the generated bindings name it

// Generated from `wit/`: its test writes it.
#[doc(hidden)]
#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::indexing_slicing, clippy::expect_used)]
pub mod bindings;
mod category;
mod component;
mod fields;
pub mod kernels;
pub mod logging;
mod record;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod weights;

pub use category::{Category, read_categories, write_categories};
pub use fields::{Column, FieldType, Nullable, describe, read_column};
pub use record::{Batch, Record};
pub use scry_card as card;
pub use scry_derive::{Category, Record};
pub use weights::{Weights, WeightsError};

#[doc(hidden)]
pub use component::runtime;

/// All that a model's source usually needs.
pub mod prelude {
    pub use crate::{Batch, Category, Failure, LoadError, Record, Weights};
}

use std::fmt;

/// Why a model could not be loaded; shown by `scry build`.
pub type LoadError = Box<dyn std::error::Error>;

/// A model: raw rows to features, features to predictions.
///
/// A prediction is always `predict(transform(inputs))`, so that what a client
/// gets and what training sees came through the same pipeline.
pub trait Model: Sized + Send + Sync + 'static {
    /// One row as clients send it.
    type Input: Record;
    /// One row as the model was trained on.
    type Features: Record;
    /// One row of the answer.
    type Output: Record;

    /// Builds the model from weights compiled in with `include_bytes!`. Runs
    /// once, when the component is built.
    fn load() -> Result<Self, LoadError>;

    /// The feature pipeline.
    fn transform(&self, inputs: Batch<Self::Input>) -> Result<Batch<Self::Features>, Failure>;

    /// The model: as many rows as came in, in the same order.
    fn predict(&self, features: Batch<Self::Features>) -> Result<Batch<Self::Output>, Failure>;
}

/// A model of columns, whose schema is known once it is loaded: what every [`Model`] is to a host.
///
/// Only a runtime that loads models of others has a reason to be one by itself.
pub trait ColumnModel: Sized + Send + Sync + 'static {
    /// Builds the model. Runs once, when the component is built.
    fn load() -> Result<Self, LoadError>;
    /// What it reads, what its pipeline makes of that, what it answers.
    fn schema(&self) -> card::Schema;
    /// The feature pipeline, from columns in the order of the schema.
    fn transform(&self, inputs: Vec<card::Tensor>) -> Result<Vec<card::Tensor>, Failure>;
    /// Predictions: as many rows as came in, in the same order.
    fn predict(&self, inputs: Vec<card::Tensor>) -> Result<Vec<card::Tensor>, Failure>;
}

/// Why there is no prediction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// An input that the model cannot work with: the caller's fault.
    InvalidInput {
        /// Name of the input.
        input: String,
        /// Row at fault, from 0, where one is.
        row: Option<u64>,
        /// What was expected and what was found.
        message: String,
    },
    /// The model's own fault.
    Failed(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidInput { input, row: Some(row), message } => write!(f, "input `{input}`, row {row}: {message}"),
            Self::InvalidInput { input, row: None, message } => write!(f, "input `{input}`: {message}"),
            Self::Failed(message) => f.write_str(message),
        }
    }
}

/// Any error becomes `Failed`, so that `?` works in a model.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}
