//! Errors are kept: each prediction that failed, or that a fallback answered, grouped by its cause.
//!
//! Never waits on a request: a record that finds no room in the queue is dropped and counted. The thread that takes them
//! has the lowest priority, and alone writes the log.

mod entry;
mod groups;
mod keeper;
mod pattern;
#[cfg(test)]
mod tests;

pub use entry::{AnsweredBy, Entry, FailedCall, Fault, GroupId, Input, KeptInputs};
pub use groups::{Bounds, Groups, ShownGroup};

use super::Record;
use super::RecordId;
use crate::config;
use crate::telemetry::Metrics;
use keeper::{Keeper, Message, State};
use scry_store::Store;
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// As metrics name it.
pub(super) const KIND: &str = "errors";
/// Records that may wait for the thread.
const WAITING_MAX: usize = 256;
/// Readers that may wait with them.
const READERS_MAX: usize = 16;
/// Bodies that may wait with them.
const WAITING_MAX_BYTES: usize = 64 << 20;
/// Why a record is lost: it found no room in the queue, the disk took none, or the log was damaged.
pub(super) const LOST: [&str; 3] = ["queue", "disk", "damage"];

/// How long the end of a host may take for it.
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// The share of the room on the disk that what is kept takes. While the log is replaced, it is there twice.
const KEPT_SHARE: u64 = 3;

/// The way to the thread.
#[derive(Debug)]
pub struct Errors {
    messages: SyncSender<Message>,
    waiting: Arc<Waiting>,
    state: Arc<Mutex<State>>,
    metrics: Arc<Metrics>,
}

/// What waits for the thread.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    records: AtomicUsize,
    bytes: AtomicUsize,
    /// Records that found no room.
    lost: AtomicU64,
}

/// A look at what is kept.
#[derive(Debug, Serialize)]
pub struct ErrorsView {
    /// The groups, the one with the newest error first.
    pub groups: Vec<GroupView>,
    /// How many more there are.
    pub left_out: usize,
    /// What is not kept.
    pub lost: Lost,
}

/// A group, and the records of it that are kept.
#[derive(Debug, Serialize)]
pub struct GroupView {
    /// What they have in common.
    #[serde(flatten)]
    pub shown: ShownGroup,
    /// The oldest first.
    pub records: Vec<RecordView>,
}

/// A record's name.
#[derive(Debug, Serialize)]
pub struct RecordView {
    /// As `scry errors ID` takes it.
    pub id: RecordId,
    /// When its request came.
    pub at_ms: u64,
}

/// One record, whole.
#[derive(Debug, Serialize)]
pub struct ErrorView {
    /// The record.
    pub record: Box<RawValue>,
    /// The group.
    pub group: ShownGroup,
}

/// What is not kept since the host was started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Records that found no room in the queue.
    pub queue: u64,
    /// Records that gave way, or the host's end, before the disk took them.
    pub disk: u64,
    /// Lines of the log that did not read when the host was started.
    pub damage: u64,
    /// Records that are not on the disk yet.
    pub unwritten: u64,
    /// Why the disk takes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Which groups are asked for.
#[derive(Debug, Clone, Default)]
pub struct Filter<'a> {
    /// Of this model.
    pub model: Option<&'a str>,
    /// With an error since then, in milliseconds of Unix time.
    pub since_ms: u64,
    /// At most so many.
    pub limit: usize,
}

impl Errors {
    /// Reads the log and starts the thread; nothing where no errors are to be kept.
    pub fn start(settings: &config::Errors, store: &Store, metrics: Arc<Metrics>) -> std::io::Result<Option<Self>> {
        if settings.groups_max == 0 {
            return Ok(None);
        }
        let kept_bytes = settings.total_max_bytes / KEPT_SHARE;
        let bounds = Bounds {
            groups_max: settings.groups_max,
            records_max: settings.records_max,
            bytes_max: usize::try_from(kept_bytes).unwrap_or(usize::MAX),
            age_max_ms: settings.retention_days.saturating_mul(86_400_000),
        };
        let inputs =
            KeptInputs { models: settings.input_models.iter().cloned().collect(), max_bytes: settings.input_max_bytes };
        let (log, logged) = store.open_errors();
        let is_damaged = logged.lost > 0;
        let state = Arc::new(Mutex::new(State::replayed(Groups::new(bounds), logged, &metrics)));
        let (messages, received) = sync_channel(WAITING_MAX + READERS_MAX);
        let waiting = Arc::<Waiting>::default();
        let keeper = Keeper {
            state: state.clone(),
            waiting: waiting.clone(),
            log,
            log_max_bytes: settings.total_max_bytes - kept_bytes,
            is_damaged,
            inputs,
            metrics: metrics.clone(),
        };
        std::thread::Builder::new().name("scry-errors".into()).spawn(move || keeper.run(&received))?;
        Ok(Some(Self { messages, waiting, state, metrics }))
    }

    /// Whether one more record finds room; if not, it is counted and need not be made.
    pub(super) fn has_room(&self) -> bool {
        let has_room = self.waiting.records.load(Ordering::Relaxed) < WAITING_MAX;
        if !has_room {
            self.is_lost();
        }
        has_room
    }

    /// Takes a record, where there is room.
    pub(super) fn take(&self, record: Arc<Record>) -> bool {
        let bytes = record.sent.body.len();
        let waiting = self.waiting.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.waiting.records.fetch_add(1, Ordering::Relaxed);
        // One that is too large for all waits alone.
        let fits = waiting == 0 || waiting + bytes <= WAITING_MAX_BYTES;
        let is_taken = fits && self.messages.try_send(Message::Record(record)).is_ok();
        if !is_taken {
            self.waiting.is_done(bytes);
            self.is_lost();
        }
        is_taken
    }

    /// Has the thread take all that waits, and where `and_write` write it; whether it did so in time.
    pub fn settle(&self, and_write: bool, at_most: Duration) -> bool {
        let (done, is_done) = sync_channel(1);
        let asked = self.messages.try_send(Message::Settle { and_write, done });
        asked.is_ok() && is_done.recv_timeout(at_most).is_ok()
    }

    /// The groups that are kept.
    pub fn view(&self, filter: &Filter<'_>, now_ms: u64) -> ErrorsView {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.groups.expire(now_ms);
        let is_asked = |group: &&ShownGroup| {
            filter.model.is_none_or(|model| group.model == model) && group.last_ms >= filter.since_ms
        };
        let asked: Vec<_> = state.groups.shown().into_iter().filter(is_asked).cloned().collect();
        let left_out = asked.len().saturating_sub(filter.limit);
        let groups = asked.into_iter().take(filter.limit).map(|shown| {
            let records = state.groups.records(shown.group);
            GroupView { records: records.map(|(id, at_ms)| RecordView { id, at_ms }).collect(), shown }
        });
        let queue = self.waiting.lost.load(Ordering::Relaxed);
        let lost = Lost { queue, ..state.lost() };
        ErrorsView { groups: groups.collect(), left_out, lost }
    }

    /// One record.
    pub fn find(&self, id: RecordId) -> Option<ErrorView> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (record, group) = state.groups.find(id)?;
        Some(ErrorView { record: record.to_owned(), group: group.clone() })
    }

    /// Has all that waits written: the host ends.
    pub(super) fn close(&self) {
        let is_done = self.settle(true, CLOSE_MAX);
        let unwritten = self.state.lock().unwrap_or_else(PoisonError::into_inner).groups.unwritten();
        if !is_done || unwritten > 0 {
            tracing::warn!(unwritten, "errors are lost: they could not be written before the end");
        }
    }

    /// A record that found no room.
    fn is_lost(&self) {
        let [queue, ..] = LOST;
        self.waiting.lost.fetch_add(1, Ordering::Relaxed);
        self.metrics.records_lost(KIND, queue, 1);
    }
}

impl Waiting {
    /// A record is kept, or lost.
    fn is_done(&self, bytes: usize) {
        self.records.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
