//! `scry gc`

use super::client::Host;
use super::{CliError, list, print_json, text};
use serde_json::{Value, json};

/// Remove components that nothing refers to.
///
/// Kept is what is served, what a state within the history's retention names,
/// and what was published within it. A version whose component is removed keeps
/// its number: publish the same bytes again, or deploy it from its registry.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry gc --dry-run")]
pub(super) struct Args {
    /// Only show what would be removed.
    #[arg(long)]
    dry_run: bool,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let body = json!({ "dry_run": args.dry_run }).to_string();
    let cleaned: Value = args.host.client()?.post("/v1/gc", body.as_bytes())?;
    if args.json {
        return print_json(&cleaned);
    }
    let components = list(&cleaned, "components");
    for digest in components {
        println!("{}", digest.as_str().unwrap_or_default());
    }
    println!(
        "{} {} components, {} files of compiled code, {} from quarantine, {} old changes, {} files of counts, \
         {} files of functions: {} bytes",
        if args.dry_run { "would remove" } else { "removed" },
        components.len(),
        text(&cleaned, "cached"),
        text(&cleaned, "quarantined"),
        text(&cleaned, "changes"),
        text(&cleaned, "drift"),
        text(&cleaned, "functions"),
        text(&cleaned, "bytes"),
    );
    Ok(())
}
