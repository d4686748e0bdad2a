//! Python environments, one for each program that Scry is measured beside.
//!
//! `bench/peers/install` makes them, below the build folder and nowhere else.

use crate::error::Error;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where they are made.
pub(crate) fn folder() -> Result<PathBuf, Error> {
    Ok(std::env::current_exe()?.with_file_name("../peers"))
}

/// The programs' own files: what they need, and how they are run.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// Makes the environments whose requirements are in `lists`; what became of
/// each of these, in their order.
pub(crate) fn install(lists: &Path, names: &[&str]) -> Result<Vec<Outcome>, Error> {
    eprintln!("peers: installing");
    let mut script = Command::new(sources().join("install"));
    let mut script = script.arg(folder()?).arg(lists).stdout(Stdio::piped()).spawn()?;
    let mut outcomes = BTreeMap::new();
    for line in BufReader::new(script.stdout.take().ok_or("the script has no output")?).lines() {
        let line = line?;
        eprintln!("peers: {line}");
        if let Some((name, outcome)) = line.split_once(": ") {
            outcomes.insert(name.to_owned(), Outcome(outcome.to_owned()));
        }
    }
    if !script.wait()?.success() {
        return Err("bench/peers/install failed".into());
    }
    let outcome =
        |name: &&str| Ok(outcomes.remove(*name).ok_or_else(|| format!("bench/peers/install does not know {name}"))?);
    names.iter().map(outcome).collect()
}

/// What the script said of an environment.
pub(crate) struct Outcome(String);

impl Outcome {
    /// Why there is none.
    pub(crate) fn skipped(&self) -> Option<&str> {
        self.0.starts_with("skipped").then_some(&self.0)
    }
}
