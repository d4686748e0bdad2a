//! Sampled requests and answers, and errors: what is kept of predictions beyond counts.
//!
//! Never waits on a request, and never fails one: what finds no room is dropped and counted.
//!
//! The hook is in `serving/recorded.rs`: [`Recording::begins`] is asked once when a request begins, and
//! [`Recording::ended`] gets its [`Record`] when it ends, where [`Recording::wants`] says so.

pub mod errors;
mod id;
mod noted;
pub mod record;

pub use errors::Errors;
pub use id::{NoRecordId, RecordId};
pub use noted::{Kept, Noted};
pub use record::Record;

use crate::config::Config;
use crate::telemetry::Metrics;
use scry_store::Store;
use std::sync::Arc;

/// What is kept of predictions.
#[derive(Debug, Default)]
pub struct Recording {
    errors: Option<Errors>,
}

impl Recording {
    /// Reads what was kept, and starts the threads that keep more.
    pub fn start(config: &Config, store: &Store, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        Ok(Self { errors: Errors::start(&config.errors, store, metrics)? })
    }

    /// The errors, where they are kept.
    pub fn errors(&self) -> Option<&Errors> {
        self.errors.as_ref()
    }

    /// The slot of a request that begins. None is recorded whole.
    pub fn begins(&self, _model: &str) -> Noted {
        Noted::default()
    }

    /// Whether the record of a prediction that has ended is wanted: where it failed or a fallback answered, and there
    /// is room; else where all of it is.
    pub fn wants(&self, noted: &Noted, is_error: bool) -> bool {
        noted.is_whole() || (is_error && self.errors.as_ref().is_some_and(Errors::has_room))
    }

    /// Takes a record, where there is room; whether it is kept as an error, so that the answer may name it.
    pub fn ended(&self, record: Arc<Record>) -> bool {
        record.is_error() && self.errors.as_ref().is_some_and(|errors| errors.take(record))
    }

    /// Has all that waits written: the host ends.
    pub fn close(&self) {
        if let Some(errors) = &self.errors {
            errors.close();
        }
    }
}
