//! What runs when: lanes with limits, a queue, threads that run what waits, a supervisor that takes the priority of
//! what runs for long, and a background thread.
//!
//! Generic over its work: knows no model and no protocol, and never decides what follows from a refusal.

#![forbid(unsafe_code)]

mod background;
mod cancel;
mod io_thread;
mod lane;
mod pool;
mod queue;
mod rate_limit;
mod supervisor;
mod work;

pub use background::Background;
pub use cancel::{CancelOnDrop, CancelToken};
pub use io_thread::{is_idle_enough, thread_woke};
pub use lane::{Lane, LaneLimits, SLICE};
pub use pool::{Permit, Pool, threads_max};
pub use queue::Refused;
pub use rate_limit::RateLimit;
pub use work::Work;

#[cfg(test)]
mod tests;
