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
    pub(super) fn open(paths: &[impl AsRef<Path>]) -> Result<Self, TableError> {
        let open = |path: &_| {
            let path: &Path = AsRef::as_ref(path);
            let mut reader = Reader::open(path)?;
            reader.set_rows_max(BATCH_ROWS);
            Ok((path.to_owned(), reader))
        };
        Ok(Self { files: paths.iter().map(open).collect::<Result<_, TableError>>()?, assumed: Vec::new() })
    }

    /// The fields that read every file: these columns, or all that can be read.
    pub(super) fn fields(&mut self, only: &[String], watch: &mut Watch<'_>) -> Result<Vec<Field>, TableError> {
        let mut common: Option<Vec<Field>> = None;
        for (path, reader) in &mut self.files {
            let columns =
                reader.columns(&mut |position| watch(Progress { doing: "finding the types of", path, position }))?;
            let fields = chosen(path, columns, only, &mut self.assumed)?;
            common = Some(match common {
                None => fields,
                Some(common) => {
                    common.into_iter().map(|field| joined(path, field, &fields)).collect::<Result<_, _>>()?
                }
            });
        }
        Ok(common.unwrap_or_default())
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
            let notes = if reader.format() == Format::Parquet { batches.assumed() } else { reader.assumed().to_vec() };
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let named = |note: String| if self.files.len() > 1 { format!("{name}: {note}") } else { note };
            self.assumed.extend(notes.into_iter().map(named));
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

/// The fields of one file's columns.
fn chosen(
    path: &Path,
    columns: &[ColumnInfo],
    only: &[String],
    assumed: &mut Vec<String>,
) -> Result<Vec<Field>, TableError> {
    // What is wanted may be an element of a column of lists.
    if let Some(name) = only.iter().find(|name| !columns.iter().any(|column| belongs_to(name, &column.name))) {
        let known: Vec<_> = columns.iter().map(|column| column.name.clone()).collect();
        return Err(wrong(path, name, format!("is not there; the file has {}", listed(known.iter()))));
    }
    let mut fields = Vec::new();
    let is_chosen = |column: &&ColumnInfo| only.is_empty() || only.iter().any(|name| belongs_to(name, &column.name));
    for column in columns.iter().filter(is_chosen) {
        match (column.field(), &column.kind) {
            (Some(field), _) => fields.push(field),
            (None, Kind::Unreadable(what)) if only.is_empty() => {
                assumed.push(format!("column `{}` is left out: it holds {what}", column.name));
            }
            (None, Kind::Unreadable(what)) => {
                return Err(wrong(path, &column.name, format!("holds {what}, which no field can hold; leave it out")));
            }
            (None, Kind::Values { .. }) => {}
        }
    }
    Ok(fields)
}

/// One field for a column of this file and of those before it.
fn joined(path: &Path, before: Field, fields: &[Field]) -> Result<Field, TableError> {
    let advice = "correct the file, or choose other columns with `--columns`";
    let Some(here) = fields.iter().find(|field| field.name == before.name) else {
        return Err(wrong(path, &before.name, format!("is in the first file, and not readable in this one; {advice}")));
    };
    let datatype = match (before.datatype, here.datatype) {
        (one, other) if one == other => one,
        // Statistics of numbers are those of FP64 in any case.
        (one, other) if one.is_numeric() && other.is_numeric() => Datatype::Fp64,
        (one, other) => {
            return Err(wrong(path, &before.name, format!("is {other} here, and {one} in the first file; {advice}")));
        }
    };
    if before.shape != here.shape {
        let why = format!("has the shape {:?} here, and {:?} in the first file; {advice}", here.shape, before.shape);
        return Err(wrong(path, &before.name, why));
    }
    Ok(Field { datatype, nullable: before.nullable || here.nullable, ..before })
}

fn wrong(path: &Path, column: &str, why: String) -> TableError {
    TableError::Column { path: path.to_owned(), column: column.to_owned(), why }
}
