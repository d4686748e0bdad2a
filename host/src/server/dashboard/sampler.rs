//! Takes the samples of which the last hour is made. Reads counters that requests count in anyway.

use crate::registry::Registry;
use crate::telemetry::{Calls, Counted, Hour, unix_ms};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// Between two samples.
pub(super) const SAMPLE: Duration = Duration::from_secs(5);

/// Samples until the host ends.
pub(in crate::server) async fn sample(registry: Arc<Registry>, hour: Arc<Hour>) {
    again_and_again(hour, unix_ms, move || counted(&registry)).await;
}

async fn again_and_again(
    hour: Arc<Hour>,
    now_ms: impl Fn() -> u64,
    read: impl Fn() -> Counted + Clone + Send + 'static,
) {
    let mut ticks = tokio::time::interval(SAMPLE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (now_ms, hour, read) = (now_ms(), hour.clone(), read.clone());
        let sampling = tokio::task::spawn_blocking(move || hour.sees(now_ms, read()));
        if sampling.await.is_err() {
            tracing::error!("taking a sample panicked; this is a bug in scry");
        }
    }
}

fn counted(registry: &Registry) -> Counted {
    let (metrics, routes) = (registry.metrics(), registry.routes().load_full());
    let busy = routes.all_called().filter(|(_, _, called)| !called.stats.is_idle());
    let calls = busy.map(|(model, version, called)| Calls {
        model: model.clone(),
        version,
        latencies: called.stats.evidence().latency,
    });
    let calls = calls.collect();
    Counted { requests: metrics.counted_requests(), fallbacks: metrics.counted_fallbacks(), calls }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Requests;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::time::{Instant, sleep};

    #[tokio::test(start_paused = true)]
    async fn an_hour_of_samples_has_every_request_once_and_the_next_forgets_it() {
        const ORIGIN_MS: u64 = 1_790_000_000_000;
        let (hour, counter, start) = (Arc::new(Hour::default()), Arc::new(AtomicU64::new(0)), Instant::now());
        let now_ms = move || ORIGIN_MS + u64::try_from(start.elapsed().as_millis()).unwrap();
        let counts = counter.clone();
        let read = move || {
            let (model, version, outcome) = ("m".into(), Some(1), "ok".into());
            let requests = vec![Requests { model, version, outcome, count: counts.load(Ordering::Relaxed) }];
            Counted { requests, ..Counted::default() }
        };
        let sampling = tokio::spawn(again_and_again(hour.clone(), now_ms, read));
        let total = || hour.brief("m", Some(1), now_ms()).map_or(0, |brief| brief.requests.iter().sum::<u64>());
        for minute in 1..=60 {
            sleep(Duration::from_secs(60)).await;
            counter.fetch_add(6, Ordering::Relaxed);
            assert!(total() <= 6 * minute);
        }
        sleep(2 * SAMPLE).await;
        // The first ones are an hour old by now, or nearly.
        assert!((59 * 6..=60 * 6).contains(&total()), "{}", total());
        // One may be under way.
        assert!((3_610 / 5..=3_610 / 5 + 1).contains(&hour.samples()), "{}", hour.samples());
        sleep(Duration::from_secs(3_600)).await;
        assert_eq!(total(), 0);
        sampling.abort();
    }
}
