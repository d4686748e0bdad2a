//! `scry inspect`

use super::table::{WIDTH, cut};
use super::{CliError, in_file, placeholder, print_json, read_file, reference, sign};
use crate::config::Trust;
use scry_card::Field;
use scry_card::stats::References;
use scry_component::Description;
use scry_names::Digest;
use scry_sbom::Summary;
use scry_signatures::{Envelope, KeyId, SignatureError};
use serde::Serialize;
use serde_json::json;
use std::fmt;
use std::path::{Path, PathBuf};

/// Show what a component says of itself, without running it.
///
/// With `--sbom`, print its software bill of materials, a document of CycloneDX: the
/// packages that are in it with versions, licenses, and checksums, for programs that
/// look for known weaknesses.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  scry inspect churn.wasm\n  scry inspect --sbom churn.wasm > churn.cdx.json")]
pub(super) struct Args {
    /// The component.
    file: PathBuf,
    /// Check the signature beside it with this public key; may be given several times.
    #[arg(long, value_name = "KEY.pub.pem")]
    trust: Vec<PathBuf>,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    /// Print the software bill of materials, as it is embedded.
    #[arg(long, conflicts_with = "json")]
    sbom: bool,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let bytes = read_file(&args.file)?;
    let description = Description::read(&bytes).map_err(|e| in_file(&args.file, e))?;
    let sbom = scry_component::sbom(&bytes).map_err(|e| in_file(&args.file, e))?;
    if args.sbom {
        let none = "the component has no SBOM: it was made by an older scry; build or import it again";
        let (json, _) = sbom.ok_or_else(|| in_file(&args.file, none))?;
        println!("{json}");
        return Ok(());
    }
    placeholder::warn(&description.card);
    let signature = Signature::of(&args.file, &description.digest, &args.trust)?;
    let sbom = sbom.map(|(_, summary)| summary);
    if args.json {
        return print_json(&json!({
            "digest": description.digest,
            "size_bytes": description.size_bytes,
            "signature": signature,
            "card": description.card,
            "imports": description.imports,
            "exports": description.exports,
            "golden_examples": description.golden.examples.len(),
            "reference_rows": description.references.as_ref().map(|references| references.inputs.rows),
            "reference": description.references.map(References::without_samples),
            "sbom": sbom,
        }));
    }
    let card = &description.card;
    println!("{}: {}", card.name, card.description);
    let line = |key: &str, value: &str| println!("  {key:<12} {value}");
    line("digest", &description.digest.to_string());
    signature.iter().for_each(|signature| line("signature", &signature.to_string()));
    line("size", &format!("{} bytes", description.size_bytes));
    let optional = [
        ("crate", &card.crate_version),
        ("owner", &card.owner),
        ("license", &card.license),
        ("data from", &card.data_from),
        ("data until", &card.data_until),
        ("trained at", &card.trained_at),
    ];
    for (key, value) in optional {
        line(key, value.as_deref().unwrap_or("-"));
    }
    for (name, value) in &card.labels {
        line("label", &cut(&format!("{name}={value}"), WIDTH));
    }
    line("imports", &description.imports.join(", "));
    line("exports", &description.exports.join(", "));
    line("golden", &format!("{} examples", description.golden.examples.len()));
    let rows = description.references.as_ref().map(|references| format!("{} rows", references.inputs.rows));
    line("reference", rows.as_deref().unwrap_or("-"));
    line("packages", &sbom.as_ref().map_or("-".into(), packages));
    line("built with", &sbom.map_or("-".into(), |sbom| cut(&sbom.built_with.join(", "), WIDTH)));
    for (side, fields) in
        [("inputs", &card.schema.inputs), ("features", &card.schema.features), ("outputs", &card.schema.outputs)]
    {
        println!("{side}");
        fields.iter().for_each(show);
    }
    description.references.iter().for_each(reference::print);
    Ok(())
}

/// What the signature beside a component says.
#[derive(Debug, Serialize)]
struct Signature {
    /// Who claims to have signed it.
    keyids: Vec<String>,
    /// The key that has, of those that were given.
    verified_by: Option<KeyId>,
    /// Why it cannot count, whatever the keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Signature {
    /// What is beside a file. With keys, one that does not count is an error; without them it is shown as it is.
    fn of(file: &Path, component: &Digest, keys: &[PathBuf]) -> Result<Option<Self>, CliError> {
        let keys = Trust { keys: keys.to_vec(), enforce: false }.read()?;
        let path = sign::signature_path(file);
        if !path.exists() {
            return if keys.is_empty() { Ok(None) } else { Err(in_file(file, SignatureError::Missing)) };
        }
        let read = Envelope::read(&read_file(&path)?);
        if keys.is_empty() {
            let error = read.as_ref().map_or_else(|error| Some(error.clone()), |read| read.is_about(component).err());
            let keyids = read.map(|read| read.claimed().to_vec()).unwrap_or_default();
            return Ok(Some(Self { keyids, verified_by: None, error: error.map(|error| error.to_string()) }));
        }
        let verified = read.and_then(|read| Ok((keys.signer(&read, component)?, read)));
        let (signer, read) = verified.map_err(|error| in_file(&path, error))?;
        Ok(Some(Self { keyids: read.claimed().to_vec(), verified_by: Some(signer), error: None }))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.error, self.verified_by) {
            (Some(error), _) => write!(f, "does not count: {error}; `scry sign` makes a new one"),
            (None, Some(keyid)) => write!(f, "by {keyid}, verified"),
            (None, None) => write!(f, "not verified; `--trust KEY.pub.pem` does"),
        }
    }
}

fn packages(sbom: &Summary) -> String {
    match sbom.excluded {
        0 => sbom.packages.to_string(),
        excluded => format!("{}, and {excluded} that only took part in making it", sbom.packages),
    }
}

fn show(field: &Field) {
    let mut notes = Vec::new();
    if !field.shape.is_empty() {
        notes.push(format!("shape {:?}", field.shape));
    }
    if field.nullable {
        notes.push("nullable".into());
    }
    match (field.minimum, field.maximum) {
        (Some(low), Some(high)) => notes.push(format!("{low} to {high}")),
        (Some(low), None) => notes.push(format!("at least {low}")),
        (None, Some(high)) => notes.push(format!("at most {high}")),
        (None, None) => {}
    }
    notes.extend(field.unit.clone());
    if !field.categories.is_empty() {
        notes.push(format!("one of {}", field.categories.join(", ")));
    }
    println!("  {:<20} {:<7} {}", field.name, field.datatype.name(), notes.join("; "));
    if !field.description.is_empty() {
        println!("  {:<20} {}", "", field.description);
    }
}
