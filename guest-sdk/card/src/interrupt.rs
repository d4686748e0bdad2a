//! Whether work on a batch is still wanted: asked after every bounded piece of it.
//!
//! Never reads a clock: when work is over is the caller's to say.

/// The work was given up: its deadline passed, or no client waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work was interrupted: its deadline passed, or its client left")]
pub struct Interrupted;

/// Counts steps of work, and asks after every few thousand whether to go on.
///
/// A step takes a few nanoseconds: comparing two numbers, or reading a few
/// bytes of a text. Once interrupted, it stays so.
pub struct Interrupt<'a> {
    is_over: Option<&'a dyn Fn() -> bool>,
    left: usize,
    was_met: bool,
}

impl<'a> Interrupt<'a> {
    /// Steps between two questions: tens of microseconds.
    pub const STEPS: usize = 8_192;
    /// Bytes of text that are one step.
    pub const STEP_BYTES: usize = 16;

    /// Never interrupts.
    pub fn never() -> Self {
        Self { is_over: None, left: Self::STEPS, was_met: false }
    }

    /// Interrupts once the answer is true; it must then stay true.
    pub fn when(is_over: &'a dyn Fn() -> bool) -> Self {
        Self { is_over: Some(is_over), ..Self::never() }
    }

    /// A second one for a part of the same work.
    pub fn fork(&self) -> Self {
        Self { is_over: self.is_over, ..Self::never() }
    }

    /// Accounts for steps that are about to be taken.
    #[inline]
    pub fn spend(&mut self, steps: usize) -> Result<(), Interrupted> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => self.ask(),
        }
    }

    /// Accounts for text that is about to be read.
    #[inline]
    pub fn spend_text(&mut self, text: &str) -> Result<(), Interrupted> {
        self.spend(1 + text.len() / Self::STEP_BYTES)
    }

    /// Whether it has been interrupted.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.was_met { Err(Interrupted) } else { Ok(()) }
    }

    /// Asks now.
    #[cold]
    pub fn ask(&mut self) -> Result<(), Interrupted> {
        self.was_met = self.was_met || self.is_over.is_some_and(|is_over| is_over());
        // No steps are left, so every later call reports the interruption, too.
        self.left = if self.was_met { 0 } else { Self::STEPS };
        if self.was_met { Err(Interrupted) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Interrupt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interrupt").field("left", &self.left).field("was_met", &self.was_met).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn it_asks_after_a_bounded_number_of_steps_and_stays_interrupted() {
        let asked = Cell::new(0);
        let is_over = || {
            asked.set(asked.get() + 1);
            asked.get() == 3
        };
        let mut interrupt = Interrupt::when(&is_over);
        let steps = (0..).take_while(|_| interrupt.spend(1).is_ok()).count();
        assert_eq!((steps, asked.get()), (3 * Interrupt::STEPS + 2, 3));
        assert_eq!(interrupt.spend(1), Err(Interrupted));
        assert_eq!(interrupt.ask(), Err(Interrupted));
        assert_eq!(asked.get(), 3, "the answer is known");
    }

    #[test]
    fn a_large_step_is_asked_about_before_it_is_taken() {
        let mut interrupt = Interrupt::when(&|| true);
        assert_eq!(interrupt.spend(Interrupt::STEPS + 1), Err(Interrupted));
        assert_eq!(Interrupt::never().spend(usize::MAX), Ok(()));
    }
}
