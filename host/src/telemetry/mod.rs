//! Metrics and logs, and whose request they are of. Observes, never decides; label values are bounded by the
//! catalog's own limits.

mod access;
pub mod context;
mod current;
mod log;
mod metrics;
mod scrape;
mod series;
pub mod trace_parent;
pub mod trace_state;
pub mod traces;

pub use access::{AccessLog, Entry, Head};
pub use context::{Context, Prediction};
pub use current::{current, enter, random, scope, with_current};
pub use log::init as init_log;
pub use metrics::{Metrics, NOT_FOUND, UNKNOWN};
pub use scrape::Scrape;
pub use series::ModelSeries;

/// The wall clock, in milliseconds of Unix time.
pub fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::core::Collector;
    use std::collections::BTreeSet;

    #[test]
    fn every_metric_is_documented_with_its_type_and_labels() {
        let (metrics, scrape) = (Metrics::new().unwrap(), Scrape::new().unwrap());
        let row = |collector: &dyn Collector| {
            let [description] = collector.desc()[..] else { panic!("a metric has one name") };
            let labels: Vec<_> = description.variable_labels.iter().map(|label| format!("`{label}`")).collect();
            let kind = format!("{:?}", collector.collect()[0].get_field_type()).to_lowercase();
            [format!("`{}`", description.fq_name), kind, labels.join(", ")]
        };
        let kept = metrics.collectors();
        let known: BTreeSet<_> =
            kept.iter().map(|kept| row(kept.as_ref())).chain(scrape.collectors().map(row)).collect();
        let page = include_str!("../../../docs/reference/metrics.md");
        let rows = page.lines().filter(|line| line.starts_with("| `scry_"));
        let cell = |line: &str, n| line.split('|').nth(n).unwrap().trim().to_owned();
        let documented: BTreeSet<_> = rows.map(|line| [1, 2, 3].map(|n| cell(line, n))).collect();
        assert_eq!(documented, known);
    }
}
