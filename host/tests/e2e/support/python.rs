//! Environments of Python with what a hash-pinned list names.

use super::{Ran, alone, target};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The interpreter of an environment with what a list names, made anew when that changes.
pub(crate) fn python(requirements: &Path) -> PathBuf {
    let name = |path: Option<&std::ffi::OsStr>| path.unwrap().to_str().unwrap().to_owned();
    let of = requirements.parent().and_then(Path::file_name);
    let folder = target().join("python").join(format!("{}-{}", name(of), name(requirements.file_stem())));
    let _alone = alone(&folder);
    let version = Command::new("python3").args(["-c", "import sys; print(sys.version, sys.base_prefix)"]).output();
    let version = version.expect("tests with clients need `python3`, version 3.11 or later, on the PATH").stdout;
    let wanted = [version, std::fs::read(requirements).unwrap()].concat();
    let (venv, stamp) = (folder.join("venv"), folder.join("venv.stamp"));
    let interpreter = venv.join("bin/python");
    if std::fs::read(&stamp).is_ok_and(|made| made == wanted) && interpreter.exists() {
        return interpreter;
    }
    let _ = std::fs::remove_file(&stamp);
    Ran::of(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv)).ok();
    let install = ["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r"];
    Ran::of(Command::new(&interpreter).args(install).arg(requirements)).ok();
    std::fs::write(&stamp, wanted).unwrap();
    interpreter
}
