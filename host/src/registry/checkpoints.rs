//! Copies of the state that changes led to. Each holds the whole catalog, and a change
//! should cost what it changes: a copy of many models is written in the background.
//!
//! A copy that is not written yet, or cannot be, is no loss: the history leads to the
//! same state.

use super::recovery::line;
use scry_catalog::{Catalog, History, Record};
use scry_store::CheckpointFile;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A copy of so many models is written with the change.
const AT_ONCE_MAX_MODELS: usize = 100;
/// The share of its time that the thread may write: one in so many.
const SHARE: u32 = 10;
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Writes the newest state; in the background it skips some.
#[derive(Debug)]
pub(super) struct Checkpoints {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    /// The file, and the number of the state in it.
    file: Mutex<(CheckpointFile, u64)>,
}

#[derive(Debug, Default)]
struct Waiting {
    newest: Option<Record>,
    is_over: bool,
}

impl Checkpoints {
    pub(super) fn new(file: CheckpointFile) -> io::Result<Self> {
        let (waiting, changed, file) = (Mutex::default(), Condvar::new(), Mutex::new((file, 0)));
        let shared = Arc::new(Shared { waiting, changed, file });
        let writing = shared.clone();
        let writer = std::thread::Builder::new().name("checkpoints".into()).spawn(move || writing.run())?;
        Ok(Self { shared, writer: Some(writer) })
    }

    /// Writes the catalog that a history leads to, or has it written soon.
    pub(super) fn write(&self, history: &History, catalog: &Catalog) {
        let state = history.checkpoint(catalog.clone());
        if catalog.models.len() <= AT_ONCE_MAX_MODELS {
            return self.shared.write(&state);
        }
        self.shared.lock().newest = Some(state);
        self.shared.changed.notify_one();
    }

    /// Writes what waits.
    pub(super) fn flush(&self) {
        let newest = self.shared.lock().newest.take();
        if let Some(state) = newest {
            self.shared.write(&state);
        }
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

    fn run(&self) {
        loop {
            let mut waiting = self.lock();
            while waiting.newest.is_none() && !waiting.is_over {
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            let Some(state) = waiting.newest.take() else { return };
            drop(waiting);
            let began = Instant::now();
            self.write(&state);
            drop(state);
            self.rest((began.elapsed() * (SHARE - 1)).min(PAUSE_MAX));
        }
    }

    /// Writes a state, unless a newer one is there.
    fn write(&self, state: &Record) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let number = state.number();
        if number < file.1 {
            return;
        }
        file.1 = number;
        let written = line(state).map_err(|error| error.to_string());
        if let Err(error) = written.and_then(|line| file.0.write(&line).map_err(|error| error.to_string())) {
            tracing::warn!(%error, number, "the change is made; its checkpoint was not written");
        }
    }

    /// Waits, unless it is over.
    fn rest(&self, pause: Duration) {
        let is_on = |waiting: &mut Waiting| !waiting.is_over;
        drop(self.changed.wait_timeout_while(self.lock(), pause, is_on));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scry_catalog::Change;
    use scry_names::Digest;
    use scry_store::Store;

    /// Of many models the newest state is there once the writer has ended, whichever were skipped.
    #[test]
    fn the_last_state_of_many_models_is_written_before_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut recovered = super::super::recovery::recover(&store).unwrap();
        let checkpoints = Checkpoints::new(recovered.journal.checkpoint_file()).unwrap();
        let mut catalog = Catalog::default();
        for n in 0..3 * AT_ONCE_MAX_MODELS {
            let before = std::mem::take(&mut catalog);
            catalog = before.publish(&format!("m{n}"), Digest::of(&n.to_le_bytes()), None).unwrap().0;
            let (number, models) = (recovered.history.last() + 1, Change::between(&before, &catalog));
            let (by, what, restored, file) = (String::new(), String::new(), None, None);
            recovered.history.push(Change { number, at_ms: number, by, what, restored, file, models });
            checkpoints.write(&recovered.history, &catalog);
        }
        checkpoints.flush();
        drop(checkpoints);
        let written = store.read_journal().unwrap().checkpoint.unwrap();
        assert_eq!(written, line(&recovered.history.checkpoint(catalog)).unwrap());
    }
}
