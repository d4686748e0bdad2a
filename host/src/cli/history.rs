//! `scry history`

use super::client::{Host, segment};
use super::{CliError, list, number, print_json, text, time};
use serde_json::Value;

/// Show who changed what, when, from and to; newest first.
///
/// The number of a change is that of the state it led to: `scry rollback --to`
/// brings it back.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry history fraud --limit 5\n  scry history --refused")]
pub(super) struct Args {
    /// Only changes of this model.
    model: Option<String>,
    /// The requests to the admin listener that were refused, in place of the changes. Those of the host's last start,
    /// at most 500 of known tokens and 500 of others; needs the scope `admin`.
    #[arg(long, conflicts_with = "model")]
    refused: bool,
    /// How many to show, at most 1,000.
    #[arg(long, default_value_t = 20, value_parser = number::<usize>)]
    limit: usize,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    if args.refused {
        return refused(args);
    }
    let model = args.model.as_deref().map(|model| format!("&model={}", segment(model))).unwrap_or_default();
    let told: Value = args.host.client()?.get(&format!("/v1/history?limit={}{model}", args.limit))?;
    if args.json {
        return print_json(&told);
    }
    for change in list(&told, "changes") {
        let at = time(change.get("at_ms"));
        println!("{:>5}  {at}Z  {:<12} {}", text(change, "number"), text(change, "by"), text(change, "what"));
        for line in list(change, "changes") {
            println!("       {}", line.as_str().unwrap_or_default());
        }
        for lost in list(change, "lost") {
            let number = |at: usize| lost.get(at).and_then(Value::as_u64).unwrap_or_default();
            println!("       changes {} to {} before it are lost to damage", number(0), number(1));
        }
    }
    Ok(())
}

fn refused(args: &Args) -> Result<(), CliError> {
    let told: Value = args.host.client()?.get(&format!("/v1/refusals?limit={}", args.limit))?;
    if args.json {
        return print_json(&told);
    }
    for refused in list(&told, "refusals") {
        let (at, by) = (time(refused.get("at_ms")), text(refused, "by"));
        let by = if by.is_empty() { "-" } else { by.as_str() };
        let (method, path, reason) = (text(refused, "method"), text(refused, "path"), text(refused, "reason"));
        println!("{at}Z  {by:<12} {:>5} x  {method} {path}  {reason}", text(refused, "count"));
    }
    Ok(())
}
