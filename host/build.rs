//! Builds the runtimes that imported models run in, from source, so that they travel inside `scry`; beside them are the
//! files of Swagger UI.
//!
//! The same sources give the same bytes, from any folder: `scry build` compiles guests alike.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[path = "build/src/settings.rs"]
mod settings;
mod swagger_ui;

use settings::TARGET;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = path("CARGO_MANIFEST_DIR")?.join("..").canonicalize()?;
    for source in ["Cargo.lock", "guest-sdk", "runtimes"] {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    let out = path("OUT_DIR")?;
    swagger_ui::unpack(&out)?;
    add_target();
    // Below the target folder, so that the builds of all profiles share it.
    let target_dir = out.ancestors().nth(4).unwrap_or(&out).join("runtimes");
    for runtime in ["tabular", "network"] {
        let module = std::fs::read(compile(&root, &format!("scry-{runtime}"), &target_dir)?)?;
        std::fs::write(out.join(format!("{runtime}.wasm.z")), miniz_oxide::deflate::compress_to_vec(&module, 9))?;
    }
    Ok(())
}

/// Adds the target where it is missing. A failure shows when the runtime does not compile.
fn add_target() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output();
    let is_there = asked.is_ok_and(|said| Path::new(String::from_utf8_lossy(&said.stdout).trim()).is_dir());
    if !is_there {
        let _ = Command::new("rustup").args(["target", "add", TARGET]).stdin(Stdio::null()).status();
    }
}

/// Compiles a runtime to a core module; where it is.
fn compile(root: &Path, package: &str, target_dir: &Path) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let more = ["--locked", "--quiet"];
    let mut command = settings::compile(cargo, root, package, target_dir, (root, "/scry"), &more);
    if !command.status()?.success() {
        let advice = format!(
            "the runtime `{package}`, which travels inside scry, does not compile: it needs the target {TARGET}, \
             which `rustup target add {TARGET}` adds"
        );
        return Err(advice.into());
    }
    Ok(settings::module(target_dir, &package.replace('-', "_")))
}

fn path(variable: &str) -> Result<PathBuf, String> {
    std::env::var_os(variable).map(PathBuf::from).ok_or_else(|| format!("cargo has not set {variable}"))
}
