//! Each alert of `deploy/` fires in a real Prometheus, because a real host is in the condition that it names.

use super::config_for;
use super::deployed::{alerts, dashboards};
use crate::drift::{Random, publish, references, with};
use crate::support::{Host, PATIENT, Prometheus, delivered, guest, rows, scry};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Connections that the first host takes.
const CONNECTIONS_MAX: usize = 16;

/// Panels that stay empty here: no check of these models fails.
const EMPTY_PANELS: [&str; 1] = ["Findings of checks"];

/// A host that has almost no disk and files left, and whose watched file is not there. Nobody asks it anything.
struct Starved {
    child: Child,
    metrics: String,
    has_small_disk: bool,
    _dir: TempDir,
}

impl Starved {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = "compute.threads = 1\n[metrics]\nlisten = \"127.0.0.1:0\"\n\
                      [desired_state]\nfile = \"nowhere.toml\"\npoll_ms = 50\n";
        std::fs::write(dir.path().join("scry.toml"), config).unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        // In a file system of its own, where the system lets a process have one.
        let disk = "mount -t tmpfs -o size=16m none data && head -c 15m /dev/zero >data/filler";
        let alone = |then: &str| {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &format!("{disk} && {then}"), "sh"]);
            command
        };
        let has_small_disk = alone("true").current_dir(&dir).output().is_ok_and(|ran| ran.status.success());
        let plain = scry();
        let mut command = if has_small_disk { alone("exec \"$@\"") } else { Command::new("env") };
        command.arg(plain.get_program()).args(["serve", "--config", "scry.toml", "--data", "data"]);
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]).current_dir(&dir);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let metrics = ready.split_whitespace().find_map(|word| word.strip_prefix("metrics="));
        let metrics = metrics.unwrap_or_else(|| panic!("{ready:?}")).to_owned();
        let files = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().count();
        let limit = format!("--nofile={}:", files + 4);
        let limited = Command::new("prlimit").args(["--pid", &child.id().to_string(), &limit]).status();
        assert!(limited.unwrap().success());
        Self { child, metrics, has_small_disk, _dir: dir }
    }

    fn end(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Starved {
    fn drop(&mut self) {
        self.end();
    }
}

/// The rules with windows and pauses that a test can wait for; what they ask is the same.
fn hurried(rules: &str) -> String {
    let lines = rules.lines().filter(|line| !line.trim_start().starts_with("for: "));
    let mut hurried = lines.collect::<Vec<_>>().join("\n");
    for window in ["5m", "30m", "1h", "6h"] {
        hurried = hurried.replace(&format!("[{window}]"), "[5s]");
    }
    let hurried = hurried.replace("offset 15m", "offset 5s");
    assert!(!hurried.contains("m]") && !hurried.contains("h]") && !hurried.contains("offset 1"), "{hurried}");
    hurried
}

/// Models that are fine, drifting and stale, failing with a fallback, failing without one, and with a bad canary.
fn troubled() -> Host {
    let host = Host::with(&format!(
        "{PATIENT}circuit_pause_ms = 60000\n\
         [prediction]\nconnections_max = {CONNECTIONS_MAX}\nheader_timeout_ms = 300\n"
    ));
    let old = json!({ "data_until": "2020-01-01", "max_age": "P30D" });
    publish(&host, &with(&guest("steady"), &references(0.0), &old));
    let named = |of: &str, name: &str| {
        host.scry(&["publish", guest(of).path.to_str().unwrap(), "--name", name]).ok();
    };
    named("steady", "fine");
    named("hostile", "behind");
    host.deploy(&["behind", "--fallback", r#"constant:{"y":-1}"#]).ok();
    named("hostile", "bare");
    named("steady", "risky");
    named("hostile", "risky");
    host.deploy(&["risky", "--to", "2", "--canary", "50"]).ok();
    host
}

/// Some of the traffic that makes the conditions; answers do not matter.
fn ask(host: &Host, random: &mut Random) {
    let infer = |model: &str, behaviour: &str, x: &[f64]| {
        let url = format!("{}/v2/models/{model}/infer", host.prediction);
        // Where all connections are taken, there is no answer.
        drop(host.try_send("POST", &url, &[], rows(behaviour, x).to_string().as_bytes()));
    };
    infer("steady", "", &random.normal(50, 3.0));
    for _ in 0..4 {
        ["fine", "behind", "bare", "risky"].iter().for_each(|model| infer(model, "trap", &[1.0]));
    }
    // More than there are places. One says too little, the others nothing until their time is over.
    let address = host.prediction.strip_prefix("http://").unwrap();
    let mut taken: Vec<_> = (0..CONNECTIONS_MAX + 4).map(|_| TcpStream::connect(address).unwrap()).collect();
    let _ = taken[0].write_all(b"GET / HTTP/1.1\r\n\r\n");
    std::thread::sleep(Duration::from_millis(350));
    drop(taken);
    drop(host.try_send("GET", &format!("{}/v1/models", host.admin), &[], b""));
}

#[test]
fn each_alert_fires_when_its_condition_is_made() {
    let (host, mut starved) = (troubled(), Starved::start());
    let rules = delivered("prometheus/rules.yml");
    let config = config_for(&[&host.admin, &starved.metrics]);
    let prometheus = Prometheus::start(&config, &hurried(&rules), &host.token());
    let mut expected: BTreeSet<_> = alerts(&rules).into_iter().collect();
    assert!(expected.remove("ScryDown"), "that is for the end");
    if !starved.has_small_disk {
        eprintln!("the system lets no process have a file system of its own: ScryDiskFull is left to promtool");
        expected.remove("ScryDiskFull");
    }
    let mut seen: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut see = || {
        for alert in prometheus.firing() {
            seen.entry(alert["labels"]["alertname"].as_str().unwrap().to_owned()).or_default().push(alert);
        }
        seen.keys().cloned().collect::<BTreeSet<_>>()
    };
    let (mut random, patience) = (Random(5), Instant::now() + Duration::from_secs(90));
    loop {
        ask(&host, &mut random);
        let seen = see();
        let missing: Vec<_> = expected.iter().filter(|name| !seen.contains(**name)).collect();
        if missing.is_empty() {
            break;
        }
        assert!(Instant::now() < patience, "in vain waited for {missing:?}, have {seen:?}");
    }
    every_panel_shows_something(&prometheus);
    starved.end();
    crate::support::eventually("the dead host", || see().contains("ScryDown"));
    each_is_of_who_has_the_trouble(&seen, &host.admin, &starved.metrics);
}

fn each_is_of_who_has_the_trouble(seen: &BTreeMap<String, Vec<Value>>, troubled: &str, starved: &str) {
    let of = |alert: &str, label: &str| -> BTreeSet<String> {
        let texts = seen[alert].iter().map(|alert| alert["labels"][label].as_str().unwrap().to_owned());
        texts.collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(of("ScryModelStale", "model"), set(&["steady"]));
    assert_eq!(of("ScryDrift", "model"), set(&["steady"]));
    assert_eq!(of("ScryCanaryRolledBack", "model"), set(&["risky"]));
    assert_eq!(of("ScryUnavailable", "model"), set(&["bare"]));
    assert_eq!(of("ScryErrorBudgetBurnsFast", "model"), set(&["bare"]));
    assert_eq!(of("ScryErrorBudgetBurnsSlowly", "model"), set(&["bare"]));
    assert!(of("ScryFallbacks", "model").contains("behind"));
    assert!(of("ScryCircuitOpen", "model").is_superset(&set(&["bare", "behind"])));
    assert_eq!(of("ScryConnectionsRefused", "listener"), set(&["prediction"]));
    let instance = |url: &str| set(&[url.strip_prefix("http://").unwrap()]);
    assert_eq!(of("ScryConnectionsRefused", "instance"), instance(troubled));
    for alert in ["ScryFilesRunOut", "ScryDesiredStateNotApplied", "ScryDown"] {
        assert_eq!(of(alert, "instance"), instance(starved), "{alert}");
    }
    for alert in seen.values().flatten() {
        assert_ne!(alert["labels"]["model"], "fine", "{alert}");
        let summary = alert["annotations"]["summary"].as_str().unwrap();
        assert!(!summary.is_empty() && !summary.contains("<no value>"), "{alert}");
    }
}

fn every_panel_shows_something(prometheus: &Prometheus) {
    for board in dashboards() {
        for panel in board["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            for target in panel["targets"].as_array().into_iter().flatten() {
                let expression = ["$job", "$instance", "$model", "$__rate_interval"]
                    .into_iter()
                    .zip(["scry", ".*", ".*", "10s"])
                    .fold(target["expr"].as_str().unwrap().to_owned(), |text, (name, value)| text.replace(name, value));
                let found = prometheus.query(&expression);
                assert!(!found.is_empty() || EMPTY_PANELS.contains(&title), "{title} is empty: {expression}");
            }
        }
    }
}
