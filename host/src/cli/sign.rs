//! `scry sign`, and the signatures that lie beside components.

use super::failure::Usage;
use super::oci::Reach;
use super::{CliError, in_file, print_json, read_file};
use scry_component::Description;
use scry_files::{FileKind, write_atomically};
use scry_names::{Digest, OciReference};
use scry_signatures::{ENVELOPE_SUFFIX, Envelope, SecretKey};
use serde_json::json;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Sign a component: a file, or what lies in a registry.
///
/// The signature of FILE is written to FILE.dsse.json, and `scry publish` sends it along. Of a component in
/// a registry it is pushed beside it, where hosts that pull the component find it.
///
/// A host takes components that one of its `trust.keys` has signed, and no others. The signature is a DSSE
/// envelope around an in-toto statement with the component's SHA-256; other tools can write and read it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The component: a file, or `oci://host/repository@sha256:…`, as `scry publish` prints it.
    #[arg(value_name = "FILE|oci://HOST/REPOSITORY@DIGEST")]
    component: OsString,
    /// The private key, an Ed25519 key in PEM: `scry keygen` makes one, and so does `openssl genpkey`.
    #[arg(long, value_name = "KEY.pem")]
    key: PathBuf,
    #[command(flatten)]
    reach: Reach,
    /// Print one line of JSON: digest, keyid, and signature, a path or a reference.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  scry keygen ops
  scry sign churn.wasm --key ops.key.pem
  scry publish churn.wasm
  scry sign oci://registry.example/models/churn@sha256:4f0c… --key ops.key.pem";

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let key = SecretKey::from_pem(&read_file(&args.key)?).map_err(|error| in_file(&args.key, error))?;
    let (digest, signature) = match args.component.to_str().filter(|text| text.starts_with("oci://")) {
        Some(reference) => sign_pushed(args, &key, &reference.parse()?)?,
        None => {
            args.reach.check_unused()?;
            sign_file(&key, Path::new(&args.component))?
        }
    };
    let keyid = key.public().id();
    if args.json {
        return print_json(&json!({ "digest": digest, "keyid": keyid, "signature": signature }));
    }
    println!("{signature}");
    eprintln!("{digest} is signed by {keyid}");
    Ok(())
}

fn sign_file(key: &SecretKey, file: &Path) -> Result<(Digest, String), CliError> {
    let component = Description::read(&read_file(file)?).map_err(|error| in_file(file, error))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let envelope = signed(key, &name, &component.digest)?;
    let path = signature_path(file);
    write_atomically(FileKind::Build, &path, &envelope)?;
    Ok((component.digest, path.display().to_string()))
}

fn sign_pushed(args: &Args, key: &SecretKey, reference: &OciReference) -> Result<(Digest, String), CliError> {
    // A registry says what is under a tag, and may say something else than what was pushed.
    if !reference.is_pinned() {
        let error = "expected a digest (`@sha256:…`), found a tag; `scry publish` prints the digest of what it pushed";
        return Err(Usage(format!("{reference}: {error}")).into());
    }
    let pulled = args.reach.ask(async |registries| registries.pull(reference).await)?;
    Description::read(&pulled.bytes).map_err(|error| format!("{reference}: {error}"))?;
    let name = reference.repository().rsplit('/').next().unwrap_or_default();
    let envelope = signed(key, name, &pulled.digest)?;
    let pushed = args.reach.ask(async |registries| registries.attach(&pulled.pinned, envelope).await)?;
    Ok((pulled.digest, pushed.to_string()))
}

fn signed(key: &SecretKey, name: &str, component: &Digest) -> Result<Vec<u8>, CliError> {
    /// Longer names leave no room for signatures.
    const NAME_MAX_CHARS: usize = 255;
    let name: String = name.chars().take(NAME_MAX_CHARS).collect();
    Ok(Envelope::sign(key, &name, component)?)
}

/// The signature of a component in a file: the one that is named, or the one beside it, if there is one. It must be
/// about these bytes: a component that was built again is signed again.
pub(super) fn envelope(file: &Path, named: Option<&Path>, component: &Digest) -> Result<Option<Vec<u8>>, CliError> {
    let path = match named {
        Some(path) => path.to_owned(),
        None if signature_path(file).exists() => signature_path(file),
        None => return Ok(None),
    };
    let envelope = read_file(&path)?;
    let read = Envelope::read(&envelope).and_then(|read| read.is_about(component));
    read.map_err(|error| in_file(&path, error))?;
    Ok(Some(envelope))
}

/// Where the signature of a file is.
pub(super) fn signature_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ENVELOPE_SUFFIX);
    name.into()
}
