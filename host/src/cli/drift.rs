//! `scry drift`

use super::client::{Host, segment};
use super::comparison::{self, Compared};
use super::form::Shape;
use super::profile::alpha;
use super::{CliError, list, print_json, table, text};
use crate::drift::{Epoch, ExportedModel};
use scry_card::stats::{ALPHA, Counts, DriftReport, Reference, watch};
use scry_component::Description;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Show how live rows differ from training data, alarms first.
///
/// One line for each side (inputs, features, outputs) of each version that
/// requests reach, and one for each column that drifts. With `-o wide` every
/// statistic with its threshold, the epoch before, skew of the pipeline, and the
/// versions that nothing routes to.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, after_help = "Example:\n  scry drift fraud -o wide")]
pub(super) struct Args {
    /// The model.
    #[arg(required = true)]
    model: Option<String>,
    #[command(flatten)]
    shape: Shape,
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
    #[arg(long, default_value_t = ALPHA, value_parser = alpha)]
    alpha: f64,
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    if let Some(Command::Merge(merge)) = &args.command {
        return merge.run();
    }
    let model = args.model.as_deref().unwrap_or_default();
    let (client, path) = (args.host.client()?, format!("/v1/models/{}/drift", segment(model)));
    let report: Value = client.get(&path)?;
    if args.shape.is_json() {
        return print_json(&report);
    }
    let alarms: Vec<_> = list(&report, "versions").iter().flat_map(|version| alarms(model, version)).collect();
    alarms.iter().for_each(|(subject, what)| table::alarm(subject, what));
    if !alarms.is_empty() {
        println!();
    }
    if args.shape.is_wide() {
        print!("{}", client.get_text(&format!("{path}?format=text"))?);
        return Ok(());
    }
    show(&report)
}

/// Which sides of a version drift, and by what; whether its data is too old.
fn alarms(model: &str, version: &Value) -> Vec<(String, String)> {
    let mut alarms = Vec::new();
    let subject = format!("{model}@{}", text(version, "version"));
    if version.get("stale") == Some(&Value::Bool(true)) && is_routed(version) {
        let (days, most) = (text(version, "data_age_days"), text(version, "max_age"));
        alarms.push((subject.clone(), format!("STALE: its data is {days} days old, older than {most}")));
    }
    for (side, report) in version.get("sides").and_then(Value::as_object).into_iter().flatten() {
        let alarm = report.pointer("/current/alarm").filter(|alarm| alarm.is_object());
        let Some(alarm) = alarm.filter(|_| is_routed(version)) else { continue };
        let columns: Vec<_> =
            list(alarm, "columns").iter().map(|column| format!("`{}`", text(column, "column"))).collect();
        let (rows, count) = (text(alarm, "rows"), text(alarm, "columns_drifting"));
        let what = format!("{side} drift after {rows} rows: {count} columns, {}", columns.join(", "));
        alarms.push((subject.clone(), what));
    }
    alarms
}

/// Whether requests reach a version.
fn is_routed(version: &Value) -> bool {
    version.get("role").is_some_and(Value::is_string)
}

/// Short columns: a line for each side, then one for each column that drifts.
fn show(report: &Value) -> Result<(), CliError> {
    let (mut sides, mut idle) = (Vec::new(), 0);
    for version in list(report, "versions") {
        if !is_routed(version) {
            idle += 1;
            continue;
        }
        let who = format!("@{} {}", text(version, "version"), text(version, "role"));
        let before = sides.len();
        for (side, found) in version.get("sides").and_then(Value::as_object).into_iter().flatten() {
            if let Some(report) = found.pointer("/current/report") {
                sides.push(Compared::of(&who, side, report)?);
            }
        }
        for side in ["inputs", "outputs"] {
            let beside = version.get("beside").filter(|beside| beside.is_object());
            if let Some((beside, report)) =
                beside.and_then(|beside| Some((beside, beside.get(side).filter(|report| report.is_object())?)))
            {
                sides.push(Compared::of(&who, &format!("{side} vs @{}", text(beside, "live")), report)?);
            }
        }
        if sides.len() == before {
            println!("{who}: {}", text(version, "state"));
        }
    }
    comparison::print_sides(&sides);
    if idle > 0 {
        println!("\n{idle} idle {} not shown: `-o wide`", if idle == 1 { "version is" } else { "versions are" });
    }
    Ok(())
}

/// The epoch that runs and the one before, of one side on all hosts.
type Merged = BTreeMap<&'static str, BTreeMap<&'static str, DriftReport>>;

impl Merge {
    fn run(&self) -> Result<(), CliError> {
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
        if self.shape.is_json() {
            return print_json(&merged);
        }
        if self.shape.is_wide() {
            for (side, epochs) in &merged {
                let print = |(epoch, report): (&&str, &DriftReport)| {
                    println!("[{side}, {epoch} epochs of {} hosts]\n{report}", hosts.len());
                };
                epochs.iter().for_each(print);
            }
            return Ok(());
        }
        let who = format!("{} hosts", hosts.len());
        let sides = merged.into_iter().flat_map(|(side, epochs)| {
            let who = &who;
            epochs.into_iter().map(move |(epoch, report)| Compared::new(who, &format!("{side}, {epoch}"), report))
        });
        comparison::print_sides(&sides.collect::<Vec<_>>());
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
