//! `scry keygen`

use super::{CliError, in_file, print_json};
use scry_files::{FileKind, write_atomically};
use scry_signatures::SecretKey;
use serde_json::json;
use std::path::PathBuf;

/// Make a pair of keys to sign components with.
///
/// NAME.key.pem is the private key: it signs (`scry sign`), and only its owner may read it. NAME.pub.pem is the
/// public key: hosts that list it in `trust.keys` take what the private key has signed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry keygen ops")]
pub(super) struct Args {
    /// What the files are called; may begin with a folder.
    name: PathBuf,
    /// Print one line of JSON: keyid, private_key, public_key.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let file = |suffix: &str| {
        let mut name = args.name.clone().into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    };
    let (private, public) = (file(".key.pem"), file(".pub.pem"));
    // A key that is gone cannot be made again.
    if let Some(there) = [&private, &public].into_iter().find(|path| path.exists()) {
        return Err(in_file(there, "the file is there already: choose another name, or move it away"));
    }
    let key = SecretKey::generate()?;
    write_atomically(FileKind::Secret, &private, key.to_pem().as_bytes())?;
    write_atomically(FileKind::Build, &public, key.public().to_pem().as_bytes())?;
    let keyid = key.public().id();
    if args.json {
        return print_json(&json!({ "keyid": keyid, "private_key": private, "public_key": public }));
    }
    println!("{keyid}");
    eprintln!("{} signs: keep it secret; hosts trust {} (`trust.keys`)", private.display(), public.display());
    Ok(())
}
