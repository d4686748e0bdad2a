//! A configuration without its secrets, and any text without those that are known. Pure.
//!
//! What is kept is listed, not what is removed: a key with a spelling error may hold a secret too.

use std::borrow::Cow;
use toml::{Table, Value};

/// What stands in a secret's place.
const REMOVED: &str = "(removed)";

/// The keys whose text is no secret.
const KEPT: [&str; 22] = [
    "access.token_file",
    "admin.hosts",
    "admin.listen",
    "admin.tls.certificate",
    "admin.tls.client_ca",
    "admin.tls.key",
    "data_dir",
    "desired_state.file",
    "log.format",
    "log.level",
    "metrics.listen",
    "prediction.cors_origins",
    "prediction.default_model",
    "prediction.health_path",
    "prediction.listen",
    "prediction.predict_path",
    "prediction.tls.certificate",
    "prediction.tls.client_ca",
    "prediction.tls.key",
    "registries.plain_http",
    "traces.protocol",
    "trust.keys",
];

/// A configuration whose text is kept where its key is known to hold no secret; comments are gone. None, where it is no
/// TOML: nobody knows then where a secret ends.
pub(super) fn redacted(text: &str) -> Option<String> {
    let mut table: Table = toml::from_str(text).ok()?;
    redact_table(&mut table, "");
    toml::to_string_pretty(&table).ok()
}

fn redact_table(table: &mut Table, path: &str) {
    for (key, value) in table.iter_mut() {
        redact(value, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") });
    }
}

fn redact(value: &mut Value, path: &str) {
    match value {
        Value::Table(table) => redact_table(table, path),
        Value::Array(values) => values.iter_mut().for_each(|value| redact(value, path)),
        Value::String(text) if !KEPT.contains(&path) || !is_plain(text) => REMOVED.clone_into(text),
        // A secret of digits alone.
        Value::Integer(_) | Value::Float(_) if path.starts_with("admin.token") => *value = REMOVED.into(),
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

/// Whether a text can be what its key wants: a path, a name, an address. No key in PEM, no user's name and password.
fn is_plain(text: &str) -> bool {
    const PLAIN_MAX_CHARS: usize = 300;
    text.chars().count() <= PLAIN_MAX_CHARS && !text.contains(char::is_control) && !text.contains('@')
}

/// Bytes in which none of these is, whatever else they say.
pub(super) fn without<'a>(bytes: &'a [u8], secrets: &[String]) -> Cow<'a, [u8]> {
    /// A shorter one is in everything.
    const SECRET_MIN_CHARS: usize = 6;
    let text = String::from_utf8_lossy(bytes);
    let known = secrets.iter().filter(|secret| secret.len() >= SECRET_MIN_CHARS && text.contains(secret.as_str()));
    let without = known.fold(None, |found: Option<String>, secret| {
        Some(found.unwrap_or_else(|| text.to_string()).replace(secret.as_str(), REMOVED))
    });
    without.map_or(Cow::Borrowed(bytes), |text| Cow::Owned(text.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_be_harmless_is_removed() {
        let text = r#"
data_dir = "scry-data"     # with a comment: hunter2
[admin]
listen = "127.0.0.1:8081"
token = "s3cret-one"
tokn = "s3cret-two"
[admin.tokens]
ci = "s3cret-three"
night = 1234567890
[admin.tls]
certificate = "/etc/scry/cert.pem"
key = "-----BEGIN PRIVATE KEY-----\ns3cret-four"
[registries]
plain_http = ["10.0.0.1:5000", "user:s3cret-five@registry"]
[limits]
deadline_ms = 300
[[strange]]
password = "s3cret-six"
"#;
        let shown = redacted(text).unwrap();
        for gone in ["s3cret", "hunter2", "1234567890", "BEGIN", "user:"] {
            assert!(!shown.contains(gone), "{gone} in {shown}");
        }
        let kept = ["scry-data", "127.0.0.1:8081", "/etc/scry/cert.pem", "10.0.0.1:5000", "deadline_ms = 300", "ci = "];
        for kept in kept {
            assert!(shown.contains(kept), "no {kept} in {shown}");
        }
        assert_eq!(redacted("[admin]\ntoken = \"half"), None);
    }

    #[test]
    fn a_known_secret_is_in_no_text() {
        let secrets = ["0123456789abcdef".to_owned(), String::new(), "a".to_owned()];
        assert_eq!(&*without(b"a by 0123456789abcdef.", &secrets), b"a by (removed).");
        assert!(matches!(without(b"\xff\xfe a", &secrets), Cow::Borrowed(_)));
    }
}
