//! `scry new`

use super::failure::Usage;
use super::{CliError, print_json};
use include_dir::{Dir, DirEntry, include_dir};
use serde_json::json;
use std::path::{Path, PathBuf};

/// The SDK travels with the binary: it is on no registry yet.
static GUEST_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../guest-sdk");
static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../wit");
/// The dependencies' versions that the SDK was tested with.
pub(super) const LOCK: &[u8] = include_bytes!("../../../Cargo.lock");

/// Make a model's crate that builds, tests and predicts as it stands.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry new churn")]
pub(super) struct Args {
    /// The folder to make; its name becomes the model's.
    dir: PathBuf,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let dir = &args.dir;
    let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) || name.len() > 64 {
        let message = format!("`{name}` cannot be a model's name: use a-z, 0-9, `-` and `_`, starting with a letter");
        return Err(Usage(message).into());
    }
    if dir.exists() {
        return Err(format!("{} is there already; choose a folder that is not", dir.display()).into());
    }
    let fill = |text: &str| text.replace("{{name}}", name).into_bytes();
    let files: [(&str, Vec<u8>); 9] = [
        ("Cargo.toml", fill(include_str!("../../template/Cargo.toml.in"))),
        ("Cargo.lock", LOCK.to_vec()),
        ("README.md", fill(include_str!("../../template/README.md.in"))),
        (".gitignore", include_bytes!("../../template/gitignore.in").to_vec()),
        ("src/lib.rs", include_bytes!("../../template/src/lib.rs").to_vec()),
        ("train.py", include_bytes!("../../template/train.py").to_vec()),
        ("weights.safetensors", include_bytes!("../../template/weights.safetensors").to_vec()),
        ("golden.json", include_bytes!("../../template/golden.json").to_vec()),
        ("rows.json", include_bytes!("../../template/rows.json").to_vec()),
    ];
    for (path, bytes) in files {
        write_changed(&dir.join(path), &bytes)?;
    }
    write_sdk(&dir.join("scry-sdk"))?;
    if args.json {
        return print_json(&json!({ "path": dir, "model": name }));
    }
    println!("made {}: the model is src/lib.rs, README.md has the commands", dir.display());
    println!("next: cd {} && scry build . -o {name}.wasm", dir.display());
    Ok(())
}

/// The SDK and the contract, side by side as it expects them.
pub(super) fn write_sdk(dir: &Path) -> Result<(), CliError> {
    write_dir(&dir.join("guest-sdk"), &GUEST_SDK)?;
    write_dir(&dir.join("wit"), &WIT)
}

/// An embedded folder, written out.
pub(super) fn write_dir(to: &Path, from: &Dir<'_>) -> Result<(), CliError> {
    for entry in from.entries() {
        let name = entry.path().file_name().unwrap_or_default();
        match entry {
            DirEntry::Dir(_) if name == "target" || name == "__pycache__" => {}
            DirEntry::Dir(dir) => write_dir(&to.join(name), dir)?,
            DirEntry::File(file) => write_changed(&to.join(name), file.contents())?,
        }
    }
    Ok(())
}

/// Writes a file, unless it holds that already: cargo goes by modification time.
pub(super) fn write_changed(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let fail = |e: std::io::Error| format!("{}: {e}", path.display());
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(fail)?;
    }
    Ok(std::fs::write(path, bytes).map_err(fail)?)
}
