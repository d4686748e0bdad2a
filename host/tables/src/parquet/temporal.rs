//! Dates and timestamps as text, RFC 3339.

use jiff::{Timestamp, ToSpan, civil};

/// A day, counted from 1970; the error says what cannot be a date.
pub(super) fn date(days: i32) -> Result<String, String> {
    let epoch = civil::Date::constant(1970, 1, 1);
    // The span itself refuses what no calendar has.
    let span = 0.days().try_days(days).map_err(|_| format!("day {days} since 1970"))?;
    epoch.checked_add(span).map(|date| date.to_string()).map_err(|_| format!("day {days} since 1970"))
}

/// A moment, counted from 1970 in nanoseconds.
pub(super) fn timestamp(nanoseconds: i128) -> Result<String, String> {
    Timestamp::from_nanosecond(nanoseconds)
        .map(|moment| moment.to_string())
        .map_err(|_| format!("{nanoseconds} ns since 1970"))
}

/// A moment as old files have it: nanoseconds of a day in two words, then the
/// day by the Julian calendar's count.
pub(super) fn int96(words: &[u32]) -> Result<String, String> {
    const EPOCH_DAY: i128 = 2_440_588;
    const DAY_NS: i128 = 86_400_000_000_000;
    let &[low, high, day] = words else { return Err("a broken timestamp".into()) };
    let nanoseconds = (i128::from(high) << 32) + i128::from(low);
    timestamp((i128::from(day) - EPOCH_DAY) * DAY_NS + nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments_are_those_of_the_calendar() {
        assert_eq!(date(0).as_deref(), Ok("1970-01-01"));
        assert_eq!(date(-1).as_deref(), Ok("1969-12-31"));
        assert_eq!(date(19_782).as_deref(), Ok("2024-02-29"));
        assert!(date(i32::MAX).is_err() && date(i32::MIN).is_err());
        assert_eq!(timestamp(1_709_210_096_000_000_000).as_deref(), Ok("2024-02-29T12:34:56Z"));
        assert_eq!(timestamp(-1).as_deref(), Ok("1969-12-31T23:59:59.999999999Z"));
        assert!(timestamp(i128::MAX).is_err());
    }
}
