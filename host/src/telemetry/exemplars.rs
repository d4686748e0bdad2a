//! For each bucket of a histogram the last request whose trace its caller records. Never waits: where two requests meet at a
//! bucket, or a scrape and a request, one is left out.

use super::unix_ms;
use prometheus::proto::Metric;
use std::collections::HashMap;
use std::num::NonZeroU128;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// A request that a bucket counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Exemplar {
    pub(super) trace_id: NonZeroU128,
    pub(super) seconds: f64,
    /// When it was counted, in milliseconds of Unix time.
    pub(super) at_ms: u64,
}

/// Those of one series. They take memory from the first request with a trace on.
#[derive(Debug)]
pub(super) struct Exemplars {
    bounds: Arc<[f64]>,
    slots: OnceLock<Box<[Slot]>>,
}

type Slot = Mutex<Option<Exemplar>>;

/// Those of one scrape, by the values of their series' labels, in the order of the labels' names.
#[derive(Debug, Default)]
pub(super) struct ShownExemplars(HashMap<Vec<String>, Vec<Exemplar>>);

impl Exemplars {
    /// None yet, of a histogram with these upper bounds of buckets.
    pub(super) fn new(bounds: Arc<[f64]>) -> Self {
        Self { bounds, slots: OnceLock::new() }
    }

    /// A request with a trace was counted.
    pub(super) fn counted(&self, trace_id: NonZeroU128, took: Duration) {
        self.keep(Exemplar { trace_id, seconds: took.as_secs_f64(), at_ms: unix_ms() });
    }

    fn keep(&self, exemplar: Exemplar) {
        let slots = self.slots.get_or_init(|| (0..=self.bounds.len()).map(|_| Slot::default()).collect());
        let bucket = self.bounds.partition_point(|bound| *bound < exemplar.seconds);
        if let Some(mut slot) = slots.get(bucket).and_then(|slot| slot.try_lock().ok()) {
            *slot = Some(exemplar);
        }
    }

    /// One a bucket at most.
    pub(super) fn now(&self) -> Vec<Exemplar> {
        let slots = self.slots.get().into_iter().flatten();
        slots.filter_map(|slot| *slot.try_lock().ok()?).collect()
    }
}

impl ShownExemplars {
    /// Those of one more series.
    pub(super) fn add(&mut self, labels: Vec<String>, exemplars: Vec<Exemplar>) {
        if !exemplars.is_empty() {
            self.0.insert(labels, exemplars);
        }
    }

    /// Those of a series, if it has some.
    pub(super) fn of(&self, metric: &Metric) -> &[Exemplar] {
        if self.0.is_empty() {
            return &[];
        }
        let values: Vec<_> = metric.get_label().iter().map(|label| label.value().to_owned()).collect();
        self.0.get(&values).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_keeps_the_last_of_its_requests() {
        let exemplars = Exemplars::new(Arc::new([0.5, 2.0]));
        assert_eq!(exemplars.now(), []);
        let request = |number, seconds| Exemplar { trace_id: NonZeroU128::new(number).unwrap(), seconds, at_ms: 7 };
        for (number, seconds) in [(1, 0.1), (2, 0.5), (3, 2.1), (4, 2.0), (5, 1e9)] {
            exemplars.keep(request(number, seconds));
        }
        // A bucket holds its upper bound.
        assert_eq!(exemplars.now(), [request(2, 0.5), request(4, 2.0), request(5, 1e9)]);
        let held = exemplars.slots.get().unwrap()[1].lock().unwrap();
        exemplars.keep(request(6, 1.0));
        exemplars.keep(request(7, 0.2));
        assert_eq!(exemplars.now(), [request(7, 0.2), request(5, 1e9)], "neither waits");
        drop(held);
        assert_eq!(exemplars.now()[1], request(4, 2.0));
    }
}
