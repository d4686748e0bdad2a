//! `scry errors`

use super::client::{Host, segment};
use super::print::{Tone, counted, line};
use super::{CliError, list, number, print_json, text, time};
use crate::recording::RecordId;
use scry_names::text::whole_number;
use serde_json::Value;

/// Show predictions that failed, by cause; or one of them with everything that is known of it.
///
/// The causes with the newest error come first. Of each cause the first and the last errors are kept, as long as there
/// is room: their ids are in the answers that clients got.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  scry errors --model fraud --since 1h\n  scry errors 019385e8-7c1a-7b52-9d0e-3f6f1a2b4c5d"
)]
pub(super) struct Args {
    /// One error, by its id: the header `scry-error-id` of the answer, or `error_id` in it.
    #[arg(conflicts_with_all = ["model", "since", "limit"])]
    id: Option<RecordId>,
    /// Only errors of this model.
    #[arg(long)]
    model: Option<String>,
    /// Only causes with an error in this time, such as 30m, 1h or 7d.
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    since: Option<u64>,
    /// How many causes to show, at most 1,000.
    #[arg(long, default_value_t = 20, value_parser = number::<usize>)]
    limit: usize,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

fn milliseconds(text: &str) -> Result<u64, String> {
    const UNITS: [(char, u64); 4] = [('s', 1000), ('m', 60_000), ('h', 3_600_000), ('d', 86_400_000)];
    let read = UNITS.iter().find_map(|&(unit, ms)| whole_number::<u64>(text.strip_suffix(unit)?)?.checked_mul(ms));
    read.ok_or_else(|| "expected a whole number and one of s, m, h and d, such as 30m".to_owned())
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let path = match args.id {
        Some(id) => format!("/v1/errors/{id}"),
        None => {
            let model = args.model.as_deref().map(|model| format!("&model={}", segment(model))).unwrap_or_default();
            let since = args.since.map(|ms| crate::telemetry::unix_ms().saturating_sub(ms)).unwrap_or_default();
            format!("/v1/errors?limit={}&since_ms={since}{model}", args.limit)
        }
    };
    let told: Value = args.host.client()?.get(&path)?;
    match args.id {
        _ if args.json => return print_json(&told),
        Some(_) => show(&told),
        None => list_groups(&told),
    }
    Ok(())
}

fn list_groups(told: &Value) {
    for group in list(told, "groups") {
        let (at, who, records) = (time(group.get("last_ms")), asked(group), list(group, "records"));
        let count = counted(whole(group, "count"), "error");
        line(&[
            (Tone::Plain, &format!("{at}Z  {count:>12}  {who:<16} ")),
            (tone(group), &text(group, "reason")),
            (
                Tone::Plain,
                if group.get("is_degraded") == Some(&Value::Bool(true)) { ", a fallback answered" } else { "" },
            ),
        ]);
        println!("       {}", text(group, "cause"));
        let newest = records.last().map(|record| text(record, "id")).unwrap_or_default();
        if !newest.is_empty() {
            println!("       newest {newest}, {} kept", counted(records.len() as u64, "record"));
        }
    }
    match whole(told, "left_out") {
        0 => {}
        more => println!("\n{} more: `--limit`", counted(more, "cause")),
    }
    if let Some(lost) = told.get("lost") {
        show_lost(lost);
    }
}

/// What is not kept, and why.
fn show_lost(lost: &Value) {
    for (key, why) in [
        ("queue", "came faster than they could be kept"),
        ("disk", "could not be written"),
        ("damage", "were in damaged lines of the log"),
    ] {
        match whole(lost, key) {
            0 => {}
            count => super::warn(&format!("{} lost: they {why}", counted(count, "record"))),
        }
    }
    let error = text(lost, "error");
    if !error.is_empty() {
        let unwritten = counted(whole(lost, "unwritten"), "record");
        super::warn(&format!("{unwritten} only in memory, since the disk takes none: {error}"));
    }
}

fn show(told: &Value) {
    let none = Value::Null;
    let (record, group) = (told.get("record").unwrap_or(&none), told.get("group").unwrap_or(&none));
    let id = text(record, "id");
    row("error", &id);
    row("time", &format!("{}Z", time(record.get("at_ms"))));
    row("model", &format!("{} {}", asked(record), text(record, "digest")));
    let by = record.get("answered_by").map(|by| format!(", answered by {}", asked(by))).unwrap_or_default();
    let fault = if text(record, "fault") == "client" { ", the request's own fault" } else { "" };
    row("reason", &format!("{}{by}{fault}", text(record, "reason")));
    text(record, "cause").lines().enumerate().for_each(|(i, cause)| row(if i == 0 { "cause" } else { "" }, cause));
    row("took", &format!("{} of {}", ms(record, "took_us"), ms(record, "deadline_us")));
    for (key, name) in [("request_id", "request"), ("trace_id", "trace")] {
        let value = text(record, key);
        if !value.is_empty() {
            row(name, &value);
        }
    }
    list(record, "calls").iter().for_each(show_call);
    let is_kept = show_input(record.get("input").unwrap_or(&none));
    let since = time(group.get("first_ms"));
    row("cause seen", &format!("{} since {since}Z", counted(whole(group, "count"), "time")));
    match is_kept {
        true => row("next", &format!("scry replay {id}")),
        false => row(
            "next",
            &format!("keep what is sent to repeat it: `errors.input_models = [\"{}\"]`", text(record, "model")),
        ),
    }
}

fn show_call(call: &Value) {
    row("call", &format!("{}: {}", asked(call), text(call, "reason")));
    row("", &format!("ran {} of {}", ms(call, "ran_us"), ms(call, "ran_max_us")));
    if call.get("fuel").is_some() {
        row("", &format!("fuel {} of {}", text(call, "fuel"), text(call, "fuel_max")));
    }
    row("", &format!("memory {} of {} bytes", text(call, "memory_bytes"), text(call, "memory_max_bytes")));
    for (i, frame) in list(call, "backtrace").iter().enumerate() {
        row(if i == 0 { "backtrace" } else { "" }, &format!("{i:>2}: {}", text(frame, "function")));
    }
}

/// Whether all of it is kept.
fn show_input(input: &Value) -> bool {
    let (bytes, form, rows) = (counted(whole(input, "bytes"), "byte"), text(input, "format"), text(input, "rows"));
    let rows = if rows.is_empty() { rows } else { format!(", {rows} rows") };
    match text(input, "sha256") {
        none if none.is_empty() => row("input", "not received"),
        sha256 => {
            row("input", &format!("{bytes}, {form}{rows}"));
            row("", &format!("sha256 {sha256}"));
        }
    }
    let kept = text(input, "text");
    if !kept.is_empty() {
        row("", &super::table::cut(&kept, SHOWN_MAX_CHARS));
    }
    !kept.is_empty() || input.get("base64").is_some()
}

/// Characters of an input that are shown.
const SHOWN_MAX_CHARS: usize = 400;

fn row(name: &str, value: &str) {
    const NAME_LEN: usize = 10;
    println!("{name:<NAME_LEN$}  {value}");
}

/// A model and its version.
fn asked(of: &Value) -> String {
    let (model, version) = (text(of, "model"), text(of, "version"));
    if version.is_empty() { model } else { format!("{model}@{version}") }
}

fn tone(group: &Value) -> Tone {
    if text(group, "fault") == "client" { Tone::Warn } else { Tone::Bad }
}

fn whole(of: &Value, key: &str) -> u64 {
    of.get(key).and_then(Value::as_u64).unwrap_or_default()
}

fn ms(of: &Value, key: &str) -> String {
    format!("{:.1} ms", whole(of, key) as f64 / 1e3)
}
