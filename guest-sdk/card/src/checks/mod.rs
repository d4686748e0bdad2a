//! What must hold of every batch beyond its form, and what follows where it
//! does not.
//!
//! [`Checks`] is what an author wants checked, [`ChecksPatch`] what an operator
//! decides otherwise, [`Checker`] both made ready to run, [`Verdict`] what was
//! found and decided of a batch and of each of its rows.
//!
//! It never carries a decision out: refusing, warning and falling back are
//! its callers'.

#[cfg(feature = "rules")]
mod checker;
mod conformance;
mod kind;
#[cfg(feature = "rules")]
pub(crate) mod rule;
mod scan;
mod settings;
#[cfg(feature = "rules")]
mod verdict;

#[cfg(feature = "rules")]
pub use checker::Checker;
pub use conformance::{check, check_until};
#[cfg(feature = "schema")]
pub(crate) use kind::Place;
pub use kind::{CheckKind, Decision, Policy};
#[cfg(feature = "rules")]
pub(crate) use settings::EXPRESSION_MAX_CHARS;
pub use settings::{Checks, ChecksPatch, FieldChecks, OutputChecks, OutputsPatch, Policies, Rule};
#[cfg(feature = "rules")]
pub use verdict::{Finding, Tally, Verdict};
