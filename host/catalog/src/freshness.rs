//! How old a model's data is, and when it is too old.
//!
//! A function of the card and of now; never reads a clock.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use scry_card::{Card, duration_seconds};

/// Until when data is fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    until: Timestamp,
    stale_from: Option<Timestamp>,
}

/// A card from which no age follows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FreshnessError {
    /// An age of nothing.
    #[error("max_age: expected data_until beside it, from which it is counted, found none")]
    NoData,
    /// Not a duration, or one past the end of time.
    #[error("max_age: expected an ISO 8601 duration such as P90D, found `{0}`")]
    Age(String),
    /// Not a date.
    #[error("data_until: expected a date such as 2026-11-23 or 2026-11-23T10:00:00Z, found `{0}`")]
    Until(String),
}

impl Freshness {
    /// What a card says; nothing where it says neither.
    pub fn of(card: &Card) -> Result<Option<Self>, FreshnessError> {
        let Some(text) = &card.data_until else {
            return card.max_age.as_ref().map_or(Ok(None), |_| Err(FreshnessError::NoData));
        };
        let until = match (instant(text), &card.max_age) {
            (Some(until), _) => until,
            // It is for people, then.
            (None, None) => return Ok(None),
            (None, Some(_)) => return Err(FreshnessError::Until(text.clone())),
        };
        let stale_from = card.max_age.as_ref().map(|age| after(until, age)).transpose()?;
        Ok(Some(Self { until, stale_from }))
    }

    /// Since the end of the data; negative before it.
    pub fn age_s(&self, now_ms: u64) -> f64 {
        let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
        now_ms.saturating_sub(self.until.as_millisecond()) as f64 / 1e3
    }

    /// Whether the data is too old; nothing where it may have any age.
    pub fn is_stale(&self, now_ms: u64) -> Option<bool> {
        let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
        self.stale_from.map(|from| now_ms >= from.as_millisecond())
    }
}

/// A time, or the beginning of a day in UTC.
fn instant(text: &str) -> Option<Timestamp> {
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    text.parse().ok().or_else(day)
}

fn after(until: Timestamp, age: &str) -> Result<Timestamp, FreshnessError> {
    let seconds = duration_seconds(age).and_then(|seconds| i64::try_from(seconds).ok());
    let end = seconds.and_then(|seconds| until.checked_add(SignedDuration::from_secs(seconds)).ok());
    end.ok_or_else(|| FreshnessError::Age(age.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data_until: Option<&str>, max_age: Option<&str>) -> Result<Option<Freshness>, FreshnessError> {
        let field = serde_json::json!([{ "name": "x", "datatype": "FP64" }]);
        let card = serde_json::json!({
            "card_version": 1, "name": "m", "description": "", "data_until": data_until, "max_age": max_age,
            "schema": { "inputs": field, "features": field, "outputs": field },
        });
        Freshness::of(&serde_json::from_value(card).unwrap())
    }

    fn ms(time: &str) -> u64 {
        u64::try_from(time.parse::<Timestamp>().unwrap().as_millisecond()).unwrap()
    }

    #[test]
    fn data_is_stale_from_the_moment_on() {
        for (until, age, from) in [
            ("2024-02-28", "P1D", "2024-02-29T00:00:00Z"),
            ("2026-01-01T10:00:00+02:00", "PT36H", "2026-01-02T20:00:00Z"),
            ("2026-01-01", "P2WT1S", "2026-01-15T00:00:01Z"),
        ] {
            let fresh = of(Some(until), Some(age)).unwrap().unwrap();
            assert_eq!(fresh.is_stale(ms(from) - 1), Some(false), "{until} {age}");
            assert_eq!(fresh.is_stale(ms(from)), Some(true), "{until} {age}");
        }
    }

    #[test]
    fn an_age_is_told_without_a_limit() {
        let fresh = of(Some("2026-01-01"), None).unwrap().unwrap();
        assert_eq!(fresh.is_stale(ms("2126-01-01T00:00:00Z")), None);
        assert_eq!(fresh.age_s(ms("2026-01-02T00:00:00Z")), 86_400.0);
        assert_eq!(fresh.age_s(ms("2025-12-31T23:59:59.500Z")), -0.5);
        assert_eq!(of(None, None), Ok(None));
        assert_eq!(of(Some("last summer"), None), Ok(None));
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        assert_eq!(of(None, Some("P1D")), Err(FreshnessError::NoData));
        assert_eq!(of(Some("soon"), Some("P1D")), Err(FreshnessError::Until("soon".into())));
        for age in ["", "90", "P6M", "P99999999D"] {
            assert_eq!(of(Some("2026-01-01"), Some(age)), Err(FreshnessError::Age(age.into())));
        }
    }
}
