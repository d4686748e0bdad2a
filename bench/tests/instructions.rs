//! The benchmark of instructions, held against figures that are not true.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

fn instructions(args: &[&str], stored: &Path) -> std::io::Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scry-bench"));
    command.arg("instructions").args(args).arg("--stored").arg(stored).output()
}

#[test]
#[ignore = "needs valgrind, and most of a minute: .ci/full runs it"]
fn a_call_that_became_dearer_fails_with_both_numbers() -> Result<(), Box<dyn std::error::Error>> {
    let stored = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions.json");
    let accepted = instructions(&["--accept"], &stored)?;
    assert!(accepted.status.success(), "{accepted:?}");

    let mut figures: BTreeMap<String, BTreeMap<String, u64>> = serde_json::from_slice(&std::fs::read(&stored)?)?;
    for figure in figures.values_mut().flat_map(BTreeMap::values_mut) {
        *figure = *figure * 9 / 10;
    }
    std::fs::write(&stored, serde_json::to_string(&figures)?)?;

    let held = instructions(&[], &stored)?;
    let said = String::from_utf8_lossy(&held.stdout);
    assert_eq!(held.status.code(), Some(1), "{said}");
    let figures: Vec<_> = figures.values().flat_map(BTreeMap::values).collect();
    assert_eq!(said.matches("11.1 % worse").count(), figures.len(), "{said}");
    for figure in figures {
        assert!(said.contains(&format!("{figure} instructions a call are stored, ")), "{said}");
    }
    Ok(())
}
