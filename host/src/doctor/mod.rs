//! What a host's data folder, limits, ports, clock, disk, and versions look like, and what to do about it.
//!
//! `look` asks the system, `judge` says what it means, `bundle` packs both for a bug report. Changes nothing, and needs no
//! host.

mod bundle;
mod finding;
mod judge;
mod look;
mod redact;
mod seen;
#[cfg(test)]
mod tests;

pub use bundle::{Bundle, BundleError, write_bundle};
pub use finding::{Finding, Level};
pub use judge::{count, judge};
pub use look::look;
pub use seen::{Answer, Seen};
