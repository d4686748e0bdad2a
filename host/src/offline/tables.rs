//! Files of one form, read one after the other as one table.
//!
//! Never holds more than a batch, however many files and rows there are.

use super::{OfflineError, Progress, Watch};
use scry_card::stats::belongs_to;
use scry_card::{Batch, Datatype, Field};
use scry_tables::{ColumnInfo, Format, Kind, Reader, TableError};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Rows that are worked on at once.
pub(super) const BATCH_ROWS: usize = 1_024;

/// The files, and what was assumed of them so far.
pub(super) struct Tables {
    files: Vec<(PathBuf, Reader)>,
    /// Columns that a file may lack.
    allow_missing: Vec<String>,
    pub(super) assumed: Vec<String>,
}

/// A batch, and where it is from.
pub(super) struct Piece<'a> {
    /// Which of the files.
    pub(super) file: usize,
    pub(super) path: &'a Path,
    /// The file's number of the first row, from 0.
    pub(super) first_row: u64,
    pub(super) batch: &'a Batch,
}

impl Tables {
    /// Opens files that may lack these columns.
    pub(super) fn open(paths: &[impl AsRef<Path>], allow_missing: &[String]) -> Result<Self, TableError> {
        let open = |path: &_| {
            let path: &Path = AsRef::as_ref(path);
            let mut reader = Reader::open(path)?;
            reader.set_rows_max(BATCH_ROWS);
            reader.allow_absent(allow_missing);
            Ok((path.to_owned(), reader))
        };
        let files = paths.iter().map(open).collect::<Result<_, TableError>>()?;
        Ok(Self { files, allow_missing: allow_missing.to_vec(), assumed: Vec::new() })
    }

    /// The fields that read every file: these columns, or all that can be read.
    pub(super) fn fields(&mut self, only: &[String], watch: &mut Watch<'_>) -> Result<Vec<Field>, OfflineError> {
        let mut common: Option<Vec<ColumnInfo>> = None;
        for (path, reader) in &mut self.files {
            let columns =
                reader.columns(&mut |position| watch(Progress { doing: "finding the types of", path, position }))?;
            let mut columns = columns.to_vec();
            if reader.rows_total() == Some(0) {
                return Err(OfflineError::NoRows { path: path.clone() });
            }
            for name in &self.allow_missing {
                if !columns.iter().any(|column| column.name == *name) {
                    columns.push(ColumnInfo { name: name.clone(), kind: Kind::Missing { shape: Vec::new() } });
                }
            }
            let columns = chosen(path, columns, only, &mut self.assumed)?;
            common = Some(match common {
                None => columns,
                Some(common) => {
                    common.into_iter().map(|column| joined(path, column, &columns)).collect::<Result<_, _>>()?
                }
            });
        }
        Ok(common.iter().flatten().filter_map(ColumnInfo::field).collect())
    }

    /// Works on every batch in order. The answer is the columns that no field reads.
    pub(super) fn each(
        &mut self,
        doing: &'static str,
        fields: &[Field],
        watch: &mut Watch<'_>,
        mut work: impl FnMut(Piece<'_>) -> Result<(), OfflineError>,
    ) -> Result<BTreeSet<String>, OfflineError> {
        let mut ignored = BTreeSet::new();
        for (file, (path, reader)) in self.files.iter().enumerate() {
            let mut batches = reader.batches(fields)?;
            watch(Progress { doing, path, position: batches.position() });
            let mut first_row = 0;
            while let Some(batch) = batches.next().transpose()? {
                work(Piece { file, path, first_row, batch: &batch })?;
                first_row += batch.rows as u64;
                watch(Progress { doing, path, position: batches.position() });
            }
            if first_row == 0 {
                return Err(OfflineError::NoRows { path: path.clone() });
            }
            ignored.extend(batches.ignored());
            let absent = batches.absent().iter();
            let absent =
                absent.map(|name| format!("column `{name}` is not in the file: all of its values are missing"));
            let notes = if reader.format() == Format::Parquet { batches.assumed() } else { reader.assumed().to_vec() };
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let named = |note: String| if self.files.len() > 1 { format!("{name}: {note}") } else { note };
            self.assumed.extend(notes.into_iter().chain(absent).map(named));
        }
        Ok(ignored)
    }
}

/// Names in a sentence, not more than fit.
pub(super) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    const SHOWN_MAX: usize = 20;
    let more = if names.len() > SHOWN_MAX { ", …" } else { "" };
    let shown: Vec<_> = names.take(SHOWN_MAX).map(|name| format!("`{name}`")).collect();
    shown.join(", ") + more
}

/// Those of one file's columns that are wanted and can be read.
fn chosen(
    path: &Path,
    columns: Vec<ColumnInfo>,
    only: &[String],
    assumed: &mut Vec<String>,
) -> Result<Vec<ColumnInfo>, TableError> {
    // What is wanted may be an element of a column of lists.
    if let Some(name) = only.iter().find(|name| !columns.iter().any(|column| belongs_to(name, &column.name))) {
        let known: Vec<_> = columns.iter().map(|column| column.name.clone()).collect();
        return Err(wrong(path, name, format!("is not there; the file has {}", listed(known.iter()))));
    }
    let mut readable = Vec::new();
    let is_chosen = |column: &ColumnInfo| only.is_empty() || only.iter().any(|name| belongs_to(name, &column.name));
    for column in columns.into_iter().filter(is_chosen) {
        match &column.kind {
            Kind::Unreadable(why) if only.is_empty() => {
                assumed.push(format!("column `{}` is left out: it {why}", column.name));
            }
            Kind::Unreadable(why) => {
                return Err(wrong(path, &column.name, format!("{why}; leave the column out, or write it otherwise")));
            }
            Kind::Values { .. } | Kind::Missing { .. } => readable.push(column),
        }
    }
    Ok(readable)
}

/// What a column of this file and of those before it holds.
fn joined(path: &Path, before: ColumnInfo, columns: &[ColumnInfo]) -> Result<ColumnInfo, TableError> {
    let advice = "correct the file, or choose other columns with `--columns`";
    let name = &before.name;
    let Some(here) = columns.iter().find(|column| column.name == *name) else {
        return Err(wrong(path, name, format!("is in the first file, and not readable in this one; {advice}")));
    };
    let other_shape = |before: &[u64], here: &[u64]| {
        let why = format!("has the shape {here:?} here, and {before:?} in the first file; {advice}");
        Err(wrong(path, name, why))
    };
    let (datatype, shape, nullable) = match (&before.kind, &here.kind) {
        (Kind::Values { shape: before, .. }, Kind::Values { shape: here, .. }) if before != here => {
            return other_shape(before, here);
        }
        (
            Kind::Values { datatype: before, shape, nullable },
            Kind::Values { datatype: here, nullable: here_too, .. },
        ) => {
            let other_type = || wrong(path, name, format!("is {here} here, and {before} in the first file; {advice}"));
            (common_type(*before, *here).ok_or_else(other_type)?, shape, *nullable || *here_too)
        }
        // Values that are all missing are of every type.
        (Kind::Values { datatype, shape, .. }, Kind::Missing { shape: other })
        | (Kind::Missing { shape: other }, Kind::Values { datatype, shape, .. }) => {
            if !other.is_empty() && other != shape {
                return other_shape(shape, other);
            }
            (*datatype, shape, true)
        }
        (Kind::Missing { .. }, _) => return Ok(here.clone()),
        _ => return Ok(before),
    };
    let kind = Kind::Values { datatype, shape: shape.clone(), nullable };
    Ok(ColumnInfo { kind, ..before })
}

/// The type of a column that has one type in one file, and one in another.
fn common_type(one: Datatype, other: Datatype) -> Option<Datatype> {
    match one == other {
        true => Some(one),
        // Statistics of numbers are those of FP64 in any case.
        false => (one.is_numeric() && other.is_numeric()).then_some(Datatype::Fp64),
    }
}

fn wrong(path: &Path, column: &str, why: String) -> TableError {
    TableError::Column { path: path.to_owned(), column: column.to_owned(), why }
}
