//! Guests that do everything wrong: each costs its own request, nobody else's.

use crate::support::{Guest, Host, Ran, build, features, guest, root, rows, scry};
use serde_json::json;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};
use wasm_encoder::{
    ComponentImportSection, ComponentSection, ComponentTypeRef, ExportKind, ExportSection, MemorySection, MemoryType,
    Module, ModuleSection, TypeBounds,
};

const DEADLINE: Duration = Duration::from_secs(1);
/// Enough for the largest output, and soon full: memory must run out before time does.
const MEMORY_MAX_BYTES: &str = "134217728";
/// What a loaded test machine may add to a deadline.
const SLACK: Duration = Duration::from_secs(1);

/// Every way to fail, and its name.
const FAILURES: [(&str, &str); 11] = [
    ("loop", "timeout"),
    ("memory-copy", "timeout"),
    ("recursion", "trap"),
    ("trap", "trap"),
    ("growth", "memory"),
    ("huge-output", "invalid-output"),
    ("wrong-shape", "invalid-output"),
    ("wrong-type", "invalid-output"),
    ("wrong-count", "invalid-output"),
    ("nan", "invalid-output"),
    ("failed", "failed"),
];

/// A host with `hostile` and `steady`; only `hostile` has a short deadline.
fn host(limits: &[&str]) -> Host {
    // Fuel off: a spinning guest must meet its deadline.
    let host = Host::with("[limits]\ndeadline_ms = 10000\nin_flight_max = 1\nfuel = 0\n");
    host.publish(&guest("hostile"));
    host.publish(&guest("steady"));
    let deadline = DEADLINE.as_millis().to_string();
    host.deploy(&["hostile", "--deadline-ms", &deadline, "--memory-max-bytes", MEMORY_MAX_BYTES]).ok();
    host.deploy(&[&["hostile"], limits].concat()).ok();
    // However often it fails: these tests are about each failure.
    host.scry(&["circuit", "hostile", "--closed"]).ok();
    host
}

/// The host is as well as ever.
fn is_well(mut host: Host) {
    assert_eq!(host.predict("hostile", "well", 3.5).status(200).y(), 3.5);
    assert_eq!(host.predict("steady", "", 3.5).status(200).y(), 7.0);
    assert_eq!(host.metric("scry_instances_live"), 0.0);
    assert!(host.is_running());
}

#[test]
fn whatever_a_guest_does_a_constant_stands_in_and_says_why() {
    let host = host(&["--fallback", r#"constant:{"y":-1}"#]);
    for (behaviour, reason) in FAILURES {
        let asked = Instant::now();
        let reply = host.predict("hostile", behaviour, 1.0).status(200);
        assert!(asked.elapsed() < DEADLINE + SLACK, "{behaviour} took {:?}", asked.elapsed());
        assert_eq!(reply.header("scry-degraded"), Some(reason), "{behaviour}");
        assert_eq!((reply.header("scry-model"), reply.header("scry-version")), (Some("hostile"), Some("constant")));
        assert_eq!(reply.header("scry-digest"), None);
        let json = reply.json();
        assert_eq!(json["parameters"]["scry-degraded"], reason);
        assert_eq!(json["outputs"][0], json!({ "name": "y", "datatype": "FP64", "shape": [1], "data": [-1.0] }));
    }
    for reason in ["timeout", "trap", "memory", "invalid-output", "failed"] {
        let fallbacks = host.metric(&format!(r#"scry_fallbacks_total{{model="hostile",reason="{reason}"}}"#));
        let expected = FAILURES.iter().filter(|(_, why)| *why == reason).count();
        assert_eq!(fallbacks, expected as f64, "{reason}");
    }
    is_well(host);
}

#[test]
fn whatever_a_guest_does_another_component_stands_in_within_the_same_deadline() {
    let host = host(&["--fallback", "steady"]);
    let steady = guest("steady");
    for (behaviour, reason) in FAILURES {
        let asked = Instant::now();
        let reply = host.predict("hostile", behaviour, 4.0).status(200);
        assert!(asked.elapsed() < DEADLINE + SLACK, "{behaviour} took {:?}", asked.elapsed());
        assert_eq!(reply.header("scry-degraded"), Some(reason), "{behaviour}");
        assert_eq!((reply.header("scry-model"), reply.header("scry-version")), (Some("steady"), Some("1")));
        assert_eq!(reply.header("scry-digest"), Some(steady.digest.as_str()));
        assert_eq!(reply.y(), 8.0, "{behaviour}");
    }
    is_well(host);
}

#[test]
fn without_a_fallback_each_failure_is_an_error_with_its_name() {
    let host = host(&[]);
    for (behaviour, reason) in FAILURES {
        let status = if reason == "timeout" { 504 } else { 500 };
        let asked = Instant::now();
        let reply = host.predict("hostile", behaviour, 1.0).error(status, &[]);
        assert!(asked.elapsed() < DEADLINE + SLACK, "{behaviour} took {:?}", asked.elapsed());
        assert_eq!(reply.header("scry-reason"), Some(reason), "{behaviour}");
        let series = format!(r#"scry_requests_total{{model="hostile",outcome="{reason}",version="1"}}"#);
        assert!(host.metric(&series) >= 1.0, "{series}");
    }
    // The cause is the operator's: the log has the guest's backtrace, the client does not.
    let trap = host.predict("hostile", "trap", 1.0);
    assert!(!trap.text.contains("as told") && !trap.text.contains("wasm"), "{}", trap.text);
    assert!(host.log().contains("wasm backtrace"), "no backtrace in the log");
    is_well(host);
}

#[test]
fn an_input_that_the_model_refuses_is_the_callers_fault_and_has_no_fallback() {
    let host = host(&["--fallback", r#"constant:{"y":-1}"#]);
    host.predict("hostile", "refuse", 1.0).error(400, &["field `x`, row 0: expected an x to its taste"]);
    is_well(host);
}

#[test]
fn fuel_ends_a_call_long_before_its_deadline() {
    let host = host(&["--fuel", "50000000", "--deadline-ms", "60000", "--fallback", r#"constant:{"y":-1}"#]);
    let asked = Instant::now();
    let reply = host.predict("hostile", "loop", 1.0).status(200);
    assert_eq!(reply.header("scry-degraded"), Some("fuel"));
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
    host.deploy(&["hostile", "--no-fallback"]).ok();
    assert_eq!(host.predict("hostile", "loop", 1.0).error(500, &["fuel"]).header("scry-reason"), Some("fuel"));
    is_well(host);
}

#[test]
fn a_lower_memory_limit_is_kept_to() {
    let host = host(&["--memory-max-bytes", "4194304"]);
    // Needs 16 MiB at once: more than it may have, less than the host could give.
    host.predict("hostile", "memory-copy", 1.0).error(500, &["memory"]);
    host.deploy(&["hostile", "--memory-max-bytes", "999999999999"]).code(1).says(&["memory_max_bytes", "at most"]);
    is_well(host);
}

#[test]
fn no_call_sees_what_another_left_behind() {
    let host = host(&[]);
    for _ in 0..20 {
        assert_eq!(host.predict("hostile", "state", 1.0).status(200).y(), 1.0);
    }
    // Pages written: what a call leaves behind, in the same place as others or not.
    let mut dice = 1u32;
    for turn in 0..300 {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let pages = [1, 2, 3, 30, 90, 250][(dice >> 16) as usize % 6];
        let left = host.predict("hostile", "scribble", f64::from(pages)).status(200).y();
        assert_eq!(left, 0.0, "bytes were left behind before turn {turn}, with {pages} pages");
        if (dice >> 24).is_multiple_of(32) {
            host.predict("hostile", "trap", 1.0).error(500, &["trap"]);
        }
    }
    let put_back = host.metric(r#"scry_instances_put_back_total{model="hostile"}"#);
    assert!(put_back > 100.0, "only {put_back} of 320 instances were put back");
    is_well(host);
}

#[test]
fn a_flood_of_log_lines_is_cut_off_and_the_answer_stands() {
    let host = host(&["--deadline-ms", "10000"]);
    assert_eq!(host.predict("hostile", "log-flood", 2.0).status(200).y(), 2.0);
    let log = host.log();
    let lines = log.matches("flood line").count();
    assert!((1..=64).contains(&lines), "{lines} of the guest's lines are in the log");
    assert!(log.contains("logged too much"), "nobody says that lines are missing");
    is_well(host);
}

#[test]
fn while_guests_spin_other_requests_are_served() {
    let host = host(&["--deadline-ms", "4000"]);
    let spinning = Barrier::new(2);
    thread::scope(|scope| {
        let spin = scope.spawn(|| {
            spinning.wait();
            host.predict("hostile", "loop", 1.0).status
        });
        spinning.wait();
        let mut answered = 0;
        while !spin.is_finished() {
            host.get("/v2/health/live").status(200);
            host.get("/v2/models/hostile/ready").status(200);
            assert_eq!(host.predict("steady", "", 2.0).status(200).y(), 4.0);
            answered += 1;
        }
        assert_eq!(spin.join().unwrap(), 504);
        assert!(answered >= 10, "only {answered} answers while a guest was spinning");
    });
    is_well(host);
}

#[test]
fn a_full_queue_refuses_at_once_and_says_when_to_come_back() {
    let host = host(&["--in-flight-max", "1", "--queue-max", "1", "--deadline-ms", "2000"]);
    let replies: Vec<_> = thread::scope(|scope| {
        let calls: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let asked = Instant::now();
                    (host.predict("hostile", "loop", 1.0), asked.elapsed())
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let refused: Vec<_> = replies.iter().filter(|(reply, _)| reply.status == 503).collect();
    // One runs, one waits; the waiting one may be refused when its time is over.
    assert!(refused.len() >= 4, "{replies:#?}");
    assert!(replies.iter().any(|(reply, _)| reply.status == 504), "{replies:#?}");
    for (reply, _) in &refused {
        assert_eq!((reply.header("scry-reason"), reply.header("retry-after")), (Some("overload"), Some("1")));
    }
    let at_once = refused.iter().filter(|(_, took)| *took < Duration::from_millis(1500)).count();
    assert!(at_once >= 4, "{replies:#?}");
    is_well(host);
}

#[test]
fn a_batch_of_hostile_requests_at_once_leaves_the_host_standing() {
    let host = host(&["--fallback", "steady", r#"constant:{"y":-1}"#]);
    thread::scope(|scope| {
        for chunk in FAILURES.chunks(3) {
            let host = &host;
            scope.spawn(move || {
                for (behaviour, _) in chunk {
                    let reply = host.predict("hostile", behaviour, 1.0).status(200);
                    assert!(reply.header("scry-degraded").is_some(), "{behaviour}");
                }
            });
        }
    });
    is_well(host);
}

#[test]
fn a_hostile_answer_of_several_rows_is_checked_row_by_row() {
    let host = host(&[]);
    // One value for three rows.
    host.post("/v2/models/hostile/infer", &rows("state", &[1.0, 2.0, 3.0])).error(500, &["invalid"]);
    is_well(host);
}

#[test]
fn a_load_without_end_is_stopped_by_the_build() {
    let output = tempfile::tempdir().unwrap();
    let wasm = output.path().join("slow.wasm");
    let dir = root().join("tests/guests/hostile");
    let says = ["`load` failed", "`--load-timeout-s` allows, 1 seconds"];
    build(&dir, "slow-load", &wasm, &["--load-timeout-s", "1"]).code(1).says(&says);
    build(&dir, "large-load", &wasm, &[]).code(1).says(&["`load` failed", "more memory", "268435456 bytes"]);
    assert!(!wasm.exists());
}

#[test]
fn a_version_that_loads_while_it_predicts_is_refused_by_its_deadline() {
    let host = Host::with("[limits]\ndeadline_ms = 300\nfuel = 0\n");
    let lazy = features("hostile", "lazy-load");
    let path = lazy.path.to_str().unwrap();
    host.scry(&["publish", path]).code(1).says(&["golden examples fail", "it can behave", "deadline"]);
    host.admin_post("/v1/models", &lazy.bytes()).error(422, &["deadline"]);
    host.get("/v2/models/hostile").status(404);
}

#[test]
fn a_crate_that_imports_what_is_not_granted_does_not_build() {
    let output = tempfile::tempdir().unwrap();
    let wasm = output.path().join("ungranted.wasm");
    let ran = build(&root().join("tests/guests/ungranted"), "", &wasm, &[]);
    ran.code(1).says(&["evil:net/socket@0.1.0#connect", "not granted"]);
    assert!(!wasm.exists());
}

#[test]
fn a_component_that_imports_what_is_not_granted_is_refused_by_name() {
    let mut bytes = guest("steady").bytes();
    let mut imports = ComponentImportSection::new();
    imports.import("evil:net/socket@0.1.0", ComponentTypeRef::Type(TypeBounds::SubResource));
    imports.append_to_component(&mut bytes);
    let host = Host::start();
    host.admin_post("/v1/models", &bytes).error(422, &["evil:net/socket@0.1.0", "not granted"]);
    host.get("/v2/models/steady").status(404);

    let dir = tempfile::tempdir().unwrap();
    let evil = Guest { path: dir.path().join("evil.wasm"), digest: String::new() };
    std::fs::write(&evil.path, &bytes).unwrap();
    let path = evil.path.to_str().unwrap();
    for args in [["publish", path], ["inspect", path], ["test", path]] {
        host.scry(&args).code(1).says(&["evil:net/socket@0.1.0", "not granted"]);
    }
}

#[test]
fn a_component_whose_calls_could_be_another_modules_is_refused() {
    let mut exports = ExportSection::new();
    exports.export("scry:model/predictor@0.1.0#predict", ExportKind::Memory, 0);
    let mut memory = MemorySection::new();
    memory.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
    let mut second = Module::new();
    second.section(&memory).section(&exports);
    let mut bytes = guest("steady").bytes();
    ModuleSection(&second).append_to_component(&mut bytes);
    let host = Host::start();
    host.admin_post("/v1/models", &bytes).error(422, &["expected one core module", "found 2", "scry build"]);
    host.get("/v2/models/steady").status(404);
}

#[test]
fn a_component_that_was_never_sealed_is_refused() {
    // A component with nothing in it, and one cut short.
    let host = Host::start();
    let whole = guest("steady").bytes();
    host.admin_post("/v1/models", b"\0asm\x0d\0\x01\0").error(422, &["does not export"]);
    host.admin_post("/v1/models", b"\0asm\x01\0\0\0").error(422, &["not a WebAssembly component"]);
    host.admin_post("/v1/models", &whole[..whole.len() / 2]).error(422, &[]);
    host.admin_post("/v1/models", b"not wasm at all").error(422, &["not a WebAssembly component"]);
    host.admin_post("/v1/models", b"").error(422, &[]);
    Ran::of(scry().args(["inspect", "no-such-file.wasm"])).code(1).says(&["no-such-file.wasm"]);
    host.publish(&guest("steady"));
    assert_eq!(host.predict("steady", "", 1.0).status(200).y(), 2.0);
}

#[test]
fn calls_that_fail_all_the_time_do_not_fill_the_log() {
    let host = host(&[]);
    let lines = |log: &str| log.lines().filter(|line| line.contains("a call failed")).count();
    let began = Instant::now();
    (0..200).for_each(|_| drop(host.predict("hostile", "trap", 1.0).error(500, &[])));
    let (said, seconds) = (lines(&host.log()), began.elapsed().as_secs() as usize + 1);
    // 20 a second.
    assert!((20..=20 * (seconds + 1)).contains(&said), "{said} lines in {seconds} s");
    thread::sleep(Duration::from_millis(1100));
    host.predict("hostile", "trap", 1.0).error(500, &[]);
    let log = host.log();
    let unsaid = |line: &str| line.split("unsaid=").nth(1)?.split_whitespace().next()?.parse::<usize>().ok();
    assert_eq!(lines(&log) + log.lines().filter_map(unsaid).sum::<usize>(), 201, "{log}");
}
