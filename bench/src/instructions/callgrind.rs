//! This program again, under callgrind, and what a figure depends on besides
//! the code that is measured.

use super::counted::COUNTED_CALLS;
use crate::error::Error;
use crate::models::Model;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Calls that are counted.
const CALLS: u64 = 20;

/// One model's calls, while they are being counted.
pub(super) struct Run {
    child: Child,
    counts: PathBuf,
}

impl Run {
    /// Starts valgrind, with its files in `dir`.
    pub(super) fn start(dir: &Path, model: &Model, rows: usize) -> Result<Self, Error> {
        let name = &model.description.card.name;
        let (component, counts) = (dir.join(format!("{name}.wasm")), dir.join(format!("{name}.callgrind")));
        std::fs::write(&component, &model.component)?;
        let child = Command::new("valgrind")
            // Loading is not counted, nor are other threads: only what this function calls.
            .args(["--quiet", "--tool=callgrind", "--toggle-collect=*::counted_call"])
            // The first calls fault and go on: all registers must be right then.
            .arg("--vex-iropt-register-updates=allregs-at-mem-access")
            .arg(format!("--callgrind-out-file={}", counts.display()))
            .arg(std::env::current_exe()?)
            .arg(COUNTED_CALLS)
            .arg(component)
            .args([rows.to_string(), CALLS.to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("valgrind does not start: {error}; apt-get install valgrind"))?;
        Ok(Self { child, counts })
    }

    /// Waits for its end.
    pub(super) fn instructions_per_call(self) -> Result<u64, Error> {
        let output = self.child.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("under valgrind: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let counts = std::fs::read_to_string(self.counts)?;
        let total = counts.lines().find_map(|line| line.strip_prefix("totals: ")).ok_or("callgrind told no total")?;
        match total.trim().parse::<u64>()? {
            0 => Err("callgrind saw no call of `counted_call`".into()),
            total => Ok(total / CALLS),
        }
    }
}

/// Figures of two machines can be compared where this is the same. The
/// processor hardly matters: valgrind shows programs one of its own making.
pub(super) fn measured_with() -> Result<String, Error> {
    let said = |program: &str, arg| -> Result<String, Error> {
        let output = Command::new(program).arg(arg).output().map_err(|error| format!("{program}: {error}"))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let (valgrind, rustc, libc) =
        (said("valgrind", "--version")?, said("rustc", "--version")?, said("getconf", "GNU_LIBC_VERSION")?);
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    Ok([&valgrind, &rustc, &libc, processor(), &format!("{profile} profile")].join(", "))
}

#[cfg(target_arch = "x86_64")]
fn processor() -> &'static str {
    if std::arch::is_x86_feature_detected!("avx2") { "x86-64 with AVX2" } else { "x86-64 without AVX2" }
}

#[cfg(not(target_arch = "x86_64"))]
fn processor() -> &'static str {
    std::env::consts::ARCH
}
