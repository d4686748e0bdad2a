//! The arithmetic that models share.
//!
//! The host counts fuel and checks the epoch at every loop's back edge, which
//! costs a tight loop half of its speed: inner loops here are unrolled. They
//! are plain Rust, so a native test and the component run the same operations
//! in the same order.

mod dense;
mod features;
mod lanes;
mod lightgbm;
mod trees;

pub use dense::{Dense, relu, softmax};
pub use features::{Linear, Scaler, one_hot, one_hot_number};
pub use lightgbm::{LightGbmError, trees_from_lightgbm};
pub use trees::Trees;

/// 1 / (1 + e⁻ˣ).
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
