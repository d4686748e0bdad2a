//! `scry schema`

use super::{CliError, print_json};
use scry_card::properties::Properties;
use scry_card::stats::References;
use scry_card::{Card, Golden, json_schema};

/// Print the JSON Schema (draft 2020-12) of a file.
///
/// For editors and for whatever else writes such files. What a schema cannot
/// say, such as which fields there are, `scry build` and `scry test` do.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry schema golden > golden.schema.json")]
pub(super) struct Args {
    /// Which file.
    document: Document,
    /// Print it on one line.
    #[arg(long)]
    json: bool,
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
    if args.json {
        return print_json(&schema);
    }
    println!("{}", serde_json::to_string_pretty(&schema)?);
    Ok(())
}
