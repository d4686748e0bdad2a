//! Why a benchmark ends early: for people, who read it.

/// Any error, with its message.
pub(crate) type Error = Box<dyn std::error::Error>;
