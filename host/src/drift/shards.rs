//! Counts that threads make apart, so that an answer waits for no other thread's.
//!
//! Never judges: what was counted is added up elsewhere.

use super::in_pieces;
use scry_card::stats::{Counter, Counts};
use scry_card::{Batch, Interrupt};
use scry_os::threads::thread_index;
use std::sync::{Mutex, PoisonError};

/// Threads of which each counts apart; of more, some share. Each takes memory once it has counted.
const SHARDS: usize = 16;
/// Rows that a thread counts apart until they are added up.
const MERGE_ROWS: u64 = 32;

/// What threads have counted since it was added up; a thread has one of them.
#[derive(Debug, Default)]
pub(super) struct Shards([Mutex<Option<Counts>>; SHARDS]);

impl Shards {
    /// Counts a batch, a piece at a time, as long as that is wanted; one of another form is not
    /// refused here. `add` gets what has become enough to be added up.
    pub(super) fn count(
        &self,
        counter: &Counter,
        batch: &Batch,
        interrupt: &mut Interrupt<'_>,
        mut add: impl FnMut(&Counts),
    ) {
        let Some(shard) = self.0.get(thread_index() % SHARDS) else { return };
        in_pieces(batch.rows, counter, interrupt, |rows| {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let counts = shard.get_or_insert_with(|| counter.start());
            let _ = counter.count_rows(counts, batch, rows);
            if counts.rows() >= MERGE_ROWS {
                add(counts);
                *shard = None;
            }
        });
    }

    /// Adds up what is left.
    pub(super) fn take(&self, mut add: impl FnMut(&Counts)) {
        for shard in &self.0 {
            let counts = shard.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(counts) = counts {
                add(&counts);
            }
        }
    }
}
