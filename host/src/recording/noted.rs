//! What the stages of a request leave for its record: nothing of an ordinary one, unless all of it is wanted.
//!
//! Knows no stage, and decides nothing.

use super::record::{Call, Inputs};
use scry_protocol::Answer;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Calls that are kept: the asked version's, and those of a long chain.
const CALLS_MAX: usize = 8;

/// The slot of one request.
#[derive(Debug, Default)]
pub struct Noted {
    is_whole: bool,
    kept: Mutex<Option<Box<Kept>>>,
}

/// What was left in it.
#[derive(Debug, Default)]
pub struct Kept {
    /// Why the version that was asked did not answer.
    pub cause: Option<String>,
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

    /// The rows that were read, where all is wanted.
    pub fn read(&self, inputs: impl FnOnce() -> Inputs) {
        if self.is_whole {
            self.lock().get_or_insert_default().inputs = Some(inputs());
        }
    }

    /// A call that failed, or any where all is wanted.
    pub fn called(&self, has_failed: bool, call: impl FnOnce() -> Call) {
        if !has_failed && !self.is_whole {
            return;
        }
        let (call, mut kept) = (call(), self.lock());
        let calls = &mut kept.get_or_insert_default().calls;
        if calls.len() < CALLS_MAX {
            calls.push(call);
        }
    }

    /// Why the version that was asked does not answer, and the rows that it was to answer.
    pub fn unanswered(&self, cause: String, inputs: Inputs) {
        let mut kept = self.lock();
        let kept = kept.get_or_insert_default();
        kept.cause.get_or_insert(cause);
        kept.inputs.get_or_insert(inputs);
    }

    /// The answer, once it is written, where all is wanted.
    pub fn answered(&self, answer: impl FnOnce() -> Arc<Answer>) {
        if self.is_whole {
            self.lock().get_or_insert_default().answer = Some(answer());
        }
    }

    /// Why a guest failed, if one did.
    pub fn failure(&self) -> Option<String> {
        let kept = self.lock();
        let mut failures = kept.iter().flat_map(|kept| &kept.calls).filter_map(|call| call.failure.as_ref());
        failures.next().map(|failed| failed.cause.clone())
    }

    /// Takes what was left.
    pub fn take(&self) -> Kept {
        self.lock().take().map(|kept| *kept).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Kept>>> {
        // Whoever panics with it has left something or nothing.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::record::{Failed, Limits, Used};
    use std::time::Duration;

    fn call(cause: Option<&str>) -> Call {
        Call {
            model: "m".into(),
            version: 1,
            digest: "sha256:0".into(),
            used: Used::default(),
            limits: Limits { fuel: 0, memory_max_bytes: 0, time: Duration::ZERO },
            requests: 1,
            failure: cause.map(|cause| Failed { reason: "trap", cause: cause.into(), backtrace: Vec::new() }),
        }
    }

    #[test]
    fn an_ordinary_request_leaves_nothing_and_makes_nothing() {
        let noted = Noted::default();
        noted.read(|| panic!("nobody wants the rows"));
        noted.called(false, || panic!("nobody wants the call"));
        noted.answered(|| panic!("nobody wants the answer"));
        assert_eq!(noted.failure(), None);
        let Kept { cause, inputs, answer, calls } = noted.take();
        assert!(cause.is_none() && inputs.is_none() && answer.is_none() && calls.is_empty());
    }

    #[test]
    fn calls_are_kept_in_their_order_up_to_a_number() {
        let noted = Noted::new(true);
        noted.called(false, || call(None));
        (0..20).for_each(|n| noted.called(true, || call(Some(&n.to_string()))));
        assert_eq!(noted.failure().as_deref(), Some("0"));
        assert_eq!(noted.take().calls.len(), CALLS_MAX);
        assert!(noted.take().calls.is_empty(), "taken once");
    }
}
