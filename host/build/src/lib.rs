//! From a model's crate to a sealed component.
//!
//! ```text
//! sources → core module → inert WASI → component → snapshot → card, examples
//! ```
//!
//! The same sources give the same bytes, from any folder. Never publishes,
//! never keeps anything but its output.

#![forbid(unsafe_code)]

mod cargo;
mod error;
mod inert_wasi;
mod packages;
mod request;
mod settings;

pub use cargo::{ensure_target, missing_target};
pub use error::BuildError;
pub use inert_wasi::replace as without_wasi;
pub use request::Request;

use request::{LOAD_MEMORY_MAX_BYTES, LOAD_TIME_MAX};
use scry_card::properties::Properties;
use scry_card::stats::References;
use scry_card::{Card, CardError, Checker, Golden, Schema, strict};
use scry_component::{self, Description};
use scry_sandbox::snapshot::{self, SnapshotError};
use scry_sandbox::{CallError, CallLimits, Found, Metering, Sandbox};
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A step of a build, as it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The sources, by cargo.
    Compile,
    /// The component around the module.
    Encode,
    /// Loading the model and keeping its memory.
    Snapshot,
    /// Card and examples.
    Embed,
}

impl Step {
    /// The step in a progress line.
    pub fn label(self) -> &'static str {
        match self {
            Self::Compile => "compiling the crate",
            Self::Encode => "encoding the component",
            Self::Snapshot => "loading the model and taking its snapshot",
            Self::Embed => "embedding card, golden examples and reference statistics",
        }
    }
}

/// Builds a crate into a component's bytes.
pub fn build(
    sandbox: &Sandbox,
    request: &Request,
    mut progress: impl FnMut(Step),
) -> Result<(Vec<u8>, Description), BuildError> {
    let krate = cargo::Crate::read(&request.dir)?;
    let words = Words::read(&krate)?;
    progress(Step::Compile);
    let (module, sbom) = krate.compile(request)?;
    progress(Step::Encode);
    let unloaded = encode(&module)?;
    progress(Step::Snapshot);
    let load_time_max = request.load_time_max.unwrap_or(LOAD_TIME_MAX);
    let limits = || CallLimits {
        deadline: Instant::now() + load_time_max,
        fuel: 0,
        memory_max_bytes: LOAD_MEMORY_MAX_BYTES,
        output_max_bytes: 16 << 20,
        client: None,
        is_timed: false,
    };
    let mut functions = Found::in_passing();
    let sealed = snapshot::seal(sandbox, Metering::Off, &unloaded, &mut functions, limits);
    let (mut sealed, _) = sealed.map_err(|error| match error {
        SnapshotError::Load(CallError::Timeout) => BuildError::LoadTime(load_time_max),
        SnapshotError::Load(CallError::Memory) => BuildError::LoadMemory,
        other => other.into(),
    })?;
    let schema = snapshot::describe(sandbox, &sealed, &mut functions, limits)?;
    progress(Step::Embed);
    let Words { card, golden, properties, references } = words.fit(&krate, schema)?;
    scry_component::embed(&mut sealed, &card, &golden, references.as_ref(), properties.as_ref())
        .map_err(|e| BuildError::Encode(e.to_string()))?;
    scry_component::embed_sbom(&mut sealed, &sbom.to_json()?);
    let description = Description::read_new(&sealed)?;
    Ok((sealed, description))
}

/// Core module to component, with nothing imported but the log.
pub fn encode(module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let module = inert_wasi::replace(module)?;
    let encode = || wit_component::ComponentEncoder::default().module(&module)?.validate(true).encode();
    encode().map_err(|e| BuildError::Encode(format!("{e:#}")))
}

/// All that travels beside the code, from the crate's own files.
struct Words {
    card: Card,
    golden: Golden,
    properties: Option<Properties>,
    references: Option<References>,
}

impl Words {
    /// Reads the files, and checks of them what needs no schema: nothing is
    /// compiled for an example that is cut short or a date that is none.
    fn read(krate: &cargo::Crate) -> Result<Self, BuildError> {
        let card = krate.words()?;
        let golden = match read_with(&krate.golden_path(), |json| strictly(json, Golden::from_new_json), golden_error)?
        {
            Some(golden) => golden,
            None => Golden { rtol: 0.0, atol: 0.0, examples: Vec::new() },
        };
        golden.validate().map_err(|error| golden_error(krate.golden_path(), error.to_string()))?;
        let properties = |json: &[u8]| strictly(json, Properties::from_new_json);
        let properties = read_with(&krate.properties_path(), properties, properties_error)?;
        let references = |json: &[u8]| References::from_file(json).map_err(|e| e.to_string());
        let references = read_with(&krate.reference_path(), references, references_error)?;
        Ok(Self { card, golden, properties, references })
    }

    /// Checks what the schema says of them.
    fn fit(self, krate: &cargo::Crate, schema: Schema) -> Result<Self, BuildError> {
        let card = Card { schema, ..self.card };
        card.validate()?;
        card.schema.check_size().map_err(CardError::Schema)?;
        Checker::bounded(&card.schema.inputs, &card.checks).map_err(CardError::Checks)?;
        let path = krate.golden_path();
        for example in &self.golden.examples {
            example.batches(&card.schema).map_err(|error| BuildError::Example {
                path: path.clone(),
                example: example.name.clone(),
                error: Box::new(error),
            })?;
        }
        self.golden.check_atol(&card.schema).map_err(|error| golden_error(path, error.to_string()))?;
        let properties = self.properties.as_ref().map_or(Ok(()), |properties| properties.validate(&card.schema));
        properties.map_err(|error| properties_error(krate.properties_path(), error.to_string()))?;
        let references = self.references.as_ref().map_or(Ok(()), |references| references.fit(&card.schema));
        references.map_err(|error| references_error(krate.reference_path(), error.to_string()))?;
        Ok(Self { card, ..self })
    }
}

fn golden_error(path: PathBuf, message: String) -> BuildError {
    BuildError::Golden { path, message }
}

fn properties_error(path: PathBuf, message: String) -> BuildError {
    BuildError::Properties { path, message }
}

fn references_error(path: PathBuf, message: String) -> BuildError {
    BuildError::References { path, message }
}

/// What a file of the crate says; nothing when it is not there.
fn read_with<T>(
    path: &Path,
    parse: fn(&[u8]) -> Result<T, String>,
    error: fn(PathBuf, String) -> BuildError,
) -> Result<Option<T>, BuildError> {
    let Some(json) = read(path)? else { return Ok(None) };
    parse(&json).map(Some).map_err(|message| error(path.to_owned(), message))
}

/// Reads strictly what an author wrote: no member twice, no list for an object.
fn strictly<T: DeserializeOwned, E: Display>(json: &[u8], parse: fn(&[u8]) -> Result<T, E>) -> Result<T, String> {
    strict::from_slice::<T>(json).map_err(|e| e.to_string())?;
    parse(json).map_err(|e| e.to_string())
}

/// A file of the crate that need not be there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, BuildError> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BuildError::Io { path: path.to_owned(), error }),
    }
}
