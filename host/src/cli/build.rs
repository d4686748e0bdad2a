//! `scry build`

use super::progress::Progress;
use super::{CliError, local_sandbox, number, placeholder, print_json};
use crate::config::Config;
use scry_build::{Request, Step, build};
use scry_files::{FileKind, write_atomically};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Build a crate into one sealed component.
///
/// Compiles it, takes out what a model must not import, runs `load` once and
/// keeps the memory that it left, embeds the model card and golden.json. The
/// same sources give the same digest, from any folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry build churn -o churn.wasm")]
pub(super) struct Args {
    /// The crate's folder.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The component to write [default: NAME.wasm in the current folder].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Cargo features to switch on.
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,
    /// Where compiled files go [default: the crate's target folder].
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
    /// How long the model may take to load, in seconds.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = number::<u32>)]
    load_timeout_s: u32,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let sandbox = local_sandbox(&Config::default())?;
    let progress = Progress::start();
    let request = Request {
        dir: args.dir.clone(),
        features: args.features.clone(),
        show_cargo: !args.json,
        target_dir: args.target_dir.clone(),
        load_time_max: Some(Duration::from_secs(args.load_timeout_s.into())),
    };
    let (bytes, description) = build(&sandbox, &request, |step: Step| progress.step(step.label()))?;
    let path = args.output.clone().unwrap_or_else(|| format!("{}.wasm", description.card.name).into());
    write_atomically(FileKind::Build, &path, &bytes)?;
    drop(progress);
    placeholder::warn(&description.card);
    let examples = description.golden.examples.len();
    if args.json {
        let (name, digest) = (&description.card.name, description.digest);
        return print_json(&json!({
            "path": path, "size_bytes": bytes.len(), "digest": digest, "model": name, "golden_examples": examples,
        }));
    }
    println!("{}  {} bytes  {}", path.display(), bytes.len(), description.digest);
    if examples == 0 {
        eprintln!("note: golden.json has no examples; a host only takes a component that proves itself on some");
    }
    Ok(())
}
