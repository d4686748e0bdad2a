//! `scry publish`

use super::client::{Host, segment};
use super::oci::Reach;
use super::progress::Progress;
use super::{CliError, in_file, placeholder, print_gates, print_json, read_file, sign, text};
use scry_component::Description;
use scry_names::{Digest, OciReference};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Give a component to a host, or to a registry.
///
/// The host verifies and compiles it and runs its golden examples; only then
/// does it get the model's next version. A model's first version goes live at
/// once, later ones wait for `scry deploy`. Publishing the same bytes again
/// answers the same version.
///
/// With a destination `oci://host/repository:tag` no host is asked: the component
/// goes to that registry, and the command prints the reference that means these
/// bytes for ever. Credentials are Docker's (`docker login`).
///
/// A signature that `scry sign` has put beside the file goes with it, either way.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The component.
    file: PathBuf,
    /// A registry to push to, instead of a host.
    #[arg(value_name = "oci://HOST/REPOSITORY:TAG", conflicts_with = "name")]
    to: Option<OciReference>,
    #[command(flatten)]
    reach: Reach,
    /// The signature [default: FILE.dsse.json, if it is there].
    #[arg(long, value_name = "ENVELOPE")]
    signature: Option<PathBuf>,
    /// The model's name [default: the model card's].
    #[arg(long)]
    name: Option<String>,
    /// Print one line of JSON: model, version, digest, live, number, gates; or reference, digest, size_bytes,
    /// signature.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

const EXAMPLES: &str = "\
Examples:
  scry publish churn.wasm
  scry publish churn.wasm oci://registry.example/models/churn:1.4";

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let bytes = read_file(&args.file)?;
    if let Some(to) = &args.to {
        return push(args, to, bytes);
    }
    args.reach.check_unused()?;
    // What is no component is the host's to refuse.
    if let Ok(component) = Description::read(&bytes) {
        placeholder::warn(&component.card);
    }
    let envelope = sign::envelope(&args.file, args.signature.as_deref(), &Digest::of(&bytes))?;
    let query = args.name.as_deref().map(|name| format!("?name={}", segment(name))).unwrap_or_default();
    let client = args.host.client()?;
    let progress = Progress::sending(bytes.len());
    let sent = |count| progress.sent(count, "the host verifies, compiles and tries it");
    let published: Value = client.publish(&format!("/v1/models{query}"), &bytes, envelope.as_deref(), &sent)?;
    drop(progress);
    if args.json {
        return print_json(&published);
    }
    let (name, version) = (text(&published, "model"), text(&published, "version"));
    println!("{name}@{version}  {}", text(&published, "digest"));
    print_gates(&published);
    match published.get("live") {
        Some(Value::Bool(true)) => println!("live: requests to `{name}` get this version"),
        _ => println!("not live yet: `scry deploy {name} --to {version}`"),
    }
    Ok(())
}

fn push(args: &Args, to: &OciReference, bytes: Vec<u8>) -> Result<(), CliError> {
    let component = Description::read_new(&bytes).map_err(|e| in_file(&args.file, e))?;
    placeholder::warn(&component.card);
    let envelope = sign::envelope(&args.file, args.signature.as_deref(), &component.digest)?;
    let progress = Progress::start();
    progress.step(&format!("pushing {} bytes to {to}", component.size_bytes));
    let pushed = args.reach.ask(async |registries| {
        let reference = registries.push(to, &component, bytes).await?;
        let signature = match envelope {
            Some(envelope) => Some(registries.attach(&reference, envelope).await?),
            None => None,
        };
        Ok((reference, signature))
    });
    drop(progress);
    let (reference, signature) = pushed?;
    if args.json {
        let (digest, size_bytes) = (component.digest, component.size_bytes);
        let mut pushed = json!({ "reference": reference, "digest": digest, "size_bytes": size_bytes });
        if let (Some(signature), Some(members)) = (signature, pushed.as_object_mut()) {
            members.insert("signature".into(), json!(signature));
        }
        return print_json(&pushed);
    }
    println!("{reference}");
    eprintln!("next: `scry deploy {} --to {reference}`", component.card.name);
    Ok(())
}
