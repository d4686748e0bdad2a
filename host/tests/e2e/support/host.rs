//! A host process and its clients.

use super::{Guest, Ran, eventually, scry};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;
use ureq::Agent;
use ureq::http::Method;

/// Exchanges that a failing test shows.
const SHOWN_EXCHANGES: usize = 5;

/// `scry serve` on ports of its own in a folder of its own; ends with the test.
pub(crate) struct Host {
    child: Child,
    /// Kept open: a host that prints must not meet a closed pipe.
    _stdout: BufReader<ChildStdout>,
    dir: TempDir,
    pub(crate) prediction: String,
    pub(crate) admin: String,
    /// The listener for metrics alone, where there is one.
    pub(crate) metrics: Option<String>,
    agent: Agent,
    exchanges: Mutex<Vec<String>>,
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) text: String,
    exchange: String,
}

/// A host that has ended, and what it left.
#[derive(Debug)]
pub(crate) struct Fallen {
    pub(crate) status: ExitStatus,
    /// Its first line, where that did not say that it is ready.
    pub(crate) stdout: String,
    pub(crate) dir: TempDir,
}

impl Fallen {
    /// Everything that hosts in this folder have logged.
    pub(crate) fn log(&self) -> String {
        log(self.dir.path())
    }
}

/// A configuration with room for a busy machine, and more on top.
fn config_with(more: &str) -> String {
    format!("compute.threads = 2\n{more}")
}

/// Deadlines that only a hang misses, where a test is not about deadlines.
pub(crate) const PATIENT: &str = "[limits]\ndeadline_ms = 10000\nin_flight_max = 2\n";

impl Host {
    /// A fresh host whose deadlines do not matter.
    pub(crate) fn start() -> Self {
        Self::with(PATIENT)
    }

    /// A fresh host with these configuration keys.
    pub(crate) fn with(config: &str) -> Self {
        Self::run(tempfile::tempdir().unwrap(), config)
    }

    /// A fresh host with these configuration keys, and these variables in its environment.
    pub(crate) fn with_environment(config: &str, environment: &[(&str, &str)]) -> Self {
        Self::begin_in(tempfile::tempdir().unwrap(), config, environment)
            .unwrap_or_else(|fallen| panic!("not ready: {:?}\n{}", fallen.stdout, log(fallen.dir.path())))
    }

    fn run(dir: TempDir, config: &str) -> Self {
        Self::begin(dir, config, "")
            .unwrap_or_else(|fallen| panic!("not ready: {:?}\n{}", fallen.stdout, log(fallen.dir.path())))
    }

    /// A host in a folder that may have a past, with faults on purpose.
    pub(crate) fn begin(dir: TempDir, config: &str, failpoint: &str) -> Result<Self, Fallen> {
        Self::begin_in(dir, config, &[("SCRY_FAILPOINT", failpoint)])
    }

    fn begin_in(dir: TempDir, config: &str, environment: &[(&str, &str)]) -> Result<Self, Fallen> {
        std::fs::write(dir.path().join("scry.toml"), config_with(config)).unwrap();
        let mut child = serve(dir.path()).envs(environment.iter().copied()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut ready = String::new();
        stdout.read_line(&mut ready).unwrap();
        let part = |key: &str| ready.split_whitespace().find_map(|word| word.strip_prefix(key)).map(str::to_owned);
        let metrics = part("metrics=");
        let (Some(prediction), Some(admin)) = (part("prediction="), part("admin=")) else {
            if !ready.is_empty() {
                // One that printed something else must not outlive the test.
                let _ = child.kill();
            }
            return Err(Fallen { status: child.wait().unwrap(), stdout: ready, dir });
        };
        let agent = Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
        Ok(Self {
            child,
            _stdout: stdout,
            dir,
            prediction,
            admin,
            metrics,
            agent: agent.build().new_agent(),
            exchanges: Mutex::default(),
        })
    }

    /// Stops the host and starts another on the same data.
    pub(crate) fn restart(mut self, meanwhile: impl FnOnce(&Path)) -> Self {
        assert!(self.stop().success(), "{}", self.log());
        meanwhile(&self.data());
        self.again()
    }

    /// SIGKILL, and another on the same data.
    pub(crate) fn kill_and_restart(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.again()
    }

    /// SIGKILL, if it lives, and what it leaves behind.
    pub(crate) fn kill(mut self) -> Fallen {
        // It may have ended already.
        let _ = self.child.kill();
        let status = self.child.wait().unwrap();
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        Fallen { status, stdout: String::new(), dir }
    }

    fn again(mut self) -> Self {
        let config = std::fs::read_to_string(self.dir.path().join("scry.toml")).unwrap();
        let config = config.strip_prefix(&config_with("")).unwrap().to_owned();
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        Self::run(dir, &config)
    }

    /// SIGINT, which has no grace, and the end.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.interrupt();
        self.wait()
    }

    /// SIGTERM; does not wait.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// SIGINT; does not wait.
    pub(crate) fn interrupt(&self) {
        self.signal("-INT");
    }

    fn signal(&self, signal: &str) {
        Ran::of(Command::new("kill").args([signal, &self.child.id().to_string()])).ok();
    }

    /// The end of a host that was told to stop.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        let child = &mut self.child;
        eventually("the host's end", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The folder that holds its state.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The host's log so far.
    pub(crate) fn log(&self) -> String {
        log(self.dir.path())
    }

    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(self.data().join("admin.token")).unwrap().trim().to_owned()
    }

    /// A `scry` command against this host.
    pub(crate) fn scry(&self, args: &[&str]) -> Ran {
        let mut command = scry();
        command.args(args).env("SCRY_ADMIN", &self.admin).env("SCRY_ADMIN_TOKEN", self.token());
        Ran::of(&mut command)
    }

    /// Publishes a component; what `--json` says.
    pub(crate) fn publish(&self, guest: &Guest) -> Value {
        self.scry(&["publish", guest.path.to_str().unwrap(), "--json"]).ok().json()
    }

    pub(crate) fn deploy(&self, args: &[&str]) -> Ran {
        self.scry(&[&["deploy"], args].concat())
    }

    /// A raw request to either listener.
    pub(crate) fn send(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let reply = self.try_send(method, url, headers, body);
        reply.unwrap_or_else(|e| panic!("{e}\n{}", self.log()))
    }

    /// The same to a host that may die of it.
    pub(crate) fn try_send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Reply, String> {
        let mut request =
            ureq::http::Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let shown: String = String::from_utf8_lossy(body).chars().take(400).collect();
        // A GET with a body, even an empty one, is not a GET that clients send.
        let response = if body.is_empty() && method != "POST" {
            self.agent.run(request.body(()).unwrap())
        } else {
            self.agent.run(request.body(body).unwrap())
        };
        let failed = |e: ureq::Error| format!("{method} {url} {shown}: {e}");
        let mut response = response.map_err(failed)?;
        let text = response.body_mut().with_config().limit(256 << 20).read_to_string().map_err(failed)?;
        let headers: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        let status = response.status().as_u16();
        let answer: String = text.chars().take(600).collect();
        let exchange = format!("{method} {url} {shown}\n-> {status} {headers:?}\n{answer}");
        self.exchanges.lock().unwrap().push(exchange.clone());
        Ok(Reply { status, headers, text, exchange })
    }

    /// GET on the prediction listener.
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", &format!("{}{path}", self.prediction), &[], b"")
    }

    /// POST on the prediction listener.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", &format!("{}{path}", self.prediction), &[], body.to_string().as_bytes())
    }

    /// GET on the admin listener, with the right token.
    pub(crate) fn admin_get(&self, path: &str) -> Reply {
        let bearer = format!("Bearer {}", self.token());
        self.send("GET", &format!("{}{path}", self.admin), &[("authorization", &bearer)], b"")
    }

    /// POST on the admin listener, with the right token.
    pub(crate) fn admin_post(&self, path: &str, body: &[u8]) -> Reply {
        let bearer = format!("Bearer {}", self.token());
        self.send("POST", &format!("{}{path}", self.admin), &[("authorization", &bearer)], body)
    }

    /// Anything on the admin listener, with the right token.
    pub(crate) fn try_admin(&self, method: &str, path: &str, body: &[u8]) -> Result<Reply, String> {
        let bearer = format!("Bearer {}", self.token());
        self.try_send(method, &format!("{}{path}", self.admin), &[("authorization", &bearer)], body)
    }

    /// A prediction of `steady` or `hostile`.
    pub(crate) fn predict(&self, model: &str, behaviour: &str, x: f64) -> Reply {
        self.post(&format!("/v2/models/{model}/infer"), &rows(behaviour, &[x]))
    }

    /// The value of a metric whose line starts like this; 0 while there is none.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let text = self.admin_get("/metrics").status(200).text;
        let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// The values of all series of a metric that have this label, added up.
    pub(crate) fn metric_sum(&self, name: &str, label: &str) -> f64 {
        let text = self.admin_get("/metrics").status(200).text;
        let labels = |line: &str| {
            line.strip_prefix(name)?.strip_prefix('{')?.split_once('}').map(|(labels, _)| labels.to_owned())
        };
        let lines =
            text.lines().filter(|line| labels(line).is_some_and(|labels| labels.split(',').any(|of| of == label)));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let exchanges = std::mem::take(self.exchanges.get_mut().unwrap());
            let from = exchanges.len().saturating_sub(SHOWN_EXCHANGES);
            let mut rest = String::new();
            let _ = self._stdout.read_to_string(&mut rest);
            eprintln!("--- the host: {:?}", serve(self.dir.path()));
            eprintln!("--- its last exchanges:\n{}", exchanges[from..].join("\n\n"));
            eprintln!("--- its stdout:\n{rest}--- its log:\n{}", self.log());
        }
    }
}

/// The command of a host in a folder.
fn serve(dir: &Path) -> Command {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).unwrap();
    let mut command = scry();
    command
        .current_dir(dir)
        .args(["serve", "--config", "scry.toml", "--data", "data"])
        .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log);
    command
}

fn log(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("log")).unwrap_or_default()
}

impl Reply {
    #[track_caller]
    pub(crate) fn status(self, expected: u16) -> Self {
        assert_eq!(self.status, expected, "{}", self.exchange);
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.exchange))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first element of the only output.
    #[track_caller]
    pub(crate) fn y(&self) -> f64 {
        self.json()["outputs"][0]["data"][0].as_f64().unwrap_or_else(|| panic!("{}", self.exchange))
    }

    /// An error of this status, in the one shape, that says all of these.
    #[track_caller]
    pub(crate) fn error(self, status: u16, parts: &[&str]) -> Self {
        let reply = self.status(status);
        assert_eq!(reply.header("content-type"), Some("application/json"), "{}", reply.exchange);
        let json = reply.json();
        let message = json["error"].as_str().unwrap_or_else(|| panic!("{}", reply.exchange));
        let is_known = |name: &String| {
            ["error", "error_id", "request_id"].contains(&name.as_str()) || (name == "errors" && status == 400)
        };
        assert!(json.as_object().unwrap().keys().all(is_known), "{}", reply.exchange);
        for part in parts {
            assert!(message.contains(part), "no {part:?} in {}", reply.exchange);
        }
        reply
    }
}

/// A V2 request to `steady` or `hostile`.
pub(crate) fn rows(behaviour: &str, x: &[f64]) -> Value {
    let shape = [x.len()];
    json!({ "inputs": [
        { "name": "behaviour", "shape": shape, "datatype": "BYTES", "data": vec![behaviour; x.len()] },
        { "name": "x", "shape": shape, "datatype": "FP64", "data": x },
    ] })
}
