//! How much of a version's doings reaches the log: guests log and calls fail as often as callers
//! like, and a disk has an end.
//!
//! Never decides what a line says.

use scry_scheduler::RateLimit;

/// What one version may write.
#[derive(Debug)]
pub struct LogLimits {
    /// Lines that the guest logs.
    pub(super) guest: RateLimit,
    /// Lines about calls that failed.
    pub(super) failures: RateLimit,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { guest: RateLimit::new(200), failures: RateLimit::new(20) }
    }
}
