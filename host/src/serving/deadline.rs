//! How a request's deadline is shared along a fallback chain. Pure.

use std::time::{Duration, Instant};

/// What a constant needs to answer.
const CONSTANT_RESERVE: Duration = Duration::from_millis(2);
/// How long a killed guest may take to notice, before the request goes on without it.
const KILL_GRACE: Duration = Duration::from_millis(20);

/// One link of what stands behind the component that is about to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// A constant.
    Constant,
    /// A component, and the time that 99 of 100 of its calls stay below.
    Component(Option<Duration>),
}

/// What a deployment says of the time kept back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reserve {
    /// For a fallback that has not been measured yet: a share of the time left, in percent.
    pub unmeasured_percent: u8,
    /// For a fallback that was measured: at least this.
    pub min: Duration,
}

/// When a component is stopped, and when the request goes on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) until: Instant,
    pub(super) give_up: Instant,
    /// With less time than this, running out of it says nothing about the
    /// component: half of what it has of a whole deadline.
    pub(super) fair: Duration,
}

impl Window {
    /// The window of a component that starts now, with `rest` behind it; a
    /// request that comes in time has `longest`.
    pub(super) fn new(
        now: Instant,
        deadline: Instant,
        longest: Duration,
        rest: impl Iterator<Item = Next> + Clone,
        reserve: &Reserve,
    ) -> Self {
        let left = deadline.saturating_duration_since(now);
        let fair = longest.saturating_sub(kept_back(longest, rest.clone(), reserve)) / 2;
        let kept = kept_back(left, rest, reserve);
        let until = now + left.saturating_sub(kept);
        let grace = if kept.is_zero() { KILL_GRACE } else { KILL_GRACE.min(kept / 2) };
        Self { until, give_up: until + grace, fair }
    }
}

/// What is kept back of `left` for all that stands behind.
fn kept_back(left: Duration, rest: impl Iterator<Item = Next>, reserve: &Reserve) -> Duration {
    let of = |behind| match behind {
        Next::Constant => CONSTANT_RESERVE.min(left / 10),
        // A machine that is busy is slower than it was measured, and the one before may end late.
        Next::Component(Some(p99)) => (p99 * 5 / 4).max(reserve.min) + KILL_GRACE,
        Next::Component(None) => left * u32::from(reserve.unmeasured_percent) / 100,
    };
    // However slow the fallbacks: a quarter is the component's own.
    rest.map(of).sum::<Duration>().min(left * 3 / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RESERVE: Reserve = Reserve { unmeasured_percent: 25, min: Duration::from_millis(10) };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_is_kept_back_follows_from_what_stands_behind() {
        let kept = |rest: &[Next]| kept_back(ms(300), rest.iter().copied(), &RESERVE);
        assert_eq!(kept(&[]), Duration::ZERO);
        assert_eq!(kept(&[Next::Constant]), ms(2));
        assert_eq!(kept(&[Next::Component(None)]), ms(75), "not measured yet");
        assert_eq!(kept(&[Next::Component(Some(ms(1)))]), ms(30), "at least the floor, and the grace");
        assert_eq!(kept(&[Next::Component(Some(ms(40))), Next::Constant]), ms(72));
        assert_eq!(kept(&[Next::Component(Some(ms(900)))]), ms(225), "a quarter is the component's own");
    }

    proptest! {
        #[test]
        fn a_window_ends_in_time_for_whoever_is_behind(
            left in 0..100_000_000u64,
            fallbacks in prop::collection::vec(prop::option::of(0..1_000_000u64), 0..4),
            constant: bool,
        ) {
            let now = Instant::now();
            let deadline = now + Duration::from_micros(left);
            let rest: Vec<_> = fallbacks
                .iter()
                .map(|p99| Next::Component(p99.map(Duration::from_micros)))
                .chain(constant.then_some(Next::Constant))
                .collect();
            let window = Window::new(now, deadline, ms(300), rest.iter().copied(), &RESERVE);
            prop_assert!(now <= window.until && window.until <= deadline);
            prop_assert!(window.give_up <= window.until + KILL_GRACE);
            prop_assert!((ms(37)..=ms(150)).contains(&window.fair));
            prop_assert!(rest.is_empty() || window.give_up <= deadline);
        }
    }
}
