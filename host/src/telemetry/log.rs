//! Structured logs on stderr. A line is one event, as text or as JSON: whatever
//! guests and clients put into its fields is escaped and cut here, for all of
//! them, and so is what a panic says. A line that is of a request says of which.

use super::with_current;
use crate::config::{Log, LogFormat};
use anstream::{AutoStream, ColorChoice};
use scry_names::text::Escaping;
use serde_json::{Map, Value};
use std::fmt::{Debug, Result as Written, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::{MakeExt, RecordFields};
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Of one field of a line.
const FIELD_MAX_BYTES: usize = 8 << 10;
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Starts logging; fails when the filter does not read.
pub fn init(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter(&log.level)?).map_err(|e| format!("configuration key `log.level`: {e}"))?;
    // A line that cannot be written would be reported on stderr, too: by a panic, with no reader left.
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    let started = match log.format {
        LogFormat::Text => {
            let is_colored = AutoStream::choice(&std::io::stderr()) != ColorChoice::Never;
            builder.with_ansi(is_colored).fmt_fields(OneLineFields).try_init()
        }
        LogFormat::Json => builder.event_format(JsonLine).try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        tracing::error!(thread = thread.name(), "{panic}");
    }));
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

/// The names of what is said of a line's request.
const REQUEST_ID: &str = "request_id";
const TRACE_ID: &str = "trace_id";

/// What a line says of the request whose work the thread does.
fn of_request() -> Option<[(&'static str, Box<str>); 2]> {
    with_current(|context| [(REQUEST_ID, context.request_id().into()), (TRACE_ID, context.trace_id().into())])
}

/// `message name=value …`, each on the line that it is on.
struct OneLineFields;

impl<'w> FormatFields<'w> for OneLineFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> Written {
        let field = |writer: &mut Writer<'_>, field: &Field, value: &dyn Debug| {
            let mut line = Escaping::line(writer, FIELD_MAX_BYTES);
            match field.name() {
                "message" => write!(line, "{value:?}"),
                name => write!(line, "{name}={value:?}"),
            }
        };
        debug_fn(field).delimited(" ").format_fields(writer.by_ref(), fields)?;
        of_request().into_iter().flatten().try_for_each(|(name, value)| write!(writer, " {name}={value}"))
    }
}

/// An object with the time, the level, the target and the event's fields.
struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> Written {
        let mut fields = JsonFields::default();
        event.record(&mut fields);
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let (level, target) = (event.metadata().level().as_str(), event.metadata().target());
        for (name, value) in [("timestamp", timestamp.as_str()), ("level", level), ("target", target)] {
            fields.0.insert(name.into(), value.into());
        }
        for (name, value) in of_request().into_iter().flatten() {
            fields.0.insert(name.into(), (*value).into());
        }
        writeln!(writer, "{}", Value::Object(fields.0))
    }
}

#[derive(Default)]
struct JsonFields(Map<String, Value>);

impl JsonFields {
    fn keep(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for JsonFields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // Only a value's own formatting can fail: what it wrote until then is kept.
        let _ = write!(Escaping::line(&mut text, FIELD_MAX_BYTES), "{value:?}");
        self.keep(field, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::context::{Context, Given};
    use crate::telemetry::enter;
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

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

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
        let text = |kept: Kept| {
            tracing_subscriber::fmt().with_writer(kept).with_ansi(false).fmt_fields(OneLineFields).finish()
        };
        let log = logged(text);
        let escaped = r"a\n2030-01-01T00:00:00Z ERROR scry: forged\r\u{0}\u{1b}[2J\u{2028}\u{202e}";
        assert!(log.contains(&format!("said display={escaped} debug=")), "{log}");
        let json = |kept: Kept| tracing_subscriber::fmt().with_writer(kept).event_format(JsonLine).finish();
        let log = logged(json);
        let line: Value = serde_json::from_str(log.lines().nth(1).unwrap()).unwrap();
        for key in ["display", "plain", "error"] {
            assert_eq!(line[key], escaped, "{key}");
        }
        let (message, level, target) = (&line["message"], &line["level"], &line["target"]);
        assert_eq!((message, level, target), (&"said".into(), &"INFO".into(), &module_path!().into()));
        assert_eq!((&line["count"], &line["share"]), (&7.into(), &0.5.into()));
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    }

    #[test]
    fn a_line_says_of_which_request_it_is() {
        let context = Arc::new(Context::new(Given { request_id: Some("order-7"), span: None }, false, || 7));
        let say = || {
            enter(context.clone(), || tracing::info!(count = 7, "theirs"));
            tracing::info!("nobody's");
        };
        let kept = Kept::default();
        let text = tracing_subscriber::fmt().with_writer(kept.clone()).with_ansi(false).fmt_fields(OneLineFields);
        tracing::subscriber::with_default(text.finish(), say);
        let log = kept.text();
        assert!(log.contains("theirs count=7 request_id=order-7 trace_id=00000000000000070000000000000007\n"), "{log}");
        assert!(log.ends_with("nobody's\n"), "{log}");
        let kept = Kept::default();
        let json = tracing_subscriber::fmt().with_writer(kept.clone()).event_format(JsonLine).finish();
        tracing::subscriber::with_default(json, say);
        let lines: Vec<Value> = kept.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["request_id"], &lines[0]["count"]), (&"order-7".into(), &7.into()));
        assert_eq!(lines[0]["trace_id"], "00000000000000070000000000000007");
        assert_eq!(lines[1].get("request_id"), None);
    }

    /// What is logged of all that could forge a line.
    fn logged<S: Subscriber + Send + Sync + 'static>(subscriber: impl Fn(Kept) -> S) -> String {
        let kept = Kept::default();
        let forged = "a\n2030-01-01T00:00:00Z ERROR scry: forged\r\0\x1b[2J\u{2028}\u{202e}";
        let error = io::Error::other(forged);
        tracing::subscriber::with_default(subscriber(kept.clone()), || {
            tracing::info!("{forged}");
            tracing::info!(display = %forged, debug = ?forged, plain = forged, %error, count = 7, share = 0.5, "said");
            tracing::info!(error = &error as &dyn std::error::Error, "said");
            tracing::info!("{}", "x".repeat(1 << 20));
        });
        let log = kept.text();
        assert_eq!(log.lines().count(), 4, "{log}");
        assert!(log.chars().all(|c| c == '\n' || !c.is_control()), "{log}");
        assert!(!log.contains(['\u{2028}', '\u{202e}']), "{log}");
        assert!(log.len() < 2 * FIELD_MAX_BYTES, "{} bytes", log.len());
        log
    }
}
