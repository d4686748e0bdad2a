//! Reading a file of CSV: its header, its types, its rows.
//!
//! Never reads lists out of text.

use super::csv_cells::{self, parse_bool, parse_f64, push, trim};
use super::csv_records::Records;
use super::input::Input;
use super::seen::Seen;
use crate::collect::Collector;
use crate::limits::BATCH_MAX_BYTES;
use crate::{ColumnInfo, Kind, Place, TWICE, TableError};
use scry_card::{Batch, Field};
use std::collections::HashSet;
use std::path::Path;

/// The rows of a file, by given fields.
pub(crate) struct Rows {
    records: Records,
    collector: Collector,
    columns: usize,
    /// Where each field is in a record.
    sources: Vec<Option<usize>>,
    pub(crate) ignored: Vec<String>,
}

/// The columns' names; a column without one has an empty name.
pub(crate) fn names(path: &Path) -> Result<Vec<String>, TableError> {
    Ok(header(&mut Records::new(Input::open(path)?))?.names)
}

/// What the first line names.
struct Header {
    names: Vec<String>,
    /// The names of more than one column.
    twice: HashSet<String>,
}

fn header(records: &mut Records) -> Result<Header, TableError> {
    if !records.advance()? {
        let why = "the file is empty; its first line must name the columns";
        return Err(TableError::format(records.input.path(), why));
    }
    let names = csv_cells::names(records.record()).map_err(|broken| broken.in_file(&records.input))?;
    let mut known = HashSet::new();
    let twice = names.iter().filter(|name| !name.is_empty() && !known.insert(name.as_str())).cloned().collect();
    Ok(Header { names, twice })
}

/// Goes to the next record that is a row, and checks that it has every column.
fn next_row(records: &mut Records, columns: usize) -> Result<bool, TableError> {
    while records.advance()? {
        if csv_cells::is_row(records.record(), columns).map_err(|broken| broken.in_file(&records.input))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Finds types and number of rows by reading the whole file; `progress` is
/// told the bytes.
pub(crate) fn scan(
    path: &Path,
    assumed: &mut Vec<String>,
    progress: &mut dyn FnMut(u64),
) -> Result<(Vec<ColumnInfo>, u64), TableError> {
    let mut records = Records::new(Input::open(path)?);
    let Header { names, twice } = header(&mut records)?;
    let mut seen: Vec<Seen> = names.iter().map(|_| Seen::default()).collect();
    let (mut told, mut rows) = (0, 0);
    while next_row(&mut records, names.len())? {
        let (record, line) = (records.record(), records.input.line);
        rows += 1;
        for (at, seen) in seen.iter_mut().enumerate() {
            let Some(raw) = record.field(at) else { continue };
            let text = raw.text().map_err(|found| {
                let column = names.get(at).cloned().unwrap_or_default();
                let (path, place, expected) = (path.to_owned(), Place::Line(line), "text in UTF-8".into());
                TableError::Value { path, place, column, expected, found }
            })?;
            see(seen, &text, raw.quoted, line);
        }
        if records.input.bytes_read() != told {
            told = records.input.bytes_read();
            progress(told);
        }
    }
    let mut told_twice = HashSet::new();
    let named = names.iter().zip(seen).filter(|(name, _)| !name.is_empty());
    let named = named.filter(|(name, _)| !twice.contains(*name) || told_twice.insert(*name));
    let columns = named.map(|(name, seen)| match twice.contains(name) {
        true => ColumnInfo { name: name.clone(), kind: Kind::Unreadable(TWICE.into()) },
        false => seen.column(name, true, assumed),
    });
    let columns = columns.collect();
    if names.iter().any(String::is_empty) {
        assumed.push("a column without a name (an index, if pandas wrote it) is not read".into());
    }
    Ok((columns, rows))
}

fn see(seen: &mut Seen, text: &str, quoted: bool, line: u64) {
    let trimmed = trim(text);
    if trimmed.is_empty() {
        // Empty text is text only beside other text; alone it is nothing.
        if !text.is_empty() || (quoted && seen.texts.count > 0) {
            seen.add_text(text, line);
        }
    } else if let Ok(value) = trimmed.parse::<i64>() {
        seen.add_i64(value, line);
        let digits = trimmed.trim_start_matches(['+', '-']);
        if digits.len() > 1 && digits.starts_with('0') {
            seen.padded.add(line);
        }
    } else if trimmed.parse::<u64>().is_ok() {
        seen.large.add(line);
    } else if let Some(value) = parse_f64(trimmed) {
        seen.add_float(value, line);
        if trimmed.trim_start_matches(['+', '-']).bytes().all(|byte| byte.is_ascii_digit()) {
            seen.beyond.add(line);
        }
    } else if parse_bool(trimmed).is_some() {
        seen.bools.add(line);
    } else {
        seen.add_text(text, line);
    }
}

impl Rows {
    pub(crate) fn open(path: &Path, fields: &[Field], rows_max: usize) -> Result<Self, TableError> {
        let mut records = Records::new(Input::open(path)?);
        let Header { names, twice } = header(&mut records)?;
        if let Some(field) = fields.iter().find(|field| twice.contains(&field.name)) {
            return Err(TableError::column(path, &field.name, TWICE));
        }
        if let Some(field) = fields.iter().find(|field| !field.shape.is_empty()) {
            let why = format!("has the shape {:?}, which CSV has no form for; use NDJSON or Parquet", field.shape);
            return Err(TableError::column(path, &field.name, why));
        }
        let collector = Collector::new(path, fields, rows_max)?;
        let source = |field: &Field| names.iter().position(|name| *name == field.name && !name.is_empty());
        let sources = fields.iter().map(source).collect();
        let is_ignored = |name: &&String| !fields.iter().any(|field| field.name == **name);
        let ignored = names.iter().filter(is_ignored).cloned().collect();
        Ok(Self { records, collector, columns: names.len(), sources, ignored })
    }

    /// Bytes of the file read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.records.input.bytes_read()
    }

    pub(crate) fn next_batch(&mut self) -> Result<Option<Batch>, TableError> {
        let mut bytes = 0;
        while self.collector.rows < self.collector.rows_max && bytes < BATCH_MAX_BYTES {
            if !next_row(&mut self.records, self.columns)? {
                break;
            }
            bytes += self.records.bytes();
            let record = self.records.record();
            self.collector.rows += 1;
            for (at, (source, builder)) in self.sources.iter().zip(&mut self.collector.builders).enumerate() {
                let pushed = match source.and_then(|source| record.field(source)) {
                    Some(raw) => push(builder, raw),
                    None => builder.push_null(),
                };
                if let Err(found) = pushed {
                    let input = &self.records.input;
                    return Err(self.collector.refuse(input.path(), input.place(), at, found));
                }
            }
        }
        Ok(self.collector.take())
    }
}
