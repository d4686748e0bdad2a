//! A copy of a host's state for another machine, of one moment, while the host goes on.
//!
//! The moment is that of a change: history and catalog are taken together, and until the copy is written no component is
//! removed. Never holds up a change, and never copies a token, a key, or compiled code.

use super::record::line;
use super::recovery::recover;
use super::{ChangeError, Registry};
use crate::telemetry::unix_ms;
use scry_catalog::{Catalog, History, Record};
use scry_names::Digest;
use scry_store::{About, BackupEntry, BackupError, BackupWriter, Contents, StagedFolder, Store, StoreError};
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// Time for a backup: until it is over, nothing is removed from the data folder.
const BACKUP_MAX: Duration = Duration::from_secs(3600);

/// Why a state was not copied, or not brought back.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The backup.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The state that it is of.
    #[error(transparent)]
    State(Box<ChangeError>),
}

impl From<ChangeError> for CopyError {
    fn from(error: ChangeError) -> Self {
        Self::State(error.into())
    }
}

impl From<scry_files::FileError> for CopyError {
    fn from(error: scry_files::FileError) -> Self {
        Self::Backup(error.into())
    }
}

impl Registry {
    /// Writes a backup. Changes go on meanwhile, and a clean-up is refused.
    pub fn back_up(&self, into: impl Write) -> Result<Contents, CopyError> {
        let kept = self.cleaning.read().unwrap_or_else(PoisonError::into_inner);
        self.keep_drift();
        let state = self.lock();
        let snapshot = Snapshot { history: state.history.clone(), catalog: Catalog::clone(&self.catalog()) };
        drop(state);
        let written = snapshot.write(&self.store, into);
        drop(kept);
        self.sweep();
        written
    }
}

/// Writes a backup of a folder on which no host runs. It is put in order first, as a host would.
pub fn back_up_stopped(data: &Path, into: impl Write) -> Result<Contents, CopyError> {
    if !["history.log", "checkpoint.json"].iter().any(|name| data.join(name).exists()) {
        let message = "expected a host's data folder, found neither `history.log` nor `checkpoint.json`".to_owned();
        return Err(BackupError::from(StoreError::Unreadable { path: data.to_owned(), message }).into());
    }
    let store = Store::open(data).map_err(BackupError::from)?;
    let recovered = recover(&store)?;
    Snapshot { history: recovered.history, catalog: recovered.catalog }.write(&store, into)
}

/// Makes a data folder of a backup: in its place there is all of it or nothing.
pub fn restore(backup: impl Read, data: &Path) -> Result<Contents, CopyError> {
    let staged = StagedFolder::for_place(data)?;
    let contents = staged.store().restore(backup)?;
    let recovered = recover(staged.store())?;
    let (expected, found) = (contents.about.state, recovered.history.last());
    let wrong = |found: String| CopyError::from(BackupError::State { expected, found });
    if found != expected || !recovered.damage.is_empty() {
        return Err(wrong(format!("it leads to state {found}; {}", recovered.damage.join("; "))));
    }
    let is_there = |digest: &Digest| {
        staged.store().holds(digest) || contents.missing.iter().any(|lacking| lacking.digest == *digest)
    };
    if let Some(lacking) = needed(&recovered.history, &recovered.catalog).iter().find(|digest| !is_there(digest)) {
        return Err(wrong(format!("its component {lacking} is not there, and not listed as missing")));
    }
    staged.put_in_place()?;
    Ok(contents)
}

/// The components that a host needs to serve a state, and to go back.
fn needed(history: &History, catalog: &Catalog) -> BTreeSet<Digest> {
    let mut needed = history.referenced();
    needed.extend(catalog.referenced());
    needed
}

/// A state and what led to it.
struct Snapshot {
    history: History,
    catalog: Catalog,
}

impl Snapshot {
    fn write(&self, store: &Store, into: impl Write) -> Result<Contents, CopyError> {
        let into = Timed { into, until: Instant::now() + BACKUP_MAX };
        let mut backup = BackupWriter::begin(into, About::new(self.history.last(), unix_ms()))?;
        let records = self.history.records();
        let record = |at: usize| records.get(at).map_or_else(|| Ok(Vec::new()), json);
        backup.add_history(records.len(), record)?;
        if self.history.last() > 0 {
            backup.add_checkpoint(&json(&self.history.checkpoint(self.catalog.clone())).map_err(BackupError::from)?)?;
        }
        drop(records);
        let digests = self.add_components(store, &mut backup)?;
        for file in store.list_drift().map_err(BackupError::from)? {
            let counts = store.drift(&file.model, &file.digest);
            // Counts that are damaged are no part of the state.
            if let (true, Ok(Some(counts))) = (digests.contains(&file.digest), counts) {
                backup.add(&BackupEntry::Drift { model: file.model, digest: file.digest }, &counts)?;
            }
        }
        Ok(backup.finish()?)
    }

    /// Adds what the history or the catalog names, as far as it is there; of what they need, what is not there is noted.
    fn add_components(
        &self,
        store: &Store,
        backup: &mut BackupWriter<impl Write>,
    ) -> Result<BTreeSet<Digest>, CopyError> {
        let needed = needed(&self.history, &self.catalog);
        let bound = self.catalog.models.values().flat_map(|model| model.versions.values());
        let mut named: BTreeSet<Digest> = bound.map(|bound| bound.digest).collect();
        named.extend(&needed);
        for digest in &named {
            match store.get(digest) {
                Ok(bytes) => backup.add(&BackupEntry::Component(*digest), &bytes)?,
                // `scry gc` has removed it: the version keeps its number.
                Err(StoreError::Missing(_)) if !needed.contains(digest) => continue,
                Err(error @ (StoreError::Missing(_) | StoreError::Damaged { .. })) => {
                    tracing::warn!(%digest, %error, "a backup lacks a component");
                    backup.lacks(*digest, error.to_string());
                    continue;
                }
                Err(error) => return Err(BackupError::from(error).into()),
            }
            if let Some(envelope) = store.signature(digest).map_err(BackupError::from)? {
                backup.add(&BackupEntry::Signature(*digest), &envelope)?;
            }
        }
        Ok(named)
    }
}

fn json(record: &Record) -> io::Result<Vec<u8>> {
    line(record).map_err(io::Error::other)
}

/// Bytes that are taken until a certain time.
struct Timed<W> {
    into: W,
    until: Instant,
}

impl<W: Write> Write for Timed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if Instant::now() > self.until {
            return Err(io::Error::other(BackupError::Late(BACKUP_MAX.as_secs())));
        }
        self.into.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}
