//! What a line of the access log looks like. What clients have written is escaped here, for all of them.

use super::Line;
use crate::config::AccessFormat;
use scry_names::text::Escaping;
use serde::Serializer;
use serde_json::Value;
use std::fmt::Write;

/// Appends a line.
pub(super) fn write(format: AccessFormat, line: &Line, to: &mut String) {
    match format {
        AccessFormat::Text => text(line, to),
        AccessFormat::Json => json(line, to),
        AccessFormat::Combined => combined(line, to),
    }
    to.push('\n');
}

/// Everything that is known, in the order in which it is shown.
fn fields(line: &Line) -> Vec<(&'static str, Value)> {
    let prediction = line.context.prediction();
    let prediction = prediction.as_ref();
    let digest = prediction.and_then(|prediction| prediction.digest.as_deref());
    let degraded = prediction.and_then(|prediction| prediction.degraded).map(str::to_owned);
    let shown = |text: &Option<String>| text.as_deref().map(escaped);
    let all = [
        ("listener", Some(line.listener.into())),
        ("remote", Some(line.remote.to_string().into())),
        ("method", Some(escaped(&line.method).into())),
        ("path", Some(escaped(&line.path).into())),
        ("protocol", Some(line.protocol.into())),
        ("status", Some(line.status.into())),
        ("grpc_status", line.grpc_status.map(Value::from)),
        ("bytes", Some(line.bytes.into())),
        ("duration_ms", Some((line.took.as_micros() as f64 / 1e3).into())),
        ("model", prediction.map(|prediction| prediction.model.as_str().into())),
        ("version", prediction.map(|prediction| prediction.version.as_str().into())),
        ("digest", digest.map(Value::from)),
        ("outcome", prediction.map(|prediction| prediction.outcome.into())),
        ("reason", degraded.or_else(|| shown(&line.reason)).map(Value::from)),
        ("request_id", Some(line.context.request_id().into())),
        ("trace_id", Some((*line.context.trace_id()).into())),
        ("token", line.context.token().map(|name| escaped(name).into())),
        ("referer", shown(&line.referer).map(Value::from)),
        ("user_agent", shown(&line.user_agent).map(Value::from)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// An object, with the time first.
fn json(line: &Line, to: &mut String) {
    let timestamp = [("timestamp", Value::from(line.received.to_string()))];
    let mut bytes = Vec::new();
    // Texts and numbers, into memory.
    let _ = serde_json::Serializer::new(&mut bytes).collect_map(timestamp.into_iter().chain(fields(line)));
    to.push_str(&String::from_utf8_lossy(&bytes));
}

/// The time, then `name=value …`; a value is quoted as in JSON where it has to be.
fn text(line: &Line, to: &mut String) {
    let _ = write!(to, "{} access", line.received);
    for (name, value) in fields(line) {
        let is_bare = |text: &str| !text.is_empty() && !text.contains([' ', '"', '=', '\\']);
        let _ = match value.as_str().filter(|text| is_bare(text)) {
            Some(bare) => write!(to, " {name}={bare}"),
            None => write!(to, " {name}={value}"),
        };
    }
}

/// What Apache writes by `"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""`.
fn combined(line: &Line, to: &mut String) {
    let item = |text: Option<&str>| text.map_or_else(|| "-".to_owned(), quotable);
    let token = item(line.context.token()).replace(' ', "\\x20");
    let time = line.received.strftime("%d/%b/%Y:%H:%M:%S +0000");
    let (method, path) = (quotable(&line.method), quotable(&line.path));
    let bytes = if line.bytes == 0 { "-".to_owned() } else { line.bytes.to_string() };
    let (referer, user_agent) = (item(line.referer.as_deref()), item(line.user_agent.as_deref()));
    let Line { remote, protocol, status, .. } = line;
    let _ = write!(
        to,
        "{remote} - {token} [{time}] \"{method} {path} {protocol}\" {status} {bytes} \"{referer}\" \"{user_agent}\""
    );
}

/// As Apache escapes what stands between quotes: what is not printable ASCII byte by byte.
fn quotable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => shown.extend(['\\', char::from(byte)]),
            b' '..=b'~' => shown.push(char::from(byte)),
            _ => drop(write!(shown, "\\x{byte:02x}")),
        }
    }
    shown
}

/// As in the log beside it.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let _ = Escaping::line(&mut shown, usize::MAX).write_str(text);
    shown
}
