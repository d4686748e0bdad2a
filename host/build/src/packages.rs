//! Asks cargo and the compiler what a guest that was just compiled is made of.
//!
//! Shared with the host's own build script, as the settings are. Never compiles anything.

use super::settings;
use scry_sbom::{Build, Document};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A guest that was compiled.
#[derive(Debug)]
pub(super) struct Compiled<'a> {
    pub(super) cargo: &'a Path,
    pub(super) rustc: &'a Path,
    /// Its `Cargo.toml`.
    pub(super) manifest: &'a Path,
    /// The folder of the lock file.
    pub(super) workspace_root: &'a Path,
    pub(super) target_dir: &'a Path,
    /// What it was compiled with, beyond the settings.
    pub(super) more: &'a [&'a str],
    /// What cargo printed on stdout.
    pub(super) messages: &'a [u8],
}

impl Compiled<'_> {
    /// Its software bill of materials.
    pub(super) fn document(&self) -> Result<Document, String> {
        let metadata = said(settings::metadata(self.cargo, self.manifest, self.target_dir, self.more))?;
        let mut compiler = Command::new(self.rustc);
        // Where another toolchain may be chosen for the folder.
        compiler.arg("--version").current_dir(self.manifest.parent().unwrap_or(Path::new(".")));
        let compiler = said(compiler)?;
        let path = self.workspace_root.join("Cargo.lock");
        let lock = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let build = Build {
            manifest: self.manifest,
            target_dir: self.target_dir,
            messages: self.messages,
            metadata: &metadata,
            lock: &lock,
            compiler: &String::from_utf8_lossy(&compiler),
        };
        build.document().map_err(|error| error.to_string())
    }
}

/// What a command prints.
fn said(mut command: Command) -> Result<Vec<u8>, String> {
    let program = PathBuf::from(command.get_program());
    let failed = |why: String| format!("{}, asked what the guest is made of: {why}", program.display());
    let output = command.stderr(Stdio::piped()).output().map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim_end().to_owned())),
    }
}
