//! Sampled requests and answers, and errors: what is kept of predictions beyond counts.
//!
//! Never waits on a request, and never fails one: what finds no room is dropped and counted.
//!
//! The hook is in `serving/pipeline.rs`: [`Recording::begins`] is asked once when a request begins, and
//! [`Recording::ended`] gets its [`Record`] when it ends, where [`Recording::wants`] says so.

mod id;
mod noted;
pub mod record;

pub use id::{NoRecordId, RecordId};
pub use noted::{Kept, Noted};
pub use record::Record;

use std::sync::Arc;

/// What is kept of predictions, by whom.
#[derive(Debug, Default)]
pub struct Recording {
    // `errors` (the queue of the errors' thread) and `history` (that of the history's): each takes an `Arc<Record>`
    // without waiting, and counts what it drops.
}

impl Recording {
    /// The slot of a request that begins; `is_whole` where the history takes it.
    pub fn begins(&self, _model: &str) -> Noted {
        Noted::new(false)
    }

    /// Whether a record of a prediction that has ended is wanted: always where it failed or a fallback answered, else
    /// where the history takes it.
    pub fn wants(&self, noted: &Noted, outcome: &str) -> bool {
        noted.is_whole() || outcome != "ok"
    }

    /// Takes a record, where there is room; whether it is kept as an error, so that the answer may name it.
    pub fn ended(&self, _record: Arc<Record>) -> bool {
        false
    }
}
