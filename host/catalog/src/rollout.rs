//! A new version gets its share of the requests: in steps that it has to earn
//! (a canary), by copies that no client waits for (a shadow).
//!
//! Pure decisions from counts and a time that is passed in. Never counts, never
//! reads a clock, never moves anything: the registry does what a verdict says.

use super::Latencies;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::time::Duration;

/// A version on its way to being live.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// The version.
    pub to: u32,
    /// Its shares, growing.
    pub steps: Vec<Step>,
    /// Which step runs, from 0.
    pub step: usize,
    /// When that began, Unix time.
    pub since_ms: u64,
    /// What it may cost.
    #[serde(default)]
    pub bounds: Bounds,
}

/// One share, and how long at least.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Of the requests that name no version.
    pub percent: f64,
    /// In seconds; `None`: until an operator decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_s: Option<u64>,
}

/// How much worse than the live version a canary may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// Error rate above the live version's, in percentage points.
    pub error_points_max: f64,
    /// Of the live version's 95th percentile: what counts as slow.
    pub slow_factor_max: f64,
    /// Requests that a step needs before the next.
    pub requests_min: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { error_points_max: 1.0, slow_factor_max: 2.0, requests_min: 50 }
    }
}

/// What one version did: a canary since its step began, the live one since the
/// canary began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Answered or not.
    pub requests: u64,
    /// Not answered, through the version's own fault; also those that its open
    /// circuit kept from it.
    pub errors: u64,
    /// How long each took that was asked.
    pub latency: Latencies,
    /// Whether its circuit is open now.
    pub is_open: bool,
}

/// What to do about a canary now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing; what it waits for, for people.
    Hold(String),
    /// The next step.
    Advance,
    /// Make it live.
    Promote,
    /// Give all requests back to the live version; why, for people.
    RollBack(String),
}

/// A version that answers copies of requests, for comparison only.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shadow {
    /// The version.
    pub to: u32,
    /// Of the requests that the live version answers.
    pub percent: f64,
}

impl Canary {
    const STEPS_MAX: usize = 16;

    /// Checks the plan itself; the error says what was expected and found.
    pub fn validate(&self) -> Result<(), String> {
        let count = self.steps.len();
        if count == 0 || count > Self::STEPS_MAX {
            return Err(format!("canary: expected 1 to {} steps, found {count}", Self::STEPS_MAX));
        }
        if self.step >= count {
            return Err(format!("canary: expected a step from 0 to {}, found {}", count - 1, self.step));
        }
        let mut before = 0.0;
        for step in &self.steps {
            check_percent("canary", step.percent)?;
            if step.percent <= before {
                return Err(format!("canary: expected more than the {before} % before, found {} %", step.percent));
            }
            before = step.percent;
        }
        self.bounds.validate()
    }

    /// Its share of the requests now.
    pub fn percent(&self) -> f64 {
        self.steps.get(self.step).map_or(0.0, |step| step.percent)
    }

    /// What the evidence says; errors come before patience.
    pub fn judge(&self, now_ms: u64, live: &Evidence, canary: &Evidence) -> Verdict {
        if let Some(why) = self.bounds.exceeded(live, canary) {
            return Verdict::RollBack(why);
        }
        // Whatever it has shown before: it does not get more of the requests now.
        if canary.is_open {
            return Verdict::Hold("its circuit is open".into());
        }
        let Some(step) = self.steps.get(self.step) else {
            return Verdict::Hold("there is no such step".into());
        };
        let is_last = self.step + 1 == self.steps.len();
        if is_last && step.percent < 100.0 {
            return Verdict::Hold("waits for --promote".into());
        }
        if !is_last && step.hold_s.is_none() {
            return Verdict::Hold("waits for an operator".into());
        }
        let mut waits = Vec::new();
        if canary.requests < self.bounds.requests_min {
            waits.push(format!("{} of {} requests", canary.requests, self.bounds.requests_min));
        }
        // A clock that was set back makes the step longer, never shorter.
        let held_ms = now_ms.saturating_sub(self.since_ms);
        let left_ms = step.hold_s.unwrap_or(0).saturating_mul(1000).saturating_sub(held_ms);
        if left_ms > 0 {
            waits.push(format!("holds for {} s more", left_ms.div_ceil(1000)));
        }
        match (waits.is_empty(), is_last) {
            (false, _) => Verdict::Hold(waits.join(", ")),
            (true, false) => Verdict::Advance,
            (true, true) => Verdict::Promote,
        }
    }

    /// The canary in its next step, if there is one.
    pub fn advanced(&self, now_ms: u64) -> Option<Self> {
        let step = self.step + 1;
        (step < self.steps.len()).then(|| Self { step, since_ms: now_ms, ..self.clone() })
    }
}

impl Bounds {
    /// Requests after which a canary may be found faulty, few enough that one
    /// which always fails is gone at once.
    const JUDGED_MIN: u64 = 10;
    /// How far the share of slow requests may be above the live version's own.
    const SLOW_SHARE_MAX: f64 = 0.05;

    fn validate(&self) -> Result<(), String> {
        let Self { error_points_max: points, slow_factor_max: factor, requests_min } = *self;
        if !(0.0..=100.0).contains(&points) {
            return Err(format!("error_points_max: expected 0 to 100, found {points}"));
        }
        if !(1.0..=1000.0).contains(&factor) {
            return Err(format!("slow_factor_max: expected 1 to 1000, found {factor}"));
        }
        if !(1..=1_000_000_000).contains(&requests_min) {
            return Err(format!("requests_min: expected 1 to 1000000000, found {requests_min}"));
        }
        Ok(())
    }

    /// Which bound the canary is beyond for sure.
    fn exceeded(&self, live: &Evidence, canary: &Evidence) -> Option<String> {
        if canary.requests < self.requests_min.min(Self::JUDGED_MIN) {
            return None;
        }
        let failed = |of: &Evidence| Part { count: of.errors.min(of.requests), of: of.requests };
        let (bad, normal) = (failed(canary), failed(live));
        if bad.surely_exceeds(normal, self.error_points_max / 100.0) {
            return Some(format!("{bad} requests failed; on the live version, {normal}"));
        }
        if live.requests < self.requests_min {
            return None;
        }
        let usual = live.latency.quantile(0.95)?;
        let scaled = Duration::try_from_secs_f64(usual.as_secs_f64() * self.slow_factor_max).unwrap_or(Duration::MAX);
        // Microseconds are noise whatever the factor says.
        let limit = scaled.max(usual + Duration::from_millis(1));
        let slow = |of: &Evidence| {
            let (count, of) = of.latency.share_above(limit);
            Part { count, of }
        };
        let (bad, normal) = (slow(canary), slow(live));
        let [limit_ms, usual_ms] = [limit, usual].map(|took| took.as_secs_f64() * 1e3);
        bad.surely_exceeds(normal, Self::SLOW_SHARE_MAX).then(|| {
            format!(
                "{bad} requests took {limit_ms:.1} ms or longer; on the live version, {normal}, p95 {usual_ms:.1} ms"
            )
        })
    }
}

impl Shadow {
    /// Checks the share.
    pub fn validate(&self) -> Result<(), String> {
        check_percent("shadow", self.percent)
    }
}

fn check_percent(what: &str, percent: f64) -> Result<(), String> {
    if percent > 0.0 && percent <= 100.0 {
        return Ok(());
    }
    Err(format!("{what}: expected more than 0 % and at most 100 %, found {percent} %"))
}

/// A count out of a total.
#[derive(Debug, Clone, Copy)]
struct Part {
    count: u64,
    of: u64,
}

impl Part {
    /// A live version that has answered fewer than this is given the benefit of
    /// the doubt: the rest of them count as good.
    const LIVE_MIN: u64 = 50;
    /// Certainty in standard errors.
    const CERTAINTY: f64 = 4.0;

    /// Whether the share is more than `margin` above the live version's, beyond
    /// doubt: no pair of true shares within the margin makes both records likely.
    ///
    /// The likelihood ratio of two binomials. A confidence bound of the canary
    /// alone, against the live version's raw rate, would be simpler and wrong:
    /// looked at after each of 2,000 requests, with 2 % of errors on both sides,
    /// a Wilson bound at 3 standard errors rolls back 4 % of good canaries that
    /// get 10 % of the requests, 12 % at 50 %, 41 % at 90 % (5 standard errors:
    /// 0.4, 5 and 12 %). It ignores that the live rate is a guess too, and its
    /// normal approximation fails where errors are rare. This: below 0.1 %.
    fn surely_exceeds(self, live: Self, margin: f64) -> bool {
        let live_of = live.of.max(Self::LIVE_MIN) as f64;
        let (live, own) = (live.count as f64 / live_of, self.count as f64 / (self.of.max(1)) as f64);
        if own <= live + margin {
            return false;
        }
        // The likeliest live share, when the own one is just within the margin:
        // the pull of the two records is equal there.
        let (mut low, mut high) = (live, own - margin);
        for _ in 0..40 {
            let share = (low + high) / 2.0;
            let pull = |seen: f64, of: f64, share: f64| of * (share - seen) / (share * (1.0 - share));
            if pull(live, live_of, share) + pull(own, self.of as f64, share + margin) > 0.0 {
                high = share;
            } else {
                low = share;
            }
        }
        let doubt = live_of * divergence(live, low) + self.of as f64 * divergence(own, low + margin);
        doubt > Self::CERTAINTY * Self::CERTAINTY / 2.0
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = 100.0 * self.count as f64 / self.of.max(1) as f64;
        write!(f, "{} of {} ({percent:.1} %)", self.count, self.of)
    }
}

/// How unlikely a share that was seen is under a true one, a request
/// (Kullback–Leibler).
fn divergence(seen: f64, share: f64) -> f64 {
    let term = |seen: f64, share: f64| if seen > 0.0 { seen * (seen / share).ln() } else { 0.0 };
    term(seen, share) + term(1.0 - seen, 1.0 - share)
}

/// Where a key stands among all requests: the same on every host and in every
/// release, another for each version.
pub fn share_point(model: &str, version: u32, key: &str) -> u64 {
    let mut hash = Sha256::new();
    for part in [model.as_bytes(), &version.to_be_bytes(), key.as_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hash.finalize());
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The `n`-th of a row of points that fill the range evenly however long it
/// gets (multiples of the golden ratio): shares come out exact without chance.
pub fn spread(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Whether a share takes the request at this point. A larger share takes all
/// that a smaller one takes.
pub fn takes(percent: f64, point: u64) -> bool {
    const POINTS: f64 = 18_446_744_073_709_551_616.0; // 2^64
    u128::from(point) < (percent / 100.0 * POINTS) as u128
}

#[cfg(test)]
mod tests;
