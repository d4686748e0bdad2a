//! What has happened, line by line, and a copy of where it led.
//!
//! A record that is appended to `history.log` has happened; one that is not,
//! has not. `checkpoint.json` keeps the state after some record, so that damage
//! to either file loses nothing. Never looks into a record.

use super::lines::{LINE_MAX_BYTES, read_lines, seal, unseal};
use super::read::{if_there, read_at_most};
use super::{Store, StoreError};
use scry_files::{FileKind, write_atomically};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub(super) const JOURNAL: &str = "history.log";
pub(super) const CHECKPOINT: &str = "checkpoint.json";
pub(super) const JOURNAL_MAX_BYTES: u64 = 1 << 30;

/// The journal of a data folder, open for more.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    checkpoint: PathBuf,
    file: File,
    len_bytes: u64,
    /// Why nothing may be written any more.
    poisoned: Option<String>,
}

/// The file that holds a copy of the state.
#[derive(Debug, Clone)]
pub struct CheckpointFile {
    path: PathBuf,
}

/// What journal and checkpoint held when they were opened.
#[derive(Debug, Default)]
pub struct Replay {
    /// The state that was copied last.
    pub checkpoint: Option<Vec<u8>>,
    /// The records that verify, oldest first.
    pub lines: Vec<Vec<u8>>,
    /// What was damaged and where it is kept, for people.
    pub damage: Vec<String>,
    /// Records are missing among `lines`: the journal wants to be rewritten.
    pub journal_damaged: bool,
    /// There was a checkpoint and it did not verify.
    pub checkpoint_damaged: bool,
    /// How much of an unfinished append is at the journal's end.
    pub cut_bytes: u64,
    /// The journal as it was found; nothing, where there is none.
    found: Option<Vec<u8>>,
}

impl Store {
    /// Reads journal and checkpoint and changes nothing. What is sound is read
    /// whatever else is damaged.
    pub fn read_journal(&self) -> Result<Replay, StoreError> {
        read_replay(&self.path(""))
    }

    /// Takes up the journal where it ends. What is damaged is kept in quarantine
    /// first, as is all of a journal that `is_short` of changes; an append that
    /// was never finished is cut off.
    pub fn open_journal(&self, replay: &mut Replay, is_short: bool) -> Result<Journal, StoreError> {
        let (path, checkpoint) = (self.path(JOURNAL), self.path(CHECKPOINT));
        if replay.found.is_none() {
            write_atomically(FileKind::Journal, &path, b"")?;
        }
        let bytes = replay.found.take().unwrap_or_default();
        let len_bytes = bytes.len() as u64;
        let file = open_to_append(&path)?;
        let mut journal = Journal { path, checkpoint, file, len_bytes, poisoned: None };
        if replay.checkpoint_damaged {
            replay.damage.push(match self.quarantine(&journal.checkpoint) {
                Ok(kept) => format!("the damaged {CHECKPOINT} is kept as {}", kept.display()),
                Err(error) => format!("the damaged {CHECKPOINT} could not be moved away: {error}"),
            });
        }
        // Copied, not moved: until it is rewritten it is all there is. Before it
        // is cut: the copy is of the whole file.
        if (replay.journal_damaged || is_short) && !bytes.is_empty() {
            replay.damage.push(match self.quarantine_copy(&journal.path, &bytes) {
                Ok(kept) => format!("the damaged {JOURNAL} is kept as {}", kept.display()),
                Err(error) => {
                    let why = format!("it is damaged and could not be copied to quarantine: {error}");
                    format!("{JOURNAL}: {}", journal.poison(why))
                }
            });
        }
        journal.settle(len_bytes - replay.cut_bytes);
        Ok(journal)
    }
}

/// Reads journal and checkpoint of a folder.
pub(super) fn read_replay(root: &Path) -> Result<Replay, StoreError> {
    let mut replay = Replay::default();
    read_checkpoint(root, &mut replay)?;
    let path = root.join(JOURNAL);
    if if_there(&path, path.metadata())?.is_some_and(|metadata| metadata.len() > JOURNAL_MAX_BYTES) {
        let message = format!("it has more than {JOURNAL_MAX_BYTES} bytes, which no host writes");
        return Err(StoreError::Unreadable { path, message });
    }
    let found = if_there(&path, std::fs::read(&path))?;
    if found.is_none() && (replay.checkpoint.is_some() || replay.checkpoint_damaged) {
        replay.journal_damaged = true;
        replay.damage.push(format!("{JOURNAL} is missing, though there is a {CHECKPOINT}"));
    }
    let bytes = found.as_deref().unwrap_or_default();
    let lines = read_lines(bytes);
    replay.journal_damaged |= !lines.damage.is_empty();
    replay.damage.extend(lines.damage.iter().map(|lines| {
        let (first, last) = (lines.numbers.start(), lines.numbers.end());
        format!("{JOURNAL}: lines {first} to {last}, from byte {} on, do not verify", lines.offset)
    }));
    replay.cut_bytes = (bytes.len() - lines.tail_at) as u64;
    replay.lines = lines.records.into_iter().map(<[u8]>::to_vec).collect();
    replay.found = found;
    Ok(replay)
}

fn read_checkpoint(root: &Path, replay: &mut Replay) -> Result<(), StoreError> {
    let path = root.join(CHECKPOINT);
    let Some(bytes) = if_there(&path, read_at_most(&path, LINE_MAX_BYTES as u64))? else { return Ok(()) };
    replay.checkpoint = unseal(&bytes).map(<[u8]>::to_vec);
    if replay.checkpoint.is_none() {
        replay.checkpoint_damaged = true;
        replay.damage.push(format!("{CHECKPOINT} does not verify"));
    }
    Ok(())
}

impl Journal {
    /// Adds a record of one line. When this returns, it has happened; when it
    /// fails, it has not, and the file is as it was. The exception is
    /// [`StoreError::Poisoned`]: the next start tells, and until then every
    /// change is refused.
    pub fn append(&mut self, json: &[u8]) -> Result<(), StoreError> {
        self.refuse_if_poisoned()?;
        let line = seal_for(&self.path, json)?;
        self.check_len(self.len_bytes + line.len() as u64)?;
        if let Err(error) = scry_files::append(FileKind::Journal, &self.file, &line) {
            return Err(match scry_files::truncate(FileKind::Journal, &self.file, self.len_bytes) {
                Ok(()) => StoreError::at(&self.path)(error),
                Err(undo) => self.poisoned(format!("a record failed ({error}) and could not be taken back ({undo})")),
            });
        }
        self.len_bytes += line.len() as u64;
        Ok(())
    }

    /// Where copies of the state are written, by whoever has the time.
    pub fn checkpoint_file(&self) -> CheckpointFile {
        CheckpointFile { path: self.checkpoint.clone() }
    }

    /// Replaces all records at once; when it fails, the old ones stand.
    pub fn rewrite(&mut self, records: &[impl AsRef<[u8]>]) -> Result<(), StoreError> {
        self.refuse_if_poisoned()?;
        let mut bytes = Vec::new();
        for record in records {
            bytes.extend(seal_for(&self.path, record.as_ref())?);
            self.check_len(bytes.len() as u64)?;
        }
        let written = write_atomically(FileKind::Journal, &self.path, &bytes).map_err(StoreError::from);
        if written.is_err() && is_at(&self.file, &self.path) {
            return written;
        }
        // Appending to a file that lost its name, or may lose it, would be for nothing.
        match written.and_then(|()| open_to_append(&self.path)) {
            Ok(file) => {
                self.file = file;
                self.len_bytes = bytes.len() as u64;
                Ok(())
            }
            Err(error) => Err(self.poisoned(format!("it was rewritten, perhaps not for good ({error})"))),
        }
    }

    /// Takes no change until the next start, and says why.
    pub fn refuse_changes(&mut self, why: String) {
        self.poison(why);
    }

    #[cfg(test)]
    pub(super) fn pretend_len_bytes(&mut self, len_bytes: u64) {
        self.len_bytes = len_bytes;
    }

    /// Takes an unfinished append away, and sees to it that what was read is
    /// on the disk before a change builds on it: a crash may have come between.
    fn settle(&mut self, len_bytes: u64) {
        if self.poisoned.is_some() {
            return;
        }
        let cut_bytes = self.len_bytes - len_bytes;
        if cut_bytes > 0 {
            tracing::warn!(
                cut_bytes,
                at = len_bytes,
                "{JOURNAL} ends in a change that was never finished; it is cut off"
            );
        }
        let settled = scry_files::truncate(FileKind::Journal, &self.file, len_bytes)
            .map_err(StoreError::at(&self.path))
            .and_then(|()| Ok(scry_files::settle(FileKind::Journal, &self.path)?));
        match settled {
            Ok(()) => self.len_bytes = len_bytes,
            Err(error) => {
                self.poison(format!("its end could not be put in order ({error})"));
            }
        }
    }

    fn check_len(&self, len_bytes: u64) -> Result<(), StoreError> {
        if len_bytes <= JOURNAL_MAX_BYTES {
            return Ok(());
        }
        let message = format!("with this record it would have {len_bytes} bytes; it has at most {JOURNAL_MAX_BYTES}");
        Err(StoreError::Record { path: self.path.clone(), message })
    }

    fn refuse_if_poisoned(&self) -> Result<(), StoreError> {
        self.poisoned
            .as_ref()
            .map_or(Ok(()), |why| Err(StoreError::Poisoned { path: self.path.clone(), why: why.clone() }))
    }

    fn poisoned(&mut self, why: String) -> StoreError {
        StoreError::Poisoned { path: self.path.clone(), why: self.poison(why) }
    }

    fn poison(&mut self, why: String) -> String {
        tracing::error!(%why, "{JOURNAL} takes no change until the host is started again");
        self.poisoned = Some(why.clone());
        why
    }
}

impl CheckpointFile {
    /// Keeps a copy of the state. Failing costs nothing but the copy: the caller
    /// may warn and go on.
    pub fn write(&self, json: &[u8]) -> Result<(), StoreError> {
        Ok(write_atomically(FileKind::Checkpoint, &self.path, &seal_for(&self.path, json)?)?)
    }
}

fn seal_for(path: &Path, json: &[u8]) -> Result<Vec<u8>, StoreError> {
    seal(json).map_err(|message| StoreError::Record { path: path.to_owned(), message })
}

fn open_to_append(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new().append(true).open(path).map_err(StoreError::at(path))
}

/// Whether an open file still has the name.
fn is_at(file: &File, path: &Path) -> bool {
    let same = || -> std::io::Result<bool> {
        let (file, named) = (file.metadata()?, std::fs::metadata(path)?);
        Ok((file.dev(), file.ino()) == (named.dev(), named.ino()))
    };
    same().unwrap_or(false)
}
