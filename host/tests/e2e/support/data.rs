//! Files of rows, and commands in a folder of their own.

use super::{Ran, root, scry};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

pub(crate) fn command(dir: &TempDir, arguments: &[&str]) -> Command {
    let mut command = scry();
    command.current_dir(dir).args(arguments);
    command
}

pub(crate) fn run(dir: &TempDir, arguments: &[&str]) -> Ran {
    Ran::of(&mut command(dir, arguments))
}

pub(crate) fn read_json(path: impl AsRef<Path>) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn names(dir: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// The same numbers in every run: from 0 to 1, spread as random ones are.
pub(crate) fn spread(row: usize) -> f64 {
    (row as f64 * 0.618_033_988_749_894_9).fract()
}

/// Hours as the examples' `golden.json` has them, over and over, with a column that no model reads.
pub(crate) fn hours(count: usize) -> Vec<Map<String, Value>> {
    let golden = read_json(root().join("examples/bikeshare/golden.json"));
    let examples = golden["examples"].as_array().unwrap().iter();
    let all: Vec<_> = examples.flat_map(|example| example["inputs"].as_array().unwrap().clone()).collect();
    let mut rows: Vec<_> = all.iter().cycle().take(count).map(|row| row.as_object().unwrap().clone()).collect();
    rows.iter_mut().enumerate().for_each(|(at, row)| {
        row.insert("temperature".into(), json!(spread(at)));
        row.insert("riders".into(), json!(at));
    });
    rows
}

pub(crate) fn write_ndjson(path: &Path, rows: &[Map<String, Value>]) {
    let lines: Vec<_> = rows.iter().map(|row| serde_json::to_string(row).unwrap()).collect();
    std::fs::write(path, lines.join("\n")).unwrap();
}
