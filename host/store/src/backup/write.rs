//! Writing a backup, one file after the other: no more than one is in memory.

use super::hashed::Hashed;
use super::tar::{END as TAR_END, Header};
use super::{About, BEGIN, BackedUp, BackupError, Contents, END, Entry, FILES_MAX, Lacking, Listing};
use crate::lines::seal;
use scry_names::Digest;
use serde::Serialize;
use std::io::{self, Cursor, Read, Write};

/// A backup that is being written.
#[derive(Debug)]
pub struct BackupWriter<W: Write> {
    into: W,
    about: About,
    listing: Listing,
}

impl<W: Write> BackupWriter<W> {
    /// Writes what comes first.
    pub fn begin(into: W, about: About) -> Result<Self, BackupError> {
        let line = sealed(BEGIN, &about)?;
        let mut begun = Self { into, about, listing: Listing::default() };
        begun.put(BEGIN, line.len() as u64, line.as_slice())?;
        Ok(begun)
    }

    /// Adds the history, whose records `record` gives by their index as JSON of one line, twice the same.
    pub fn add_history(
        &mut self,
        records: usize,
        record: impl Fn(usize) -> io::Result<Vec<u8>>,
    ) -> Result<(), BackupError> {
        let line = |at| seal(&record(at)?).map_err(io::Error::other);
        let lengths = (0..records).map(|at| line(at).map(|line| line.len() as u64));
        let size_bytes = lengths.sum::<io::Result<u64>>()?;
        self.add_from(&Entry::History, size_bytes, Parts { parts: (0..records).map(line), part: Cursor::default() })
    }

    /// Adds the state, as JSON of one line.
    pub fn add_checkpoint(&mut self, json: &[u8]) -> Result<(), BackupError> {
        let line = seal(json).map_err(io::Error::other)?;
        self.add(&Entry::Checkpoint, &line)
    }

    /// Adds a file.
    pub fn add(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), BackupError> {
        self.add_from(entry, bytes.len() as u64, bytes)
    }

    /// Notes a component that should be there.
    pub fn lacks(&mut self, digest: Digest, why: String) {
        self.listing.missing.push(Lacking { digest, why });
    }

    /// Writes what comes last.
    pub fn finish(mut self) -> Result<Contents, BackupError> {
        let line = sealed(END, &self.listing)?;
        self.put(END, line.len() as u64, line.as_slice())?;
        self.into.write_all(&TAR_END)?;
        self.into.flush()?;
        Ok(Contents { about: self.about, files: self.listing.files, missing: self.listing.missing })
    }

    fn add_from(&mut self, entry: &Entry, size_bytes: u64, from: impl Read) -> Result<(), BackupError> {
        let path = entry.path();
        if size_bytes > entry.max_bytes() {
            let message = format!("expected at most {} bytes, found {size_bytes}", entry.max_bytes());
            return Err(BackupError::entry(&path, message));
        }
        if self.listing.files.len() >= FILES_MAX {
            return Err(BackupError::TooMany(FILES_MAX));
        }
        let digest = self.put(&path, size_bytes, from)?;
        self.listing.files.push(BackedUp { path, size_bytes, digest });
        Ok(())
    }

    fn put(&mut self, path: &str, size_bytes: u64, from: impl Read) -> Result<Digest, BackupError> {
        let header = Header { path: path.to_owned(), size_bytes, modified_s: self.about.made_at_ms / 1000 };
        let wrong = || BackupError::entry(path, "a tar file has no room for its name, its size, or the time");
        self.into.write_all(&header.to_block().ok_or_else(wrong)?)?;
        let mut file = Hashed::new(from.take(size_bytes));
        io::copy(&mut file, &mut self.into)?;
        let (found_bytes, digest) = file.finish();
        if found_bytes < size_bytes {
            return Err(BackupError::entry(path, format!("expected {size_bytes} bytes, found {found_bytes}")));
        }
        io::copy(&mut io::repeat(0).take(header.padding() as u64), &mut self.into)?;
        Ok(digest)
    }
}

fn sealed(path: &str, value: &impl Serialize) -> Result<Vec<u8>, BackupError> {
    let json = serde_json::to_vec(value).map_err(io::Error::other)?;
    seal(&json).map_err(|message| BackupError::entry(path, message))
}

/// Parts as one.
struct Parts<I> {
    parts: I,
    part: Cursor<Vec<u8>>,
}

impl<I: Iterator<Item = io::Result<Vec<u8>>>> Read for Parts<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.part.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            match self.parts.next() {
                Some(part) => self.part = Cursor::new(part?),
                None => return Ok(0),
            }
        }
    }
}
