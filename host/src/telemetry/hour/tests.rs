use super::ring::SLOT_MS;
use super::*;
use std::time::Duration;

const START_MS: u64 = 1_790_000_010_000;

fn requests(version: u32, outcome: &str, count: u64) -> Requests {
    Requests { model: "m".into(), version: Some(version), outcome: outcome.into(), count }
}

fn calls(count: u64, took_ms: u64) -> Calls {
    let mut latencies = Latencies::default();
    (0..count).for_each(|_| latencies.record(Duration::from_millis(took_ms)));
    Calls { model: "m".into(), version: 1, latencies }
}

fn sees(hour: &Hour, now_ms: u64, requests: Vec<Requests>, calls: Vec<Calls>) {
    hour.sees(now_ms, Counted { requests, calls, ..Counted::default() });
}

#[test]
fn a_list_shows_the_last_minute_and_why_requests_failed_in_the_last_five() {
    let hour = Hour::default();
    sees(&hour, START_MS, Vec::new(), Vec::new());
    assert!(hour.brief("m", Some(1), START_MS).is_none());
    let all = || {
        vec![
            requests(1, "ok", 100),
            requests(1, "timeout", 3),
            requests(2, "timeout", 4),
            requests(1, "invalid-input", 1),
        ]
    };
    let fallbacks = || vec![Fallbacks { model: "m".into(), reason: "trap".into(), count: 9 }];
    let counted = || Counted { requests: all(), fallbacks: fallbacks(), calls: vec![calls(100, 20)] };
    hour.sees(START_MS + 5_000, counted());
    let brief = hour.brief("m", Some(1), START_MS + 5_000).unwrap();
    let told: Vec<_> = brief.reasons.iter().map(|why| (why.kind, why.reason.as_str(), why.count)).collect();
    assert_eq!(told, [("fallback", "trap", 9), ("error", "timeout", 7), ("refused", "invalid-input", 1)]);
    assert_eq!((brief.minute.ok, brief.minute.failed, brief.minute.refused, brief.minute_s), (100, 7, 1, 5.0));
    let p99_ms = f64::from(brief.p99_us.unwrap()) / 1e3;
    assert!((20.0..=25.0).contains(&p99_ms), "{p99_ms}");
    assert_eq!((brief.requests.len(), brief.requests[59], brief.troubled[59]), (60, 108, 7));

    // Nothing more in two minutes, and in six.
    hour.sees(START_MS + 120_000, counted());
    let brief = hour.brief("m", Some(1), START_MS + 120_000).unwrap();
    assert_eq!((brief.minute.ok, brief.lately.ok, brief.reasons.len(), brief.p99_us), (0, 100, 3, None));
    hour.sees(START_MS + 360_000, counted());
    let brief = hour.brief("m", Some(1), START_MS + 360_000).unwrap();
    assert_eq!((brief.lately.ok, brief.reasons.len(), brief.requests.iter().sum::<u64>()), (0, 0, 108));
}

#[test]
fn latencies_are_those_of_their_own_slot() {
    let hour = Hour::default();
    sees(&hour, START_MS, Vec::new(), vec![calls(1_000, 2)]);
    let slower = |count| {
        let mut both = calls(1_000, 2);
        both.latencies = both.latencies.plus(&calls(count, 400).latencies);
        both
    };
    sees(&hour, START_MS + SLOT_MS, Vec::new(), vec![slower(10)]);
    sees(&hour, START_MS + SLOT_MS + 5_000, Vec::new(), vec![slower(20)]);
    let whole = hour.whole("m", START_MS + SLOT_MS + 5_000);
    let [version] = &whole.versions[..] else { panic!("{whole:?}") };
    let [.., before, now] = &version.p50_us[..] else { panic!("{version:?}") };
    assert!((2_000..=2_500).contains(before) && (400_000..=500_000).contains(now), "{before} {now}");
    assert_eq!((version.version, version.p99_us.len(), version.ok.len()), (Some(1), whole.slots, 0));
}

#[test]
fn a_version_that_is_let_go_of_ends_and_may_come_back() {
    let hour = Hour::default();
    sees(&hour, START_MS, vec![requests(1, "ok", 50)], vec![calls(50, 1)]);
    sees(&hour, START_MS + 1, Vec::new(), Vec::new());
    assert!(hour.brief("m", Some(1), START_MS + 1).is_none() && hour.whole("m", START_MS + 1).versions.is_empty());
    sees(&hour, START_MS + 2, vec![requests(1, "ok", 4)], vec![calls(4, 1)]);
    assert_eq!(hour.brief("m", Some(1), START_MS + 2).unwrap().minute.ok, 4);
    // Begun anew between two samples.
    sees(&hour, START_MS + 3, vec![requests(1, "ok", 3)], vec![calls(3, 1)]);
    assert_eq!(hour.brief("m", Some(1), START_MS + 3).unwrap().minute.ok, 7);
}

#[test]
fn after_a_silent_hour_only_totals_are_kept_and_nothing_is_counted_twice() {
    let hour = Hour::default();
    sees(&hour, START_MS, vec![requests(1, "ok", 50)], vec![calls(50, 1)]);
    let later = START_MS + 3_700_000;
    sees(&hour, later, vec![requests(1, "ok", 50)], vec![calls(50, 1)]);
    {
        let kept = hour.lock();
        let model = &kept.models["m"];
        assert!(model.outcomes.values().all(|counter| counter.ring.is_none() && counter.total == 50));
    }
    sees(&hour, later + 1, vec![requests(1, "ok", 51)], vec![calls(51, 1)]);
    assert_eq!(hour.brief("m", Some(1), later + 1).unwrap().minute.ok, 1);
}

#[test]
fn one_version_takes_as_much_memory_as_is_documented() {
    assert_eq!(size_of::<[u32; ring::SLOTS]>(), 960);
    let calls = size_of::<KeptCalls>() + 2 * 960;
    assert!(calls <= 4_096 && size_of::<Counter>() <= 64, "{calls} {}", size_of::<Counter>());
}
