//! `[log]`: what is logged, how, and where the access log goes. Opens nothing.

use super::{ConfigError, check};
use serde::Deserialize;
use std::path::PathBuf;

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` or `json`. Default `text`.
    pub format: LogFormat,
    /// A level, or a filter such as `info,scry::store=debug`. Default `info`.
    pub level: String,
    /// Which requests have a line in the access log. Default `off`.
    pub access: AccessLines,
    /// How its lines look. Default `text`.
    pub access_format: AccessFormat,
    /// With `sampled`: share of the requests without an error that have a line, in percent. Default 1.
    pub access_sample_percent: f64,
    /// Where it is written; made anew once it was moved. Default none: stderr.
    pub access_file: Option<PathBuf>,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Which requests have a line in the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLines {
    /// None.
    Off,
    /// Those that ended with an error, or that a fallback answered.
    Errors,
    /// The same, and a share of the others.
    Sampled,
    /// Every one.
    All,
}

/// How a line of the access log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessFormat {
    /// `name=value …`
    Text,
    /// One JSON object a line.
    Json,
    /// Apache's combined form.
    Combined,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".into(),
            access: AccessLines::Off,
            access_format: AccessFormat::Text,
            access_sample_percent: 1.0,
            access_file: None,
        }
    }
}

impl Log {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let percent = self.access_sample_percent;
        check((0.0..=100.0).contains(&percent), "log.access_sample_percent", "0 to 100", percent.to_string())
    }
}
