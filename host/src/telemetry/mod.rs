//! Metrics, their last hour, and logs, and whose request they are of. Observes, never decides; label values are bounded
//! by the catalog's own limits.

mod access;
pub mod context;
mod counted;
mod current;
mod exemplars;
mod exposition;
mod families;
mod hour;
mod log;
mod metrics;
mod process;
mod scrape;
mod series;
pub mod trace_parent;
pub mod trace_state;
pub mod traces;

pub use access::{AccessLog, Entry, Head};
pub use context::{Context, Prediction};
pub use current::{current, enter, random, scope, with_current};
pub use exposition::TextForm;
pub use hour::{Brief, Calls, Counted, Ends, Fallbacks, Hour, Reason, Requests, VersionHour, WholeHour};
pub use log::init as init_log;
pub use metrics::{Metrics, NOT_FOUND, UNKNOWN};
pub use scrape::Scrape;
pub use series::{ANSWERED, ModelSeries, VersionSeries};

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
    use std::path::Path;

    #[test]
    fn every_metric_is_documented_with_its_type_and_labels() {
        let (metrics, scrape) = (Metrics::new().unwrap(), Scrape::new(Path::new(".")).unwrap());
        let row = |collector: &dyn Collector| {
            let [description] = collector.desc()[..] else { panic!("a metric has one name") };
            let labels: Vec<_> = description.variable_labels.iter().map(|label| format!("`{label}`")).collect();
            let kind = format!("{:?}", collector.collect()[0].get_field_type()).to_lowercase();
            [format!("`{}`", description.fq_name), kind, labels.join(", ")]
        };
        let kept = metrics.collectors().map(|kept| row(kept.as_ref()));
        let known: BTreeSet<_> = kept.chain(scrape.collectors().map(row)).collect();
        let page = include_str!("../../../docs/reference/metrics.md");
        let rows = page.lines().filter(|line| ["| `scry_", "| `process_"].iter().any(|start| line.starts_with(start)));
        let cell = |line: &str, n| line.split('|').nth(n).unwrap().trim().to_owned();
        let documented: BTreeSet<_> = rows.map(|line| [1, 2, 3].map(|n| cell(line, n))).collect();
        assert_eq!(documented, known);
    }
}
