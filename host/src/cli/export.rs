//! `scry export`

use super::client::Host;
use super::{CliError, print_json};
use scry_files::{FileKind, write_atomically};
use serde_json::json;
use std::path::PathBuf;

/// Write what runs as one TOML document.
///
/// Models, versions, canaries, shadows, aliases, fallbacks and limits; `scry
/// apply` brings a host there, this one or another that can fetch the versions.
///
/// The document begins with `prune = true` and ends with `[end]`: applied, it
/// withdraws what it does not name, and cut short anywhere it is refused. So a
/// file that a host watches may be written by `scry export > FILE`, too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry export -o models.toml")]
pub(super) struct Args {
    /// Where to write it, as a whole or not at all [default: stdout].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one line of JSON: `path` and `size_bytes`, or the `document`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let document = args.host.client()?.get_text("/v1/desired")?;
    match &args.output {
        Some(path) => {
            write_atomically(FileKind::Build, path, document.as_bytes())?;
            if args.json { print_json(&json!({ "path": path, "size_bytes": document.len() })) } else { Ok(()) }
        }
        None if args.json => print_json(&json!({ "document": document })),
        None => {
            print!("{document}");
            Ok(())
        }
    }
}
