//! Reading a table, whatever its format.
//!
//! Never holds more than a batch, a window of text, or a page of each column.

use crate::collect::check_fields;
use crate::text::{csv, ndjson};
use crate::{ColumnInfo, Format, TableError, format, limits, parquet};
use scry_card::{Batch, Field};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// A file with a table in it. It may be read any number of times.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    format: Format,
    rows_max: usize,
    bytes_total: u64,
    rows_total: Option<u64>,
    columns: Option<Vec<ColumnInfo>>,
    assumed: Vec<String>,
    absent_allowed: HashSet<String>,
}

/// How far a file is read, for progress bars. For text these are bytes of the
/// file as it lies there; for Parquet, the bytes that its rows have on average.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// What is read.
    pub done_bytes: u64,
    /// What there is.
    pub total_bytes: u64,
}

impl Reader {
    /// Opens a file of the format that its name says.
    pub fn open(path: &Path) -> Result<Self, TableError> {
        Self::open_as(path, Format::of(path)?)
    }

    /// Opens a file of this format. A `.gz` at the end of its name still says
    /// that it is compressed.
    pub fn open_as(path: &Path, format: Format) -> Result<Self, TableError> {
        let metadata = std::fs::metadata(path).map_err(|error| TableError::io(path, error))?;
        if !metadata.is_file() {
            return Err(TableError::format(path, "not a file; what is read twice must be one, not a pipe or a folder"));
        }
        if format == Format::Parquet && format::is_gzip(path) {
            return Err(TableError::format(path, "Parquet compresses its own pages; unpack the file with gunzip"));
        }
        let rows_total = match format {
            Format::Parquet => Some(parquet::File::open(path)?.rows()),
            Format::Csv => csv::names(path).map(|_| None)?,
            Format::Ndjson => None,
        };
        Ok(Self {
            path: path.to_owned(),
            format,
            rows_max: limits::BATCH_ROWS,
            bytes_total: metadata.len(),
            rows_total,
            columns: None,
            assumed: Vec::new(),
            absent_allowed: HashSet::new(),
        })
    }

    /// Says which columns the file may lack. A nullable field of such a name is
    /// then all missing; of any other name its absence is an error.
    pub fn allow_absent(&mut self, columns: &[String]) {
        self.absent_allowed.extend(columns.iter().cloned());
    }

    /// Whether the file may lack this column.
    pub fn may_lack(&self, column: &str) -> bool {
        self.absent_allowed.contains(column)
    }

    /// The file's format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Rows of a batch at most; 8,192 unless told otherwise. Wide rows make
    /// fewer.
    pub fn set_rows_max(&mut self, rows: usize) {
        self.rows_max = rows;
    }

    /// What the file holds, and of which types. A Parquet file says so itself;
    /// of a text file, the first call reads all of it, and tells `progress` how
    /// far it is.
    pub fn columns(&mut self, progress: &mut dyn FnMut(Position)) -> Result<&[ColumnInfo], TableError> {
        if self.columns.is_none() {
            let total_bytes = self.bytes_total;
            let mut tell = |done_bytes| progress(Position { done_bytes, total_bytes });
            let mut assumed = Vec::new();
            let (columns, rows) = match self.format {
                Format::Csv => csv::scan(&self.path, &mut assumed, &mut tell)?,
                Format::Ndjson => ndjson::scan(&self.path, &mut assumed, &mut tell)?,
                Format::Parquet => {
                    let file = parquet::File::open(&self.path)?;
                    (file.scan(&mut assumed)?, file.rows())
                }
            };
            (self.rows_total, self.assumed) = (Some(rows), assumed);
            self.columns = Some(columns);
        }
        Ok(self.columns.as_deref().unwrap_or_default())
    }

    /// The fields that read the file as it is: all of its columns. A column
    /// that none can hold is an error that names it.
    pub fn found_fields(&mut self, progress: &mut dyn FnMut(Position)) -> Result<Vec<Field>, TableError> {
        let path = self.path.clone();
        let unreadable = |column: &ColumnInfo| {
            let crate::Kind::Unreadable(why) = &column.kind else { return String::new() };
            format!("{why}; {}", crate::UNREADABLE_ADVICE)
        };
        let field = |column: &ColumnInfo| {
            column.field().ok_or_else(|| TableError::column(&path, &column.name, unreadable(column)))
        };
        self.columns(progress)?.iter().map(field).collect()
    }

    /// What `columns` took for granted, in sentences for people.
    pub fn assumed(&self) -> &[String] {
        &self.assumed
    }

    /// Number of rows, where it is known: of Parquet always, of text once
    /// `columns` has read it.
    pub fn rows_total(&self) -> Option<u64> {
        self.rows_total
    }

    /// The rows, from the first, in the order and types of `fields`. Other
    /// columns are ignored. A field that the file does not have is an error, of
    /// NDJSON when all of it is read, unless the column may be absent.
    pub fn batches(&self, fields: &[Field]) -> Result<Batches, TableError> {
        check_fields(&self.path, fields)?;
        let names = match self.format {
            Format::Csv => Some(csv::names(&self.path)?),
            Format::Parquet => Some(parquet::File::open(&self.path)?.names()),
            Format::Ndjson => None,
        };
        let mut absent = Vec::new();
        if let Some(names) = &names {
            let known: HashSet<_> = names.iter().map(String::as_str).collect();
            for field in fields.iter().filter(|field| !known.contains(field.name.as_str())) {
                self.lack(field, names)?;
                absent.push(field.name.clone());
            }
        }
        let rows = match self.format {
            Format::Csv => Rows::Csv(csv::Rows::open(&self.path, fields, self.rows_max)?),
            Format::Ndjson => Rows::Ndjson(ndjson::Rows::open(&self.path, fields, self.rows_max)?),
            Format::Parquet => Rows::Parquet(Box::new(parquet::Rows::open(&self.path, fields, self.rows_max)?)),
        };
        let absent_allowed = self.absent_allowed.clone();
        let path = self.path.clone();
        Ok(Batches { rows, path, total_bytes: self.bytes_total, rows_done: 0, is_over: false, absent, absent_allowed })
    }

    /// Whether the file may lack this field's column.
    fn lack(&self, field: &Field, names: &[String]) -> Result<(), TableError> {
        if field.nullable && self.may_lack(&field.name) {
            return Ok(());
        }
        let known: Vec<_> = names.iter().take(20).map(|name| format!("`{name}`")).collect();
        let more = if names.len() > known.len() { ", …" } else { "" };
        let must = if field.nullable { "" } else { ", and must be" };
        let why = format!("is not there{must}: the file has {}{more}{}", known.join(", "), advice(field));
        Err(TableError::column(&self.path, &field.name, why))
    }
}

/// What to do about a column that is not there.
fn advice(field: &Field) -> String {
    match field.nullable {
        true => format!("; `--allow-missing {}` takes all of its values for missing", field.name),
        false => String::new(),
    }
}

/// The rows of a file, batch after batch. After an error there is no more.
pub struct Batches {
    rows: Rows,
    path: PathBuf,
    total_bytes: u64,
    rows_done: u64,
    is_over: bool,
    /// Fields that the file does not have and need not have.
    absent: Vec<String>,
    absent_allowed: HashSet<String>,
}

enum Rows {
    Csv(csv::Rows),
    Ndjson(ndjson::Rows),
    Parquet(Box<parquet::Rows>),
}

impl Batches {
    /// How far the file is read.
    pub fn position(&self) -> Position {
        let total_bytes = self.total_bytes;
        let done_bytes = match &self.rows {
            Rows::Csv(rows) => rows.bytes_read(),
            Rows::Ndjson(rows) => rows.bytes_read(),
            Rows::Parquet(rows) => {
                let part = u128::from(total_bytes) * u128::from(rows.rows_done);
                u64::try_from(part.checked_div(u128::from(rows.rows_total())).unwrap_or(0)).unwrap_or(total_bytes)
            }
        };
        Position { done_bytes, total_bytes }
    }

    /// Rows given so far.
    pub fn rows_done(&self) -> u64 {
        self.rows_done
    }

    /// Columns of the file that no field reads; of NDJSON, as far as it is read.
    pub fn ignored(&self) -> Vec<String> {
        match &self.rows {
            Rows::Csv(rows) => rows.ignored.clone(),
            Rows::Ndjson(rows) => rows.ignored.iter().cloned().collect(),
            Rows::Parquet(rows) => rows.ignored.clone(),
        }
    }

    /// Fields that the file does not have, and that are all missing for that
    /// reason; of NDJSON when all of it is read.
    pub fn absent(&self) -> &[String] {
        &self.absent
    }

    /// Looks for fields that no line of an NDJSON file has.
    fn find_absent(&mut self) -> Result<(), TableError> {
        let Rows::Ndjson(rows) = &self.rows else { return Ok(()) };
        if self.rows_done == 0 {
            return Ok(());
        }
        for field in rows.absent() {
            if !(field.nullable && self.absent_allowed.contains(&field.name)) {
                let must = if field.nullable { "" } else { ", and must be" };
                let why = format!("is in no line{must}{}", advice(field));
                return Err(TableError::column(&self.path, &field.name, why));
            }
            self.absent.push(field.name.clone());
        }
        Ok(())
    }

    /// What is taken for granted of the columns that are read, in sentences
    /// for people.
    pub fn assumed(&self) -> Vec<String> {
        match &self.rows {
            Rows::Csv(_) | Rows::Ndjson(_) => Vec::new(),
            Rows::Parquet(rows) => rows.assumed(),
        }
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = match &mut self.rows {
            Rows::Csv(rows) => rows.next_batch(),
            Rows::Ndjson(rows) => rows.next_batch(),
            Rows::Parquet(rows) => rows.next_batch(),
        };
        let next = match next {
            Ok(None) => self.find_absent().map(|()| None),
            next => next,
        };
        self.is_over = !matches!(next, Ok(Some(_)));
        if let Ok(Some(batch)) = &next {
            self.rows_done += batch.rows as u64;
        }
        next.transpose()
    }
}

impl std::fmt::Debug for Batches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batches").field("position", &self.position()).field("rows_done", &self.rows_done).finish()
    }
}
