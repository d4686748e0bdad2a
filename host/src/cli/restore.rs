//! `scry restore`

use super::backup::told;
use super::progress::Progress;
use super::{CliError, in_file, print_json, warn};
use crate::registry::restore;
use serde_json::json;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

/// Make a data folder of a backup, for a host that starts on it.
///
/// Every digest is checked, and the history is followed to its state, before the folder is
/// there. It must not exist, or be empty: nothing is replaced.
///
/// The host makes a new admin token there, unless one is configured, and compiles the
/// components when it starts. Do not run it beside the host that the backup is of.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry restore scry.backup --data scry-data && scry serve --data scry-data")]
pub(super) struct Args {
    /// What `scry backup` wrote.
    file: PathBuf,
    /// The folder to make.
    #[arg(long, value_name = "DIR", default_value = "scry-data")]
    data: PathBuf,
    /// Print one line of JSON: `path`, `state`, `made_at_ms`, `scry`, `components`, `files`, `size_bytes`, `missing`.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let backup = File::open(&args.file).map_err(|error| in_file(&args.file, error))?;
    let progress = Progress::waiting("restoring");
    let restored = restore(BufReader::with_capacity(1 << 20, backup), &args.data);
    drop(progress);
    let restored = restored.map_err(|error| in_file(&args.file, error))?;
    for lacking in &restored.missing {
        warn(&format!("the backup lacks {}: {}", lacking.digest, lacking.why));
    }
    if args.json {
        return print_json(&json!({
            "path": args.data,
            "state": restored.about.state,
            "made_at_ms": restored.about.made_at_ms,
            "scry": restored.about.scry,
            "components": restored.components(),
            "files": restored.files.len(),
            "size_bytes": restored.size_bytes(),
            "missing": restored.missing,
        }));
    }
    println!("{}: {}", args.data.display(), told(&restored));
    println!("start a host on it: scry serve --data {}", args.data.display());
    Ok(())
}
