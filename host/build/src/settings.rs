//! How every guest is compiled, so that the same sources give the same bytes from any folder.
//!
//! Shared with the host's own build script, which compiles the runtimes. Never runs anything.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(super) const TARGET: &str = "wasm32-wasip2";

/// Settings of an outer build, or of what drives it. A build inside a build must not inherit them.
const OUTER: [&str; 7] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "TARGET",
];

const PROFILE: [(&str, &str); 7] = [
    ("OPT_LEVEL", "3"),
    ("LTO", "fat"),
    ("CODEGEN_UNITS", "1"),
    ("PANIC", "abort"),
    ("DEBUG", "0"),
    ("STRIP", "debuginfo"),
    ("INCREMENTAL", "false"),
];

/// The command that compiles the library of a package in `dir`, whose workspace is in `root`, below `target_dir`.
/// `root` is called `name` in the component: a path of this machine would make it another one elsewhere. What it
/// depends on is compiled alike for all workspaces that share the folder.
pub(super) fn compile(
    cargo: impl AsRef<OsStr>,
    dir: &Path,
    package: &str,
    target_dir: &Path,
    (root, name): (&Path, &str),
    more: &[&str],
) -> Command {
    let mut command = Command::new(cargo);
    command
        .current_dir(dir)
        .args(["rustc", "--release", "--lib", "--target", TARGET, "--package", package, "--target-dir"])
        .arg(target_dir)
        // What is compiled, on stdout, for the software bill of materials.
        .arg("--message-format=json-render-diagnostics")
        .args(more)
        // Of two that fit, the last counts: the folder may be below the root.
        .args(["--", &remapped(root, name), &remapped(target_dir, "/target")])
        .stdin(Stdio::null());
    inside(&mut command, target_dir);
    command.envs(PROFILE.map(|(key, value)| (format!("CARGO_PROFILE_RELEASE_{key}"), value)));
    command
}

/// The command that says what the packages of a guest are, as [`compile`] resolves them.
pub(super) fn metadata(cargo: impl AsRef<OsStr>, manifest: &Path, target_dir: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(cargo);
    command
        .args(["metadata", "--format-version=1", "--filter-platform", TARGET, "--manifest-path"])
        .arg(manifest)
        .args(more)
        .stdin(Stdio::null());
    inside(&mut command, target_dir);
    command
}

/// The environment of a build inside a build, or of none: the same either way.
fn inside(command: &mut Command, target_dir: &Path) {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo"))).unwrap_or_default();
    let flags = [
        "-Ctarget-feature=+simd128".into(),
        // The module is wrapped once its WASI imports are gone.
        "-Clink-arg=--skip-wit-component".into(),
        remapped(&home, "/cargo"),
        remapped(target_dir, "/target"),
    ];
    for key in OUTER {
        command.env_remove(key);
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
}

/// Where the module of this library is then.
pub(super) fn module(target_dir: &Path, library: &str) -> PathBuf {
    target_dir.join(TARGET).join("release").join(format!("{library}.wasm"))
}

fn remapped(path: &Path, name: &str) -> String {
    format!("--remap-path-prefix={}={name}", path.display())
}
