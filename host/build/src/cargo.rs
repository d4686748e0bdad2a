//! Driving cargo: what the crate says of itself, and its core module.

use super::error::BuildError;
use super::packages::Compiled;
use super::request::Request;
use super::settings::{self, TARGET};
use scry_card::{Card, CardError, Checks, Schema, is_model_name};
use scry_catalog::Freshness;
use scry_component::wrong_date;
use scry_sbom::Document;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A crate, as `cargo metadata` describes it.
#[derive(Debug)]
pub(super) struct Crate {
    dir: PathBuf,
    package: Package,
    library: String,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    manifest_path: PathBuf,
    description: Option<String>,
    license: Option<String>,
    targets: Vec<Target>,
    metadata: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

/// `[package.metadata.scry]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Extra {
    owner: Option<String>,
    data_from: Option<String>,
    data_until: Option<String>,
    trained_at: Option<String>,
    max_age: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    checks: Checks,
    golden: Option<PathBuf>,
    reference: Option<PathBuf>,
}

impl Crate {
    /// Reads the crate in a folder.
    pub(super) fn read(dir: &Path) -> Result<Self, BuildError> {
        let manifest = dir.join("Cargo.toml");
        let manifest = manifest.canonicalize().map_err(|_| {
            BuildError::Cargo(format!(
                "{} has no Cargo.toml: `scry new DIR` makes a crate to start from",
                dir.display()
            ))
        })?;
        let output = Command::new(cargo())
            .args(["metadata", "--format-version=1", "--no-deps", "--manifest-path"])
            .arg(&manifest)
            .stderr(Stdio::inherit())
            .output()
            .map_err(no_cargo)?;
        if !output.status.success() {
            return Err(BuildError::Cargo(format!("cargo cannot read {}", manifest.display())));
        }
        let metadata: Metadata =
            serde_json::from_slice(&output.stdout).map_err(|e| BuildError::Cargo(format!("cargo metadata: {e}")))?;
        let package = metadata.packages.into_iter().find(|package| package.manifest_path == manifest);
        let package = package.ok_or_else(|| BuildError::Cargo(format!("{} is no package", manifest.display())))?;
        let library = package.targets.iter().find(|target| target.crate_types.iter().any(|kind| kind == "cdylib"));
        let library = library.map(|target| target.name.replace('-', "_")).ok_or_else(|| {
            BuildError::Cargo(format!("{}: add `[lib]` with `crate-type = [\"cdylib\", \"rlib\"]`", manifest.display()))
        })?;
        Ok(Self {
            dir: manifest.parent().map(Path::to_owned).unwrap_or_default(),
            package,
            library,
            workspace_root: metadata.workspace_root,
            target_directory: metadata.target_directory,
        })
    }

    /// Compiles the crate to a core module; with it, its software bill of materials.
    pub(super) fn compile(&self, request: &Request) -> Result<(Vec<u8>, Document), BuildError> {
        ensure_target()?;
        // Guests have a folder of their own: cargo locks it while it builds.
        let target_dir = request.target_dir.clone().unwrap_or_else(|| self.target_directory.join("scry"));
        // Cargo runs in the crate's folder; the path is meant from ours.
        let target_dir =
            std::path::absolute(&target_dir).map_err(|error| BuildError::Io { path: target_dir, error })?;
        let features = request.features.join(",");
        let with_features = ["--features", &features];
        let more: Vec<_> = with_features.into_iter().chain((!request.show_cargo).then_some("--quiet")).collect();
        let cargo = cargo();
        let root = (self.workspace_root.as_path(), "/model");
        let mut command = settings::compile(&cargo, &self.dir, &self.package.name, &target_dir, root, &more);
        let output = command.stderr(if request.show_cargo { Stdio::inherit() } else { Stdio::piped() }).output();
        let output = output.map_err(no_cargo)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(BuildError::Cargo(format!("the crate does not compile\n{said}").trim_end().to_owned()));
        }
        let path = settings::module(&target_dir, &self.library);
        let module = std::fs::read(&path).map_err(|error| BuildError::Io { path, error })?;
        let compiled = Compiled {
            cargo: &cargo,
            rustc: &rustc(),
            manifest: &self.package.manifest_path,
            workspace_root: &self.workspace_root,
            target_dir: &target_dir,
            more: &with_features,
            messages: &output.stdout,
        };
        Ok((module, compiled.document().map_err(BuildError::Cargo)?))
    }

    /// The manifest's words, with all that can be said of them before there
    /// is a schema.
    pub(super) fn words(&self) -> Result<Card, BuildError> {
        let extra = self.extra()?;
        let card = Card {
            card_version: Card::VERSION,
            name: self.package.name.clone(),
            crate_version: Some(self.package.version.clone()),
            description: self.package.description.clone().unwrap_or_default(),
            owner: extra.owner,
            license: self.package.license.clone(),
            data_from: extra.data_from,
            data_until: extra.data_until,
            trained_at: extra.trained_at,
            max_age: extra.max_age,
            labels: extra.labels,
            runtime: None,
            checks: extra.checks,
            schema: Schema { inputs: Vec::new(), features: Vec::new(), outputs: Vec::new() },
        };
        if let Some((key, found)) = wrong_date(&card) {
            return Err(BuildError::Date { key, found: found.to_owned() });
        }
        if !is_model_name(&card.name) {
            return Err(CardError::Name(card.name).into());
        }
        Freshness::of(&card)?;
        Ok(card)
    }

    /// Where the golden examples are.
    pub(super) fn golden_path(&self) -> PathBuf {
        let named = self.extra().ok().and_then(|extra| extra.golden);
        self.dir.join(named.unwrap_or_else(|| "golden.json".into()))
    }

    /// Where the reference statistics are.
    pub(super) fn reference_path(&self) -> PathBuf {
        let named = self.extra().ok().and_then(|extra| extra.reference);
        self.dir.join(named.unwrap_or_else(|| "reference.json".into()))
    }

    /// Where what is claimed of the model is.
    pub(super) fn properties_path(&self) -> PathBuf {
        self.dir.join("properties.json")
    }

    fn extra(&self) -> Result<Extra, BuildError> {
        let scry = self.package.metadata.as_ref().and_then(|metadata| metadata.get("scry"));
        let Some(scry) = scry else { return Ok(Extra::default()) };
        scry_card::strict::from_value(scry.clone())
            .map_err(|e| BuildError::Cargo(format!("[package.metadata.scry]: {e}")))
    }
}

/// Whether the compiler lacks the guests' target.
pub fn missing_target() -> Result<bool, BuildError> {
    let output = Command::new(rustc()).args(["--print", "sysroot"]).output().map_err(no_cargo)?;
    let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(!Path::new(&sysroot).join("lib/rustlib").join(TARGET).join("lib").is_dir())
}

/// Adds the guests' target to the toolchain when it is missing.
pub fn ensure_target() -> Result<(), BuildError> {
    if !missing_target()? {
        return Ok(());
    }
    let advice = format!(
        "models compile to {TARGET}, which this Rust toolchain lacks: run `rustup target add {TARGET}`, \
         or install the package that carries it (such as rust-std-{TARGET}) where Rust did not come by rustup"
    );
    let added =
        Command::new("rustup").args(["target", "add", TARGET]).stdout(Stdio::null()).stdin(Stdio::null()).output();
    match added {
        Ok(output) if output.status.success() && !missing_target()? => Ok(()),
        Ok(output) => {
            Err(BuildError::Cargo(format!("{advice}\n{}", String::from_utf8_lossy(&output.stderr).trim_end())))
        }
        Err(_) => Err(BuildError::Cargo(advice)),
    }
}

fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

fn rustc() -> PathBuf {
    std::env::var_os("RUSTC").map_or_else(|| "rustc".into(), PathBuf::from)
}

fn no_cargo(error: std::io::Error) -> BuildError {
    BuildError::Cargo(format!("cargo and rustc could not be started: {error}; models are built with a Rust toolchain"))
}
