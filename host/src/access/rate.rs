//! How often a token may ask.

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::num::NonZeroU32;
use std::time::Duration;

/// Requests that a token may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub requests_per_second: NonZeroU32,
    /// At once, after a pause.
    pub burst: NonZeroU32,
}

/// Counts one token's requests.
#[derive(Debug)]
pub(super) struct Limiter {
    pub(super) rate: Rate,
    requests: DefaultDirectRateLimiter,
}

impl Limiter {
    pub(super) fn new(rate: Rate) -> Self {
        let quota = Quota::per_second(rate.requests_per_second).allow_burst(rate.burst);
        Self { rate, requests: RateLimiter::direct(quota) }
    }

    /// One request; else how long until the next one may come.
    pub(super) fn take(&self) -> Result<(), Duration> {
        self.requests.check().map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }
}
