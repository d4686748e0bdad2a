//! Reading a backup, whatever its bytes are.
//!
//! Holds one small buffer, never believes a size before the bytes are there, and takes nothing but plain files with the
//! names of a backup, in the one form in which they are written.

use super::error::shown;
use super::hashed::Hashed;
use super::tar::{BLOCK_BYTES, Block, END as TAR_END, Header};
use super::{About, BEGIN, BEGIN_MAX_BYTES, BackedUp, BackupError, Contents, END, Entry, FILES_MAX, FORMAT, Listing};
use crate::lines::{LINE_MAX_BYTES, unseal};
use scry_names::Digest;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::io::{self, Read};

/// Reads a backup to its end. `take` gets each file as it comes, and need not read it: until this returns, nothing is
/// proved of any of them.
pub fn read_backup(
    mut from: impl Read,
    mut take: impl FnMut(&Entry, &mut dyn Read) -> Result<(), BackupError>,
) -> Result<Contents, BackupError> {
    let mut reading = Reading::default();
    loop {
        let block = next_block(&mut from)?.ok_or_else(|| reading.cut())?;
        if TAR_END.starts_with(&block) {
            break;
        }
        let header = Header::from_block(&block).ok_or_else(|| reading.no_header())?;
        let place = reading.place(&header)?;
        let mut file = Hashed::new(from.by_ref().take(header.size_bytes));
        let line = match &place {
            Place::File(entry) => take(entry, &mut file).map(|()| Vec::new())?,
            Place::Begin | Place::End => {
                let mut line = Vec::new();
                file.read_to_end(&mut line)?;
                line
            }
        };
        io::copy(&mut file, &mut io::sink())?;
        let (found_bytes, digest) = file.finish();
        if found_bytes < header.size_bytes {
            return Err(reading.cut());
        }
        read_zeros(&mut from, header.padding(), &reading)?;
        reading.at_byte += (BLOCK_BYTES + header.padding()) as u64 + header.size_bytes;
        match place {
            Place::Begin => reading.begin(&line)?,
            Place::File(entry) => reading.note(header, entry, digest)?,
            Place::End => reading.end(&line)?,
        }
    }
    read_zeros(&mut from, TAR_END.len() - BLOCK_BYTES, &reading)?;
    let contents = reading.finish()?;
    match from.read(&mut [0])? {
        0 => Ok(contents),
        _ => Err(BackupError::Longer),
    }
}

/// The next block; none, where there are fewer bytes.
fn next_block(from: &mut impl Read) -> io::Result<Option<Block>> {
    let mut bytes = Vec::with_capacity(BLOCK_BYTES);
    from.take(BLOCK_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(bytes.try_into().ok())
}

fn read_zeros(from: &mut impl Read, count: usize, reading: &Reading) -> Result<(), BackupError> {
    let mut bytes = Vec::with_capacity(count);
    from.take(count as u64).read_to_end(&mut bytes)?;
    match () {
        () if bytes.len() < count => Err(reading.cut()),
        () if bytes.iter().any(|byte| *byte != 0) => Err(reading.no_header()),
        () => Ok(()),
    }
}

/// What an entry is for.
enum Place {
    Begin,
    File(Entry),
    End,
}

impl Place {
    fn max_bytes(&self) -> u64 {
        match self {
            Self::Begin => BEGIN_MAX_BYTES,
            Self::File(entry) => entry.max_bytes(),
            Self::End => LINE_MAX_BYTES as u64,
        }
    }
}

/// How far a backup is read.
#[derive(Default)]
struct Reading {
    at_byte: u64,
    about: Option<About>,
    files: Vec<BackedUp>,
    known: BTreeSet<Entry>,
    listing: Option<Listing>,
}

impl Reading {
    fn place(&self, header: &Header) -> Result<Place, BackupError> {
        let (path, size_bytes) = (header.path.as_str(), header.size_bytes);
        if self.about.is_none() && path != BEGIN {
            return Err(BackupError::Other(format!("a tar file that begins with `{}`", shown(path))));
        }
        if self.listing.is_some() {
            return Err(BackupError::entry(path, format!("expected nothing behind `{END}`")));
        }
        if self.files.len() >= FILES_MAX && path != END {
            return Err(BackupError::TooMany(FILES_MAX));
        }
        let place = match path {
            BEGIN if self.about.is_none() => Place::Begin,
            END => Place::End,
            _ => match Entry::of(path) {
                Some(entry) if self.known.contains(&entry) => {
                    return Err(BackupError::entry(path, "expected it once, found it twice"));
                }
                Some(entry) => Place::File(entry),
                None => return Err(BackupError::entry(path, "expected a file of a backup, found another name")),
            },
        };
        let max_bytes = place.max_bytes();
        if size_bytes > max_bytes {
            return Err(BackupError::entry(path, format!("expected at most {max_bytes} bytes, found {size_bytes}")));
        }
        Ok(place)
    }

    fn begin(&mut self, line: &[u8]) -> Result<(), BackupError> {
        /// What every format begins with.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
            #[serde(default)]
            scry: String,
        }
        let Format { format, scry } = unsealed(BEGIN, line)?;
        if format != FORMAT {
            return Err(BackupError::OtherFormat { found: format, scry: shown(&scry) });
        }
        self.about = Some(unsealed(BEGIN, line)?);
        Ok(())
    }

    fn note(&mut self, header: Header, entry: Entry, digest: Digest) -> Result<(), BackupError> {
        if let Entry::Component(expected) = entry
            && expected != digest
        {
            return Err(BackupError::Damaged(header.path));
        }
        self.known.insert(entry);
        self.files.push(BackedUp { path: header.path, size_bytes: header.size_bytes, digest });
        Ok(())
    }

    fn end(&mut self, line: &[u8]) -> Result<(), BackupError> {
        let listing: Listing = unsealed(END, line)?;
        let (mut found, mut listed) = (self.files.iter(), listing.files.iter());
        loop {
            match (found.next(), listed.next()) {
                (None, None) => break,
                (Some(found), Some(listed)) if found == listed => {}
                (Some(found), Some(listed)) if found.path == listed.path => {
                    return Err(BackupError::Damaged(found.path.clone()));
                }
                (_, Some(listed)) => return Err(BackupError::entry(&listed.path, "it is listed and not there")),
                (Some(found), None) => return Err(BackupError::entry(&found.path, "it is there and not listed")),
            }
        }
        if !self.known.contains(&Entry::History) {
            return Err(BackupError::entry(&Entry::History.path(), "it is not there"));
        }
        self.listing = Some(listing);
        Ok(())
    }

    fn cut(&self) -> BackupError {
        match self.about {
            Some(_) => BackupError::Cut,
            None => BackupError::Other("fewer bytes than it begins with".into()),
        }
    }

    fn no_header(&self) -> BackupError {
        match self.about {
            Some(_) => BackupError::NoFile(self.at_byte),
            None => BackupError::Other("other bytes".into()),
        }
    }

    fn finish(self) -> Result<Contents, BackupError> {
        match (self.about, self.listing) {
            (Some(about), Some(listing)) => Ok(Contents { about, files: self.files, missing: listing.missing }),
            (Some(_), None) => Err(BackupError::Cut),
            (None, _) => Err(BackupError::Other("an empty tar file".into())),
        }
    }
}

fn unsealed<T: DeserializeOwned>(path: &str, line: &[u8]) -> Result<T, BackupError> {
    let json = unseal(line).ok_or_else(|| BackupError::Damaged(path.to_owned()))?;
    serde_json::from_slice(json).map_err(|error| BackupError::entry(path, error.to_string()))
}
