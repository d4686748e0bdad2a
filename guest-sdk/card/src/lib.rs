//! What a model says of itself, and the checks that follow from it.
//!
//! The host, the build and the guest SDK share this crate, so that a column
//! means the same, and is refused for the same reasons, everywhere.
//!
//! It is pure: no I/O, no clocks, no WebAssembly runtime, no HTTP.

mod builder;
mod card;
mod golden;
mod join;
mod records;
mod schema;
pub mod stats;
mod tensor;

pub use builder::{Column, ColumnBuilder};
pub use card::{Card, CardError, is_model_name};
pub use golden::{Difference, Example, Golden, differences};
pub use records::{Records, batch_from_records};
pub use schema::{Field, Invalid, NamedTensor, Schema, assemble, check};
pub use tensor::{Batch, Datatype, Element, Tensor, Text, Values, element_count};
