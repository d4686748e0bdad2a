//! `scry apply`

use super::client::Host;
use super::print::counted;
use super::progress::Progress;
use super::{CliError, list, print_gates, print_json, text};
use serde_json::Value;
use std::io::Read;
use std::path::PathBuf;

/// Bring a host to what a document says.
///
/// One change or none: every version must be there or be fetched, and pass its
/// gates. A model is withdrawn by `withdrawn = true`, or where the document begins
/// with `prune = true`, ends with `[end]`, and does not name it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry apply models.toml --dry-run")]
pub(super) struct Args {
    /// The document, as `scry export` writes it; `-` reads it from stdin.
    file: PathBuf,
    /// Only show what would change, and fail where a gate would that runs no component.
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

/// The longest document that a host takes.
const DOCUMENT_MAX_BYTES: u64 = 16 << 20;

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let wrong = |message: String| format!("{}: {message}", args.file.display());
    let mut document = String::new();
    let source: Box<dyn Read> = match args.file.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => Box::new(std::fs::File::open(&args.file).map_err(|e| wrong(e.to_string()))?),
    };
    source.take(DOCUMENT_MAX_BYTES + 1).read_to_string(&mut document).map_err(|e| wrong(e.to_string()))?;
    if document.len() as u64 > DOCUMENT_MAX_BYTES {
        return Err(wrong(format!("expected at most {DOCUMENT_MAX_BYTES} bytes, found more")).into());
    }
    let path = format!("/v1/desired?dry_run={}&allow_breaking={}", args.dry_run, args.allow_breaking);
    let client = args.host.client()?;
    let progress = Progress::waiting("the host proves the changes before it makes them");
    let applied: Value = client.put(&path, document.as_bytes())?;
    drop(progress);
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
        (n, true) => println!("{} would change; nothing has", counted(n as u64, "line")),
        (n, false) => println!("{} changed; state {}", counted(n as u64, "line"), text(&applied, "number")),
    }
    Ok(())
}
