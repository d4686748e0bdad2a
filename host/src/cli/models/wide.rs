//! Everything that a host says of a model, as people read it.

use super::super::table::cut;
use super::super::{list, text, time};
use super::{circuit, number};
use serde_json::Value;

/// Characters of all labels of a version.
const LABELS_MAX_CHARS: usize = 1_000;

pub(super) fn show(model: &Value) {
    match text(model, "state").as_str() {
        "serving" => {
            println!(
                "{}  (live: {}, deadline {} ms)",
                text(model, "model"),
                text(model, "live"),
                text(model, "deadline_ms")
            );
        }
        state => println!("{}  ({state})", text(model, "model")),
    }
    list(model, "versions").iter().for_each(show_version);
    for (alias, version) in model.get("aliases").and_then(Value::as_object).into_iter().flatten() {
        println!("  @{alias} = {version}");
    }
    if let Some(canary) = model.get("canary").filter(|canary| canary.is_object()) {
        println!(
            "  canary: version {} on {} % (step {} of {}): {}; {} of {} requests failed, live {} of {}",
            text(canary, "to"),
            number(canary, "percent"),
            canary.get("step").and_then(Value::as_u64).map_or(0, |step| step + 1),
            list(canary, "steps").len(),
            text(canary, "status"),
            text(canary, "errors"),
            text(canary, "requests"),
            text(canary, "live_errors"),
            text(canary, "live_requests"),
        );
    }
    if let Some(shadow) = model.get("shadow").filter(|shadow| shadow.is_object()) {
        show_shadow(shadow);
    }
    for fallback in list(model, "fallback") {
        match fallback.get("model") {
            Some(reference) => println!("  falls back to {}", reference.as_str().unwrap_or_default()),
            None => println!("  falls back to the constant {}", text(fallback, "constant")),
        }
    }
}

fn show_version(version: &Value) {
    let age = version.get("data_age_days").and_then(Value::as_f64);
    let is_stale = version.get("stale") == Some(&Value::Bool(true));
    let stale = if is_stale { format!(", STALE: older than {}", text(version, "max_age")) } else { String::new() };
    let age = age.map(|days| format!("  data {days} days old{stale}")).unwrap_or_default();
    let drifting: Vec<_> = list(version, "drifting").iter().filter_map(Value::as_str).collect();
    let drift = if drifting.is_empty() { String::new() } else { format!("  DRIFT in {}", drifting.join(", ")) };
    let circuit = version.get("circuit").map(|state| format!("  {}", circuit(state))).unwrap_or_default();
    let built_from = version.get("crate_version").and_then(Value::as_str);
    let built_from = built_from.map(|version| format!("  crate {version}")).unwrap_or_default();
    println!(
        "  @{:<4} {}  {}  {} %  {} requests, {} failed{circuit}{age}{drift}{built_from}",
        text(version, "version"),
        text(version, "digest"),
        text(version, "state"),
        number(version, "traffic_percent"),
        text(version, "requests"),
        text(version, "errors"),
    );
    if let Some(from) = version.get("from").and_then(Value::as_str) {
        println!("        from {from}");
    }
    match version.get("signed_by") {
        None => {}
        Some(Value::String(keyid)) => println!("        signed by {keyid}"),
        Some(_) => println!("        not signed by a trusted key"),
    }
    let labels = version.get("labels").and_then(Value::as_object).into_iter().flatten();
    let labels: Vec<_> = labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    if !labels.is_empty() {
        println!("        {}", cut(&labels.join("  "), LABELS_MAX_CHARS));
    }
    for error in list(version, "last_errors") {
        let message = text(error, "message");
        // What a panic says is in its second line; the backtrace is for the log.
        let told: Vec<_> = message.lines().take_while(|line| !line.starts_with("error while executing")).collect();
        println!("        {}Z  {}: {}", time(error.get("at_ms")), text(error, "reason"), told.join(" "));
    }
}

fn show_shadow(shadow: &Value) {
    let Some(report) = shadow.get("report").filter(|report| report.is_object()) else {
        println!("  shadow: version {} is not ready", text(shadow, "to"));
        return;
    };
    let ms = |key: &str| report.get(key).and_then(Value::as_f64).map_or("-".into(), |ms| format!("{ms:.3}"));
    println!(
        "  shadow: version {} on {} %: {} of {} rows differ; p50 {} ms (live {}), p95 {} ms (live {}); {} samples dropped",
        text(shadow, "to"),
        number(shadow, "percent"),
        text(report, "rows_differing"),
        text(report, "rows"),
        ms("shadow_p50_ms"),
        ms("live_p50_ms"),
        ms("shadow_p95_ms"),
        ms("live_p95_ms"),
        text(report, "dropped"),
    );
    for (field, difference) in report.get("fields").and_then(Value::as_object).into_iter().flatten() {
        let size = |key| difference.get(key).map(|_| number(difference, key));
        let size = size("absolute_max").zip(size("absolute_mean"));
        let size = size.map(|(max, mean)| format!(", by {max} at most, {mean} on average")).unwrap_or_default();
        let example = difference.get("example").filter(|example| example.is_object());
        let example = example.map(|pair| format!("; first {} (live {})", text(pair, "shadow"), text(pair, "live")));
        println!(
            "        {field}: {} of {} differ{size}{}",
            text(difference, "differing"),
            text(difference, "elements"),
            example.unwrap_or_default(),
        );
    }
    for (reason, count) in report.get("errors").and_then(Value::as_object).into_iter().flatten() {
        println!("        failed {count} times: {reason}");
    }
}
