//! A real Prometheus, and its `promtool`, on what `deploy/` has.

use super::{Ran, ensure_installed, eventually, root};
use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Debian's `prometheus` on a port and in a folder of its own; ends with the test.
pub(crate) struct Prometheus {
    child: Child,
    url: String,
    dir: TempDir,
}

/// A file of `deploy/`, as it is delivered.
pub(crate) fn delivered(path: &str) -> String {
    std::fs::read_to_string(root().join("deploy").join(path)).unwrap()
}

/// `promtool` in a folder.
pub(crate) fn promtool(dir: &Path, arguments: &[&str]) -> Ran {
    ensure();
    Ran::of(Command::new("promtool").args(arguments).current_dir(dir))
}

/// `promtool` whose standard input is a file.
pub(crate) fn promtool_reading(file: &Path, arguments: &[&str]) -> Ran {
    ensure();
    let script = "file=$1; shift; exec promtool \"$@\" <\"$file\"";
    Ran::of(Command::new("sh").args(["-c", script, "sh"]).arg(file).args(arguments))
}

fn ensure() {
    let is_there = |tool: &str| Command::new(tool).arg("--version").output().is_ok();
    ensure_installed("prometheus", || is_there("prometheus") && is_there("promtool"));
}

impl Prometheus {
    /// With this configuration, these rules beside it, and this token for hosts.
    pub(crate) fn start(config: &str, rules: &str, token: &str) -> Self {
        ensure();
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in [("prometheus.yml", config), ("rules.yml", rules), ("scry.token", token)] {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        // A free port may be taken again before Prometheus has it.
        let started = (0..5).find_map(|_| Self::try_start(&dir));
        let (child, url) = started.expect("prometheus starts");
        Self { child, url, dir }
    }

    fn try_start(dir: &TempDir) -> Option<(Child, String)> {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut command = Command::new("prometheus");
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=series", "--log.level=warn"]);
        command.args(["--enable-feature=exemplar-storage", &format!("--web.listen-address={address}")]);
        command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().unwrap();
        let (mut ended, url) = (false, format!("http://{address}"));
        eventually("Prometheus", || {
            ended = child.try_wait().unwrap().is_some();
            ended || ureq::get(format!("{url}/-/ready")).call().is_ok()
        });
        (!ended).then_some((child, url))
    }

    /// What its interface answers.
    pub(crate) fn api(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let asked = ureq::get(format!("{}/api/v1/{path}", self.url)).query_pairs(query.iter().copied());
        let asked = asked.config().http_status_as_error(false).build();
        let answer = asked.call().and_then(|mut answer| answer.body_mut().read_to_string());
        let answer = answer.unwrap_or_else(|error| panic!("{path} {query:?}: {error}\n{}", self.log()));
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{path} {query:?}: {error}: {answer}"))
    }

    /// The series that an expression has now.
    #[track_caller]
    pub(crate) fn query(&self, expression: &str) -> Vec<Value> {
        let answer = self.api("query", &[("query", expression)]);
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        answer["data"]["result"].as_array().unwrap().clone()
    }

    /// The alerts that fire now.
    pub(crate) fn firing(&self) -> Vec<Value> {
        let alerts = self.api("alerts", &[])["data"]["alerts"].as_array().cloned().unwrap_or_default();
        alerts.into_iter().filter(|alert| alert["state"] == "firing").collect()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the log of Prometheus:\n{}", self.log());
        }
    }
}
