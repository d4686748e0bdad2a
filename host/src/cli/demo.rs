//! `scry demo`

use super::CliError;

/// Show the whole of it: build, serve, break, fall back, swap under load.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Exit at the end instead of leaving the host up.
    #[arg(long)]
    once: bool,
}
pub(super) fn run(_args: &Args) -> Result<(), CliError> { Ok(()) }
