//! `scry man`

use super::{CliError, print_json};
use clap::Command;
use clap_mangen::Man;
use scry_files::{FileKind, write_atomically};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Write manual pages, one for each command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry man ~/.local/share/man/man1")]
pub(super) struct Args {
    /// The folder to write them into; it is made where it is not there.
    dir: PathBuf,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, mut command: Command) -> Result<(), CliError> {
    let dir = &args.dir;
    std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    command = command.disable_help_subcommand(true);
    // Pages are called by the whole name, which only a built command has.
    command.build();
    let pages = write(&command, dir)?;
    if args.json {
        return print_json(&json!({ "path": dir, "pages": pages }));
    }
    println!("{}  {pages} pages", dir.display());
    Ok(())
}

/// The pages of a command and of those below it; how many.
fn write(command: &Command, dir: &Path) -> Result<usize, CliError> {
    let page = Man::new(command.clone());
    let mut text = Vec::new();
    page.render(&mut text)?;
    write_atomically(FileKind::Build, &dir.join(page.get_filename()), &text)?;
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    shown.map(|command| write(command, dir)).try_fold(1, |pages, written| Ok(pages + written?))
}
