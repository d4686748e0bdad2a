//! Components from source, by `scry build`, each once a run.

use super::{Ran, scry};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// A built component.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) path: PathBuf,
    pub(crate) digest: String,
}

impl Guest {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.path).unwrap()
    }
}

/// The workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn target() -> PathBuf {
    // The binary is in `target/<profile>`.
    Path::new(env!("CARGO_BIN_EXE_scry")).ancestors().nth(2).unwrap().to_owned()
}

/// Where crates that the tests write are compiled, shared by all of them.
pub(crate) fn authored_target_dir() -> PathBuf {
    target().join("authored")
}

/// A guest of `tests/guests`.
pub(crate) fn guest(name: &str) -> Arc<Guest> {
    features(name, "")
}

/// The same with cargo features.
pub(crate) fn features(name: &str, features: &str) -> Arc<Guest> {
    once(&root().join("tests/guests").join(name), features)
}

/// A model of `examples`.
pub(crate) fn example(name: &str) -> Arc<Guest> {
    once(&root().join("examples").join(name), "")
}

type Built = Arc<OnceLock<Arc<Guest>>>;

/// Cargo knows what is fresh: an old output is never taken for a new one.
fn once(dir: &Path, features: &str) -> Arc<Guest> {
    static BUILT: OnceLock<Mutex<HashMap<(PathBuf, String), Built>>> = OnceLock::new();
    let mut built = BUILT.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let cell = built.entry((dir.to_owned(), features.to_owned())).or_default().clone();
    drop(built);
    cell.get_or_init(|| {
        let name = dir.file_name().unwrap().to_str().unwrap();
        let output = target().join("guests-built").join(format!("{name}-{features}.wasm"));
        let ran = build(dir, features, &output, &[]).ok();
        let said: Value = ran.json();
        Arc::new(Guest { path: output, digest: said["digest"].as_str().unwrap().to_owned() })
    })
    .clone()
}

/// `scry build` of a workspace's member.
pub(crate) fn build(dir: &Path, features: &str, output: &Path, more: &[&str]) -> Ran {
    run(dir, features, output, &target().join("guests"), more)
}

/// `scry build` of a crate that a test wrote.
pub(crate) fn built_in(dir: &Path, output: &Path) -> Ran {
    run(dir, "", output, &authored_target_dir(), &[])
}

fn run(dir: &Path, features: &str, output: &Path, target_dir: &Path, more: &[&str]) -> Ran {
    let _alone = alone();
    let mut command = scry();
    command.arg("build").arg(dir).arg("--json").arg("-o").arg(output).arg("--target-dir").arg(target_dir).args(more);
    if !features.is_empty() {
        command.args(["--features", features]);
    }
    Ran::of(&mut command)
}

/// Variants of a crate end up in one file of cargo's: one build at a time.
fn alone() -> MutexGuard<'static, ()> {
    static BUILDING: Mutex<()> = Mutex::new(());
    BUILDING.lock().unwrap_or_else(PoisonError::into_inner)
}
