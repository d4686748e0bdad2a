//! The pages of one column chunk, measured before anything of them is unpacked.
//!
//! The crate believes a page's header: a few bytes can ask it for 2 GiB of page
//! or 48 GiB of dictionary, and its gzip unpacks whatever comes. Where a header
//! has a checksum, the page must fit it. Never changes what is read.

use crate::limits::{DICTIONARY_MAX_VALUES, PAGE_MAX_BYTES, PAGE_MAX_VALUES};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use parquet::basic::{Compression, Encoding};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, copy, sink};
use std::sync::{Arc, Mutex, PoisonError};

/// A page that asks for more than one may have.
#[derive(Debug, thiserror::Error)]
#[error("{what} beyond the limit of {limit}")]
pub(super) struct TooLarge {
    pub(super) what: &'static str,
    pub(super) limit: usize,
}

/// A file, as far as one column chunk is read from it.
pub(super) struct Pages {
    file: Arc<File>,
    is_gzip: bool,
    header: Header,
}

/// The header that was read last, which is that of the page that is read next.
#[derive(Clone, Default)]
pub(super) struct Header {
    /// Whether the chunk says that texts may share their starts.
    pub(super) shares_starts: bool,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    size: Size,
    /// Values of the pages since a batch was begun.
    batch_values: usize,
}

impl Header {
    /// From here on values count towards another batch.
    pub(super) fn begin_batch(&self) {
        self.with(|shared| shared.batch_values = 0);
    }

    fn with<T>(&self, look: impl FnOnce(&mut Shared) -> T) -> T {
        look(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Refuses a header by which a page would take more than it may.
    fn check(&self, size: Size) -> io::Result<()> {
        within(size.unpacked_bytes, "a page of bytes", PAGE_MAX_BYTES)?;
        within(size.values, "a page of values", PAGE_MAX_VALUES)?;
        within(size.dictionary_values, "a dictionary of values", DICTIONARY_MAX_VALUES)?;
        if size.encoding == Some(Encoding::DELTA_BYTE_ARRAY as u64) && !self.shares_starts {
            return Err(damaged("an encoding that the file's end does not name"));
        }
        self.with(|shared| {
            // One row may be a list over many pages: what lies before the last of them is bounded, too.
            within(shared.batch_values, "a batch of list elements", PAGE_MAX_VALUES)?;
            shared.batch_values = shared.batch_values.saturating_add(size.values);
            shared.size = size;
            Ok(())
        })
    }
}

impl Pages {
    pub(super) fn of(file: &Arc<File>, chunk: &ColumnChunkMetaData) -> Self {
        let is_gzip = matches!(chunk.compression(), Compression::GZIP(_));
        let shares_starts = chunk.encodings().any(|encoding| encoding == Encoding::DELTA_BYTE_ARRAY);
        Self { file: file.clone(), is_gzip, header: Header { shares_starts, shared: Arc::default() } }
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }
}

impl Length for Pages {
    fn len(&self) -> u64 {
        Length::len(&*self.file)
    }
}

impl ChunkReader for Pages {
    type T = Head;

    fn get_read(&self, start: u64) -> Result<Head> {
        Ok(Head { file: self.file.clone(), start, read: None, header: self.header.clone() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        within(length, "a page of bytes", PAGE_MAX_BYTES)?;
        let page = self.file.get_bytes(start, length)?;
        let Size { checksum, levels_bytes, .. } = self.header.with(|shared| shared.size);
        if checksum.is_some_and(|checksum| checksum != crc32fast::hash(&page)) {
            let why = "the bytes of a page do not fit its checksum; copy or write the file anew";
            return Err(io::Error::new(ErrorKind::InvalidData, why).into());
        }
        if self.is_gzip {
            let packed = page.get(levels_bytes..).unwrap_or_default();
            let unpacked = copy(&mut MultiGzDecoder::new(packed).take(PAGE_MAX_BYTES as u64 + 1), &mut sink());
            // The crate reports what does not unpack.
            within(unpacked.map_or(0, |bytes| bytes as usize), "a page of bytes", PAGE_MAX_BYTES)?;
        }
        Ok(page)
    }
}

fn within(found: usize, what: &'static str, limit: usize) -> io::Result<()> {
    if found <= limit { Ok(()) } else { Err(io::Error::other(TooLarge { what, limit })) }
}

/// The header of a page. The crate asks for one where it knows the header
/// already, and then reads nothing of it: only what is read is measured.
pub(super) struct Head {
    file: Arc<File>,
    start: u64,
    read: Option<BufReader<File>>,
    header: Header,
}

impl Read for Head {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.read {
            Some(read) => read,
            None => {
                let open = || self.file.get_read(self.start).map_err(plain);
                self.header.check(Size::of(open()?)?)?;
                // Not before: both read the same file at one place.
                self.read.insert(open()?)
            }
        };
        read.read(buffer)
    }
}

fn plain(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => io::Error::other(error),
        other => io::Error::other(other),
    }
}

/// What a page's header says of its page.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Size {
    unpacked_bytes: usize,
    values: usize,
    dictionary_values: usize,
    /// What of the page is not compressed.
    levels_bytes: usize,
    /// The number of the data's encoding.
    encoding: Option<u64>,
    /// CRC-32 of the page as it is stored.
    checksum: Option<u32>,
}

/// The types of Thrift's compact protocol that a page's header has.
mod kind {
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const STRUCT: u8 = 12;
}

impl Size {
    /// Reads a header to its end. The fields' numbers are those of the format's `PageHeader`.
    fn of(header: impl Read) -> io::Result<Self> {
        const DATA: u16 = 5;
        const DICTIONARY: u16 = 7;
        const DATA_V2: u16 = 8;
        let mut size = Self::default();
        let mut thrift = Thrift(header);
        let mut last = 0;
        while let Some((field, kind)) = thrift.field(&mut last)? {
            match (field, kind) {
                (2, kind::I32) => size.unpacked_bytes = thrift.count()?,
                (4, kind::I32) => size.checksum = Some(thrift.bits()?),
                (DATA | DICTIONARY | DATA_V2, kind::STRUCT) => {
                    let mut last = 0;
                    while let Some((inner, kind)) = thrift.field(&mut last)? {
                        match (field, inner, kind) {
                            (DATA | DATA_V2, 1, kind::I32) => size.values = thrift.count()?,
                            (DICTIONARY, 1, kind::I32) => size.dictionary_values = thrift.count()?,
                            (DATA, 2, kind::I32) | (DATA_V2, 4, kind::I32) => {
                                size.encoding = Some(thrift.count()? as u64);
                            }
                            (DATA_V2, 5 | 6, kind::I32) => size.levels_bytes += thrift.count()?,
                            _ => thrift.skip(kind, 2)?,
                        }
                    }
                }
                _ => thrift.skip(kind, 2)?,
            }
        }
        Ok(size)
    }
}

/// Reads what Thrift's compact protocol writes.
struct Thrift<R>(R);

impl<R: Read> Thrift<R> {
    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.0.read_exact(&mut byte)?;
        Ok(u8::from_le_bytes(byte))
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(damaged("a number of more than 64 bits"))
    }

    /// A number of things.
    fn count(&mut self) -> io::Result<usize> {
        let zigzag = self.varint()?;
        if zigzag & 1 == 1 {
            return Err(damaged("a number below 0"));
        }
        Ok(usize::try_from(zigzag >> 1).unwrap_or(usize::MAX))
    }

    /// The bits of a number with a sign.
    fn bits(&mut self) -> io::Result<u32> {
        let zigzag = self.varint()?;
        let value = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        Ok(value as u32)
    }

    /// The number and the type of the next field, until the struct ends. Every
    /// writer has them in order; one that comes twice would count as it comes last.
    fn field(&mut self, last: &mut u16) -> io::Result<Option<(u16, u8)>> {
        match self.byte()? {
            0 => Ok(None),
            head if head >> 4 == 0 => Err(damaged("fields out of order")),
            head => {
                *last = last.saturating_add(u16::from(head >> 4));
                Ok(Some((*last, head & 0xf)))
            }
        }
    }

    fn skip(&mut self, kind: u8, depth: usize) -> io::Result<()> {
        match kind {
            kind::TRUE | kind::FALSE => Ok(()),
            kind::BYTE => self.skip_bytes(1),
            kind::I16 | kind::I32 | kind::I64 => self.varint().map(drop),
            kind::DOUBLE => self.skip_bytes(8),
            kind::BINARY => {
                let bytes = self.varint()?;
                self.skip_bytes(bytes)
            }
            kind::STRUCT if depth > 0 => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip(kind, depth - 1)?;
                }
                Ok(())
            }
            _ => Err(damaged("a field that no page has")),
        }
    }

    fn skip_bytes(&mut self, bytes: u64) -> io::Result<()> {
        let skipped = copy(&mut self.0.by_ref().take(bytes), &mut sink())?;
        if skipped == bytes { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("a page's header has {what}; write the file anew"))
}

#[cfg(test)]
mod tests;
