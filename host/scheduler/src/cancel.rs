//! What a caller and its work know of each other: whether the work has begun, and whether the
//! caller still waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by a caller and its work.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<State>);

#[derive(Debug, Default)]
struct State {
    has_begun: AtomicBool,
    is_cancelled: AtomicBool,
}

/// Held by the caller: the work is stopped when this is dropped.
#[derive(Debug)]
pub struct CancelOnDrop(CancelToken);

impl CancelToken {
    /// The work begins.
    pub fn begin(&self) {
        self.0.has_begun.store(true, Ordering::Relaxed);
    }

    /// Whether it has.
    pub fn has_begun(&self) -> bool {
        self.0.has_begun.load(Ordering::Relaxed)
    }

    /// Whether the caller has stopped waiting.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::Relaxed)
    }

    /// The caller's side.
    pub fn cancel_on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.clone())
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.0.is_cancelled.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_cancelled_once_its_caller_is_gone() {
        let token = CancelToken::default();
        let caller = token.cancel_on_drop();
        assert!(!token.is_cancelled() && !token.has_begun());
        token.clone().begin();
        assert!(token.has_begun());
        drop(caller);
        assert!(token.is_cancelled());
    }
}
