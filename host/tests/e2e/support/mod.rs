//! Building guests, running hosts, talking to them, and saying what happened
//! when a test fails.

pub(crate) mod data;
mod guests;
mod host;
mod registry;

pub(crate) use guests::{Guest, authored_target_dir, build, built_in, example, features, guest, root};
pub(crate) use host::{Fallen, Host, PATIENT, Reply, rows};
pub(crate) use registry::{Lie, LyingRegistry, Registry, layout, sha256};

use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a finished command said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    #[expect(dead_code, reason = "shown when an assertion fails")]
    command: String,
}

impl Ran {
    /// Runs a command to its end; one that does not end fails the test.
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::within(Duration::from_secs(300), command)
    }

    fn within(patience: Duration, command: &mut Command) -> Self {
        let shown = format!("{command:?}");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (reading(child.stdout.take().unwrap()), reading(child.stderr.take().unwrap()));
        let until = Instant::now() + patience;
        let mut status = child.try_wait().unwrap();
        while status.is_none() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
            status = child.try_wait().unwrap();
        }
        if status.is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
        let code = status.unwrap_or_else(|| panic!("{shown} did not end\n{stdout}\n{stderr}")).code();
        Self { code, stdout, stderr, command: shown }
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.code(0)
    }

    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, Some(expected), "{self:#?}");
        self
    }

    /// Standard error holds all of these.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in the errors of {self:#?}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e} in {self:#?}"))
    }
}

/// Reads to the end, beside whatever else is read.
fn reading(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The binary under test, without anything that the environment would say.
pub(crate) fn scry() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scry"));
    for name in ["SCRY_ADMIN", "SCRY_ADMIN_TOKEN", "SCRY_ADMIN_LISTEN", "SCRY_LISTEN", "SCRY_FAILPOINT"] {
        command.env_remove(name);
    }
    command
}

/// Cargo in a folder, without the settings of the cargo that runs the tests.
pub(crate) fn cargo(dir: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(dir).env("CARGO_TARGET_DIR", authored_target_dir()).env("CARGO_TERM_COLOR", "never");
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("CARGO_PKG_")) {
        command.env_remove(key);
    }
    command.env_remove("CARGO_MANIFEST_DIR").env_remove("RUSTFLAGS");
    command
}

/// Waits for a condition; the alternative is a sleep that is too short some day.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < patience, "in vain waited for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
