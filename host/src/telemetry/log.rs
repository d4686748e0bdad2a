//! Structured logs on stderr.

use crate::config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// Starts logging; fails when the filter does not read.
pub fn init(log: &Log) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.level).map_err(|e| format!("configuration key `log.level`: {e}"))?;
    // A line that cannot be written would be said on stderr, too, by a panic where nobody reads that.
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    let started = match log.format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|e| e.to_string())
}
