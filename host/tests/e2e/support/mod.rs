//! Building guests, running hosts, talking to them, and saying what happened
//! when a test fails.

mod certificates;
pub(crate) mod data;
mod guests;
mod host;
mod packages;
mod prometheus;
mod python;
mod registry;

pub(crate) use certificates::Certificates;
pub(crate) use guests::{
    Guest, alone, authored_target_dir, build, built_in, example, example_with, features, guest, root, target,
    with_section, without_section,
};
pub(crate) use host::{Fallen, Host, PATIENT, Reply, rows};
pub(crate) use packages::ensure_installed;
pub(crate) use prometheus::{Prometheus, delivered, promtool, promtool_reading};
pub(crate) use python::python;
pub(crate) use registry::{Lie, LyingRegistry, Registry, layout, sha256};

use rustix::io::Errno;
use rustix::pty::{self, OpenptFlags};
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
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
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let (stdout, stderr) = (reading(child.stdout.take().unwrap()), reading(child.stderr.take().unwrap()));
        Self::end(format!("{command:?}"), child, stdout, Some(stderr))
    }

    /// On a pseudo terminal, whose whole output is `stdout`.
    pub(crate) fn on_terminal(mut command: Command) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = pty::openpt(flags).unwrap();
        pty::grantpt(&terminal).unwrap();
        pty::unlockpt(&terminal).unwrap();
        let side = || pty::ioctl_tiocgptpeer(&terminal, flags).unwrap();
        let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
        let shown = format!("{command:?}");
        // Reading ends when no process has the terminal open any more.
        drop(command);
        Self::end(shown, child, reading(File::from(terminal)), None)
    }

    fn end(shown: String, mut child: Child, stdout: Reader, stderr: Option<Reader>) -> Self {
        const PATIENCE: Duration = Duration::from_secs(300);
        let until = Instant::now() + PATIENCE;
        let mut status = child.try_wait().unwrap();
        while status.is_none() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
            status = child.try_wait().unwrap();
        }
        if status.is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let stdout = stdout.join().unwrap();
        let stderr = stderr.map_or(String::new(), |stderr| stderr.join().unwrap());
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

type Reader = JoinHandle<String>;

/// Reads to the end, beside whatever else is read.
fn reading(mut from: impl Read + Send + 'static) -> Reader {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let ended = from.read_to_end(&mut bytes);
        // What a terminal answers when its other side is closed.
        let is_end = ended.as_ref().is_err_and(|error| error.raw_os_error() == Some(Errno::IO.raw_os_error()));
        assert!(ended.is_ok() || is_end, "{ended:?}");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The binary under test, without anything that the environment would say.
pub(crate) fn scry() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scry"));
    for name in ["SCRY_ADMIN", "SCRY_ADMIN_TOKEN", "SCRY_ADMIN_LISTEN", "SCRY_LISTEN", "SCRY_URL", "SCRY_FAILPOINT"] {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_")) {
        command.env_remove(name);
    }
    // The tests' own, and one for all of them.
    command.env("XDG_CACHE_HOME", guests::target().join("cache"));
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
