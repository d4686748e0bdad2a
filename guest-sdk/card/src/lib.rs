//! What a model says of itself, and the checks that follow from it.
//!
//! The host, the build and the guest SDK share this crate, so that a column
//! means the same, and is refused for the same reasons, everywhere.
//!
//! It is pure: no I/O, no clocks, no WebAssembly runtime, no HTTP.

mod assemble;
mod builder;
mod card;
mod checks;
mod fit;
mod form;
mod gather;
mod golden;
mod interrupt;
mod invalid;
mod join;
mod lists;
#[cfg(feature = "rules")]
pub mod properties;
#[cfg(feature = "schema")]
mod published;
mod records;
mod schema;
pub mod stats;
pub mod strict;
mod tensor;

pub use assemble::{NamedTensor, assemble, assemble_all, assemble_until};
pub use builder::{Column, ColumnBuilder};
pub use card::{Card, CardError, duration_seconds, is_model_name};
pub use checks::{
    CheckKind, Checks, ChecksPatch, Decision, FieldChecks, OutputChecks, OutputsPatch, Policies, Policy, Rule, check,
    check_until,
};
#[cfg(feature = "rules")]
pub use checks::{Checker, Finding, Tally, Verdict};
pub use form::check_form;
pub use gather::Gatherer;
pub use golden::{Difference, Example, Golden, GoldenError, differences};
pub use interrupt::{Interrupt, Interrupted};
pub use invalid::{Detail, Echo, Found, Invalid, Misread, ShownShape, Unfit, shortened};
pub use lists::{batch_from_columns_until, batch_from_lists_until, places};
#[cfg(feature = "schema")]
pub use published::json_schema;
pub use records::{Records, batch_from_records, batch_from_records_all, batch_from_records_until};
pub use schema::{FIELDS_MAX, Field, Schema};
pub use tensor::{Batch, Datatype, Element, Tensor, Text, Values, element_count};
