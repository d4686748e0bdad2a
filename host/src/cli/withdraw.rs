//! `scry withdraw`

use super::client::{Host, segment};
use super::{CliError, print_json, text};
use serde_json::Value;

/// Stop serving a model; its versions stay.
///
/// `scry rollback MODEL` or `scry deploy MODEL --to VERSION` serves it again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry withdraw fraud")]
pub(super) struct Args {
    /// The model.
    model: String,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let path = format!("/v1/models/{}/withdraw", segment(&args.model));
    let changed: Value = args.host.client()?.post(&path, b"")?;
    if args.json {
        return print_json(&changed);
    }
    println!("{} is withdrawn; state {}", args.model, text(&changed, "number"));
    Ok(())
}
