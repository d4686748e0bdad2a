//! `scry backup`

use super::client::Host;
use super::print::counted;
use super::progress::Progress;
use super::{CliError, print_json, warn};
use crate::registry::{CopyError, back_up_stopped};
use scry_files::{FileKind, write_parts};
use scry_store::{BackupError, Contents, read_backup};
use serde_json::json;
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;

/// Write a host's state to a file, from which `scry restore` makes a data folder.
///
/// History, state, components, signatures, and counts of live rows, of one moment; the host
/// goes on meanwhile. The file is read back as it comes: it is there as a whole, or not at all.
///
/// Not in it: tokens and keys, the configuration, and compiled code, which the next host
/// compiles again. Components and history are in it as they are: keep it as safe as the host.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  scry backup scry.backup\n  scry backup scry.backup --stopped --data scry-data")]
pub(super) struct Args {
    /// Where to write it; a file that is there is replaced.
    file: PathBuf,
    /// Of the data folder of a host that does not run, in place of asking one.
    #[arg(long)]
    stopped: bool,
    /// Print one line of JSON: `path`, `state`, `made_at_ms`, `components`, `files`, `size_bytes`, `missing`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let progress = Progress::waiting("backing up");
    let made = if args.stopped { of_folder(args)? } else { of_host(args)? };
    drop(progress);
    for lacking in &made.missing {
        warn(&format!("the backup lacks {}: {}", lacking.digest, lacking.why));
    }
    if args.json {
        return print_json(&json!({
            "path": args.file,
            "state": made.about.state,
            "made_at_ms": made.about.made_at_ms,
            "components": made.components(),
            "files": made.files.len(),
            "size_bytes": made.size_bytes(),
            "missing": made.missing,
        }));
    }
    println!("{}: {}", args.file.display(), told(&made));
    Ok(())
}

/// What a backup holds, in a few words.
pub(super) fn told(contents: &Contents) -> String {
    let components = counted(contents.components() as u64, "component");
    format!("state {}, {components}, {} bytes", contents.about.state, contents.size_bytes())
}

fn of_folder(args: &Args) -> Result<Contents, CopyError> {
    write_parts(FileKind::Backup, &args.file, |file| back_up_stopped(args.host.data(), buffered(file)))
}

fn of_host(args: &Args) -> Result<Contents, CliError> {
    let from = args.host.client()?.stream("/v1/backup")?;
    let made = write_parts(FileKind::Backup, &args.file, |file| {
        let mut into = buffered(file);
        let made = read_backup(Copied { from, into: &mut into }, |_, _| Ok(()))?;
        into.flush().map_err(BackupError::from)?;
        Ok::<_, CopyError>(made)
    });
    Ok(made?)
}

fn buffered(file: &mut dyn Write) -> BufWriter<&mut dyn Write> {
    /// Written at once.
    const PART_BYTES: usize = 64 << 10;
    BufWriter::with_capacity(PART_BYTES, file)
}

/// Bytes that are written to a file as they are read.
struct Copied<'a, R, W> {
    from: R,
    into: &'a mut W,
}

impl<R: Read, W: Write> Read for Copied<'_, R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.into.write_all(buffer.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}
