//! What a publisher can cost: components that are hard to compile, cards and
//! examples without end. Each is refused by a limit that it names, and others do
//! not wait.

mod crafted;

use crate::support::{Host, Ran, eventually, guest, scry};
use crate::swap::{process, variant};
use crafted::{card, golden, model, nested, roots, sealed};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::thread;

/// Little enough to be reached soon, and enough for any guest of these tests.
const LIMITS: &str = "[limits]\ndeadline_ms = 10000\n[compile]\nmemory_max_bytes = 268435456\ncpu_max_s = 6\n";
const NESTED: usize = 60_000;
const ROOTS: usize = 1_000_000;

/// The folders in /proc of the processes that compile for a host.
fn compilers(host: &Host) -> Vec<PathBuf> {
    let parent = format!("PPid:\t{}\n", host.id());
    let all = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let is_one = |path: &PathBuf| {
        let read = |name| std::fs::read_to_string(path.join(name)).unwrap_or_default();
        read("status").contains(&parent) && read("cmdline").contains("compile-worker")
    };
    all.filter(is_one).collect()
}

/// One that has all it needs and nothing else.
fn busy_compiler(host: &Host) -> PathBuf {
    let mut found = None;
    eventually("a process that compiles, confined", || {
        found = compilers(host).into_iter().find(|path| status(path, "Seccomp") == "2");
        found.is_some()
    });
    found.unwrap()
}

fn status(process: &Path, key: &str) -> String {
    let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

fn peak_kib(host: &Host) -> u64 {
    status(&process(host), "VmHWM").strip_suffix(" kB").unwrap().parse().unwrap()
}

/// The note of the gate `compile` of a publish.
fn compiled(host: &Host, query: &str, bytes: &[u8]) -> String {
    let published = host.admin_post(&format!("/v1/models{query}"), bytes).status(200).json();
    let gates = published["gates"].as_array().unwrap();
    let gate = gates.iter().find(|gate| gate["gate"] == "compile").unwrap();
    gate["note"].as_str().unwrap().to_owned()
}

#[test]
fn a_component_that_is_hard_to_compile_is_refused_by_name_while_others_publish_and_predict() {
    // Each component meets one limit: the other is out of its reach.
    let host = Host::with("[limits]\ndeadline_ms = 10000\n[compile]\ncpu_max_s = 4\nmemory_max_bytes = 4294967296\n");
    host.publish(&guest("hostile"));
    let (bomb, steady, asked) = (model("slow", &nested(NESTED)), guest("steady"), &host);
    thread::scope(|scope| {
        let bomb = scope.spawn(|| asked.admin_post("/v1/models", &bomb));
        busy_compiler(&host);
        host.publish(&steady);
        assert_eq!(host.predict("steady", "", 2.0).status(200).y(), 4.0);
        assert!(!bomb.is_finished(), "the other publish had to wait");
        while !bomb.is_finished() {
            assert_eq!(host.predict("hostile", "well", 1.5).status(200).y(), 1.5);
        }
        let refused = bomb.join().unwrap().error(422, &["compile.cpu_max_s", "4 seconds", "processor time"]);
        assert_eq!(refused.header("scry-reason"), Some("compile-cpu-time"));
    });
    assert_eq!(host.get("/v2/models/slow").status, 404, "nothing of it is left");
    let host = Host::with(&LIMITS.replace("cpu_max_s = 6", "cpu_max_s = 600"));
    host.publish(&guest("steady"));
    let before_kib = peak_kib(&host);
    let refused = host.admin_post("/v1/models", &model("large", &roots(ROOTS)));
    let refused = refused.error(422, &["compile.memory_max_bytes", "268435456 bytes", "memory"]);
    assert_eq!(refused.header("scry-reason"), Some("compile-memory"));
    // The component's own bytes.
    let grown_kib = peak_kib(&host) - before_kib;
    assert!(grown_kib < 64 << 10, "the host took {grown_kib} KiB more");
    // Without the function it is accepted.
    host.admin_post("/v1/models", &model("small", &roots(1))).status(200);
    assert_eq!(host.get("/v2/models/large").status, 404, "nothing of it is left");
    assert!(compilers(&host).is_empty());
}

#[test]
fn code_that_is_too_large_is_refused_by_name() {
    let host = Host::with("[compile]\ncode_max_bytes = 1048576\n");
    let refused = host.admin_post("/v1/models", &model("wide", &roots(200_000)));
    let refused = refused.error(422, &["compile.code_max_bytes", "1048576 bytes"]);
    assert_eq!(refused.header("scry-reason"), Some("compile-code-size"));
}

#[test]
fn a_compiler_that_is_killed_is_an_error_of_the_hosts_and_the_next_publish_succeeds() {
    let host = Host::with(LIMITS);
    let (bomb, asked) = (model("slow", &nested(NESTED)), &host);
    thread::scope(|scope| {
        let bomb = scope.spawn(|| asked.admin_post("/v1/models", &bomb));
        let compiler = busy_compiler(&host);
        let id = compiler.file_name().unwrap().to_str().unwrap().parse().unwrap();
        kill_process(Pid::from_raw(id).unwrap(), Signal::KILL).unwrap();
        let refused = bomb.join().unwrap().error(500, &["the compiler crashed", "signal: 9"]);
        assert_eq!(refused.header("scry-reason"), Some("compile-crash"));
    });
    host.publish(&guest("steady"));
}

/// The whole of what the host has must not be in reach of a fault in the compiler.
#[test]
fn what_compiles_has_nothing_of_the_hosts_and_ends_with_it() {
    let host = Host::with(LIMITS);
    let (bomb, asked) = (model("slow", &nested(NESTED)), &host);
    let compiler = thread::scope(|scope| {
        let bearer = format!("Bearer {}", asked.token());
        let url = format!("{}/v1/models", asked.admin);
        // Its host is killed under it: there is no answer.
        scope.spawn(move || drop(ureq::post(&url).header("authorization", &bearer).send(&bomb[..])));
        let compiler = busy_compiler(&host);
        let read = |name: &str| std::fs::read_to_string(compiler.join(name)).unwrap();
        let descriptors = std::fs::read_dir(compiler.join("fd")).unwrap();
        let kinds = descriptors.map(|fd| std::fs::read_link(fd.unwrap().path()).unwrap());
        let kinds: Vec<_> = kinds.map(|kind| kind.to_string_lossy().split(':').next().unwrap().to_owned()).collect();
        assert_eq!(kinds, ["pipe"; 3]);
        assert_eq!(read("environ"), "MIMALLOC_ARENA_RESERVE=64MiB\0");
        assert_eq!(std::fs::read_link(compiler.join("cwd")).unwrap(), Path::new("/"));
        let limits = read("limits");
        for limit in ["Max file size", "Max core file size", "Max open files"] {
            let line = limits.lines().find(|line| line.starts_with(limit)).unwrap();
            assert_eq!(line[limit.len()..].split_whitespace().take(2).collect::<Vec<_>>(), ["0", "0"], "{line}");
        }
        assert_eq!(["NoNewPrivs", "Threads"].map(|key| status(&compiler, key)), ["1", "1"]);
        let nice = read("stat").rsplit(')').next().unwrap().split_whitespace().nth(16).unwrap().to_owned();
        assert_eq!(nice, "19");
        kill_process(Pid::from_raw(i32::try_from(host.id()).unwrap()).unwrap(), Signal::KILL).unwrap();
        compiler
    });
    // A zombie until its parent has waited for it.
    eventually("its end", || matches!(status(&compiler, "State").chars().next(), None | Some('Z')));
}

#[test]
fn what_compiles_can_do_nothing_that_it_could_before() {
    let checked = Ran::of(scry().args(["compile-worker", "--self-check"])).ok().json();
    let all = ["open a file", "open a socket", "start a process", "map memory that runs"];
    assert_eq!(checked, json!({ "before": all, "after": [] }));
    // Nor does it read what is no order of a host's.
    Ran::of(scry().arg("compile-worker")).code(1).says(&["error"]);
}

#[test]
fn a_changed_version_is_compiled_where_it_was_changed_and_another_model_as_a_whole() {
    let (host, steady) = (Host::start(), guest("steady"));
    assert_eq!(compiled(&host, "", &steady.bytes()), "compiled");
    // Another model takes nothing of it, not even the same component's code.
    assert_eq!(compiled(&host, "?name=other", &steady.bytes()), "compiled");
    let again = compiled(&host, "", &variant(&steady, 1));
    let known = again.strip_prefix("compiled; ").and_then(|note| note.strip_suffix(" functions were known"));
    let (known, all) = known.unwrap_or_else(|| panic!("{again}")).split_once(" of ").unwrap();
    let [known, all] = [known, all].map(|count| count.parse::<u32>().unwrap());
    // Nothing of its code was changed; how the compiler names a few functions varies from run to run.
    assert!(all > 100 && known * 10 >= all * 8, "{again}");
    host.deploy(&["steady", "--to", "2"]).ok();
    assert_eq!(host.predict("steady", "", 2.0).status(200).y(), 4.0);
}

/// The files of compiled functions in a data folder.
fn functions(data: &Path) -> Vec<PathBuf> {
    let engines = std::fs::read_dir(data.join("functions")).into_iter().flatten();
    let files = engines.flat_map(|engine| std::fs::read_dir(engine.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

#[test]
fn functions_that_are_damaged_or_another_hosts_are_compiled_anew() {
    let other = Host::start();
    other.publish(&guest("steady"));
    let foreign = std::fs::read(&functions(&other.data())[0]).unwrap();
    let flipped = |at: fn(usize) -> usize| {
        move |mut file: Vec<u8>| {
            let at = at(file.len());
            file[at] ^= 1;
            file
        }
    };
    type Damage = Box<dyn Fn(Vec<u8>) -> Vec<u8>>;
    let damages: [Damage; 5] = [
        Box::new(flipped(|_| 0)),
        Box::new(flipped(|length| length / 2)),
        Box::new(|file| file[..file.len() - 1].to_vec()),
        Box::new(|_| Vec::new()),
        Box::new(move |_| foreign.clone()),
    ];
    let (mut host, steady) = (Host::start(), guest("steady"));
    host.publish(&steady);
    for (number, damage) in (1..).zip(damages) {
        host = host.restart(|data| {
            let kept = functions(data);
            assert_eq!(kept.len(), 1, "{kept:?}");
            std::fs::write(&kept[0], damage(std::fs::read(&kept[0]).unwrap())).unwrap();
        });
        assert_eq!(compiled(&host, "", &variant(&steady, number)), "compiled", "damage {number}");
        assert!(host.log().contains("compiled functions are not this host's"));
        assert_eq!(host.predict("steady", "", 2.0).status(200).y(), 4.0);
    }
}

#[test]
fn kept_functions_have_a_limit_and_go_with_what_brought_them() {
    let host =
        Host::with("[history]\nretention_days = 0\n[catalog]\nversions_warm = 0\n[compile]\nfunctions_max_bytes = 0\n");
    host.publish(&guest("steady"));
    assert_eq!(functions(&host.data()).len(), 0, "none are kept where none may be");

    let host = Host::with("[history]\nretention_days = 0\nchanges_max = 1\n[catalog]\nversions_warm = 0\n");
    host.publish(&guest("steady"));
    host.publish(&guest("hostile"));
    let both = functions(&host.data());
    let bytes = |files: &[PathBuf]| files.iter().map(|file| file.metadata().unwrap().len()).collect::<Vec<_>>();
    let sizes = bytes(&both);
    assert_eq!(sizes.len(), 2);
    host.scry(&["withdraw", "hostile"]).ok();
    host.scry(&["gc"]).ok();
    let hex = guest("steady").digest.strip_prefix("sha256:").unwrap().to_owned();
    let left = functions(&host.data());
    assert!(left.len() == 1 && left[0].file_stem().unwrap().to_str() == Some(&format!("{hex}-steady")), "{left:?}");

    // Room for the larger of the two: the older one goes.
    let most = sizes.iter().max().unwrap() + 64;
    let host = Host::with(&format!("[compile]\nfunctions_max_bytes = {most}\n"));
    host.publish(&guest("steady"));
    host.publish(&guest("hostile"));
    assert!(bytes(&functions(&host.data())).iter().sum::<u64>() <= most);
}

#[test]
fn a_card_or_examples_without_end_are_refused_before_anything_is_compiled() {
    let host = Host::start();
    let identity = roots(0);
    let categories: Vec<_> = (0..10_001).map(|n| n.to_string()).collect();
    let mut text = card("categories", 1);
    text["schema"]["inputs"][0] = json!({ "name": "x0", "datatype": "BYTES", "categories": categories });
    let mut deep = card("deep", 1);
    deep["schema"]["inputs"][0]["shape"] = json!(vec![1; 33]);
    let mut wide = card("wide", 2);
    wide["schema"]["inputs"].as_array_mut().unwrap().iter_mut().for_each(|field| field["shape"] = json!([1 << 23, 2]));
    let mut talks = card("talks", 1);
    talks["description"] = Value::String("x".repeat(4 << 20));
    for (card, golden, says) in [
        (card("fields", 100_000), golden(1), ["inputs", "at most 4096 fields, found 100000"]),
        (talks, golden(1), ["the model card", "at most 4194304 bytes, found 41"]),
        (text, golden(1), ["x0", "at most 10000 categories, found 10001"]),
        (deep, golden(1), ["x0", "at most 32 dimensions, found 33"]),
        (wide, golden(1), ["inputs", "at most 16777216 elements a row, all fields together, found 33554432"]),
        (card("examples", 1), golden(1001), ["golden examples", "at most 1000 examples, found 1001"]),
    ] {
        host.admin_post("/v1/models", &sealed(&identity, &card, &golden)).error(422, &says);
    }
    assert_eq!(host.metric(r#"scry_component_loads_total{source="compiled"}"#), 0.0);
    // As much as is allowed is taken.
    host.admin_post("/v1/models", &sealed(&identity, &card("examples", 1), &golden(1000))).status(200);
}

#[test]
fn examples_that_take_long_together_are_refused_by_name() {
    let host = Host::with("[limits]\ndeadline_ms = 10000\n[catalog]\ngolden_max_ms = 1\n");
    let examples = sealed(&roots(0), &card("examples", 1), &golden(1000));
    host.admin_post("/v1/models", &examples).error(422, &["golden examples fail", "catalog.golden_max_ms", "1 ms"]);
}
