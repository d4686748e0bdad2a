//! The tests of the Python package, with the module and the programs that cargo has built, in an environment that is
//! made once.
//!
//! `SCRY_PYTHON_TESTS=full` runs all of them; otherwise those that take long are sampled.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn the_exporters_tests_pass() {
    pytest(&["tests", "--ignore", "tests/package"], &[]);
}

#[test]
fn the_packages_tests_pass() {
    let hostile = target().join("python/hostile.wasm");
    let guest = python().join("../tests/guests/hostile");
    run(Command::new(profile().join("scry"))
        .arg("build")
        .arg(&guest)
        .arg("-o")
        .arg(&hostile)
        .arg("--target-dir")
        .arg(target().join("guests")));
    pytest(&["tests/package"], &[("SCRY_HOSTILE", hostile), ("SCRY_GUESTS", target().join("guests"))]);
}

/// Runs some tests; of those with parameters a sample, unless the environment says `full`.
fn pytest(arguments: &[&str], variables: &[(&str, PathBuf)]) {
    let interpreter = environment();
    let before = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(profile()).chain(std::env::split_paths(&before))).unwrap();
    let tests = std::env::var("SCRY_PYTHON_TESTS").unwrap_or_else(|_| "sample".into());
    let site = site();
    run(Command::new(&interpreter)
        .args(["-m", "pytest", "-q", "-x", "--durations=5", "-p", "no:cacheprovider"])
        .args(arguments)
        .args(["--exactness", target().join("python/exactness.md").to_str().unwrap()])
        .current_dir(python())
        .env("PATH", path)
        .env("PYTHONPATH", site.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("OMP_NUM_THREADS", "1")
        .env("OPENBLAS_NUM_THREADS", "1")
        .env("SCRY_PYTHON_TESTS", tests)
        .env("SCRY_EVALUATE", profile().join("examples/evaluate"))
        .env("SCRY_PROGRAM", profile().join("scry"))
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .env_remove("SCRY_ADMIN_TOKEN"));
}

/// The package's folder.
fn python() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Where cargo has put the programs.
fn profile() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}

fn target() -> PathBuf {
    profile().parent().unwrap().to_owned()
}

/// The interpreter of an environment with all that the tests need, made anew when that changes.
fn environment() -> PathBuf {
    let folder = target().join("python");
    fs::create_dir_all(&folder).unwrap();
    let alone = fs::File::create(folder.join("tests.lock")).unwrap();
    alone.lock().unwrap();
    let requirements = python().join("requirements-test.txt");
    let version = Command::new("python3").args(["-c", "import sys; print(sys.version, sys.base_prefix)"]).output();
    let version = version.expect("the tests of the Python package need `python3`, version 3.11 or later, on the PATH");
    let wanted = [version.stdout, fs::read(&requirements).unwrap()].concat();
    let (venv, stamp) = (folder.join("venv"), folder.join("venv.stamp"));
    let interpreter = venv.join("bin/python");
    if fs::read(&stamp).is_ok_and(|made| made == wanted) && interpreter.exists() {
        return interpreter;
    }
    let _ = fs::remove_file(&stamp);
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
    let install = ["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r"];
    run(Command::new(&interpreter).args(install).arg(&requirements));
    fs::write(&stamp, wanted).unwrap();
    interpreter
}

/// A folder with the package as a wheel has it.
fn site() -> tempfile::TempDir {
    let site = tempfile::tempdir().unwrap();
    copy(&python().join("python/scry"), &site.path().join("scry"));
    let module = profile().join("deps/libscry_native.so");
    std::os::unix::fs::symlink(&module, site.path().join("scry/_native.abi3.so")).unwrap();
    site
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap() {
            kind if kind.is_dir() && entry.file_name() != "__pycache__" => copy(&from, &to),
            kind if kind.is_file() => drop(fs::copy(&from, &to).unwrap()),
            _ => {}
        }
    }
}

/// Runs a command to its end; all that it says is shown if it fails.
#[track_caller]
fn run(command: &mut Command) {
    let shown = format!("{command:?}");
    let done = command.output().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{shown}\n{out}\n{err}");
    println!("{out}");
}
