//! Removing what nothing refers to any more.
//!
//! Never removes what a state in the history within the retention still names,
//! and never runs beside a change that is being prepared.

use super::recovery::line;
use super::{ChangeError, Registry};
use crate::telemetry::unix_ms;
use scry_files::FileError;
use scry_names::Digest;
use scry_store::StoreError;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::TryLockError;
use std::time::Duration;

/// What was removed, or would be.
#[derive(Debug, Default, Serialize)]
pub struct Cleaned {
    /// Components.
    pub components: Vec<Digest>,
    /// Files of compiled code.
    pub cached: usize,
    /// Files of compiled functions.
    pub functions: usize,
    /// Files of counts of live rows.
    pub drift: usize,
    /// Damaged components that were set aside.
    pub quarantined: usize,
    /// Changes that the history lets go of.
    pub changes: usize,
    /// All of it, in bytes.
    pub bytes: u64,
    /// Whether it was only looked at.
    pub dry_run: bool,
}

impl Registry {
    /// Cuts the history to its retention, then removes what no state names.
    pub fn clean(&self, dry_run: bool) -> Result<Cleaned, ChangeError> {
        // Waiting would keep every change behind it waiting too.
        let _alone = match self.cleaning.try_write() {
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(ChangeError::Contended),
        };
        let mut state = self.lock();
        let retention_ms = self.config.history.retention_days.saturating_mul(86_400_000);
        let oldest_ms = unix_ms().saturating_sub(retention_ms);
        let mut history = state.history.clone();
        let is_cut = history.cut(oldest_ms, self.config.history.changes_max);
        let mut cleaned = Cleaned {
            changes: state.history.changes().count() - history.changes().count(),
            dry_run,
            ..Cleaned::default()
        };
        if is_cut && !dry_run {
            let lines = history.records().iter().map(line).collect::<Result<Vec<_>, _>>()?;
            match state.journal.rewrite(&lines) {
                Ok(()) => {
                    state.history = history.clone();
                    // Code that only cut states kept ready must not stand for a component that is to be removed.
                    let catalog = self.catalog();
                    let all = catalog.models.keys().cloned().collect();
                    self.take_over(&mut state, catalog, all);
                }
                // Even a shorter history takes room to write: what the long one does not name makes some.
                Err(error @ StoreError::File(FileError::Full { .. })) => {
                    tracing::warn!(%error, "the history stays as long as it is");
                    history.clone_from(&state.history);
                    cleaned.changes = 0;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let catalog = self.catalog();
        let wanted = self.wanted(&catalog, &history);
        self.remove_unwanted(&wanted, Duration::from_millis(retention_ms), &mut cleaned)?;
        Ok(cleaned)
    }

    fn remove_unwanted(
        &self,
        wanted: &BTreeSet<Digest>,
        retention: Duration,
        cleaned: &mut Cleaned,
    ) -> Result<(), ChangeError> {
        for (digest, size_bytes) in self.store.list_components()? {
            if !wanted.contains(&digest) {
                if !cleaned.dry_run {
                    self.store.remove_component(&digest)?;
                }
                cleaned.components.push(digest);
                cleaned.bytes += size_bytes;
            }
        }
        let engines = self.sandbox.cache_folders();
        let compiled =
            [(self.store.list_cached()?, &mut cleaned.cached), (self.store.list_functions()?, &mut cleaned.functions)];
        for (files, removed) in compiled {
            for code in files.iter().filter(|code| !wanted.contains(&code.digest) || !engines.contains(&code.engine)) {
                if !cleaned.dry_run {
                    self.store.remove_cached(code)?;
                }
                *removed += 1;
                cleaned.bytes += code.size_bytes;
            }
        }
        for file in self.store.list_drift()? {
            if !wanted.contains(&file.digest) {
                if !cleaned.dry_run {
                    self.store.remove_drift(&file)?;
                }
                cleaned.drift += 1;
                cleaned.bytes += file.size_bytes;
            }
        }
        for file in self.store.list_quarantined()? {
            if file.age >= retention {
                if !cleaned.dry_run {
                    self.store.remove_quarantined(&file)?;
                }
                cleaned.quarantined += 1;
                cleaned.bytes += file.size_bytes;
            }
        }
        Ok(())
    }
}
