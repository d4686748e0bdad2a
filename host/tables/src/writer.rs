//! Writing a table: unfinished its place, and into it only when it is whole.
//!
//! A crash, an error or a writer that is dropped leaves what was there before.

use crate::collect::check_fields;
use crate::text::write::{self as text};
use crate::{Format, Place, TableError, format, parquet};
use scry_card::{Batch, Field, element_count};
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, ErrorKind};
use std::path::{Path, PathBuf};

/// A table being written.
#[derive(Debug)]
pub struct Writer {
    fields: Vec<Field>,
    rows: u64,
    sink: Sink,
    unfinished: Unfinished,
}

enum Sink {
    Csv(BufWriter<File>),
    Ndjson(BufWriter<File>),
    Parquet(Box<parquet::Sink>),
}

impl Writer {
    /// Begins a file of the format that its name says.
    pub fn create(path: &Path, fields: &[Field]) -> Result<Self, TableError> {
        Self::create_as(path, Format::of(path)?, fields)
    }

    /// Begins a file of this format, with these columns.
    pub fn create_as(path: &Path, format: Format, fields: &[Field]) -> Result<Self, TableError> {
        check_fields(path, fields)?;
        if format::is_gzip(path) {
            return Err(TableError::format(path, "compressed files are read, not written; leave the .gz out"));
        }
        if let Some(field) = fields.iter().find(|field| format == Format::Csv && !field.shape.is_empty()) {
            let why = format!("has the shape {:?}, which CSV has no form for; use NDJSON or Parquet", field.shape);
            return Err(TableError::column(path, &field.name, why));
        }
        let (unfinished, file) = Unfinished::create(path)?;
        let sink = match format {
            Format::Csv => {
                let mut to = BufWriter::new(file);
                text::header(&mut to, fields).map_err(|error| TableError::io(path, error))?;
                Sink::Csv(to)
            }
            Format::Ndjson => Sink::Ndjson(BufWriter::new(file)),
            Format::Parquet => Sink::Parquet(Box::new(parquet::Sink::new(path, file, fields)?)),
        };
        Ok(Self { fields: fields.to_vec(), rows: 0, sink, unfinished })
    }

    /// Adds the rows of a batch, which must have the form of the fields.
    pub fn write(&mut self, batch: &Batch) -> Result<(), TableError> {
        let path = &self.unfinished.path;
        check_form(path, &self.fields, batch, self.rows)?;
        match &mut self.sink {
            Sink::Csv(to) => text::csv(to, batch).map_err(|error| TableError::io(path, error))?,
            Sink::Ndjson(to) => {
                check_finite(path, &self.fields, batch, self.rows)?;
                text::ndjson(to, &self.fields, batch).map_err(|error| TableError::io(path, error))?;
            }
            Sink::Parquet(sink) => sink.write(path, batch)?,
        }
        self.rows += batch.rows as u64;
        Ok(())
    }

    /// Puts the file in its place, and says how many rows it has.
    pub fn finish(self) -> Result<u64, TableError> {
        let path = &self.unfinished.path;
        let file = match self.sink {
            Sink::Csv(to) | Sink::Ndjson(to) => {
                to.into_inner().map_err(|error| TableError::io(path, error.into_error()))?
            }
            Sink::Parquet(sink) => sink.finish(path)?,
        };
        file.sync_all().map_err(|error| TableError::io(path, error))?;
        self.unfinished.settle()?;
        Ok(self.rows)
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Csv(_) => "Csv",
            Self::Ndjson(_) => "Ndjson",
            Self::Parquet(_) => "Parquet",
        })
    }
}

/// A file that is not in its place yet; removed if it never gets there.
#[derive(Debug)]
struct Unfinished {
    path: PathBuf,
    unfinished: Option<PathBuf>,
}

impl Unfinished {
    fn create(path: &Path) -> Result<(Self, File), TableError> {
        /// More than there are writers of one file at once.
        const TRIES_MAX: u32 = 100;
        let refuse = |error| TableError::io(path, error);
        if path.is_dir() {
            return Err(refuse(ErrorKind::IsADirectory.into()));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A file that is there may be readable by fewer users than a new one.
        let permissions = fs::metadata(path).ok().map(|metadata| metadata.permissions());
        for attempt in 0..TRIES_MAX {
            let unfinished = path.with_file_name(format!(".{name}.{}-{attempt}.tmp", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&unfinished) {
                Ok(file) => {
                    let made = Self { path: path.to_owned(), unfinished: Some(unfinished) };
                    permissions.map_or(Ok(()), |permissions| file.set_permissions(permissions)).map_err(refuse)?;
                    return Ok((made, file));
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(refuse(error)),
            }
        }
        Err(refuse(ErrorKind::AlreadyExists.into()))
    }

    fn settle(mut self) -> Result<(), TableError> {
        let refuse = |error| TableError::io(&self.path, error);
        if let Some(unfinished) = &self.unfinished {
            fs::rename(unfinished, &self.path).map_err(refuse)?;
        }
        self.unfinished = None;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| TableError::io(&self.path, error))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(unfinished) = &self.unfinished {
            // What cannot be removed has a name that says what it is.
            let _ = fs::remove_file(unfinished);
        }
    }
}

fn check_form(path: &Path, fields: &[Field], batch: &Batch, rows_before: u64) -> Result<(), TableError> {
    if batch.columns.len() != fields.len() {
        let why = format!("a batch of {} columns for {} fields", batch.columns.len(), fields.len());
        return Err(TableError::format(path, why));
    }
    for (field, tensor) in fields.iter().zip(&batch.columns) {
        let wanted = field.batch_shape(batch.rows as u64);
        let count = element_count(&wanted);
        let lengths = count == Some(tensor.values.len())
            && tensor.validity.as_ref().is_none_or(|flags| Some(flags.len()) == count);
        if tensor.values.datatype() != field.datatype || tensor.shape != wanted || !lengths {
            let why = format!(
                "expected {} of shape {wanted:?}, found {} of shape {:?} ({} elements)",
                field.datatype,
                tensor.values.datatype(),
                tensor.shape,
                tensor.values.len()
            );
            return Err(TableError::column(path, &field.name, why));
        }
        let missing = tensor.validity.as_ref().and_then(|flags| flags.iter().position(|&present| !present));
        if let Some(at) = missing.filter(|_| !field.nullable) {
            return Err(refuse(path, field, rows_before, at, "null".into()));
        }
    }
    Ok(())
}

fn check_finite(path: &Path, fields: &[Field], batch: &Batch, rows_before: u64) -> Result<(), TableError> {
    for (field, tensor) in fields.iter().zip(&batch.columns) {
        if let Some((at, value)) = text::infinite(tensor) {
            let found = format!("{value}, which JSON has no form for (CSV and Parquet have)");
            return Err(refuse(path, field, rows_before, at, found));
        }
    }
    Ok(())
}

fn refuse(path: &Path, field: &Field, rows_before: u64, element: usize, found: String) -> TableError {
    let row = element / field.elements_per_row().unwrap_or(1).max(1);
    TableError::Value {
        path: path.to_owned(),
        place: Place::Row(rows_before + row as u64),
        column: field.name.clone(),
        expected: field.datatype.value(),
        found,
    }
}
