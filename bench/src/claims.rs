//! Claims and whether they hold, for tables and for the exit code.

use crate::error::Error;

/// The host's default deadline.
pub(crate) const DEADLINE_MS: f64 = 300.0;
/// What an answer may come later.
pub(crate) const LATE_MS_MAX: f64 = 25.0;

/// How many claims were looked at, and how many did not hold.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    looked_at: usize,
    failed: usize,
}

impl Claims {
    /// The mark of a claim in a table.
    pub(crate) fn mark(&mut self, holds: bool) -> &'static str {
        self.looked_at += 1;
        if holds {
            return "✓";
        }
        self.failed += 1;
        "✗"
    }

    /// A line of a list: the claim, what was found, whether it holds.
    pub(crate) fn line(&mut self, claim: &str, found: impl std::fmt::Display, holds: bool) {
        println!("| {claim} | {found} | {} |", self.mark(holds));
    }

    /// An error when one of them does not hold.
    pub(crate) fn verdict(&self) -> Result<(), Error> {
        println!("{} of {} claims hold.\n", self.looked_at - self.failed, self.looked_at);
        match self.failed {
            0 => Ok(()),
            failed => Err(format!("{failed} of {} claims do not hold", self.looked_at).into()),
        }
    }
}
