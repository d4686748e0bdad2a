//! Components from source, by `scry build`, each once a run, whether its tests share a process (`cargo test`) or have
//! one each (nextest).

use super::{Ran, scry};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

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

/// Cargo's target folder, wherever that is.
pub(crate) fn target() -> PathBuf {
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
    example_with(name, "")
}

/// The same with cargo features.
pub(crate) fn example_with(name: &str, features: &str) -> Arc<Guest> {
    once(&root().join("examples").join(name), features)
}

/// A component whose section of this name is another one.
pub(crate) fn with_section(component: &[u8], name: &str, json: &str) -> Vec<u8> {
    use wasm_encoder::ComponentSection;
    let mut bytes = without_section(component, name);
    wasm_encoder::CustomSection { name: name.into(), data: json.as_bytes().into() }.append_to_component(&mut bytes);
    bytes
}

/// A component without its sections of this name.
pub(crate) fn without_section(component: &[u8], name: &str) -> Vec<u8> {
    let (header, mut rest) = component.split_at(8);
    let mut bytes = header.to_vec();
    while let [id, sized @ ..] = rest {
        let (size, content) = leb128(sized);
        let (section, after) = rest.split_at(rest.len() - content.len() + size);
        let (length, text) = leb128(content);
        if *id != 0 || &text[..length.min(text.len())] != name.as_bytes() {
            bytes.extend(section);
        }
        rest = after;
    }
    bytes
}

/// A number at the beginning, and what follows it.
fn leb128(bytes: &[u8]) -> (usize, &[u8]) {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let digits = bytes[..length].iter().rev();
    (digits.fold(0, |number, byte| number << 7 | usize::from(byte & 0x7f)), &bytes[length..])
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
        let _alone = alone(output.parent().unwrap());
        // What another process of the same run of nextest has built is there already.
        let (run, stamp) = (std::env::var("NEXTEST_RUN_ID").ok(), output.with_extension("run"));
        let stamped =
            run.as_ref().and_then(|run| Some(std::fs::read_to_string(&stamp).ok()?.strip_prefix(run)?.to_owned()));
        let digest = stamped.unwrap_or_else(|| {
            let said: Value = build(dir, features, &output, &[]).ok().json();
            said["digest"].as_str().unwrap().to_owned()
        });
        if let Some(run) = run {
            std::fs::write(&stamp, run + &digest).unwrap();
        }
        Arc::new(Guest { path: output, digest })
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
    let _alone = alone(target_dir);
    let mut command = scry();
    command.arg("build").arg(dir).arg("--json").arg("-o").arg(output).arg("--target-dir").arg(target_dir).args(more);
    if !features.is_empty() {
        command.args(["--features", features]);
    }
    Ran::of(&mut command)
}

/// Variants of a crate end up in one file of cargo's: one build at a time in a folder, also among processes.
pub(crate) fn alone(dir: &Path) -> File {
    std::fs::create_dir_all(dir).unwrap();
    let lock = File::create(dir.join("tests.lock")).unwrap();
    lock.lock().unwrap();
    lock
}
