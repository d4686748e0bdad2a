//! `scry deploy`

use super::client::{Client, Host, segment};
use super::{CliError, print_json};
use crate::catalog::{Deployment, LimitsPatch, Reference, Spare, VersionRef};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Choose which version is live, what stands in for it, and its limits.
///
/// The change is made as a whole or not at all: the version must load and pass
/// its golden examples, and every spare must answer in the model's form.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The model.
    model: String,
    /// The version to make live: a number, an alias or sha256:….
    #[arg(long, value_name = "REF")]
    to: Option<VersionRef>,
    /// Who answers when it can't, in order: `model`, `model@REF`, a version of
    /// this model, or `constant:{"output":value}` as the last.
    #[arg(long, value_name = "REF", num_args = 1..)]
    fallback: Vec<String>,
    /// Remove the fallback chain.
    #[arg(long, conflicts_with = "fallback")]
    no_fallback: bool,
    /// Set an alias: `champion` for the new live version, `champion=3` for another.
    #[arg(long, value_name = "NAME[=REF]")]
    alias: Vec<String>,
    /// From arrival to answer, in milliseconds.
    #[arg(long)]
    deadline_ms: Option<u64>,
    /// Instructions a call may use, roughly; 0 switches counting off.
    #[arg(long)]
    fuel: Option<u64>,
    /// Linear memory a call may use, in bytes.
    #[arg(long)]
    memory_max_bytes: Option<u64>,
    /// Bytes an answer may have.
    #[arg(long)]
    output_max_bytes: Option<u64>,
    /// Calls that may run at once.
    #[arg(long)]
    in_flight_max: Option<usize>,
    /// Calls that may wait.
    #[arg(long)]
    queue_max: Option<usize>,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let client = args.host.client()?;
    let change = args.deployment(&client)?;
    let path = format!("/v1/models/{}/deploy", segment(&args.model));
    let live: Value = client.post(&path, &serde_json::to_vec(&change)?)?;
    if args.json {
        return print_json(&live);
    }
    let part = |key: &str| live.get(key).cloned().unwrap_or_default();
    println!("{}@{} is live  {}", args.model, part("version"), part("digest").as_str().unwrap_or_default());
    Ok(())
}

impl Args {
    fn deployment(&self, client: &Client) -> Result<Deployment, CliError> {
        let fallback = match (self.fallback.as_slice(), self.no_fallback) {
            ([], false) => None,
            ([], true) => Some(Vec::new()),
            (given, _) => Some(given.iter().map(|text| self.spare(text, client)).collect::<Result<_, _>>()?),
        };
        let mut aliases = BTreeMap::new();
        for alias in &self.alias {
            let (name, version) = match alias.split_once('=') {
                Some((name, version)) => (name, version.parse()?),
                None => {
                    (alias.as_str(), self.to.clone().ok_or("`--alias NAME` needs `--to`; or write `--alias NAME=REF`")?)
                }
            };
            aliases.insert(name.to_owned(), version);
        }
        let limits = LimitsPatch {
            deadline_ms: self.deadline_ms,
            fuel: self.fuel,
            memory_max_bytes: self.memory_max_bytes,
            output_max_bytes: self.output_max_bytes,
            in_flight_max: self.in_flight_max,
            queue_max: self.queue_max,
        };
        Ok(Deployment { to: self.to.clone(), fallback, limits, aliases })
    }

    /// A model's name comes first; what is none may be a version of this model.
    fn spare(&self, text: &str, client: &Client) -> Result<Spare, CliError> {
        if let Some(json) = text.strip_prefix("constant:") {
            let row: Map<String, Value> =
                serde_json::from_str(json).map_err(|e| format!("`constant:` wants a JSON object of outputs: {e}"))?;
            return Ok(Spare::Constant(row));
        }
        let reference: Reference = text.parse()?;
        let known: Value = client.get("/v1/state")?;
        let is_model = known.get("models").and_then(|models| models.get(&reference.model)).is_some();
        match (is_model, &reference.version, text.parse::<VersionRef>()) {
            (false, None, Ok(version)) => {
                Ok(Spare::Model(Reference { model: self.model.clone(), version: Some(version) }))
            }
            _ => Ok(Spare::Model(reference)),
        }
    }
}
