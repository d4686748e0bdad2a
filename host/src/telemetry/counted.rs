//! What the metrics have counted of requests, for the last hour. Reads as a scrape does: no request waits for it.

use super::hour::{Fallbacks, Requests};
use super::metrics::{Metrics, UNKNOWN};
use prometheus::core::Collector;
use prometheus::proto::Metric;

impl Metrics {
    /// Every model's requests by version and outcome.
    pub fn counted_requests(&self) -> Vec<Requests> {
        let all = self.models.requests.collect();
        let all = all.iter().flat_map(|family| family.get_metric());
        let of_models = all.filter_map(|metric| {
            let model = label(metric, "model").filter(|model| *model != UNKNOWN)?.to_owned();
            let version = label(metric, "version").and_then(|version| version.parse().ok());
            Some(Requests { model, version, outcome: label(metric, "outcome")?.to_owned(), count: count(metric) })
        });
        of_models.collect()
    }

    /// Every model's requests that went to the fallback chain, by reason.
    pub fn counted_fallbacks(&self) -> Vec<Fallbacks> {
        let all = self.models.fallbacks.collect();
        let all = all.iter().flat_map(|family| family.get_metric());
        let of_models = all.filter_map(|metric| {
            let (model, reason) = (label(metric, "model")?.to_owned(), label(metric, "reason")?.to_owned());
            Some(Fallbacks { model, reason, count: count(metric) })
        });
        of_models.collect()
    }
}

fn label<'a>(metric: &'a Metric, name: &str) -> Option<&'a str> {
    metric.get_label().iter().find(|label| label.name() == name).map(|label| label.value())
}

/// A counter's value: a whole number, whatever its type says.
fn count(metric: &Metric) -> u64 {
    metric.get_counter().get_value() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_those_of_the_metrics_and_a_name_that_is_no_models_is_left_out() {
        let metrics = Metrics::new().unwrap();
        for (version, outcome) in [("4", "ok"), ("4", "ok"), (UNKNOWN, "ok"), ("4", "timeout")] {
            metrics.answered("m", version, outcome).requests.inc();
        }
        metrics.refused(UNKNOWN);
        metrics.fell_back("m", "trap");
        let told = metrics.counted_requests();
        let mut told: Vec<_> =
            told.iter().map(|of| (of.model.as_str(), of.version, of.outcome.as_str(), of.count)).collect();
        told.sort_unstable();
        assert_eq!(told, [("m", None, "ok", 1), ("m", Some(4), "ok", 2), ("m", Some(4), "timeout", 1)]);
        let [fallbacks] = &metrics.counted_fallbacks()[..] else { panic!("one reason") };
        assert_eq!((fallbacks.model.as_str(), fallbacks.reason.as_str(), fallbacks.count), ("m", "trap", 1));
    }
}
