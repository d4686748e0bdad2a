//! Answers in time or not at all: deadlines that cannot be met, clients that
//! leave, models that burn all that they get.

use crate::support::{Host, Reply, eventually, features, guest, rows};
use crate::swap::process;
use rustix::process::{Pid, getpriority_process};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// A row that takes `steady` with `slow` some milliseconds.
pub(crate) const SLOW: f64 = 2000.0;
pub(crate) const CONSTANT: &str = r#"constant:{"y":-1}"#;

/// Deadlines that only a hang misses; no fuel, so that nothing else ends a loop.
pub(crate) fn host(limits: &str) -> Host {
    Host::with(&format!("[limits]\ndeadline_ms = 60000\nfuel = 0\n{limits}"))
}

/// `hostile`, however often it fails.
pub(crate) fn hostile(limits: &str, deployment: &[&str]) -> Host {
    let host = host(limits);
    host.publish(&guest("hostile"));
    host.deploy(&[&["hostile"], deployment].concat()).ok();
    host.scry(&["circuit", "hostile", "--closed"]).ok();
    host
}

/// `steady` that takes its time over large numbers.
pub(crate) fn slow(limits: &str, deployment: &[&str]) -> Host {
    let host = host(limits);
    host.publish(&features("steady", "slow"));
    host.deploy(&[&["steady"], deployment].concat()).ok();
    host
}

pub(crate) fn steady(host: &Host, x: &[f64]) -> Reply {
    host.post("/v2/models/steady/infer", &rows("", x))
}

/// With a deadline of the client's own.
pub(crate) fn within(host: &Host, timeout_ms: u64, model: &str, body: &Value) -> Reply {
    let url = format!("{}/v2/models/{model}/infer", host.prediction);
    let header = ("x-request-timeout-ms", &*timeout_ms.to_string());
    host.send("POST", &url, &[header], body.to_string().as_bytes())
}

/// A client that has asked and can leave without an answer.
fn asks(host: &Host, model: &str, behaviour: &str) -> TcpStream {
    asks_for(host, model, &rows(behaviour, &[1.0]))
}

pub(crate) fn asks_for(host: &Host, model: &str, body: &Value) -> TcpStream {
    let body = body.to_string();
    let mut client = TcpStream::connect(host.prediction.strip_prefix("http://").unwrap()).unwrap();
    let head = format!("POST /v2/models/{model}/infer HTTP/1.1\r\nhost: x\r\ncontent-length: {}", body.len());
    client.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    client.set_nonblocking(true).unwrap();
    client
}

/// Calls that components of a model have run.
pub(crate) fn runs(host: &Host, model: &str) -> f64 {
    host.metric_sum("scry_sandbox_seconds_count", &format!(r#"model="{model}""#))
}

pub(crate) fn answers(host: &Host, model: &str, outcome: &str) -> f64 {
    host.metric(&format!(r#"scry_requests_total{{model="{model}",outcome="{outcome}",version="1"}}"#))
}

pub(crate) fn cpu(host: &Host, model: &str) -> f64 {
    host.metric(&format!(r#"scry_cpu_seconds_total{{model="{model}"}}"#))
}

fn live(host: &Host) -> f64 {
    host.metric("scry_instances_live")
}

/// As many at once, each with its number; the answers in that order.
pub(crate) fn at_once<T: Send>(count: usize, ask: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (ask, all_there) = (&ask, &Barrier::new(count));
    thread::scope(|scope| {
        let asked = |n| {
            scope.spawn(move || {
                all_there.wait();
                ask(n)
            })
        };
        let asked: Vec<_> = (0..count).map(asked).collect();
        asked.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

/// What `slow` takes far longer for than a client gives it.
fn too_much(host: &Host) -> Reply {
    within(host, 100, "steady", &rows("", &[SLOW; 100]))
}

#[test]
fn a_deadline_that_cannot_be_met_is_refused_without_a_run_but_now_and_then() {
    let host = slow("", &[]);
    (0..3).for_each(|_| drop(steady(&host, &[SLOW; 100]).status(200)));
    for _ in 0..31 {
        let reply = too_much(&host).error(504, &["deadline"]);
        assert_eq!(reply.header("scry-reason"), Some("deadline-too-short"));
    }
    assert_eq!((runs(&host, "steady"), answers(&host, "steady", "deadline-too-short")), (3.0, 31.0));
    // One of 32 is tried, so that a model that has become quick is found to be.
    assert_eq!(too_much(&host).error(504, &[]).header("scry-reason"), Some("timeout"));
    assert_eq!(too_much(&host).error(504, &[]).header("scry-reason"), Some("deadline-too-short"));
    assert_eq!(runs(&host, "steady"), 4.0);
    steady(&host, &[SLOW]).status(200);
}

#[test]
fn a_deadline_that_cannot_be_met_is_the_fallbacks() {
    let host = slow("", &["--fallback", CONSTANT]);
    (0..3).for_each(|_| drop(steady(&host, &[SLOW; 100]).status(200)));
    for _ in 0..20 {
        let reply = too_much(&host).status(200);
        assert_eq!((reply.header("scry-degraded"), reply.y()), (Some("deadline-too-short"), -1.0));
    }
    assert_eq!(runs(&host, "steady"), 3.0);
}

#[test]
fn a_body_that_arrives_after_its_deadline_is_504_and_runs_nothing() {
    let host = slow("", &[]);
    let body = rows("", &[1.0]).to_string();
    let mut late = TcpStream::connect(host.prediction.strip_prefix("http://").unwrap()).unwrap();
    let head = "POST /v2/models/steady/infer HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue";
    let limits = format!("x-request-timeout-ms: 100\r\ncontent-length: {}", body.len());
    late.write_all(format!("{head}\r\n{limits}\r\n\r\n").as_bytes()).unwrap();
    // Whoever is told to go on is being waited for.
    let mut told = [0; 25];
    late.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    thread::sleep(Duration::from_millis(200));
    late.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    late.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains("scry-reason: timeout\r\n"), "{answer}");
    assert_eq!((answers(&host, "steady", "timeout"), runs(&host, "steady")), (1.0, 0.0));
}

#[test]
fn a_client_that_leaves_stops_its_call_long_before_the_deadline() {
    let host = hostile("in_flight_max = 1\n", &[]);
    let client = asks(&host, "hostile", "loop");
    eventually("the guest loops", || live(&host) == 1.0);
    drop(client);
    eventually("it is stopped", || live(&host) == 0.0);
    eventually("it is counted", || answers(&host, "hostile", "abandoned") == 1.0);
    assert_eq!(host.predict("hostile", "well", 3.5).status(200).y(), 3.5);
}

#[test]
fn queued_calls_of_clients_that_left_never_run() {
    let host = hostile("in_flight_max = 1\nqueue_max = 4\n", &[]);
    let holder = asks(&host, "hostile", "loop");
    eventually("the guest loops", || live(&host) == 1.0);
    let queued: Vec<_> = (0..5).map(|_| asks(&host, "hostile", "well")).collect();
    eventually("one is refused: four wait", || queued.iter().any(|client| client.peek(&mut [0]).is_ok()));
    drop(queued);
    eventually("those that waited have left", || answers(&host, "hostile", "abandoned") == 4.0);
    drop(holder);
    // Behind all of them.
    assert_eq!(host.predict("hostile", "well", 3.5).status(200).y(), 3.5);
    assert_eq!(runs(&host, "hostile"), 2.0, "the one that looped and the last one");
}

#[test]
fn large_requests_end_as_others_do_and_count_once() {
    let host = hostile("in_flight_max = 1\nqueue_max = 4\n", &[]);
    let large = |behaviour| rows(behaviour, &[3.5; 10_000]);
    let reply = within(&host, 200, "hostile", &large("loop")).error(504, &[]);
    assert_eq!(reply.header("scry-reason"), Some("timeout"));
    host.post("/v2/models/hostile/infer", &large("trap")).error(500, &[]);
    let holder = asks_for(&host, "hostile", &large("loop"));
    eventually("the guest loops", || live(&host) == 1.0);
    let queued: Vec<_> = (0..5).map(|_| asks_for(&host, "hostile", &large("well"))).collect();
    eventually("one is refused: four wait", || queued.iter().any(|client| client.peek(&mut [0]).is_ok()));
    drop(queued);
    eventually("those that waited have left", || answers(&host, "hostile", "abandoned") == 4.0);
    let mut hurried = large("well");
    hurried["parameters"] = json!({ "timeout": 100_000 });
    host.post("/v2/models/hostile/infer", &hurried).error(503, &[]);
    assert_eq!(live(&host), 1.0, "its own deadline ended it, not the other's");
    drop(holder);
    eventually("so has the one that looped", || answers(&host, "hostile", "abandoned") == 5.0);
    assert_eq!(host.predict("hostile", "well", 3.5).status(200).y(), 3.5);
    let counts = ["ok", "timeout", "trap", "overload", "abandoned"].map(|outcome| answers(&host, "hostile", outcome));
    assert_eq!(counts, [1.0, 1.0, 1.0, 2.0, 5.0]);
}

#[test]
fn models_that_burn_every_processor_delay_no_answer_and_are_charged() {
    let host = host("in_flight_max = 2\n");
    host.publish(&guest("steady"));
    // One more than there are compute threads.
    let names = ["hostile", "hostile-too", "hostile-as-well"];
    for name in names {
        host.scry(&["publish", guest("hostile").path.to_str().unwrap(), "--name", name]).ok();
    }
    for calls_each in [1, 2] {
        let clients: Vec<_> = names.iter().cycle().take(3 * calls_each).map(|name| asks(&host, name, "loop")).collect();
        eventually("all of them loop", || live(&host) == clients.len() as f64);
        for n in 0..50 {
            let x = f64::from(n);
            assert_eq!(host.predict("steady", "", x).status(200).y(), 2.0 * x);
        }
        assert_eq!(live(&host), clients.len() as f64, "they loop no more");
        drop(clients);
        eventually("they are stopped", || live(&host) == 0.0);
    }
    let good = cpu(&host, "steady");
    assert!(good > 0.0, "nothing is charged");
    for name in names {
        eventually("it is charged", || cpu(&host, name) > good);
    }
}

/// The priorities of the host's threads of that name.
fn priorities(host: &Host, name: &str) -> Vec<i32> {
    let tasks = std::fs::read_dir(process(host).join("task")).unwrap().map(|task| task.unwrap().path());
    // One may end meanwhile.
    let of = |task: std::path::PathBuf| {
        let is_ours = std::fs::read_to_string(task.join("comm")).ok()?.starts_with(name);
        let tid = Pid::from_raw(task.file_name()?.to_str()?.parse().ok()?);
        is_ours.then(|| getpriority_process(tid).ok())?
    };
    tasks.filter_map(of).collect()
}

#[test]
fn what_can_wait_runs_at_the_lowest_priority_and_a_call_that_burns_at_a_low_one() {
    let host = Host::with("[limits]\ndeadline_ms = 60000\nfuel = 0\n");
    host.publish(&guest("steady"));
    host.publish(&guest("hostile"));
    assert_eq!(priorities(&host, "scry-background"), [19]);
    let before = priorities(&host, "scry-compute").iter().filter(|&&nice| nice == 10).count();
    let client = asks(&host, "hostile", "loop");
    eventually("it loops at a low priority", || {
        host.predict("steady", "", 1.0).status(200);
        priorities(&host, "scry-compute").iter().filter(|&&nice| nice == 10).count() > before
    });
    assert!(priorities(&host, "scry-compute").contains(&0), "another took its place");
    drop(client);
}

#[test]
fn large_bodies_are_read_in_the_models_own_time() {
    let host = slow("in_flight_max = 2\n", &[]);
    let good = rows("", &vec![1.25; 300_000]);
    let mut bad = good.clone();
    bad["inputs"][1]["data"][299_999] = "no number".into();
    assert!(good.to_string().len() > 2 << 20);
    host.post("/v2/models/steady/infer", &bad).error(400, &["x"]);
    assert_eq!(runs(&host, "steady"), 0.0);
    eventually("it is the model's time", || cpu(&host, "steady") > 0.0);
    let asked = &host;
    let replies = thread::scope(|scope| {
        let ask = |body| scope.spawn(move || asked.post("/v2/models/steady/infer", body));
        let clients = [&good, &bad, &good, &bad].map(ask);
        let mut alive = 0;
        while clients.iter().any(|client| !client.is_finished()) {
            host.get("/v2/health/live").status(200);
            alive += 1;
        }
        assert!(alive > 1, "nobody else was answered meanwhile");
        clients.map(|client| client.join().unwrap().status)
    });
    assert_eq!(replies, [200, 400, 200, 400]);
    assert_eq!(runs(&host, "steady"), 2.0);
}

#[test]
fn a_fallback_that_was_measured_answers_in_time_every_time() {
    // What is kept back for one that was not measured would be too little.
    let host = hostile("fallback_reserve_percent = 1\n", &[]);
    host.publish(&features("steady", "slow"));
    // Some calls take far longer than others: that is kept back.
    for n in 0..40 {
        steady(&host, if n % 4 == 0 { &[SLOW; 30] } else { &[SLOW] }).status(200);
    }
    host.deploy(&["hostile", "--fallback", "steady", "--deadline-ms", "800"]).ok();
    for _ in 0..20 {
        let reply = host.predict("hostile", "loop", SLOW).status(200);
        assert_eq!((reply.header("scry-degraded"), reply.header("scry-model")), (Some("timeout"), Some("steady")));
        assert_eq!(reply.y(), 2.0 * SLOW);
    }
    assert_eq!(answers(&host, "hostile", "degraded"), 20.0);
}

/// Calls that compute threads took up, and so were not made by the thread that read the request.
fn handed_over(host: &Host, model: &str) -> f64 {
    let count = |series: &str| host.metric(&format!(r#"{series}{{model="{model}"}}"#));
    count("scry_queue_seconds_count") - count("scry_inline_calls_total")
}

#[test]
fn a_model_that_was_quick_and_suddenly_never_ends_delays_no_answer() {
    let host = hostile("", &["--deadline-ms", "2000", "--fallback", CONSTANT]);
    host.publish(&guest("steady"));
    for n in 0..50 {
        assert_eq!(host.predict("hostile", "well", f64::from(n)).status(200).y(), f64::from(n));
    }
    let before = handed_over(&host, "hostile");
    assert!(before < 40.0, "most of 50 calls are made at once, {before} were handed over");
    let (asked, loops) = (Instant::now(), 3);
    let clients: Vec<_> = (0..loops).map(|_| asks(&host, "hostile", "loop")).collect();
    eventually("loops on the compute threads", || handed_over(&host, "hostile") > before);
    // Nobody can be answered while a thread that reads is held: these are, long before the loops end.
    for n in 0..50 {
        assert_eq!(steady(&host, &[f64::from(n)]).status(200).y(), 2.0 * f64::from(n));
        host.get("/v2/health/live").status(200);
    }
    assert!(asked.elapsed() < Duration::from_millis(1900), "as long as the loops: {:?}", asked.elapsed());
    eventually("the fallback's answers", || answers(&host, "hostile", "degraded") == f64::from(loops));
    drop(clients);
    eventually("the loops' end", || live(&host) == 0.0);
    // It owes some good calls now: they are handed over.
    let before = handed_over(&host, "hostile");
    assert_eq!(host.predict("hostile", "well", 3.0).status(200).y(), 3.0);
    assert_eq!(handed_over(&host, "hostile"), before + 1.0);
}
