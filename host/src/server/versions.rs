//! What every surface for operators says of a version alike: its role, the age of its data, which sides drift. Changes
//! nothing.

use crate::drift::{DriftMonitor, Series};
use crate::serving::{Served, ServedVersion};
use scry_catalog::Freshness;
use serde::Serialize;
use std::fmt;

/// How old a version's data is.
#[derive(Debug, Default, Serialize)]
pub(super) struct Staleness {
    #[serde(skip_serializing_if = "Option::is_none")]
    data_until: Option<String>,
    /// Age of the data, in days.
    #[serde(skip_serializing_if = "Option::is_none")]
    data_age_days: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<String>,
    /// Whether the data is older than `max_age`.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<bool>,
}

impl Staleness {
    pub(super) fn of(target: &ServedVersion, now_ms: u64) -> Self {
        let card = &target.card;
        let freshness = Freshness::of(card).ok().flatten();
        let days = |age_s: f64| (age_s / 8_640.0).round() / 10.0;
        Self {
            data_until: card.data_until.clone(),
            data_age_days: freshness.map(|freshness| days(freshness.age_s(now_ms))),
            max_age: card.max_age.clone(),
            stale: freshness.and_then(|freshness| freshness.is_stale(now_ms)),
        }
    }
}

impl fmt::Display for Staleness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(days) = self.data_age_days else { return Ok(()) };
        write!(f, "  data {days} days old")?;
        match (self.stale, &self.max_age) {
            (Some(true), Some(age)) => write!(f, ", STALE: older than {age}"),
            (_, Some(age)) => write!(f, " of {age}"),
            _ => Ok(()),
        }
    }
}

/// `live`, `canary`, `shadow`, or nothing.
pub(super) fn role(served: &Served, number: u32) -> Option<&'static str> {
    let serving = &served.serving;
    match () {
        () if serving.live == number => Some("live"),
        () if serving.canary.as_ref().is_some_and(|canary| canary.to == number) => Some("canary"),
        () if serving.shadow.as_ref().is_some_and(|shadow| shadow.to == number) => Some("shadow"),
        () => None,
    }
}

/// Sides in whose running epoch columns drift.
pub(super) fn drifting(watch: &DriftMonitor) -> Vec<&'static str> {
    watch.sides().map(Series::moment).filter(|moment| moment.drifting > 0).map(|moment| moment.side).collect()
}
