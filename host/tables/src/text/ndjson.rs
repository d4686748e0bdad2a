//! Reading NDJSON: its types, its rows.
//!
//! A member that is not there is a missing value. Blank lines are skipped.

use super::input::Input;
use super::json_row::Row;
use super::json_scan::Scan;
use crate::collect::Collector;
use crate::limits::BATCH_MAX_BYTES;
use crate::{ColumnInfo, TableError};
use memchr::memchr;
use scry_card::strict::Walker;
use scry_card::{Batch, Field};
use serde::de::DeserializeSeed;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// The lines of a file, standing at one of them.
struct Lines {
    input: Input,
    current_len: usize,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, TableError> {
        Ok(Self { input: Input::open(path)?, current_len: 0 })
    }

    /// Goes to the next line that is not blank; `false` at the end.
    fn advance(&mut self) -> Result<bool, TableError> {
        loop {
            self.input.line += u64::from(self.current_len > 0);
            self.input.consume(std::mem::take(&mut self.current_len));
            loop {
                if let Some(end) = memchr(b'\n', self.input.rest()) {
                    self.current_len = end + 1;
                } else if self.input.more()? {
                    continue;
                } else {
                    self.current_len = self.input.rest().len();
                }
                break;
            }
            if self.current_len == 0 {
                return Ok(false);
            }
            if !self.current().iter().all(u8::is_ascii_whitespace) {
                return Ok(true);
            }
        }
    }

    fn current(&self) -> &[u8] {
        self.input.rest().get(..self.current_len).unwrap_or_default()
    }

    fn malformed(&self, error: &serde_json::Error) -> TableError {
        let line = self.current().trim_ascii();
        let strictly = Walker::new(line).and_then(|mut walker| walker.map().and_then(|_| walker.end()));
        let why = match strictly {
            // The place within the line says nothing beside the file's own lines.
            Err(error) => error.to_string().replace("(line 1, column ", "(column "),
            Ok(()) => {
                let why = error.to_string();
                why.rsplit_once(" at line ").map_or(why.clone(), |(why, _)| why.to_owned())
            }
        };
        let why = format!("{why}; write one JSON object a line");
        TableError::malformed(self.input.path(), Some(self.input.place()), why)
    }
}

/// Finds columns, types and number of rows by reading the whole file.
pub(crate) fn scan(
    path: &Path,
    assumed: &mut Vec<String>,
    progress: &mut dyn FnMut(u64),
) -> Result<(Vec<ColumnInfo>, u64), TableError> {
    let mut lines = Lines::open(path)?;
    let mut scan = Scan::default();
    let (mut told, mut rows) = (0, 0);
    while lines.advance()? {
        rows += 1;
        scan.line = lines.input.line;
        let mut deserializer = serde_json::Deserializer::from_slice(lines.current());
        let result = scan.deserialize(&mut deserializer).and_then(|()| deserializer.end());
        result.map_err(|error| lines.malformed(&error))?;
        if lines.input.bytes_read() != told {
            told = lines.input.bytes_read();
            progress(told);
        }
    }
    Ok((scan.columns(assumed), rows))
}

/// The rows of a file, by given fields.
pub(crate) struct Rows {
    lines: Lines,
    collector: Collector,
    index: HashMap<String, usize>,
    pub(crate) ignored: BTreeSet<String>,
    /// Which fields any line has had so far.
    met: Vec<bool>,
}

impl Rows {
    pub(crate) fn open(path: &Path, fields: &[Field], rows_max: usize) -> Result<Self, TableError> {
        let index = fields.iter().enumerate().map(|(at, field)| (field.name.clone(), at)).collect();
        let collector = Collector::new(path, fields, rows_max)?;
        let met = vec![false; fields.len()];
        Ok(Self { lines: Lines::open(path)?, collector, index, ignored: BTreeSet::new(), met })
    }

    /// The fields that no line has had so far, not even as `null`.
    pub(crate) fn absent(&self) -> impl Iterator<Item = &Field> {
        self.collector.fields.iter().zip(&self.met).filter(|(_, met)| !**met).map(|(field, _)| field)
    }

    /// Bytes of the file read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.lines.input.bytes_read()
    }

    pub(crate) fn next_batch(&mut self) -> Result<Option<Batch>, TableError> {
        let mut bytes = 0;
        while self.collector.rows < self.collector.rows_max && bytes < BATCH_MAX_BYTES && self.lines.advance()? {
            bytes += self.lines.current_len;
            self.read_row()?;
        }
        Ok(self.collector.take())
    }

    fn read_row(&mut self) -> Result<(), TableError> {
        let Self { lines, collector, index, ignored, met } = self;
        let mut refused = None;
        collector.rows += 1;
        let row = Row { collector, index, ignored, met, refused: &mut refused };
        let mut deserializer = serde_json::Deserializer::from_slice(lines.current());
        let result = row.deserialize(&mut deserializer).and_then(|()| deserializer.end());
        if let Some((at, found)) = refused {
            return Err(collector.refuse(lines.input.path(), lines.input.place(), at, found));
        }
        result.map_err(|error| lines.malformed(&error))?;
        (0..collector.fields.len()).for_each(|at| collector.fill(at));
        Ok(())
    }
}
