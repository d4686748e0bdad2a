//! `scry rollback`

use super::client::{Host, segment};
use super::served_models::ServedModels;
use super::{CliError, number, print_gates, print_json, text};
use serde_json::{Value, json};

/// Bring a model, or all of them, back to an earlier state.
///
/// With a model alone: how it was served before, from code that is still warm.
/// Doing it again goes back further; a canary is never begun again. With `--to`:
/// how it, or without a model everything, was served at that state of
/// `scry history`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  scry rollback fraud\n  scry rollback --to 41")]
pub(super) struct Args {
    /// The model.
    #[arg(required_unless_present = "to")]
    model: Option<String>,
    /// The number of a state, from `scry history`.
    #[arg(long, value_name = "NUMBER", value_parser = number::<u64>)]
    to: Option<u64>,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let path = match &args.model {
        Some(model) => format!("/v1/models/{}/rollback", segment(model)),
        None => "/v1/rollback".to_owned(),
    };
    let body = json!({ "to": args.to }).to_string();
    let client = args.host.client()?;
    let before = ServedModels::of(&client)?;
    let changed: Value = client.post(&path, body.as_bytes())?;
    if args.json {
        return print_json(&changed);
    }
    match &args.model {
        Some(model) => println!("{model}@{} is live  {}", text(&changed, "version"), text(&changed, "digest")),
        None => println!("everything is as it was at state {}", args.to.unwrap_or_default()),
    }
    let number = changed.get("number").and_then(Value::as_u64).unwrap_or_default();
    before.print_changes(&client, args.model.as_deref(), number)?;
    print_gates(&changed);
    println!("state {}", text(&changed, "number"));
    Ok(())
}
