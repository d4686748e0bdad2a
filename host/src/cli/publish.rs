//! `scry publish`

use super::client::{Host, segment};
use super::{CliError, print_json};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Give a component to a host.
///
/// The host verifies and compiles it and runs its golden examples; only then
/// does it get the model's next version. A model's first version goes live at
/// once, later ones wait for `scry deploy`. Publishing the same bytes again
/// answers the same version.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The component.
    file: PathBuf,
    /// The model's name [default: the model card's].
    #[arg(long)]
    name: Option<String>,
    /// Print one line of JSON: model, version, digest.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let bytes = std::fs::read(&args.file).map_err(|e| format!("{}: {e}", args.file.display()))?;
    let query = args.name.as_deref().map(|name| format!("?name={}", segment(name))).unwrap_or_default();
    let published: Value = args.host.client()?.post(&format!("/v1/models{query}"), &bytes)?;
    let part = |key: &str| published.get(key).cloned().unwrap_or_default();
    if args.json {
        return print_json(&json!({
            "model": part("model"), "version": part("version"), "digest": part("digest"), "live": part("live"),
        }));
    }
    let name = part("model").as_str().unwrap_or_default().to_owned();
    println!("{name}@{}  {}", part("version"), part("digest").as_str().unwrap_or_default());
    match part("live") {
        Value::Bool(true) => println!("live: requests to `{name}` get this version"),
        _ => println!("not live yet: `scry deploy {name} --to {}`", part("version")),
    }
    Ok(())
}
