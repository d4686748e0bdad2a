//! `scry schema`

use super::CliError;
use scry_card::properties::Properties;
use scry_card::stats::References;
use scry_card::{Card, Golden, json_schema};

/// Print the JSON Schema (draft 2020-12) of a file.
///
/// For editors and for whatever else writes such files. What a schema cannot
/// say, such as which fields there are, `scry build` and `scry test` do.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which file.
    document: Document,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Document {
    /// The model card in a component, as `scry inspect --json` shows it.
    Card,
    /// golden.json
    Golden,
    /// properties.json
    Properties,
    /// reference.json, as `scry profile` writes it.
    Reference,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let schema = match args.document {
        Document::Card => json_schema::<Card>(),
        Document::Golden => json_schema::<Golden>(),
        Document::Properties => json_schema::<Properties>(),
        Document::Reference => json_schema::<References>(),
    };
    println!("{}", serde_json::to_string_pretty(&schema)?);
    Ok(())
}
