//! The thread of the errors: takes records, groups them, writes the log.
//!
//! Whatever the disk does, it goes on taking records, and counts those that gave way before they were written.

use super::entry::{Entry, KeptInputs};
use super::groups::Groups;
use super::{KIND, LOST, Lost, Waiting};
use crate::recording::Record;
use crate::telemetry::{Metrics, unix_ms};
use scry_os::threads::{Priority, give_way};
use scry_store::{Log, Logged};
use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a record may be in memory alone.
const WRITE_EVERY: Duration = Duration::from_millis(500);
/// How soon a disk that takes nothing is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Message {
    /// A record.
    Record(Arc<Record>),
    /// To say when all before it is done.
    Settle { and_write: bool, done: SyncSender<()> },
}

/// What is kept, and what is not.
#[derive(Debug)]
pub(super) struct State {
    pub(super) groups: Groups,
    lost: Lost,
}

/// What the thread works with.
pub(super) struct Keeper {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) waiting: Arc<Waiting>,
    pub(super) log: Log,
    /// The log is written whole before it is longer than this.
    pub(super) log_max_bytes: u64,
    /// Whether the log is written whole next time, whatever has changed.
    pub(super) is_damaged: bool,
    pub(super) inputs: KeptInputs,
    pub(super) metrics: Arc<Metrics>,
}

impl State {
    /// As a log tells it.
    pub(super) fn replayed(mut groups: Groups, logged: Logged, metrics: &Metrics) -> Self {
        let unknown = logged.lines.iter().filter(|line| !groups.replay(line)).count() as u64;
        groups.unwritten_lost = 0;
        groups.expire(unix_ms());
        let damage = unknown + logged.lost;
        if damage > 0 {
            let kept = logged.kept.as_deref().map(|kept| kept.display().to_string()).unwrap_or_default();
            tracing::error!(lines = damage, kept, "damaged: the log of errors has lost lines; what reads is kept");
        }
        if let Some(error) = &logged.error {
            tracing::error!(%error, "the log of errors cannot be read or kept");
        }
        let [.., name] = LOST;
        metrics.records_lost(KIND, name, damage);
        Self { groups, lost: Lost { damage, ..Lost::default() } }
    }

    /// What is not kept, but what found no room in the queue.
    pub(super) fn lost(&self) -> Lost {
        Lost { unwritten: self.groups.unwritten(), ..self.lost.clone() }
    }
}

impl Keeper {
    /// Until nothing more can come.
    pub(super) fn run(mut self, received: &Receiver<Message>) {
        give_way(Priority::Last);
        let mut due = self.is_damaged.then(Instant::now);
        loop {
            let message = match due {
                None => received.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => received.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match message {
                Ok(Message::Record(record)) => {
                    // A bug here must not end the thread.
                    if std::panic::catch_unwind(AssertUnwindSafe(|| self.keep(&record))).is_err() {
                        tracing::error!("a record was not kept; this is a bug in scry");
                    }
                    due.get_or_insert_with(|| Instant::now() + WRITE_EVERY);
                }
                Ok(Message::Settle { and_write, done }) => {
                    if and_write {
                        due = self.write();
                    }
                    // Whoever asked may have gone.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if due.is_some_and(|at| at <= Instant::now()) {
                due = self.write();
            }
        }
        self.write();
    }

    fn keep(&self, record: &Record) {
        let entry = Entry::of(record, &self.inputs);
        self.waiting.is_done(record.sent.body.len());
        let mut state = self.lock();
        state.groups.add(&entry);
        let gone = std::mem::take(&mut state.groups.unwritten_lost);
        // While the disk takes what comes, a record that gives way is one of many.
        if gone > 0 && state.lost.error.is_some() {
            state.lost.disk += gone;
            let [_, disk, _] = LOST;
            self.metrics.records_lost(KIND, disk, gone);
        }
    }

    /// Writes what has changed; when to come back.
    fn write(&mut self) -> Option<Instant> {
        let (lines, is_all) = self.lines();
        if lines.is_empty() && !self.is_damaged {
            return None;
        }
        let written = if is_all { self.log.replace(&lines) } else { self.log.append(&lines) };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let due = match written {
            Ok(()) => {
                self.is_damaged = false;
                // None has been added: this thread alone adds.
                state.groups.written();
                if state.lost.error.take().is_some() {
                    tracing::info!("errors are written again");
                }
                None
            }
            Err(error) => {
                if state.lost.error.is_none() {
                    tracing::error!(%error, "errors are not written: they stay in memory, and predictions go on");
                }
                state.lost.error = Some(error.to_string());
                Some(Instant::now() + RETRY_EVERY)
            }
        };
        self.metrics.records_unwritten(KIND, state.groups.unwritten());
        due
    }

    /// What is to be written, and whether it is in the place of all that is there. Nothing is written under the lock:
    /// readers need not wait for the disk.
    fn lines(&self) -> (Vec<Vec<u8>>, bool) {
        let mut state = self.lock();
        state.groups.expire(unix_ms());
        let changed = state.groups.lines(false);
        if changed.is_empty() && !self.is_damaged {
            return (changed, false);
        }
        let more: u64 = changed.iter().map(|line| line.len() as u64 + LINE_OVERHEAD_BYTES).sum();
        match self.log.len_bytes() {
            Some(length) if length + more <= self.log_max_bytes => (changed, false),
            _ => (state.groups.lines(true), true),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a sealed line has beside its JSON.
const LINE_OVERHEAD_BYTES: u64 = 34;
