//! Whether a version is called at all: its circuit breaker.
//!
//! ```text
//!             of the last 32 calls 5 failed,
//!             and half of those seen
//!   ┌────────┐                                ┌──────┐
//!   │ Closed │───────────────────────────────►│ Open │◄────────────┐
//!   └────────┘                                └──────┘             │
//!     ▲   ▲                                       │ the pause is   │ it fails:
//!     │   │                                       ▼ over: one call │ twice the pause
//!     │   │              it succeeds         ┌──────────┐          │
//!     │   └──────────────────────────────────│ HalfOpen │──────────┘
//!     │                                      └──────────┘
//!     │ auto                                      ▲ auto
//!   ┌──────────────┐                        ┌────────────┐
//!   │ ForcedClosed │                        │ ForcedOpen │       operators, from anywhere
//!   └──────────────┘                        └────────────┘
//! ```
//!
//! What becomes of a call counts only in the period in which it began: each
//! arrow begins another one. Pure, so that tests run in virtual time: never
//! reads a clock, never calls anything.

use super::spread;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One version's breaker. Times are since any one moment.
#[derive(Debug, Clone)]
pub struct Breaker {
    state: State,
    /// Counts the arrows that were taken.
    period: Period,
    since: Option<Duration>,
    pause: Duration,
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Calls pass. `opened`: how often in a row it has opened, until a whole
    /// window is good enough: one that fails again and again is not well
    /// because one probe was.
    Closed { window: Window, opened: u32 },
    /// No call passes before `until`.
    Open { until: Duration, opened: u32 },
    /// One call at a time passes.
    HalfOpen { is_probe_out: bool, opened: u32 },
    /// No call passes until an operator says so.
    ForcedOpen,
    /// Every call passes until an operator says so.
    ForcedClosed,
}

/// When a call began.
pub type Period = u64;

/// What became of a call that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Good,
    /// It was not, through the version's own fault.
    Bad,
    /// It says nothing about the version.
    Unknown,
}

/// The circuit is open: the call goes to the fallback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitOpen {
    /// By an operator, not by failures.
    pub is_forced: bool,
}

/// What an operator wants of a circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Override {
    /// That it follows the version's failures.
    Auto,
    /// No calls.
    Open,
    /// Every call.
    Closed,
}

/// A circuit's state by its usual name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Calls pass.
    Closed,
    /// No call passes.
    Open,
    /// One call at a time passes, as a probe.
    HalfOpen,
}

impl Phase {
    /// The name in answers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

impl Breaker {
    /// The longest pause, before jitter.
    const PAUSE_MAX: Duration = Duration::from_secs(60);

    /// A closed breaker. `pause` is the first; the seed keeps circuits that open
    /// together from probing together.
    pub fn new(pause: Duration, seed: u64) -> Self {
        let state = State::Closed { window: Window::default(), opened: 0 };
        Self { state, period: 1, since: None, pause, seed }
    }

    /// Lets a call pass, or not.
    pub fn enter(&mut self, now: Duration) -> Result<Period, CircuitOpen> {
        match self.state {
            State::Closed { .. } | State::ForcedClosed => {}
            State::Open { until, opened } if until <= now => {
                self.go(State::HalfOpen { is_probe_out: true, opened }, now);
            }
            State::HalfOpen { is_probe_out: false, opened } => {
                self.state = State::HalfOpen { is_probe_out: true, opened };
            }
            State::Open { .. } | State::HalfOpen { .. } => return Err(CircuitOpen { is_forced: false }),
            State::ForcedOpen => return Err(CircuitOpen { is_forced: true }),
        }
        Ok(self.period)
    }

    /// What became of a call that passed; told once for each.
    pub fn tell(&mut self, began: Period, outcome: Outcome, now: Duration) {
        if began != self.period {
            return;
        }
        match (self.state, outcome) {
            (State::Closed { window, opened }, Outcome::Good | Outcome::Bad) => {
                let window = window.with(outcome == Outcome::Bad);
                if window.is_bad() {
                    self.open(opened, now);
                } else {
                    self.state = State::Closed { window, opened: if window.is_full() { 0 } else { opened } };
                }
            }
            (State::HalfOpen { opened, .. }, Outcome::Good) => {
                self.go(State::Closed { window: Window::default(), opened }, now);
            }
            (State::HalfOpen { opened, .. }, Outcome::Bad) => self.open(opened, now),
            (State::HalfOpen { opened, .. }, Outcome::Unknown) => {
                self.state = State::HalfOpen { is_probe_out: false, opened };
            }
            _ => {}
        }
    }

    /// Does what an operator wants.
    pub fn force(&mut self, wanted: Override, now: Duration) {
        let next = match (wanted, self.state) {
            (Override::Open, State::ForcedOpen)
            | (Override::Closed, State::ForcedClosed)
            | (Override::Auto, State::Closed { .. } | State::Open { .. } | State::HalfOpen { .. }) => return,
            (Override::Open, _) => State::ForcedOpen,
            (Override::Closed, _) => State::ForcedClosed,
            (Override::Auto, State::ForcedOpen) => State::HalfOpen { is_probe_out: false, opened: 0 },
            (Override::Auto, State::ForcedClosed) => State::Closed { window: Window::default(), opened: 0 },
        };
        self.go(next, now);
    }

    /// The state by its usual name.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Closed { .. } | State::ForcedClosed => Phase::Closed,
            State::Open { .. } | State::ForcedOpen => Phase::Open,
            State::HalfOpen { .. } => Phase::HalfOpen,
        }
    }

    /// Whether an operator holds it there.
    pub fn is_forced(&self) -> bool {
        matches!(self.state, State::ForcedOpen | State::ForcedClosed)
    }

    /// When it came to its state; never, if it was made in it.
    pub fn since(&self) -> Option<Duration> {
        self.since
    }

    /// How long until the next call passes, where that depends on time alone.
    pub fn next_probe(&self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Open { until, .. } => Some(until.saturating_sub(now)),
            State::HalfOpen { is_probe_out: false, .. } => Some(Duration::ZERO),
            _ => None,
        }
    }

    /// The period, while calls pass and good ones change nothing.
    pub fn calm(&self) -> Option<Period> {
        let is_calm = match self.state {
            State::Closed { window, .. } => window.is_spotless(),
            State::ForcedClosed => true,
            _ => false,
        };
        is_calm.then_some(self.period)
    }

    fn open(&mut self, opened: u32, now: Duration) {
        let opened = opened.saturating_add(1);
        let until = now.saturating_add(self.pause(opened));
        self.go(State::Open { until, opened }, now);
    }

    /// Doubling, and 20 % more or less.
    fn pause(&self, opened: u32) -> Duration {
        let doubled = self.pause.saturating_mul(1 << (opened - 1).min(16)).min(Self::PAUSE_MAX);
        let point = spread(self.seed.wrapping_add(self.period)) >> 32;
        let percent = 80 + ((point * 41) >> 32) as u32;
        doubled * percent / 100
    }

    fn go(&mut self, next: State, now: Duration) {
        self.state = next;
        self.period += 1;
        self.since = Some(now);
    }
}

/// The last calls, the newest in the lowest bit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Window {
    /// 1: it failed.
    failed: u32,
    seen: u32,
}

impl Window {
    const FAILED_MIN: u32 = 5;

    fn with(self, failed: bool) -> Self {
        Self { failed: self.failed << 1 | u32::from(failed), seen: (self.seen + 1).min(u32::BITS) }
    }

    fn is_bad(self) -> bool {
        let failed = self.failed.count_ones();
        failed >= Self::FAILED_MIN && failed * 2 >= self.seen
    }

    fn is_full(self) -> bool {
        self.seen == u32::BITS
    }

    /// One more good call leaves it as it is.
    fn is_spotless(self) -> bool {
        self.is_full() && self.failed == 0
    }
}

#[cfg(test)]
mod tests;
