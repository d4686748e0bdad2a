//! `scry drift`

use super::client::{Host, segment};
use super::{CliError, print_json};
use crate::component::Description;
use crate::serving::{Epoch, ExportedModel};
use scry_card::stats::{ALPHA, Counts, DriftReport, Reference, watch};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Show how what a model's versions see and say differs from their training
/// data, alarm or not: every statistic with its threshold, skew of the
/// pipeline, canary and shadow beside the live version, age of the data.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    /// The model.
    #[arg(required = true)]
    model: Option<String>,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Add the counts of several hosts, and judge them together.
    Merge(Merge),
}

/// The counts of each host are what `GET /v1/models/{model}/drift/counts` on
/// its admin listener says. Only those of the component are added.
#[derive(Debug, clap::Args)]
struct Merge {
    /// Counts, a file for each host.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The component whose rows were counted.
    #[arg(long, value_name = "FILE")]
    component: PathBuf,
    /// Share of epochs in which an alarm may be false.
    #[arg(long, default_value_t = ALPHA)]
    alpha: f64,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    if let Some(Command::Merge(merge)) = &args.command {
        return merge.run();
    }
    let model = args.model.as_deref().unwrap_or_default();
    let (client, path) = (args.host.client()?, format!("/v1/models/{}/drift", segment(model)));
    if args.json {
        return print_json(&client.get::<Value>(&path)?);
    }
    print!("{}", client.get_text(&format!("{path}?format=text"))?);
    Ok(())
}

/// The epoch that runs and the one before, of one side on all hosts.
type Merged = BTreeMap<&'static str, BTreeMap<&'static str, DriftReport>>;

impl Merge {
    fn run(&self) -> Result<(), CliError> {
        if !(self.alpha > 0.0 && self.alpha < 1.0) {
            return Err(format!("--alpha: expected a share between 0 and 1, found {}", self.alpha).into());
        }
        let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", self.component.display());
        let bytes = std::fs::read(&self.component).map_err(|e| wrong(&e))?;
        let description = Description::read(&bytes).map_err(|e| wrong(&e))?;
        let references = description.references.ok_or_else(|| wrong(&"the component has no reference statistics"))?;
        let mut hosts = Vec::new();
        for file in &self.files {
            let export = read(file)?;
            let version = export.versions.into_iter().find(|version| version.digest == description.digest);
            let version =
                version.ok_or_else(|| format!("{}: holds no counts of {}", file.display(), description.digest))?;
            hosts.push((file, version.sides));
        }
        let sides = [
            ("inputs", Some(&references.inputs)),
            ("features", references.features.as_ref()),
            ("outputs", references.outputs.as_ref()),
        ];
        let mut merged = Merged::new();
        for (name, reference) in sides.into_iter().filter_map(|(name, reference)| Some((name, reference?))) {
            let of_side = || hosts.iter().filter_map(|(file, sides)| Some((*file, sides.get(name)?)));
            let last = of_side().filter_map(|(file, epochs)| Some((file, epochs.last.as_ref()?)));
            let current = of_side().map(|(file, epochs)| (file, &epochs.current));
            for (which, total) in [("last", added(reference, last)?), ("current", added(reference, current)?)] {
                if let Some(total) = total {
                    merged.entry(name).or_default().insert(which, watch(reference, &total, self.alpha)?);
                }
            }
        }
        if self.json {
            return print_json(&merged);
        }
        for (side, epochs) in &merged {
            epochs
                .iter()
                .for_each(|(epoch, report)| println!("[{side}, {epoch} epochs of {} hosts]\n{report}", hosts.len()));
        }
        Ok(())
    }
}

fn read(file: &Path) -> Result<ExportedModel, CliError> {
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let bytes = std::fs::read(file).map_err(|e| wrong(&e))?;
    Ok(scry_card::strict::from_slice(&bytes).map_err(|e| wrong(&e))?)
}

/// The sum of counts that are all of one reference; nothing where there are none.
fn added<'a>(
    reference: &Reference,
    epochs: impl Iterator<Item = (&'a PathBuf, &'a Epoch)>,
) -> Result<Option<Counts>, CliError> {
    let mut total: Option<Counts> = None;
    for (file, Epoch { counts, .. }) in epochs {
        counts.check(reference).map_err(|e| format!("{}: {e}", file.display()))?;
        match &mut total {
            None => total = Some(counts.clone()),
            Some(total) => total.merge(counts)?,
        }
    }
    Ok(total)
}
