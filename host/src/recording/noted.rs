//! What the stages of a request leave for its record: nothing of an ordinary one, unless all of it is wanted.
//!
//! Knows no stage, and decides nothing.

use super::record::{Call, Inputs};
use scry_protocol::Answer;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Calls that are kept: the asked version's and a long chain's.
const CALLS_MAX: usize = 8;

/// The slot of one request.
#[derive(Debug, Default)]
pub struct Noted {
    is_whole: bool,
    kept: Mutex<Kept>,
}

/// What was left in it.
#[derive(Debug, Default)]
pub struct Kept {
    /// Rows that were read.
    pub inputs: Option<Inputs>,
    /// The answer that was written.
    pub answer: Option<Arc<Answer>>,
    /// Calls, in their order.
    pub calls: Vec<Call>,
}

impl Noted {
    /// Of a request of which everything is wanted, whatever comes of it; else only what failed.
    pub fn new(is_whole: bool) -> Self {
        Self { is_whole, kept: Mutex::default() }
    }

    /// Whether inputs, answer, and calls that answered are wanted, too.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// A call that failed, or any where all is wanted. `make` is called only then.
    pub fn called(&self, has_failed: bool, make: impl FnOnce() -> (Call, Inputs)) {
        if !has_failed && !self.is_whole {
            return;
        }
        let (call, inputs) = make();
        let mut kept = self.lock();
        kept.inputs.get_or_insert(inputs);
        if kept.calls.len() < CALLS_MAX {
            kept.calls.push(call);
        }
    }

    /// The rows that were read, where all is wanted.
    pub fn read(&self, make: impl FnOnce() -> Inputs) {
        if self.is_whole {
            self.lock().inputs.get_or_insert_with(make);
        }
    }

    /// The answer, once it is written, where all is wanted.
    pub fn answered(&self, answer: impl FnOnce() -> Arc<Answer>) {
        if self.is_whole {
            self.lock().answer = Some(answer());
        }
    }

    /// Whether a call has failed.
    pub fn has_failure(&self) -> bool {
        self.lock().calls.iter().any(|call| call.failure.is_some())
    }

    /// Takes what was left.
    pub fn take(&self) -> Kept {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Whoever panics with it has left something or nothing.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
