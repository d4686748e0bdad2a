//! Copies of the state that changes led to, written in the background: each holds the
//! whole catalog, and a change should cost what it changes.
//!
//! Never keeps a change waiting. A copy that is not written yet is no loss: the history
//! leads to the same state.

use super::recovery::line;
use scry_catalog::Record;
use scry_store::CheckpointFile;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The share of its time that the thread may write: one in so many.
const SHARE: u32 = 10;
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Writes the newest state; those that it skips are not missed. Dropped, it has written the last one.
#[derive(Debug)]
pub(super) struct Checkpoints {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    newest: Option<Record>,
    is_over: bool,
}

impl Checkpoints {
    pub(super) fn new(file: CheckpointFile) -> io::Result<Self> {
        let shared: Arc<Shared> = Arc::default();
        let writing = shared.clone();
        let writer = std::thread::Builder::new().name("checkpoints".into()).spawn(move || writing.run(&file))?;
        Ok(Self { shared, writer: Some(writer) })
    }

    /// Has a state written, soon.
    pub(super) fn write(&self, state: Record) {
        self.shared.lock().newest = Some(state);
        self.shared.changed.notify_one();
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_one();
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("writing checkpoints panicked; this is a bug in scry");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, file: &CheckpointFile) {
        loop {
            let mut waiting = self.lock();
            while waiting.newest.is_none() && !waiting.is_over {
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            let Some(state) = waiting.newest.take() else { return };
            drop(waiting);
            let began = Instant::now();
            let written = line(&state).map_err(|error| error.to_string());
            if let Err(error) = written.and_then(|line| file.write(&line).map_err(|error| error.to_string())) {
                tracing::warn!(%error, number = state.number(), "the change is made; its checkpoint was not written");
            }
            drop(state);
            self.rest((began.elapsed() * (SHARE - 1)).min(PAUSE_MAX));
        }
    }

    /// Waits, unless it is over.
    fn rest(&self, pause: Duration) {
        let is_on = |waiting: &mut Waiting| !waiting.is_over;
        drop(self.changed.wait_timeout_while(self.lock(), pause, is_on));
    }
}
