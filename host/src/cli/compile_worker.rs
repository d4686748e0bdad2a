//! `scry compile-worker`

use super::{CliError, print_json};
use scry_sandbox::compiler;
use serde_json::json;

/// Compile what a host sends on stdin, and answer on stdout.
///
/// A host starts one for each component, and gives it limits of memory and time.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show what the process could do before and after it gave everything up.
    #[arg(long)]
    self_check: bool,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    if args.self_check {
        let [before, after] = compiler::self_check()?;
        return print_json(&json!({ "before": before, "after": after }));
    }
    Ok(compiler::run()?)
}
