//! `[errors]`: what is kept of predictions that fail.

use super::{ConfigError, check};
use scry_card::is_model_name;
use serde::Deserialize;

/// `[errors]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Errors {
    /// Causes that are told apart; a quarter of them at most are clients' mistakes. Default 256; 0 keeps no errors.
    pub groups_max: usize,
    /// Records of one cause: the first and the last. Default 16; a quarter of that for clients' mistakes.
    pub records_max: usize,
    /// Of all of it in the data folder, in bytes; in memory it is a third of that. Default 48 MiB.
    pub total_max_bytes: u64,
    /// How long a record is kept, in days. Default 30.
    pub retention_days: u64,
    /// Models whose requests are kept, too; `*` is every one. Default none: of a request its SHA-256 is kept.
    pub input_models: Vec<String>,
    /// The longest request that is kept, in bytes. Default 64 KiB.
    pub input_max_bytes: usize,
}

impl Default for Errors {
    fn default() -> Self {
        Self {
            groups_max: 256,
            records_max: 16,
            total_max_bytes: 48 << 20,
            retention_days: 30,
            input_models: Vec::new(),
            input_max_bytes: 64 << 10,
        }
    }
}

impl Errors {
    /// Each key with its value and its range.
    pub(super) fn ranges(&self) -> [(&'static str, u64, u64, u64); 5] {
        [
            ("errors.groups_max", self.groups_max as u64, 0, 10_000),
            ("errors.records_max", self.records_max as u64, 2, 1000),
            ("errors.total_max_bytes", self.total_max_bytes, 1 << 20, 1 << 30),
            ("errors.retention_days", self.retention_days, 1, 3650),
            ("errors.input_max_bytes", self.input_max_bytes as u64, 0, 1 << 20),
        ]
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = self.input_models.iter().find(|name| *name != "*" && !is_model_name(name));
        let found = wrong.map(|name| format!("`{name}`")).unwrap_or_default();
        check(wrong.is_none(), "errors.input_models", "names of models, or `*`", found)
    }
}
