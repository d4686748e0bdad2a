//! Structured logs on stderr. A line of text is one event: whatever guests and
//! clients put into its fields is escaped here, for all of them.

use crate::config::{Log, LogFormat};
use crate::text::Escaping;
use std::fmt::{Debug, Result as Written, Write};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::{MakeExt, RecordFields};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

/// Of one field of a line of text.
const FIELD_MAX_BYTES: usize = 8 << 10;
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Starts logging; fails when the filter does not read.
pub fn init(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter(&log.level)?).map_err(|e| format!("configuration key `log.level`: {e}"))?;
    // A line that cannot be written would be said on stderr, too, by a panic where nobody reads that.
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    let started = match log.format {
        LogFormat::Text => {
            let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
            builder.with_ansi(ansi).fmt_fields(OneLineFields).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|e| e.to_string())
}

/// The filter with its levels as `tracing` spells them. A word that is neither a
/// level nor a module's path would be taken for a module, and turn everything else off.
fn filter(given: &str) -> Result<String, String> {
    let directive = |directive: &str| {
        let directive = directive.trim();
        let (target, level) = match directive.rsplit_once('=') {
            Some((target, level)) if !level.ends_with(']') && !level.ends_with('}') => (Some(target), level),
            None if !directive.contains("::") && !directive.contains('[') => (None, directive),
            _ => return Ok(directive.to_owned()),
        };
        let level = if level.eq_ignore_ascii_case("warning") { "warn" } else { level };
        if !LEVELS.iter().any(|known| level.eq_ignore_ascii_case(known)) {
            let found: String = level.chars().take(40).collect();
            return Err(format!(
                "configuration key `log.level`: expected one of {} (or a filter such as `info,scry::store=debug`), \
                 found `{found}`",
                LEVELS.join(", ")
            ));
        }
        Ok(target.map_or_else(|| level.to_owned(), |target| format!("{target}={level}")))
    };
    given.split(',').map(directive).collect::<Result<Vec<_>, _>>().map(|all| all.join(","))
}

/// `message name=value …`, each on the line that it is on.
struct OneLineFields;

impl<'w> FormatFields<'w> for OneLineFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> Written {
        let field = |writer: &mut Writer<'_>, field: &tracing::field::Field, value: &dyn Debug| {
            let mut line = Escaping::line(writer, FIELD_MAX_BYTES);
            match field.name() {
                "message" => write!(line, "{value:?}"),
                name => write!(line, "{name}={value:?}"),
            }
        };
        debug_fn(field).delimited(" ").format_fields(writer, fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::MakeWriter;

    #[test]
    fn a_level_is_known_by_both_its_names_and_an_unknown_one_is_refused() {
        for (given, filtered) in [
            ("info", "info"),
            ("warning", "warn"),
            ("WARN", "WARN"),
            ("off", "off"),
            ("warning,scry::store=warning, scry::guest=debug", "warn,scry::store=warn,scry::guest=debug"),
            ("scry::store", "scry::store"),
            ("scry::store[load{model=a}]=trace", "scry::store[load{model=a}]=trace"),
        ] {
            assert_eq!(filter(given).as_deref(), Ok(filtered));
            EnvFilter::try_new(filtered).unwrap();
        }
        for given in ["loud", "", "warnings", "info,loud", "scry=loud", "store", "0x3"] {
            let error = filter(given).unwrap_err();
            assert!(error.contains("`log.level`: expected one of off, error, warn, info, debug, trace"), "{error}");
        }
    }

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Kept {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn every_field_stays_on_its_line_however_it_is_recorded() {
        let kept = Kept::default();
        let subscriber =
            tracing_subscriber::fmt().with_writer(kept.clone()).with_ansi(false).fmt_fields(OneLineFields).finish();
        let forged = "a\n2030-01-01T00:00:00Z ERROR scry: forged\r\0\x1b[2J\u{2028}\u{202e}";
        let error = io::Error::other(forged);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("{forged}");
            tracing::info!(display = %forged, debug = ?forged, plain = forged, %error, "said");
            tracing::info!(error = &error as &dyn std::error::Error, "said");
            tracing::info!("{}", "x".repeat(1 << 20));
        });
        let log = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.lines().count(), 4, "{log}");
        assert!(log.chars().all(|c| c == '\n' || !c.is_control()), "{log}");
        assert!(!log.contains(['\u{2028}', '\u{202e}']), "{log}");
        let escaped = r"a\n2030-01-01T00:00:00Z ERROR scry: forged\r\u{0}\u{1b}[2J\u{2028}\u{202e}";
        assert!(log.contains(&format!("said display={escaped} debug=")), "{log}");
        assert!(log.len() < 2 * FIELD_MAX_BYTES, "{} bytes", log.len());
    }
}
