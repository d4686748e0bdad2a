//! Bringing a host to what a document says, on request or as a watched file
//! changes.
//!
//! Never applies half of a document: it is one change, or none.

use super::file::{Look, Looks, read};
use super::prepared::{Gate, Prepared};
use super::{ChangeError, Entry, Registry};
use crate::telemetry::unix_ms;
use scry_catalog::{Bound, Catalog, Desired, DesiredError, differences};
use scry_names::Digest;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// What applying a document did, or would do.
#[derive(Debug, Serialize)]
pub struct Applied {
    /// From and to, line by line.
    pub changes: Vec<String>,
    /// The state that is served now.
    pub number: u64,
    /// Whether it was only tried.
    pub dry_run: bool,
    /// What was passed on the way.
    pub gates: Vec<Gate>,
}

/// The status of the watched file.
#[derive(Debug, Clone, Serialize)]
pub struct FileStatus {
    /// Which file.
    pub file: PathBuf,
    /// When it was looked at with this result, Unix time in milliseconds.
    pub at_ms: u64,
    /// Why its content is not what runs.
    pub error: Option<String>,
}

impl Registry {
    /// What runs, as a document.
    pub fn export(&self) -> Desired {
        Desired::of(&self.catalog())
    }

    /// Brings the host to what a document says.
    pub fn apply(&self, by: &str, text: &str, dry_run: bool, allow_breaking: bool) -> Result<Applied, ChangeError> {
        self.apply_text(Entry::new(by, "apply".into()), text, dry_run, allow_breaking)
    }

    fn apply_text(
        &self,
        entry: Entry,
        text: &str,
        dry_run: bool,
        allow_breaking: bool,
    ) -> Result<Applied, ChangeError> {
        let desired = Desired::from_toml(text)?;
        let allow_breaking = allow_breaking || desired.allow_breaking;
        let mut prepared = Prepared { allow_breaking, is_dry_run: dry_run, ..Prepared::default() };
        let bound = self.bound(&desired, &mut prepared)?;
        if dry_run {
            let before = self.catalog();
            let after = desired.onto(&before, &bound, unix_ms())?;
            let changes = differences(&before, &after);
            let _cleaning = self.cleaning.read().unwrap_or_else(PoisonError::into_inner);
            self.prepare(&before, &after, &mut prepared)?;
            return Ok(Applied { changes, number: self.routes.load().number, dry_run, gates: prepared.gates });
        }
        let committed =
            self.change(&mut prepared, |before| Ok((desired.onto(before, &bound, unix_ms())?, entry.clone())))?;
        // Another change may have come first: what counts is what this one has changed.
        let changes = differences(&committed.before, &committed.after);
        Ok(Applied { changes, number: committed.number, dry_run, gates: prepared.gates })
    }

    /// What each version of a document is; one that only says where it comes
    /// from is fetched, unless the host fetched it from there before.
    fn bound(&self, desired: &Desired, prepared: &mut Prepared) -> Result<BTreeMap<(String, u32), Bound>, ChangeError> {
        let catalog: Arc<Catalog> = self.catalog();
        let mut bound = BTreeMap::new();
        for (model, number, version) in desired.versions()? {
            if !scry_card::is_model_name(model) {
                let message = "the name is not a model's".to_owned();
                let (model, number) = (model.chars().take(80).collect(), number.to_string());
                return Err(DesiredError::Version { model, number, message }.into());
            }
            let known = catalog.models.get(model).and_then(|model| model.versions.get(&number));
            let here = match (version.digest, &version.from, known) {
                (Some(digest), from, _) => Bound { digest, from: from.clone() },
                (None, Some(from), Some(known)) if known.from.as_ref() == Some(from) => known.clone(),
                (None, Some(from), _) => {
                    let pulled = self.pull(from, prepared)?;
                    self.admit_from(model, pulled.digest, &pulled.pinned, prepared)?;
                    prepared.arrived.insert(pulled.digest, pulled.bytes);
                    Bound { digest: pulled.digest, from: Some(pulled.pinned) }
                }
                (None, None, _) => continue,
            };
            bound.insert((model.to_owned(), number), here);
        }
        Ok(bound)
    }

    /// The status of the watched file, where one is configured.
    pub fn file_status(&self) -> Option<FileStatus> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One look at the watched file: its content is applied if it is new and the
    /// look before read the same.
    fn look(&self, file: &Path, looks: &mut Looks) {
        let looked = read(file).inspect_err(|_| looks.forget()).and_then(|text| {
            let digest = Digest::of(text.as_bytes());
            match looks.see(digest) {
                Look::Known | Look::New => Ok(false),
                Look::Unsettled => Err(format!("{}: its content changes from look to look", file.display())),
                Look::Settled if self.was_applied(digest) => Ok(true),
                Look::Settled => {
                    let what = format!("apply {}", file.display());
                    let entry = Entry { file: Some(digest), ..Entry::new("file", what) };
                    self.apply_text(entry, &text, false, false).map(|_| true).map_err(|e| e.to_string())
                }
            }
        });
        let error = match looked {
            Ok(false) => return,
            Ok(true) => {
                self.set_ready();
                None
            }
            Err(error) => Some(error),
        };
        let mut status = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let known = status.as_ref().and_then(|status| status.error.as_deref());
        if let Some(error) = error.as_deref().filter(|error| Some(*error) != known) {
            tracing::error!(file = %file.display(), %error, "the desired state is not applied; nothing has changed");
        }
        self.metrics.file_applied(error.is_none());
        *status = Some(FileStatus { file: file.to_owned(), at_ms: unix_ms(), error });
    }

    /// A file that led to a state already is not applied again by a restart:
    /// what operators and canaries have done since stays done.
    fn was_applied(&self, digest: Digest) -> bool {
        self.lock().history.file() == Some(digest)
    }
}

/// Watches the configured file until the host ends. Its content counts, not
/// its time: however it is replaced, a link included, it is noticed.
pub async fn watch_file(registry: Arc<Registry>) {
    /// A file that could not be applied is tried again: its registry may be back.
    const AGAIN_AFTER_LOOKS: u32 = 30;
    let settings = registry.config.desired_state.clone();
    let Some(file) = settings.file else { return };
    registry.metrics.file_applied(false);
    let mut looks = tokio::time::interval(Duration::from_millis(settings.poll_ms));
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut looks_so_far, mut failing) = (Looks::default(), 0);
    loop {
        looks.tick().await;
        let (looking, path) = (registry.clone(), file.clone());
        let looked = tokio::task::spawn_blocking(move || {
            looking.look(&path, &mut looks_so_far);
            looks_so_far
        });
        let Ok(seen) = looked.await else {
            tracing::error!("looking at the desired state panicked; this is a bug in scry");
            continue;
        };
        looks_so_far = seen;
        let failed = registry.file_status().is_some_and(|status| status.error.is_some());
        failing = if failed { failing + 1 } else { 0 };
        if failing >= AGAIN_AFTER_LOOKS {
            looks_so_far.forget();
            failing = 0;
        }
    }
}
