//! From a trained model to a sealed component, without a compiler.
//!
//! ```text
//! booster's file → model file
//! model file, ONNX file → runtime with the file in its memory → inert WASI → component → snapshot
//! → card, examples → the examples, in the sandbox
//! ```
//!
//! The runtimes are compiled when `scry` is, and travel inside it. The same file gives the same
//! bytes. Never publishes, never keeps anything but its output.

mod boosters;
mod graph;
mod onnx;
mod place;
mod runtime;

pub use onnx::OnnxError;
pub use runtime::OwnRuntime;
pub use scry_protocol::protobuf::Damaged;

pub use boosters::{BoosterError, Form};

use crate::golden::{Budget, GoldenFailure, check_all, check_form};
use crate::registry::metering;
use crate::serving::EffectiveLimits;
use scry_build::{BuildError, encode};
use scry_card::stats::References;
use scry_card::{Card, CardError, Checker, Golden, Schema, strict};
use scry_component::{self, ComponentError, Description};
use scry_graph::{FileError, MAGIC, Parts};
use scry_names::Digest;
use scry_sandbox::snapshot::{self, SnapshotError};
use scry_sandbox::{CallLimits, CodeCache, Sandbox, SandboxError};
use scry_sbom::SbomError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A model file of which a component would be larger than hosts take.
pub const FILE_MAX_BYTES: usize = 256 << 20;
const LOAD_TIME_MAX: Duration = Duration::from_secs(60);
const GOLDEN_TIME_MAX: Duration = Duration::from_secs(60);

/// Why a file did not become a component.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Larger than any component may be.
    #[error("expected a model file of at most {FILE_MAX_BYTES} bytes, found {0}")]
    TooLarge(usize),
    /// Nothing that is taken.
    #[error(
        "expected a model file (.scry, of the Python exporter), an ONNX file, a model of LightGBM as text, of XGBoost as \
         JSON or UBJ, or of CatBoost as JSON; found {0}"
    )]
    Unknown(String),
    /// Not a model file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not a booster's file, or one that cannot be exact.
    #[error("{0}: {1}")]
    Booster(Form, BoosterError),
    /// Not an ONNX file, or none that is taken.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// A part of it is not of the form.
    #[error("`{0}`: {1}")]
    Part(&'static str, String),
    /// Nothing to call it by.
    #[error("the file does not name the model: give `--name`")]
    NoName,
    /// Nothing would be proved.
    #[error(
        "the file has no golden examples, without which nothing proves the component: give `--golden FILE`, some rows \
         and what the original model answers to them (docs/guide/import.md shows how to write it)"
    )]
    NoGolden,
    /// The card is wrong.
    #[error("`card`: {0}")]
    Card(#[from] CardError),
    /// The runtime that travels in this program is not one; a bug of ours.
    #[error("the runtime in this program is damaged: {0}; this is a bug in scry")]
    Runtime(String),
    /// Loading the model failed.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The module did not become a component; a bug of ours.
    #[error(transparent)]
    Encode(Box<BuildError>),
    /// What it is made of cannot be told; a bug of ours.
    #[error(transparent)]
    Sbom(#[from] SbomError),
    /// The result is not what the host takes.
    #[error("the finished component is refused: {0}")]
    Unfit(#[from] ComponentError),
    /// The component does not compile.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The component does not reproduce its golden examples.
    #[error("{0}; nothing was written")]
    Golden(#[from] GoldenFailure),
}

impl From<BuildError> for ImportError {
    fn from(error: BuildError) -> Self {
        Self::Encode(Box::new(error))
    }
}

/// A step of an import, as it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Loading the model and keeping its memory.
    Snapshot,
    /// The examples, in the sandbox.
    Prove,
}

impl Step {
    /// The step in a progress line.
    pub fn label(self) -> &'static str {
        match self {
            Self::Snapshot => "loading the model and taking its snapshot",
            Self::Prove => "proving the golden examples in the sandbox",
        }
    }
}

/// Words that replace the file's own.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// The model's name.
    pub name: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it predicts.
    pub description: Option<String>,
    /// Golden examples, as JSON.
    pub golden: Option<Vec<u8>>,
}

/// Imports a model file into a component's bytes. They have reproduced their golden examples under
/// the limits. What the cache has of the runtimes is not compiled again.
pub fn import(
    sandbox: &Sandbox,
    file: &[u8],
    words: &Words,
    limits: &EffectiveLimits,
    cache: Option<&CodeCache>,
    mut progress: impl FnMut(Step),
) -> Result<(Vec<u8>, Description), ImportError> {
    if file.len() > FILE_MAX_BYTES {
        return Err(ImportError::TooLarge(file.len()));
    }
    let (runtime, parts) = sorted(file)?;
    let card = told(parts.card, words)?;
    let golden = match &words.golden {
        Some(json) => strict::value(json).map_err(|e| ImportError::Part("golden", e.to_string()))?,
        None => parts.golden.ok_or(ImportError::NoGolden)?,
    };
    let golden: Golden = read("golden", golden)?;
    if golden.examples.is_empty() {
        return Err(ImportError::NoGolden);
    }
    let references = parts.reference.map(|json| read::<References>("reference", json)).transpose()?;
    let sbom = runtime.sbom().map_err(ImportError::Runtime)?;
    let runtime = runtime.module().map_err(ImportError::Runtime)?;
    progress(Step::Snapshot);
    let module = place::place(&runtime, &parts.model).map_err(|e| ImportError::Runtime(e.to_string()))?;
    let load = || CallLimits {
        deadline: Instant::now() + LOAD_TIME_MAX,
        fuel: u64::MAX,
        memory_max_bytes: limits.memory_max_bytes,
        output_max_bytes: 16 << 20,
        client: None,
        is_timed: false,
    };
    // One metering for both, so that what is compiled for the one is known for the other.
    let metering = metering(limits);
    let runtime = Digest::of(&runtime);
    let mut functions = sandbox.of_runtime(metering, cache, &runtime);
    let (mut sealed, schema) = snapshot::seal(sandbox, metering, &encode(&module)?, &mut functions, load)?;
    let card = finished(card, schema, runtime)?;
    check_form(&golden, &card.schema)?;
    if let Some(references) = &references {
        references.fit(&card.schema).map_err(|e| ImportError::Part("reference", e.to_string()))?;
    }
    scry_component::embed(&mut sealed, &card, &golden, references.as_ref(), None)
        .map_err(|e| ImportError::Part("card", e.to_string()))?;
    scry_component::embed_sbom(&mut sealed, &sbom.of_import(&made_of(&card)).to_json()?);
    let description = Description::read_new(&sealed)?;
    description.check_new()?;
    progress(Step::Prove);
    let schema = Arc::new(description.card.schema.clone());
    let loaded = sandbox.load_next(&sealed, schema.clone(), metering, &mut functions)?;
    sandbox.keep_runtime(metering, cache, &runtime, &functions);
    check_all(&loaded, &schema, &description.golden, &Budget::new(GOLDEN_TIME_MAX), || limits.of_call())?;
    Ok((sealed, description))
}

/// What the runtime of networks gets of an ONNX file: for the fuzz target.
pub fn placed(onnx: &[u8]) -> Result<Vec<u8>, OnnxError> {
    onnx::take_apart(onnx).map(|network| network.placed)
}

/// What the software bill of materials says of a model.
fn made_of(card: &Card) -> scry_sbom::Model<'_> {
    let Card { name, crate_version, license, labels, .. } = card;
    scry_sbom::Model { name, version: crate_version.as_deref(), license: license.as_deref(), labels }
}

/// The runtime that a file needs, and the file's parts.
fn sorted(file: &[u8]) -> Result<(OwnRuntime, Parts), ImportError> {
    if !onnx::is(file) || onnx::is_classic(file) {
        return Ok((OwnRuntime::Tabular, parts_of(file)?));
    }
    let network = onnx::take_apart(file)?;
    let labels: serde_json::Map<_, _> =
        network.labels.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let card = json!({ "labels": labels });
    Ok((OwnRuntime::Network, Parts { model: network.placed, card: Some(card), golden: None, reference: None }))
}

/// Adds what the training data looked like to a component.
pub fn with_references(mut component: Vec<u8>, references: &References) -> Result<(Vec<u8>, Description), ImportError> {
    scry_component::embed_references(&mut component, references)
        .map_err(|e| ImportError::Part("reference", e.to_string()))?;
    let description = Description::read_new(&component)?;
    description.check_new()?;
    Ok((component, description))
}

fn read<T: DeserializeOwned>(part: &'static str, json: Value) -> Result<T, ImportError> {
    strict::from_value(json).map_err(|e| ImportError::Part(part, e.to_string()))
}

/// Takes a file apart, whatever it is; a booster's file becomes a model file first. Nothing is run.
pub fn parts_of(file: &[u8]) -> Result<Parts, ImportError> {
    if file.starts_with(MAGIC) {
        return Ok(Parts::of(file)?);
    }
    match Form::of(file) {
        Some(form) => boosters::parts(form, file).map_err(|error| ImportError::Booster(form, error)),
        None => Err(ImportError::Unknown(beginning(file))),
    }
}

/// The first bytes of a file, as an error shows them.
fn beginning(file: &[u8]) -> String {
    const SHOWN: usize = 8;
    match file {
        [] => "an empty file".into(),
        file => format!(
            "`{}`",
            file.iter().take(SHOWN).copied().flat_map(std::ascii::escape_default).map(char::from).collect::<String>()
        ),
    }
}

/// The card's words: the file's, and those that replace them.
fn told(card: Option<Value>, words: &Words) -> Result<Map<String, Value>, ImportError> {
    let mut card = match card.unwrap_or_else(|| json!({})) {
        Value::Object(card) => card,
        other => {
            return Err(ImportError::Part("card", format!("expected an object, found {}", strict::found(&other))));
        }
    };
    if let Some(part) = ["schema", "runtime"].into_iter().find(|part| card.contains_key(*part)) {
        return Err(ImportError::Part("card", format!("`{part}`: expected nothing, since it is added here")));
    }
    card.entry("card_version").or_insert(Card::VERSION.into());
    card.entry("description").or_insert("".into());
    let replace = [("name", &words.name), ("owner", &words.owner), ("description", &words.description)];
    for (member, word) in replace {
        if let Some(word) = word {
            card.insert(member.into(), word.clone().into());
        }
    }
    if card.contains_key("name") { Ok(card) } else { Err(ImportError::NoName) }
}

/// The card: its words, the schema, and what runs the model.
fn finished(mut card: Map<String, Value>, schema: Schema, runtime: Digest) -> Result<Card, ImportError> {
    card.insert("runtime".into(), runtime.to_string().into());
    card.insert("schema".into(), json!({"inputs": [], "features": [], "outputs": []}));
    let card = Card { schema, ..read("card", Value::Object(card))? };
    card.validate()?;
    Checker::new(&card.schema.inputs, &card.checks).map_err(CardError::Checks)?;
    Ok(card)
}
