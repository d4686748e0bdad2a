//! Building guests, running hosts, talking to them, and saying what happened
//! when a test fails.

mod guests;
mod host;

pub(crate) use guests::{Guest, authored_target_dir, build, built_in, example, features, guest, root};
pub(crate) use host::{Host, Reply, rows};

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};
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
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr), command: format!("{command:?}") }
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

/// The binary under test, without anything that the environment would say.
pub(crate) fn scry() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scry"));
    command.env_remove("SCRY_ADMIN").env_remove("SCRY_ADMIN_TOKEN");
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
