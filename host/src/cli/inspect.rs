//! `scry inspect`

use super::table::{WIDTH, cut};
use super::{CliError, in_file, placeholder, print_json, read_file, reference};
use scry_card::Field;
use scry_card::stats::References;
use scry_component::Description;
use serde_json::json;
use std::path::PathBuf;

/// Show what a component says of itself, without running it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry inspect churn.wasm")]
pub(super) struct Args {
    /// The component.
    file: PathBuf,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let bytes = read_file(&args.file)?;
    let description = Description::read(&bytes).map_err(|e| in_file(&args.file, e))?;
    placeholder::warn(&description.card);
    if args.json {
        return print_json(&json!({
            "digest": description.digest,
            "size_bytes": description.size_bytes,
            "card": description.card,
            "imports": description.imports,
            "exports": description.exports,
            "golden_examples": description.golden.examples.len(),
            "reference_rows": description.references.as_ref().map(|references| references.inputs.rows),
            "reference": description.references.map(References::without_samples),
        }));
    }
    let card = &description.card;
    println!("{}: {}", card.name, card.description);
    let line = |key: &str, value: &str| println!("  {key:<12} {value}");
    line("digest", &description.digest.to_string());
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
    for (side, fields) in
        [("inputs", &card.schema.inputs), ("features", &card.schema.features), ("outputs", &card.schema.outputs)]
    {
        println!("{side}");
        fields.iter().for_each(show);
    }
    description.references.iter().for_each(reference::print);
    Ok(())
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
