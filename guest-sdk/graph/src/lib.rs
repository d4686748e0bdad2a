//! Trained tabular models as small typed graphs.
//!
//! [`Model::read`] takes a model file (docs/reference/model-file.md) and checks all of it: sizes,
//! types, widths, the order of nodes, cycles in trees. [`Model::predict`] and [`Model::transform`]
//! then compute columns from columns, in the order of operations of the library that trained the
//! model: to the bit where it adds and compares.
//!
//! Pure: no I/O, no clocks. It runs in a component, and natively for tests.

mod arrays;
mod error;
mod evaluate;
mod file;
mod format;
mod model;
mod ops;
mod output;
mod spec;
mod value;

pub use error::{EvaluateError, FileError};
pub use file::{Parts, framed};
pub use format::{FORMAT, MAGIC};
pub use model::Model;
