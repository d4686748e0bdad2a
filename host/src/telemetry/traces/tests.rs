use super::*;
use crate::telemetry::context::{Context, Given};
use crate::telemetry::{Scrape, TextForm, random};
use std::path::Path;

fn waiting(max: usize, batch_max: usize) -> Waiting {
    Waiting {
        max,
        batch_max,
        batch_delay: Duration::from_secs(5),
        state: Mutex::default(),
        begun: Notify::new(),
        due: Notify::new(),
        metrics: Arc::new(Metrics::new().unwrap()),
        told: RateLimit::new(LOSSES_TOLD_MAX),
    }
}

/// With so many spans.
fn traced(spans: u64) -> Traced {
    let context = Context::new(Given::default(), false, random);
    let mut traced = Traced::answered(context, Vec::new());
    traced.steps = (1..spans).map(|at| Step::after(traced.received, at, StepKind::Call)).collect();
    traced
}

fn lost(waiting: &Waiting) -> String {
    let scrape = Scrape::new(Path::new(".")).unwrap();
    let text = waiting.metrics.render(&scrape, TextForm::Prometheus, |_, _| true).unwrap();
    text.lines().filter(|line| line.starts_with("scry_spans_lost_total")).collect::<Vec<_>>().join("\n")
}

/// Predictions and spans that wait.
fn held(waiting: &Waiting) -> (usize, usize) {
    let state = waiting.state();
    (state.traced.len(), state.spans)
}

#[test]
fn what_there_is_no_room_for_is_lost_as_a_whole_and_counted() {
    let waiting = waiting(10, 100);
    (0..3).for_each(|_| waiting.add(traced(4)));
    assert_eq!(held(&waiting), (2, 8));
    assert_eq!(lost(&waiting), r#"scry_spans_lost_total{reason="queue-full"} 4"#);
    waiting.add(traced(2));
    assert_eq!(held(&waiting), (3, 10), "a shorter one still has room");
}

#[tokio::test(start_paused = true)]
async fn the_first_waits_for_others_until_they_are_a_batch_or_its_time_is_over() {
    let (waiting, began) = (waiting(100, 8), tokio::time::Instant::now());
    waiting.add(traced(3));
    let State { traced: taken, spans, .. } = waiting.next().await;
    assert_eq!((taken.len(), spans, began.elapsed()), (1, 3, Duration::from_secs(5)));
    (0..3).for_each(|_| waiting.add(traced(3)));
    let State { traced: taken, spans, .. } = waiting.next().await;
    assert_eq!((taken.len(), spans, began.elapsed()), (3, 9, Duration::from_secs(5)), "a batch does not wait");
    assert_eq!(held(&waiting), (0, 0));
    let silence = tokio::time::timeout(Duration::from_secs(3600), waiting.next()).await;
    assert!(silence.is_err(), "nothing wakes the thread while nothing is traced");
}

#[tokio::test(start_paused = true)]
async fn a_flush_does_not_wait_for_the_time_of_a_batch() {
    let waiting = Arc::new(waiting(100, 8));
    let traces = Traces { waiting: waiting.clone() };
    traces.hand_over(traced(1));
    let flushed = tokio::spawn(async move { traces.flush().await });
    tokio::task::yield_now().await;
    let began = tokio::time::Instant::now();
    let State { traced: taken, flushing, .. } = waiting.next().await;
    assert_eq!((taken.len(), flushing.len(), began.elapsed()), (1, 1, Duration::ZERO));
    assert!(!flushed.is_finished(), "it waits until they are sent");
    flushing.into_iter().for_each(|waits| waits.send(()).unwrap());
    flushed.await.unwrap();
    assert!(waiting.next().await.has_ended, "the thread ends with its other side");
}
