use super::*;
use crate::recording::record::{Answered, Call, Failed, Limits, Sent, Steps, Used};
use bytes::Bytes;
use proptest::prelude::*;
use scry_protocol::Format;
use scry_sandbox::Frame;
use std::time::Instant;

const BOUNDS: Bounds = Bounds { groups_max: 16, records_max: 8, bytes_max: 1 << 20, age_max_ms: 1000 };

fn record(at_ms: u64, cause: &str) -> Record {
    let call = Call {
        model: "m".into(),
        version: 3,
        digest: "sha256:00".into(),
        used: Used { fuel: Some(17), memory_bytes: 1 << 16, duration: Duration::from_micros(1500) },
        limits: Limits { fuel: 100, memory_max_bytes: 1 << 20, time: Duration::from_millis(200) },
        requests: 1,
        failure: Some(Failed {
            reason: "trap",
            cause: cause.into(),
            backtrace: vec![
                Frame { function: "core::panicking::panic".into(), offset: Some(1) },
                Frame { function: "m::predict".into(), offset: None },
            ],
        }),
    };
    Record {
        id: RecordId::at(at_ms),
        at_ms,
        request_id: Some("order-7".into()),
        trace_id: None,
        model: "m".into(),
        version: Some(3),
        digest: Some("sha256:00".into()),
        outcome: "trap",
        is_clients: false,
        cause: Some(cause.into()),
        took: Duration::from_millis(2),
        steps: Steps::default(),
        deadline: Duration::from_millis(300),
        sent: Sent { body: Bytes::from_static(b"{\"x\": 1}"), format: Some(Format::V2) },
        inputs: None,
        answered: None,
        calls: vec![call],
    }
}

/// A client's mistake of its own.
fn mistake(at_ms: u64, cause: &str) -> Record {
    Record { outcome: "invalid-input", is_clients: true, calls: Vec::new(), ..record(at_ms, cause) }
}

fn entry(record: &Record) -> Entry {
    Entry::of(record, &KeptInputs::default())
}

#[test]
fn an_error_says_what_was_known_of_it() {
    let told = entry(&record(5, "index 7 is out of bounds"));
    assert_eq!(
        (told.reason.as_str(), told.fault, told.took_us, told.deadline_us),
        ("trap", Fault::Host, 2000, 300_000)
    );
    let [call] = &told.calls[..] else { panic!("one call failed") };
    assert_eq!((call.fuel, call.fuel_max, call.ran_us, call.ran_max_us), (Some(17), Some(100), 1500, 200_000));
    assert_eq!(told.pattern(), "index # is out of bounds in `m::predict`", "not the library's own function");
    assert_eq!(told.input.sha256.as_deref(), Some(&*scry_names::Digest::of(b"{\"x\": 1}").hex()));
    assert_eq!((told.input.text.clone(), told.input.body()), (None, None), "no input is kept unasked");

    let answered = Answered {
        model: "spare".into(),
        version: "constant".into(),
        digest: None,
        degraded: Some("timeout"),
        warnings: 0,
        refused_rows: 0,
        answer: None,
    };
    let degraded = entry(&Record { outcome: "degraded", answered: Some(answered), ..record(5, "too slow") });
    assert_eq!((degraded.reason.as_str(), degraded.answered_by.unwrap().version.as_str()), ("timeout", "constant"));
}

#[test]
fn an_input_is_kept_where_its_model_is_named_and_it_is_short() {
    let of = |models: &[&str], max_bytes, body: &'static [u8]| {
        let kept = KeptInputs { models: models.iter().map(|&name| name.to_owned()).collect(), max_bytes };
        let sent = Sent { body: Bytes::from_static(body), format: Some(Format::V2Binary(2)) };
        Entry::of(&Record { sent, ..record(5, "x") }, &kept).input.body()
    };
    for body in [&b"{} text"[..], b"{}\xff\x00"] {
        assert_eq!(of(&["m"], 100, body), Some((Bytes::from_static(body), Format::V2Binary(2))));
        assert_eq!(of(&["*"], 100, body), Some((Bytes::from_static(body), Format::V2Binary(2))));
        assert_eq!(of(&["other"], 100, body), None);
        assert_eq!(of(&["*"], 3, body), None);
    }
}

#[test]
fn a_group_has_its_first_and_its_last_errors_and_counts_all() {
    let mut groups = Groups::new(BOUNDS);
    let all: Vec<_> = (0..100).map(|n| record(n, &format!("row {n} is wrong"))).collect();
    all.iter().for_each(|record| groups.add(&entry(record)));
    let shown = groups.shown();
    let [group] = &shown[..] else { panic!("{shown:?}") };
    assert_eq!(
        (group.count, group.first_ms, group.last_ms, group.cause.as_str()),
        (100, 0, 99, "row # is wrong in `m::predict`")
    );
    let kept: Vec<_> = groups.records(group.group).map(|(_, at_ms)| at_ms).collect();
    assert_eq!(kept, [0, 1, 94, 95, 96, 97, 98, 99]);
    let (json, _) = groups.find(all[99].id).unwrap();
    assert_eq!(serde_json::from_str::<Entry>(json.get()).unwrap(), entry(&all[99]));
    assert!(groups.find(all[50].id).is_none());
}

#[test]
fn clients_mistakes_take_no_other_errors_place() {
    let mut groups = Groups::new(BOUNDS);
    groups.add(&entry(&record(1, "the component used up its fuel")));
    for n in 0..1000 {
        groups.add(&entry(&mistake(2 + n, &format!("unknown input `x{n}`"))));
    }
    let shown = groups.shown();
    let of = |fault| shown.iter().filter(|group| group.fault == fault).count();
    assert_eq!((of(Fault::Client), of(Fault::Host)), (4, 1));
    assert_eq!(shown[0].last_ms, 1001, "the newest first");

    let mut groups = Groups::new(Bounds { bytes_max: 20_000, ..BOUNDS });
    groups.add(&entry(&record(1, "the component used up its fuel")));
    (0..100).for_each(|n| groups.add(&entry(&mistake(2 + n, &format!("`{}`", "y".repeat(2000))))));
    assert_eq!(groups.shown().len(), 2);
    let bytes: usize = groups.lines(true).iter().map(Vec::len).sum();
    assert!(bytes < 20_000, "{bytes}");
}

#[test]
fn what_is_too_old_goes() {
    let mut groups = Groups::new(BOUNDS);
    groups.add(&entry(&record(100, "old")));
    groups.add(&entry(&record(100, "lasting")));
    groups.add(&entry(&record(900, "lasting")));
    groups.expire(1500);
    let shown: Vec<_> = groups.shown().into_iter().cloned().collect();
    assert_eq!(shown.len(), 1);
    assert_eq!((shown[0].count, groups.records(shown[0].group).count()), (2, 1));
    groups.expire(3000);
    assert!(groups.shown().is_empty());
}

#[test]
fn what_was_written_is_not_written_again() {
    let mut groups = Groups::new(BOUNDS);
    groups.add(&entry(&record(1, "a")));
    groups.add(&entry(&record(1, "b")));
    assert_eq!((groups.lines(false).len(), groups.unwritten()), (4, 2));
    groups.written();
    assert_eq!((groups.lines(false).len(), groups.unwritten()), (0, 0));
    groups.add(&entry(&record(2, "a")));
    assert_eq!((groups.lines(false).len(), groups.lines(true).len()), (2, 5));
}

fn replayed(lines: &[Vec<u8>]) -> Groups {
    let mut groups = Groups::new(BOUNDS);
    assert!(lines.iter().all(|line| groups.replay(line)));
    groups
}

fn told(groups: &Groups) -> Vec<(ShownGroup, Vec<(RecordId, u64)>)> {
    groups.shown().into_iter().map(|shown| (shown.clone(), groups.records(shown.group).collect())).collect()
}

fn causes() -> impl Strategy<Value = Vec<(u64, String, bool)>> {
    prop::collection::vec((0..500_u64, "[a-c]{1,2}|.{0,20}", any::<bool>()), 0..60)
}

proptest! {
    #[test]
    fn a_log_says_what_was_kept(causes in causes(), written_at in 0..60_usize) {
        let mut groups = Groups::new(BOUNDS);
        let mut log = Vec::new();
        for (n, (_, cause, is_clients)) in causes.iter().enumerate() {
            if n == written_at {
                log.extend(groups.lines(false));
                groups.written();
            }
            let at_ms = n as u64;
            groups.add(&entry(&if *is_clients { mistake(at_ms, cause) } else { record(at_ms, cause) }));
        }
        // Whole, it is the same. Piece by piece it has each group with its last record; of one that had gone and came
        // back it may know more.
        prop_assert_eq!(told(&replayed(&groups.lines(true))), told(&groups));
        log.extend(groups.lines(false));
        let again = told(&replayed(&log));
        for (shown, records) in told(&groups) {
            let found = again.iter().find(|(other, _)| other.group == shown.group);
            let is_there = |(other, kept): &(ShownGroup, Vec<_>)| {
                other.count >= shown.count && other.last_ms == shown.last_ms && kept.last() == records.last()
            };
            prop_assert!(found.is_some_and(is_there), "{:?}", shown);
        }
    }

    #[test]
    fn bounds_hold_whatever_comes(causes in causes()) {
        let mut groups = Groups::new(BOUNDS);
        for (at_ms, cause, is_clients) in &causes {
            groups.add(&entry(&if *is_clients { mistake(*at_ms, cause) } else { record(*at_ms, cause) }));
            let shown = groups.shown();
            prop_assert!(shown.len() <= BOUNDS.groups_max);
            prop_assert!(shown.iter().all(|group| groups.records(group.group).count() <= BOUNDS.records_max));
            prop_assert!(shown.iter().all(|group| group.count >= 1 && group.first_ms <= group.last_ms));
        }
    }

    #[test]
    fn no_line_is_too_much(line: Vec<u8>, text: String) {
        let mut groups = Groups::new(BOUNDS);
        groups.replay(&line);
        prop_assert!(!groups.replay(text.as_bytes()) || text.contains("record") || text.contains("group"));
    }

    #[test]
    fn an_entry_reads_as_it_is_written(cause: String, at_ms in 0..1_u64 << 40, model: String) {
        let entry = entry(&Record { model: model.as_str().into(), ..record(at_ms, &cause) });
        let json = serde_json::to_vec(&entry).unwrap();
        prop_assert!(!json.contains(&b'\n'));
        prop_assert_eq!(serde_json::from_slice::<Entry>(&json).unwrap(), entry);
    }
}

fn started(store: &Store, settings: &config::Errors) -> Errors {
    Errors::start(settings, store, Arc::new(Metrics::new().unwrap())).unwrap().unwrap()
}

fn kept(errors: &Errors) -> (u64, Lost) {
    let view = errors.view(&Filter { limit: 100, ..Filter::default() }, 10);
    (view.groups.iter().map(|group| group.shown.count).sum(), view.lost)
}

#[test]
fn errors_survive_a_restart_and_damage_costs_what_was_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let (store, settings) = (Store::open(dir.path()).unwrap(), config::Errors::default());
    let errors = started(&store, &settings);
    let now_ms = crate::telemetry::unix_ms();
    let ids: Vec<_> = ["a", "b", "c"]
        .map(|cause| {
            let record = record(now_ms, cause);
            let id = record.id;
            assert!(errors.has_room() && errors.take(Arc::new(record)));
            id
        })
        .into();
    assert!(errors.settle(true, Duration::from_secs(60)));
    drop(errors);

    let errors = started(&store, &settings);
    assert_eq!(kept(&errors), (3, Lost::default()));
    assert!(ids.iter().all(|id| errors.find(*id).is_some()));
    drop(errors);

    let path = dir.path().join("errors.log");
    let log = std::fs::read_to_string(&path).unwrap();
    let line = log.lines().position(|line| line.contains(&ids[1].to_string())).unwrap();
    let damaged: Vec<_> = log
        .lines()
        .enumerate()
        .map(|(n, text)| text.replace("\"model\"", if n == line { "\"medal\"" } else { "\"model\"" }))
        .collect();
    std::fs::write(&path, damaged.join("\n") + "\n").unwrap();
    let errors = started(&store, &settings);
    assert_eq!(kept(&errors), (3, Lost { damage: 1, ..Lost::default() }), "how many there were is in another line");
    assert_eq!(ids.iter().map(|id| errors.find(*id).is_some()).collect::<Vec<_>>(), [true, false, true]);
    assert!(errors.settle(true, Duration::from_secs(60)));
    drop(errors);
    assert_eq!(kept(&started(&store, &settings)).1, Lost::default(), "the log was written anew");
}

#[test]
fn a_disk_that_takes_nothing_costs_no_record_until_there_is_no_room() {
    let dir = tempfile::tempdir().unwrap();
    let (store, settings) = (Store::open(dir.path()).unwrap(), config::Errors::default());
    let errors = started(&store, &settings);
    // A folder in the log's place.
    let path = dir.path().join("errors.log");
    std::fs::create_dir(&path).unwrap();
    let now_ms = crate::telemetry::unix_ms();
    assert!(errors.take(Arc::new(record(now_ms, "a"))));
    assert!(errors.settle(true, Duration::from_secs(60)));
    let (count, lost) = kept(&errors);
    assert_eq!((count, lost.unwritten, lost.disk), (1, 1, 0));
    assert!(lost.error.is_some());
    (0..200).for_each(|n| {
        while !errors.take(Arc::new(record(now_ms + n, "a"))) {
            std::thread::yield_now()
        }
    });
    assert!(errors.settle(true, Duration::from_secs(60)));
    let (count, lost) = kept(&errors);
    assert_eq!((count, lost.unwritten, lost.disk), (201, 16, 201 - 16));
    std::fs::remove_dir(&path).unwrap();
    assert!(errors.settle(true, Duration::from_secs(60)));
    let (_, lost) = kept(&errors);
    assert_eq!((lost.unwritten, lost.error), (0, None));
    drop(errors);
    assert_eq!(kept(&started(&store, &settings)).0, 201);
}

#[test]
fn a_queue_without_room_makes_nobody_wait() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let errors = started(&store, &config::Errors::default());
    // The thread waits for this lock.
    let held = errors.state.lock().unwrap();
    let began = Instant::now();
    let taken =
        (0..2 * WAITING_MAX).filter(|&n| errors.has_room() && errors.take(Arc::new(record(n as u64, "a")))).count();
    assert!((WAITING_MAX..=WAITING_MAX + READERS_MAX + 1).contains(&taken), "{taken}");
    assert!(began.elapsed() < Duration::from_secs(5));
    drop(held);
    assert!(errors.settle(false, Duration::from_secs(60)));
    assert_eq!(kept(&errors).1.queue, (2 * WAITING_MAX - taken) as u64);
    let large = |bytes| Record { sent: Sent { body: vec![0; bytes].into(), format: None }, ..record(1, "a") };
    let held = errors.state.lock().unwrap();
    let taken = [WAITING_MAX_BYTES + 1, 1, 1].map(|bytes| errors.take(Arc::new(large(bytes))));
    drop(held);
    assert_eq!(taken, [true, false, false], "one that is too large waits alone");
}
