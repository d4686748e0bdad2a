//! The bytes of a file, a window at a time.
//!
//! Never holds more of the file than one line may have.

use crate::limits::LINE_MAX_BYTES;
use crate::{Place, TableError, format};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is read from the system at a time.
const READ_BYTES: usize = 256 << 10;

/// A file being read from its start to its end.
pub(crate) struct Input {
    source: Box<dyn Read + Send>,
    read_bytes: Arc<AtomicU64>,
    buffer: Vec<u8>,
    start: usize,
    /// Line at which the rest starts, from 1.
    pub(crate) line: u64,
    path: PathBuf,
}

impl Input {
    /// Opens a file, unpacks it if its name ends in `.gz`, and skips the mark
    /// that some tools put before UTF-8.
    pub(crate) fn open(path: &Path) -> Result<Self, TableError> {
        let file = File::open(path).map_err(|error| TableError::io(path, error))?;
        let read_bytes = Arc::new(AtomicU64::new(0));
        let counted = Counted { file, read_bytes: read_bytes.clone() };
        let source: Box<dyn Read + Send> =
            if format::is_gzip(path) { Box::new(MultiGzDecoder::new(counted)) } else { Box::new(counted) };
        let mut input = Self { source, read_bytes, buffer: Vec::new(), start: 0, line: 1, path: path.to_owned() };
        input.more()?;
        if let Some(why) = no_text(input.rest()) {
            return Err(TableError::format(path, why));
        }
        if input.rest().starts_with(b"\xef\xbb\xbf") {
            input.start = 3;
        }
        Ok(input)
    }

    /// What is read and not consumed.
    pub(crate) fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the rest starts.
    pub(crate) fn place(&self) -> Place {
        Place::Line(self.line)
    }

    /// Bytes of the file that were read.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    /// Drops the first `len` bytes of the rest.
    pub(crate) fn consume(&mut self, len: usize) {
        self.start = (self.start + len).min(self.buffer.len());
    }

    /// Makes the rest longer, unless the file ends here. A longer rest is
    /// asked for only when one line does not end in it, so the longest line is
    /// all that is ever held.
    pub(crate) fn more(&mut self) -> Result<bool, TableError> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let before = self.buffer.len();
        // Doubling, so that a long line is not searched again and again, up to the limit;
        // beyond it one byte more tells a line that is too long from one that ends there.
        let wanted = READ_BYTES.max(before).min(LINE_MAX_BYTES.saturating_sub(before)).max(1);
        self.buffer.reserve_exact(wanted);
        match self.source.by_ref().take(wanted as u64).read_to_end(&mut self.buffer) {
            Ok(_) if self.buffer.len() > LINE_MAX_BYTES => {
                Err(TableError::limit(&self.path, Some(self.place()), "a line of bytes", LINE_MAX_BYTES))
            }
            Ok(_) => Ok(self.buffer.len() > before),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::UnexpectedEof) => {
                Err(TableError::malformed(&self.path, Some(self.place()), format!("the .gz file is damaged: {error}")))
            }
            Err(error) => Err(TableError::io(&self.path, error)),
        }
    }
}

/// What a file is whose first bytes cannot be text in UTF-8, and what to do.
fn no_text(start: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 5] = [
        (b"\x1f\x8b", "compressed with gzip; give it a name that ends in .gz"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd; unpack it, or compress it with gzip"),
        (b"\xff\xfe", "written in UTF-16; write it in UTF-8"),
        (b"\xfe\xff", "written in UTF-16; write it in UTF-8"),
        (b"PAR1", "a Parquet file; give it a name that ends in .parquet"),
    ];
    KNOWN.iter().find(|(mark, _)| start.starts_with(mark)).map(|(_, why)| *why)
}

/// Counts what is read of a file, before it is unpacked.
struct Counted {
    file: File,
    read_bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read_bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
