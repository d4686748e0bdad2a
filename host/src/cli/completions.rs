//! `scry completions`

use super::CliError;
use clap::Command;
use clap_complete::{Shell, generate};

/// Print the completions of a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry completions bash > ~/.local/share/bash-completion/completions/scry")]
pub(super) struct Args {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(args: &Args, mut command: Command) -> Result<(), CliError> {
    let mut script = Vec::new();
    generate(args.shell, &mut command, "scry", &mut script);
    print!("{}", String::from_utf8(script)?);
    Ok(())
}
