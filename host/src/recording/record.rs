//! A prediction as it is recorded: what came, which versions were called, what became of it.
//!
//! Holds what its request held anyway, by reference. Never copies a row, and never reads one.

use super::RecordId;
use bytes::Bytes;
use scry_card::{Batch, Card};
use scry_protocol::{Answer, Format};
use std::sync::Arc;
use std::time::Duration;

/// One prediction.
#[derive(Debug)]
pub struct Record {
    /// Its name: in the answer, where the prediction failed or a fallback answered.
    pub id: RecordId,
    /// When its request came, in milliseconds of Unix time.
    pub at_ms: u64,
    /// The request's id, and its trace's.
    pub request_id: Option<Box<str>>,
    /// Of 32 hexadecimal digits.
    pub trace_id: Option<Box<str>>,
    /// The model that was asked.
    pub model: Arc<str>,
    /// The version that was asked; nothing where the request names one that there is not.
    pub version: Option<u32>,
    /// Its digest, where it is loaded.
    pub digest: Option<Arc<str>>,
    /// What the request counts as: `ok`, `degraded`, or why nothing answered.
    pub outcome: &'static str,
    /// Whether the request, not a version or the host, is at fault.
    pub is_clients: bool,
    /// Why nothing answered, as operators see it; nothing where something did.
    pub cause: Option<String>,
    /// From the request's arrival to its answer.
    pub took: Duration,
    /// What that consists of.
    pub steps: Steps,
    /// How long the request might have taken.
    pub deadline: Duration,
    /// What the client sent.
    pub sent: Sent,
    /// What was read of it, in the order of the asked version's card; nothing where it was not read, or where neither
    /// a call failed nor [`super::Noted::is_whole`].
    pub inputs: Option<Inputs>,
    /// What answered.
    pub answered: Option<Answered>,
    /// The calls that were made, the asked version's first: those that failed, and with [`super::Noted::is_whole`] all.
    pub calls: Vec<Call>,
}

/// A request's bytes, before anything was read of them.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The body.
    pub body: Bytes,
    /// How it is read; nothing where it was not even received.
    pub format: Option<Format>,
}

/// Rows that were read and checked.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Whose fields they are.
    pub card: Arc<Card>,
    /// Their columns.
    pub batch: Arc<Batch>,
}

/// What gave the answer.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The model that answered.
    pub model: String,
    /// Its version: a number, or `constant`.
    pub version: String,
    /// Its digest; a constant has none.
    pub digest: Option<Arc<str>>,
    /// Why a fallback answered, where one did.
    pub degraded: Option<&'static str>,
    /// Findings in rows that were answered.
    pub warnings: usize,
    /// Rows that were refused.
    pub refused_rows: usize,
    /// The predictions and what was found, with [`super::Noted::is_whole`].
    pub answer: Option<Arc<Answer>>,
}

/// Nanoseconds that each step took; 0 where it was not taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Steps {
    /// Waiting for a compute thread.
    pub queue_ns: u64,
    /// Reading and checking.
    pub read_ns: u64,
    /// The call that answered.
    pub call_ns: u64,
    /// Writing the answer.
    pub write_ns: u64,
}

/// One call of a component.
#[derive(Debug, Clone)]
pub struct Call {
    /// The model that was called.
    pub model: Arc<str>,
    /// Its version.
    pub version: u32,
    /// Its digest.
    pub digest: Arc<str>,
    /// What it took.
    pub used: Used,
    /// What it might have taken.
    pub limits: Limits,
    /// Requests that it was for; its fuel and its memory are those of all of them.
    pub requests: usize,
    /// Why it did not answer.
    pub failure: Option<Failed>,
}

/// What a call took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Instructions, roughly, where they are counted.
    pub fuel: Option<u64>,
    /// Linear memory at the end, in bytes; 0 where there was no instance.
    pub memory_bytes: u64,
    /// How long it ran.
    pub duration: Duration,
}

/// What a call might have taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Instructions, roughly; 0: not counted.
    pub fuel: u64,
    /// Linear memory, in bytes.
    pub memory_max_bytes: u64,
    /// What was left of the request's deadline, without what is kept back for fallbacks.
    pub time: Duration,
}

/// Why a call did not answer.
#[derive(Debug, Clone)]
pub struct Failed {
    /// One of the fixed names.
    pub reason: &'static str,
    /// What happened, for people.
    pub cause: String,
    /// Where the guest was, the innermost function first.
    pub backtrace: Vec<Frame>,
}

impl Record {
    /// Whether nothing answered, or a fallback did.
    pub fn is_error(&self) -> bool {
        self.answered.as_ref().is_none_or(|answered| answered.degraded.is_some())
    }
}

pub use scry_sandbox::Frame;
