//! `scry import`

use super::progress::Progress;
use super::{CliError, in_file, local_sandbox, print_json, read_config, read_file};
use super::{cache, profile};
use crate::config::Config;
use crate::import::{FILE_MAX_BYTES, ImportError, Step, Words, import, with_references};
use crate::offline::{self, Model, Request};
use crate::registry::limits_of_config;
use scry_component::Description;
use scry_files::{FileKind, write_atomically};
use scry_sandbox::Sandbox;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Make a trained model a sealed component.
///
/// Reads a model file (.scry), which the Python package writes, or what a booster
/// saves: LightGBM's text, XGBoost's JSON or UBJ, CatBoost's JSON (with
/// `format="json"`), or an ONNX file: a network, or a model of scikit-learn or of a
/// booster, with operators of `ai.onnx.ml`. The bytes say which it is. Runs the
/// golden examples in the host's own sandbox, and writes the component only if it
/// reproduces them. The same file gives the same digest.
///
/// A booster's file and an ONNX file neither name the model nor hold golden
/// examples: give `--name` and `--golden`. A booster's features are the inputs.
///
/// With `--data`, the component also says what its training data looked like, as
/// `scry profile --model` does, so that a host can tell drift. Everyone who has the
/// component can read that: single values are not in it unless `--sample` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The model: .scry, .txt, .json, .ubj or .onnx.
    file: PathBuf,
    /// The component to write [default: NAME.wasm in the current folder].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The model's name [default: the file's].
    #[arg(long)]
    name: Option<String>,
    /// Who answers for it [default: the file's].
    #[arg(long)]
    owner: Option<String>,
    /// What it predicts [default: the file's].
    #[arg(long)]
    description: Option<String>,
    /// Golden examples, as golden.json [default: the file's].
    #[arg(long, value_name = "FILE")]
    golden: Option<PathBuf>,
    /// The rows that it was trained on: CSV, NDJSON or Parquet. May be given several times.
    #[arg(long, value_name = "FILE")]
    data: Vec<PathBuf>,
    /// Values of each column of numbers to keep of them, for exact distances, beside texts
    /// that the schema does not name [default: none].
    #[arg(long, value_name = "N", requires = "data", value_parser = profile::sample)]
    sample: Option<usize>,
    /// A host's configuration, for its limits [default: the defaults].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  scry import churn.scry -o churn.wasm
  scry import model.txt -o churn.wasm --name churn --golden golden.json";

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let config = read_config(args.config.as_deref())?;
    let size = std::fs::metadata(&args.file).map_err(|e| in_file(&args.file, e))?.len();
    if size > FILE_MAX_BYTES as u64 {
        return Err(in_file(&args.file, format!("expected at most {FILE_MAX_BYTES} bytes, found {size}")));
    }
    let file = read_file(&args.file)?;
    let golden = args.golden.as_deref().map(read_file).transpose()?;
    let (name, owner, description) = (args.name.clone(), args.owner.clone(), args.description.clone());
    let words = Words { name, owner, description, golden };
    let sandbox = local_sandbox(&config)?;
    let progress = Progress::start();
    let imported =
        import(&sandbox, &file, &words, &limits_of_config(&config), cache::runtimes().as_ref(), |step: Step| {
            progress.step(step.label());
        });
    let (mut bytes, mut described) = imported.map_err(|error| in_file(args.place(&error), error))?;
    if !args.data.is_empty() {
        progress.step("reading the training data");
        (bytes, described) = profiled(bytes, args, &sandbox, &config)?;
    }
    let path = args.output.clone().unwrap_or_else(|| format!("{}.wasm", described.card.name).into());
    write_atomically(FileKind::Build, &path, &bytes)?;
    drop(progress);
    let (name, digest, examples) = (&described.card.name, described.digest, described.golden.examples.len());
    if args.json {
        return print_json(&json!({
            "path": path, "size_bytes": bytes.len(), "digest": digest, "model": name, "golden_examples": examples,
        }));
    }
    println!("{}  {} bytes  {}", path.display(), bytes.len(), digest);
    Ok(())
}

impl Args {
    /// The file in which something is wrong.
    fn place(&self, error: &ImportError) -> &Path {
        match (error, &self.golden) {
            (ImportError::Golden(_) | ImportError::Part("golden", _), Some(golden)) => golden,
            _ => &self.file,
        }
    }
}

/// The component with statistics of its training data, its features and its answers.
fn profiled(
    component: Vec<u8>,
    args: &Args,
    sandbox: &Sandbox,
    config: &Config,
) -> Result<(Vec<u8>, Description), CliError> {
    let mut model = Model::of(&component, &args.file, sandbox, config)?;
    let request =
        Request { files: args.data.clone(), sample_values: args.sample.unwrap_or_default(), ..Request::default() };
    let mut references = offline::profile(&request, Some(&mut model), &mut |_| ())?;
    if args.sample.is_none() {
        references = references.without_values(&model.description().card.schema);
    }
    Ok(with_references(component, &references)?)
}
