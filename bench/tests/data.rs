//! The benchmark of tables in small, without the tools that it would install.

use std::process::Command;

#[test]
fn what_scry_does_with_tables_is_checked_and_timed() -> Result<(), Box<dyn std::error::Error>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scry-bench"));
    let ran = command.args(["data", "--no-peers", "--rows=1000", "--rounds=1", "--epochs=2"]).output()?;
    let said = String::from_utf8(ran.stdout)?;
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
    for (task, answer) in [
        ("profile, CSV", "as made"),
        ("profile, Parquet", "as made"),
        ("validate, Parquet", "finds x10, x11"),
        ("drift of two, Parquet", "1 σ ✓, 0.5 σ ✓, 0.25 σ ✓; 0 of 27 others"),
    ] {
        let line = said.lines().find(|line| line.starts_with(&format!("| {task} | **scry** ")));
        assert!(line.is_some_and(|line| line.ends_with(&format!("| {answer} |"))), "{task}: {said}");
    }
    assert!(said.contains("7 of 7 claims hold"), "{said}");
    Ok(())
}
