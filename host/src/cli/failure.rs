//! What commands fail with, for people and for programs, and the exit codes of each kind.

use super::CliError;
use super::print::{self, Tone};
use super::suggest;
use crate::config::ConfigError;
use crate::offline::OfflineError;
use scry_card::{Invalid, strict};
use scry_tables::TableError;
use serde_json::{Value, json};
use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// What a host answered instead of what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Refused {
    pub(super) status: u16,
    /// One of the host's fixed names, where it gives one.
    pub(super) reason: Option<String>,
    pub(super) message: String,
    /// What is wrong, one by one.
    pub(super) errors: Vec<Value>,
}

impl Refused {
    fn is_data(&self) -> bool {
        self.reason.as_deref() == Some("invalid-input")
    }
}

/// A host that does not answer at all.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreachable(pub(super) String);

/// Two things that should be alike and are not.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Differs(pub(super) String);

/// Options that read well and do not go together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);

/// A file whose content is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub(super) struct Malformed {
    pub(super) path: PathBuf,
    pub(super) error: strict::Error,
}

/// What kind of error it is: names and exit codes that scripts rely on.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A host answered something else.
    Refused,
    /// A host found the data wrong.
    RefusedData,
    Unreachable,
    Differs,
    Configuration,
    Data,
    Usage,
    Failed,
}

impl Kind {
    fn of(error: &(dyn Error + 'static)) -> Self {
        let is_data = |error: &OfflineError| error.is_data();
        match () {
            () if error.downcast_ref::<Refused>().is_some_and(Refused::is_data) => Self::RefusedData,
            () if error.is::<Refused>() => Self::Refused,
            () if error.is::<Unreachable>() => Self::Unreachable,
            () if error.is::<Differs>() => Self::Differs,
            () if error.is::<Usage>() => Self::Usage,
            () if error.is::<ConfigError>() => Self::Configuration,
            () if error.downcast_ref().is_some_and(is_data) => Self::Data,
            () if error.downcast_ref().is_some_and(TableError::is_data) => Self::Data,
            () if error.is::<Invalid>() || error.is::<Malformed>() || error.is::<strict::Error>() => Self::Data,
            () => Self::Failed,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Refused | Self::RefusedData => "refused",
            Self::Unreachable => "unreachable",
            Self::Differs => "differs",
            Self::Configuration => "configuration",
            Self::Data => "data",
            Self::Usage => "usage",
            Self::Failed => "failed",
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Refused | Self::Unreachable | Self::Configuration | Self::Failed => 1,
            Self::Usage => USAGE,
            Self::Data | Self::RefusedData => 3,
            Self::Differs => 4,
        }
    }
}

/// The exit code of a command line that is wrong; clap's own.
const USAGE: u8 = 2;

/// Says what a command failed with; the exit code for it.
pub(super) fn print(error: &CliError, is_json: bool) -> ExitCode {
    let kind = Kind::of(error.as_ref());
    // What is written is known by its reader's own names.
    let message = suggest::member(&error.to_string());
    match is_json {
        true => print_json(error, kind, &message),
        false => print::labelled(Tone::Bad, "error:", format_args!("{message}")),
    }
    ExitCode::from(kind.code())
}

fn print_json(error: &CliError, kind: Kind, message: &str) {
    let mut object = json!({ "kind": kind.name(), "message": message });
    if let (Some(refused), Some(members)) = (error.downcast_ref::<Refused>(), object.as_object_mut()) {
        members.insert("reason".into(), json!(refused.reason));
        members.insert("status".into(), json!(refused.status));
        if !refused.errors.is_empty() {
            members.insert("errors".into(), json!(refused.errors));
        }
    }
    eprintln!("{}", json!({ "error": object }));
}

/// Whether a command line asks for JSON, even one that does not read.
pub(super) fn wants_json(mut arguments: impl Iterator<Item = OsString>) -> bool {
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--") => return false,
            Some("--json" | "-ojson" | "-o=json" | "--output=json") => return true,
            Some("-o" | "--output") if arguments.next().is_some_and(|form| form == "json") => return true,
            _ => {}
        }
    }
    false
}

/// A command line that does not read, for programs; the exit code for it.
pub(super) fn print_usage(error: &clap::Error) -> ExitCode {
    let message = error.to_string();
    let message = message.strip_prefix("error: ").unwrap_or(&message).trim();
    eprintln!("{}", json!({ "error": { "kind": Kind::Usage.name(), "message": message } }));
    ExitCode::from(USAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_asked_for_by_a_flag_or_a_form() {
        let wants = |line: &str| wants_json(line.split(' ').map(OsString::from));
        for line in ["scry models --json", "scry models -o json", "scry drift m -ojson", "scry models --output=json"] {
            assert!(wants(line), "{line}");
        }
        for line in ["scry models", "scry models -o wide", "scry build -o a.wasm", "scry new -- --json"] {
            assert!(!wants(line), "{line}");
        }
    }
}
