//! Metrics and logs. Observes, never decides; label values are bounded by the
//! catalog's own limits.

mod log;
mod metrics;
mod scrape;

pub use log::init as init_log;
pub use metrics::{Metrics, UNKNOWN};
pub use scrape::Scrape;

/// The wall clock, in milliseconds of Unix time.
pub fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
