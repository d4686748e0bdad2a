//! How a request's deadline is shared along a fallback chain. Pure.

use std::time::Duration;

/// What a constant needs to answer.
const CONSTANT_RESERVE: Duration = Duration::from_millis(2);

/// What comes after the component that is about to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing: it may use all the time there is.
    Nothing,
    /// Only a constant.
    Constant,
    /// At least one component.
    Component,
}

/// How long the next component may run when `left` remains for it and all
/// that stands behind it.
pub(super) fn share(left: Duration, rest: Rest, reserve_percent: u8) -> Duration {
    let reserve = match rest {
        Rest::Nothing => Duration::ZERO,
        Rest::Constant => CONSTANT_RESERVE.min(left / 10),
        Rest::Component => left * u32::from(reserve_percent.min(90)) / 100,
    };
    left.saturating_sub(reserve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_kept_back_for_whatever_comes_after() {
        let left = Duration::from_millis(300);
        assert_eq!(share(left, Rest::Nothing, 25), left);
        assert_eq!(share(left, Rest::Constant, 25), Duration::from_millis(298));
        assert_eq!(share(left, Rest::Component, 25), Duration::from_millis(225));
        assert_eq!(share(Duration::ZERO, Rest::Component, 25), Duration::ZERO);
    }
}
