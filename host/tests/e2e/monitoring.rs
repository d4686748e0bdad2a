//! What a host shows of itself, read by Prometheus and its tools; and what `deploy/` makes of that.

mod alerts;
mod deployed;

use crate::support::{Host, Prometheus, delivered, eventually, guest, promtool_reading, rows};
use serde_json::{Value, json};
use std::thread;

/// Prefers one of the two texts.
fn scraped(host: &Host, accept: &str) -> String {
    let bearer = format!("Bearer {}", host.token());
    let headers = [("authorization", bearer.as_str()), ("accept", accept)];
    let reply = host.send("GET", &format!("{}/metrics", host.admin), &headers, b"").status(200);
    let kind = if accept.starts_with("application/openmetrics") { accept } else { "text/plain; version=0.0.4" };
    assert!(reply.header("content-type").unwrap().starts_with(kind), "{:?}", reply.header("content-type"));
    reply.text
}

/// A host that has answered, refused, and failed.
fn busy() -> Host {
    let host = Host::start();
    host.publish(&guest("steady"));
    host.publish(&guest("hostile"));
    host.deploy(&["hostile", "--fallback", r#"constant:{"y":-1}"#]).ok();
    for _ in 0..3 {
        host.predict("steady", "", 1.0).status(200);
        host.predict("hostile", "trap", 1.0).status(200);
    }
    host.post("/v2/models/steady/infer", &json!({})).status(400);
    host.post("/v2/models/nobody/infer", &json!({})).status(404);
    host
}

/// The configuration of `deploy/`, in a hurry, for these hosts.
fn config_for(addresses: &[&str]) -> String {
    let targets: Vec<_> = addresses.iter().map(|address| address.strip_prefix("http://").unwrap()).collect();
    let config = delivered("prometheus/prometheus.yml");
    let (interval, target) = (": 15s", r#"["127.0.0.1:8081"]"#);
    assert_eq!((config.matches(interval).count(), config.matches(target).count()), (2, 1));
    config.replace(interval, ": 500ms").replace(target, &json!(targets).to_string())
}

#[test]
fn promtool_finds_nothing_wrong_with_what_a_host_shows() {
    let host = busy();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("metrics"), scraped(&host, "text/plain")).unwrap();
    let checked = promtool_reading(&dir.path().join("metrics"), &["check", "metrics"]).ok();
    assert_eq!((checked.stdout.as_str(), checked.stderr.as_str()), ("", ""));
}

#[test]
fn a_host_says_what_it_is_and_uses() {
    let host = busy();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(host.metric(&format!(r#"scry_build_info{{version="{version}"}}"#)), 1.0);
    let digest = &guest("steady").digest;
    let live = format!(r#"scry_live_version_info{{digest="{digest}",model="steady",version="1"}}"#);
    assert_eq!(host.metric(&live), 1.0);
    assert_eq!(host.metric(r#"scry_deadline_seconds{model="steady"}"#), 10.0);
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.id())).unwrap();
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kib: f64 = line("VmRSS:").trim().strip_suffix(" kB").unwrap().parse().unwrap();
    let resident = host.metric("process_resident_memory_bytes");
    assert!((0.5..2.0).contains(&(resident / (kib * 1024.0))), "{resident} bytes, the system says {kib} KiB");
    let files = std::fs::read_dir(format!("/proc/{}/fd", host.id())).unwrap().count() as f64;
    assert!((host.metric("process_open_fds") - files).abs() <= 5.0, "the system counts {files}");
    assert!(host.metric("process_cpu_seconds_total") > 0.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((0.0..600.0).contains(&(now - host.metric("process_start_time_seconds"))));
    let (free, size) = (host.metric("scry_disk_free_bytes"), host.metric("scry_disk_size_bytes"));
    assert!(0.0 < free && free <= size);
}

#[test]
fn a_call_and_a_request_are_measured_and_an_idle_model_has_no_series() {
    let host = Host::start();
    host.publish(&guest("steady"));
    assert!(!scraped(&host, "text/plain").contains(r#"model="steady""#));
    let body = rows("", &[1.0, 2.0]).to_string();
    let answer = host.post("/v2/models/steady/infer", &rows("", &[1.0, 2.0])).status(200).text;
    let sum = |name: &str, labels: &str| host.metric(&format!("{name}_sum{{{labels}}}"));
    let (model, version) = (r#"model="steady""#, r#"model="steady",version="1""#);
    assert_eq!(sum("scry_request_bytes", model), body.len() as f64);
    assert_eq!(sum("scry_response_bytes", model), answer.len() as f64);
    let (fuel, memory) = (sum("scry_call_fuel", version), sum("scry_call_memory_bytes", version));
    assert!(fuel > 100.0, "{fuel} instructions");
    assert!(memory >= 65_536.0 && memory % 65_536.0 == 0.0, "{memory} bytes are no pages of WebAssembly");
    // The same rows take the same instructions.
    host.post("/v2/models/steady/infer", &rows("", &[1.0, 2.0])).status(200);
    assert_eq!(sum("scry_call_fuel", version), 2.0 * fuel);
}

#[test]
fn requests_in_flight_and_waiting_are_shown_while_they_are() {
    let host = Host::with("[limits]\ndeadline_ms = 2000\nin_flight_max = 1\nfuel = 0\n");
    host.publish(&guest("hostile"));
    let shown = |name: &str| host.metric(&format!(r#"scry_requests_{name}{{model="hostile"}}"#));
    thread::scope(|scope| {
        let loops = [(); 3].map(|()| scope.spawn(|| host.predict("hostile", "loop", 1.0).status));
        eventually("one runs and two wait", || (shown("in_flight"), shown("queued")) == (3.0, 2.0));
        // None but the first has run to its deadline when the others miss theirs.
        loops.into_iter().for_each(|ended| assert!([503, 504].contains(&ended.join().unwrap())));
    });
    assert_eq!((shown("in_flight"), shown("queued")), (0.0, 0.0));
    let fuel = scraped(&host, "text/plain").contains("scry_call_fuel");
    assert!(!fuel, "nothing counts instructions here");
}

#[test]
fn prometheus_reads_both_texts_and_keeps_the_trace_of_a_slow_request() {
    let host = busy();
    let infer = |traceparent: &str| {
        let url = format!("{}/v2/models/steady/infer", host.prediction);
        host.send("POST", &url, &[("traceparent", traceparent)], rows("", &[1.0]).to_string().as_bytes()).status(200);
    };
    let (recorded, other) = ("4bf92f3577b34da6a3ce929d0e0e4736", "5bf92f3577b34da6a3ce929d0e0e4736");
    infer(&format!("00-{other}-00f067aa0ba902b7-00"));
    infer(&format!("00-{recorded}-00f067aa0ba902b7-01"));
    let open = scraped(&host, "application/openmetrics-text; version=1.0.0");
    assert!(open.ends_with("\n# EOF\n") && open.contains(recorded), "{open}");
    // Nobody could look it up.
    assert!(!open.contains(other), "{open}");
    assert!(!scraped(&host, "text/plain").contains(recorded));

    let prometheus = Prometheus::start(&config_for(&[&host.admin]), &delivered("prometheus/rules.yml"), &host.token());
    let is_up = || prometheus.query("up").first().is_some_and(|up| up["value"][1] == "1");
    eventually("a scrape", is_up);
    let target = prometheus.api("targets", &[])["data"]["activeTargets"][0].clone();
    assert_eq!((&target["health"], &target["lastError"]), (&json!("up"), &json!("")), "{target}");
    let exemplars = || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let (start, end) = ((now - 600).to_string(), (now + 60).to_string());
        let range = [("query", "scry_request_seconds_bucket"), ("start", start.as_str()), ("end", end.as_str())];
        prometheus.api("query_exemplars", &range)["data"].as_array().cloned().unwrap_or_default()
    };
    eventually("the exemplar", || !exemplars().is_empty());
    let found = exemplars();
    let [series] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        (&series["seriesLabels"]["model"], &series["seriesLabels"]["outcome"]),
        (&json!("steady"), &json!("ok"))
    );
    assert_eq!(series["exemplars"][0]["labels"], json!({ "trace_id": recorded }));
    // Counters and histograms have the names that queries use.
    let total = prometheus.query(r#"scry_requests_total{model="steady",outcome="ok"}"#);
    assert_eq!(total[0]["value"][1], "5", "{total:?}");
    let count = prometheus.query("sum(scry_request_seconds_count) == sum(scry_request_seconds_bucket{le=\"+Inf\"})");
    assert_eq!(count.len(), 1, "{count:?}");
}

/// The metrics, types, and labels of the reference, which a test holds to the code.
fn documented() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(crate::support::root().join("docs/reference/metrics.md")).unwrap();
    let cells = |line: &str| -> Vec<String> { line.split('|').map(|cell| cell.trim().replace('`', "")).collect() };
    let rows = page.lines().filter(|line| line.starts_with("| `scry_") || line.starts_with("| `process_")).map(cells);
    rows.map(|cells| (cells[1].clone(), cells[2].clone())).collect()
}

/// Text and list members of a value, however deep.
fn texts(value: &Value, key: &str) -> Vec<String> {
    let inside = |values: Vec<&Value>| values.into_iter().flat_map(|value| texts(value, key)).collect::<Vec<_>>();
    match value {
        Value::Object(members) => {
            let own = members.get(key).and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(inside(members.values().collect())).collect()
        }
        Value::Array(members) => inside(members.iter().collect()),
        _ => Vec::new(),
    }
}
