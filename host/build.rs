//! Builds the runtimes that imported models run in, from source, so that they travel inside `scry` with their software
//! bills of materials; beside them are the files of Swagger UI.
//!
//! The same sources give the same bytes, from any folder: `scry build` compiles guests alike.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[path = "build/src/packages.rs"]
mod packages;
#[path = "build/src/settings.rs"]
mod settings;
mod swagger_ui;

use packages::Compiled;
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
        let (module, sbom) = compile(&root, runtime, &target_dir)?;
        for (file, bytes) in [("wasm.z", std::fs::read(module)?), ("sbom.z", sbom)] {
            std::fs::write(out.join(format!("{runtime}.{file}")), miniz_oxide::deflate::compress_to_vec(&bytes, 9))?;
        }
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

/// Compiles a runtime to a core module; where it is, and what it is made of.
fn compile(root: &Path, runtime: &str, target_dir: &Path) -> Result<(PathBuf, Vec<u8>), Box<dyn std::error::Error>> {
    let program = |variable, usual: &str| std::env::var_os(variable).map_or_else(|| usual.into(), PathBuf::from);
    let (cargo, rustc, package) = (program("CARGO", "cargo"), program("RUSTC", "rustc"), format!("scry-{runtime}"));
    let more = ["--locked", "--quiet"];
    let mut command = settings::compile(&cargo, root, &package, target_dir, (root, "/scry"), &more);
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        let advice = format!(
            "the runtime `{package}`, which travels inside scry, does not compile: it needs the target {TARGET}, \
             which `rustup target add {TARGET}` adds"
        );
        return Err(advice.into());
    }
    let compiled = Compiled {
        cargo: &cargo,
        rustc: &rustc,
        manifest: &root.join("runtimes").join(runtime).join("Cargo.toml"),
        workspace_root: root,
        target_dir,
        more: &more,
        messages: &output.stdout,
    };
    Ok((settings::module(target_dir, &package.replace('-', "_")), compiled.document()?.to_json()?))
}

fn path(variable: &str) -> Result<PathBuf, String> {
    std::env::var_os(variable).map(PathBuf::from).ok_or_else(|| format!("cargo has not set {variable}"))
}
