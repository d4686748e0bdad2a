//! A log that may be lost: sealed lines in one file, which is replaced as a whole when it has grown.
//!
//! No state depends on it. Never looks into a line, and never decides what is left out.

use super::lines::{read_lines, seal};
use super::read::{if_there, read_at_most};
use super::{Store, StoreError};
use scry_files::{FileKind, write_atomically};
use std::fs::{File, OpenOptions};
use std::path::PathBuf;

/// The longest file that is read.
const LOG_MAX_BYTES: u64 = 1 << 30;

/// A log, open for more.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    kind: FileKind,
    /// Nothing, where it has to be replaced before there may be more.
    file: Option<File>,
    len_bytes: u64,
}

/// What a log held when it was opened.
#[derive(Debug, Default)]
pub struct Logged {
    /// The lines that verify, oldest first.
    pub lines: Vec<Vec<u8>>,
    /// Lines that do not, and an append that was never finished.
    pub lost: u64,
    /// Where a copy of the damaged file is kept.
    pub kept: Option<PathBuf>,
    /// Why it could not be read, or no copy be kept.
    pub error: Option<StoreError>,
}

impl Store {
    /// The log of errors. One that is damaged is copied to quarantine; nothing keeps a host from starting.
    pub fn open_errors(&self) -> (Log, Logged) {
        let mut log = Log { path: self.path("errors.log"), kind: FileKind::Errors, file: None, len_bytes: 0 };
        let mut logged = Logged::default();
        if let Err(error) = self.read_log(&mut log, &mut logged) {
            logged.error = Some(error);
        }
        (log, logged)
    }

    fn read_log(&self, log: &mut Log, logged: &mut Logged) -> Result<(), StoreError> {
        let Some(bytes) = if_there(&log.path, read_at_most(&log.path, LOG_MAX_BYTES))? else { return Ok(()) };
        let lines = read_lines(&bytes);
        let damaged = lines.damage.iter().map(|damage| damage.numbers.clone().count() as u64).sum::<u64>();
        logged.lines = lines.records.iter().map(|line| line.to_vec()).collect();
        logged.lost = damaged + u64::from(lines.tail_at < bytes.len());
        if logged.lost == 0 {
            return log.open(bytes.len() as u64);
        }
        logged.kept = Some(self.quarantine_copy(&log.path, &bytes)?);
        Ok(())
    }
}

impl Log {
    /// How long it is; nothing, where it has to be replaced before there may be more.
    pub fn len_bytes(&self) -> Option<u64> {
        self.file.is_some().then_some(self.len_bytes)
    }

    /// Adds lines. Where that fails, some of them may be there; the log has to be replaced.
    pub fn append(&mut self, lines: &[Vec<u8>]) -> Result<(), StoreError> {
        let bytes = self.sealed(lines)?;
        let unsound = || StoreError::Record { path: self.path.clone(), message: "its end is not known".into() };
        // A part of a line may be there when this fails.
        let file = self.file.take().ok_or_else(unsound)?;
        scry_files::append(self.kind, &file, &bytes).map_err(StoreError::at(&self.path))?;
        self.file = Some(file);
        self.len_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Puts lines in the place of all that are there. Where that fails, these are still there.
    pub fn replace(&mut self, lines: &[Vec<u8>]) -> Result<(), StoreError> {
        let bytes = self.sealed(lines)?;
        self.file = None;
        write_atomically(self.kind, &self.path, &bytes)?;
        self.open(bytes.len() as u64)
    }

    fn open(&mut self, len_bytes: u64) -> Result<(), StoreError> {
        let file = OpenOptions::new().append(true).open(&self.path).map_err(StoreError::at(&self.path))?;
        (self.file, self.len_bytes) = (Some(file), len_bytes);
        Ok(())
    }

    fn sealed(&self, lines: &[Vec<u8>]) -> Result<Vec<u8>, StoreError> {
        let wrong = |message| StoreError::Record { path: self.path.clone(), message };
        lines.iter().map(|line| seal(line).map_err(wrong)).collect::<Result<Vec<_>, _>>().map(|lines| lines.concat())
    }
}
