//! `scry apply`

use super::client::Host;
use super::{CliError, list, print_gates, print_json, text};
use serde_json::Value;
use std::io::Read;
use std::path::PathBuf;

/// Bring a host to what a document says.
///
/// One change or none: every version must be there or be fetched, and pass its
/// gates. A model that the document does not name is withdrawn.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The document, as `scry export` writes it; `-` reads it from stdin.
    file: PathBuf,
    /// Only show what would change.
    #[arg(long)]
    dry_run: bool,
    /// Deploy versions even if they break callers.
    #[arg(long)]
    allow_breaking: bool,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let mut document = String::new();
    if args.file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut document)?;
    } else {
        document = std::fs::read_to_string(&args.file).map_err(|e| format!("{}: {e}", args.file.display()))?;
    }
    let path = format!("/v1/desired?dry_run={}&allow_breaking={}", args.dry_run, args.allow_breaking);
    let applied: Value = args.host.client()?.put(&path, document.as_bytes())?;
    if args.json {
        return print_json(&applied);
    }
    let changes = list(&applied, "changes");
    for line in changes {
        println!("{}", line.as_str().unwrap_or_default());
    }
    print_gates(&applied);
    match (changes.len(), args.dry_run) {
        (0, _) => println!("nothing differs; state {}", text(&applied, "number")),
        (n, true) => println!("{n} lines would change; nothing has"),
        (n, false) => println!("{n} lines changed; state {}", text(&applied, "number")),
    }
    Ok(())
}
