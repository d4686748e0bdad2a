//! `scry models`

mod wide;

use super::client::Host;
use super::form::Shape;
use super::print::Tone;
use super::table::{self, Cell};
use super::{CliError, list, print_json, suggest, text, time};
use serde_json::Value;

/// List the models of a host, what needs attention first.
///
/// One line for each version that requests reach: its role, its share of the
/// requests, how many it had and how many failed, and what belongs to it. With
/// `-o wide` everything: digests, circuits, ages of data, comparisons of a
/// shadow, last errors, and the versions that nothing routes to.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry models fraud -o wide")]
pub(super) struct Args {
    /// Only this model.
    model: Option<String>,
    #[command(flatten)]
    shape: Shape,
    #[command(flatten)]
    host: Host,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let mut listed: Value = args.host.client()?.get("/v1/models")?;
    if let (Some(wanted), Some(models)) = (&args.model, listed.get_mut("models").and_then(Value::as_array_mut)) {
        let names: Vec<_> = models.iter().map(|model| text(model, "model")).collect();
        models.retain(|model| text(model, "model") == *wanted);
        if models.is_empty() {
            let message = format!("model `{wanted}` is not known");
            return Err(suggest::with(&message, wanted, names.iter().map(String::as_str)).into());
        }
    }
    if args.shape.is_json() {
        return print_json(&listed);
    }
    let models = list(&listed, "models");
    if models.is_empty() {
        println!("no models yet: `scry publish FILE`");
        return Ok(());
    }
    let alarms: Vec<_> = models.iter().flat_map(alarms).collect();
    alarms.iter().for_each(|(subject, what)| table::alarm(subject, what));
    if !alarms.is_empty() {
        println!();
    }
    if args.shape.is_wide() {
        models.iter().for_each(wide::show);
    } else {
        show(models);
    }
    Ok(())
}

/// Which requests reach a version, if any do.
fn role<'a>(model: &'a Value, version: &Value) -> Option<&'a str> {
    let number = version.get("version")?;
    let is_to = |of: &str| model.get(of).and_then(|of| of.get("to")) == Some(number);
    match () {
        () if model.get("live") == Some(number) => Some("live"),
        () if is_to("canary") => Some("canary"),
        () if is_to("shadow") => Some("shadow"),
        () if aliases(model, number).next().is_some() => Some("alias"),
        () => None,
    }
}

fn aliases<'a>(model: &'a Value, number: &Value) -> impl Iterator<Item = &'a String> {
    let aliases = model.get("aliases").and_then(Value::as_object).into_iter().flatten();
    aliases.filter(move |(_, version)| *version == number).map(|(alias, _)| alias)
}

/// What is wrong with versions that requests reach.
fn alarms(model: &Value) -> Vec<(String, String)> {
    let mut alarms = Vec::new();
    for version in list(model, "versions").iter().filter(|version| role(model, version).is_some()) {
        let subject = format!("{}@{}", text(model, "model"), text(version, "version"));
        let mut raise = |what: String| alarms.push((subject.clone(), what));
        let state = text(version, "state");
        if state != "ready" && state != "cold" {
            raise(format!("not available: {state}"));
        }
        if version.get("signed_by").is_some_and(Value::is_null) {
            raise("not signed by a trusted key: sign it (`scry sign`) and publish it again".into());
        }
        let is_forced = |circuit: &Value| circuit.get("forced") == Some(&Value::Bool(true));
        let as_usual = |circuit: &Value| text(circuit, "state") == "closed" && !is_forced(circuit);
        if let Some(state) = version.get("circuit").filter(|circuit| !as_usual(circuit)) {
            raise(circuit(state));
        }
        let drifting: Vec<_> = list(version, "drifting").iter().filter_map(Value::as_str).collect();
        if !drifting.is_empty() {
            raise(format!("drift in {}: `scry drift {}`", drifting.join(", "), text(model, "model")));
        }
        if version.get("stale") == Some(&Value::Bool(true)) {
            let (days, most) = (number(version, "data_age_days"), text(version, "max_age"));
            raise(format!("STALE: its data is {days} days old, older than {most}"));
        }
    }
    alarms
}

fn show(models: &[Value]) {
    let mut rows = Vec::new();
    let mut idle = 0;
    for model in models {
        let before = rows.len();
        let versions = list(model, "versions");
        for version in versions {
            match role(model, version) {
                Some(role) => rows.push(row(model, version, role)),
                None => idle += 1,
            }
        }
        if rows.len() == before {
            let state = [text(model, "model"), "-".into(), text(model, "state")];
            rows.push(state.iter().map(Cell::new).collect());
        }
    }
    table::print(&["MODEL", "VERSION", "ROLE", "TRAFFIC", "REQUESTS", "FAILED", "NOTES"], &rows);
    if idle > 0 {
        println!("\n{idle} idle {} not shown: `-o wide`", if idle == 1 { "version is" } else { "versions are" });
    }
}

fn row(model: &Value, version: &Value, role: &str) -> Vec<Cell> {
    let failed = version.get("errors").and_then(Value::as_u64).unwrap_or_default();
    vec![
        Cell::new(text(model, "model")),
        Cell::number(text(version, "version")),
        Cell::new(role).tone(if role == "live" { Tone::Good } else { Tone::Plain }),
        Cell::number(format!("{} %", number(version, "traffic_percent"))),
        Cell::number(text(version, "requests")),
        Cell::number(failed.to_string()).tone(if failed > 0 { Tone::Warn } else { Tone::Plain }),
        Cell::new(notes(model, version, role).join("; ")),
    ]
}

/// What else belongs to a version: aliases, fallback, how it does.
fn notes(model: &Value, version: &Value, role: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let named: Vec<_> = version.get("version").into_iter().flat_map(|number| aliases(model, number)).collect();
    notes.extend(named.iter().map(|alias| format!("@{alias}")));
    match role {
        "live" => {
            let chain: Vec<_> = list(model, "fallback").iter().map(fallback).collect();
            if !chain.is_empty() {
                notes.push(format!("fallback {}", chain.join(", ")));
            }
        }
        "canary" => notes.extend(model.get("canary").map(|canary| text(canary, "status"))),
        "shadow" => {
            let report = model.get("shadow").and_then(|shadow| shadow.get("report"));
            notes.push(report.filter(|report| report.is_object()).map_or("not ready".into(), |report| {
                format!("{} of {} rows differ", text(report, "rows_differing"), text(report, "rows"))
            }));
        }
        _ => {}
    }
    notes
}

/// One link of a fallback chain, in a word.
fn fallback(link: &Value) -> &str {
    link.get("model").and_then(Value::as_str).unwrap_or("constant")
}

/// How a circuit stands, in words.
pub(super) fn circuit(circuit: &Value) -> String {
    let forced = if circuit.get("forced") == Some(&Value::Bool(true)) { "forced " } else { "" };
    let since = circuit.get("since_ms").filter(|since| since.is_u64());
    let since = since.map(|since| format!(" since {}Z", time(Some(since)))).unwrap_or_default();
    let probe = circuit.get("next_probe_ms").and_then(Value::as_u64);
    let probe = probe.map(|left_ms| format!(", next probe in {left_ms} ms")).unwrap_or_default();
    format!("circuit {forced}{}{since}{probe}", text(circuit, "state"))
}

/// A number as people write it: `10`, not `10.0`.
pub(super) fn number(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_f64).map(|number| number.to_string()).unwrap_or_default()
}
