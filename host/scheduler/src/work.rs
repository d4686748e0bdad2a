//! What the threads of a pool run.

use std::time::Instant;

/// What the threads run.
pub trait Work: Send + Sized + 'static {
    /// When its client stops waiting.
    fn deadline(&self) -> Instant;

    /// Whether the client has gone.
    fn is_abandoned(&self) -> bool;

    /// How large it is.
    fn rows(&self) -> usize;

    /// Whether one call may answer both.
    fn joins(&self, other: &Self) -> bool;

    /// Does it, together with those that joined it. Whether that is what the lane is measured by: what is refused at
    /// once says nothing of the calls to come.
    fn run(self, joined: Vec<Self>) -> bool;
}
