//! What a request and its calls may use.

use super::deadline::Reserve;
use scry_sandbox::CallLimits;
use std::time::{Duration, Instant};

/// The configured limits with the deployment's on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EffectiveLimits {
    /// From arrival to answer.
    pub deadline: Duration,
    /// What is kept back of it for the fallback chain.
    pub reserve: Reserve,
    /// Instructions, roughly; 0: not counted.
    pub fuel: u64,
    /// Linear memory.
    pub memory_max_bytes: u64,
    /// Answer.
    pub output_max_bytes: u64,
    /// Rows of waiting requests that one call may answer together; below 2 none are joined.
    pub batch_max_rows: usize,
}

impl EffectiveLimits {
    /// A call's limits, its time counted from now.
    pub fn of_call(&self) -> CallLimits {
        CallLimits {
            deadline: Instant::now() + self.deadline,
            fuel: self.fuel,
            memory_max_bytes: self.memory_max_bytes,
            output_max_bytes: self.output_max_bytes,
            client: None,
            is_timed: false,
        }
    }
}
