//! The points between two steps of a change, where a test can hold it to
//! interleave it with others.
//!
//! Does nothing outside of tests. Never called while the state is locked.

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It is decided what the state is to become.
    Decide,
    /// Code is looked up, or loaded.
    Load,
    /// Golden examples are run.
    Prove,
    /// Schemas are compared.
    Compare,
    /// The change is committed, unless another came first.
    Commit,
}

#[cfg(not(test))]
pub(super) fn step(_: Step) {}

#[cfg(test)]
type Hold = Option<Box<dyn Fn(Step)>>;

#[cfg(test)]
thread_local! {
    static HOLD: std::cell::RefCell<Hold> = std::cell::RefCell::default();
}

#[cfg(test)]
pub(super) fn step(step: Step) {
    HOLD.with_borrow(|hold| hold.iter().for_each(|hold| hold(step)));
}

/// Calls `at` before each step of this thread's changes.
#[cfg(test)]
pub(super) fn hold(at: impl Fn(Step) + 'static) {
    HOLD.set(Some(Box::new(at)));
}
