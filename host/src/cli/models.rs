//! `scry models`

use super::client::Host;
use super::{CliError, print_json};
use serde_json::Value;

/// List the models of a host: versions, what is live, what stands in.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let listed: Value = args.host.client()?.get("/v1/models")?;
    if args.json {
        return print_json(&listed);
    }
    let empty = Vec::new();
    let models = listed.get("models").and_then(Value::as_array).unwrap_or(&empty);
    if models.is_empty() {
        println!("no models yet: `scry publish FILE`");
    }
    models.iter().for_each(show);
    Ok(())
}

fn show(model: &Value) {
    let text = |value: &Value, key: &str| match value.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    println!("{}  (live: {}, deadline {} ms)", text(model, "model"), text(model, "live"), text(model, "deadline_ms"));
    for version in model.get("versions").and_then(Value::as_array).into_iter().flatten() {
        println!("  @{:<4} {}  {}", text(version, "version"), text(version, "digest"), text(version, "state"));
    }
    for (alias, version) in model.get("aliases").and_then(Value::as_object).into_iter().flatten() {
        println!("  @{alias} = {version}");
    }
    for spare in model.get("fallback").and_then(Value::as_array).into_iter().flatten() {
        match spare.get("model") {
            Some(reference) => println!("  falls back to {}", reference.as_str().unwrap_or_default()),
            None => println!("  falls back to the constant {}", text(spare, "constant")),
        }
    }
}
