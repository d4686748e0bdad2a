//! Reading Parquet: its columns, its rows.
//!
//! A page of each column is in memory at a time, however large the row groups
//! are, and none is larger than the limits say. A batch never spans two of them.

use super::decode::{Source, Stopped, first_shape, fits};
use super::guard;
use super::leaf::{Leaf, Meaning};
use super::pages::Pages;
use crate::collect::{Collector, missing};
use crate::limits::{BATCH_MAX_BYTES, COLUMN_TEXT_MAX_BYTES, COLUMNS_MAX, FOOTER_MAX_BYTES, NAME_MAX_BYTES};
use crate::{ColumnInfo, Kind, Place, TWICE, TableError, UNREADABLE_ADVICE};
use parquet::basic::Compression;
use parquet::column::reader::get_column_reader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::serialized_reader::SerializedPageReader;
use scry_card::{Batch, Field, Tensor};
use std::collections::HashMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open file and what its schema says.
pub(crate) struct File {
    path: PathBuf,
    file: Arc<std::fs::File>,
    metadata: ParquetMetaData,
    columns: Vec<(String, Result<Leaf, String>)>,
}

impl File {
    pub(crate) fn open(path: &Path) -> Result<Self, TableError> {
        let file = std::fs::File::open(path).map_err(|error| TableError::io(path, error))?;
        if footer_bytes(&file) > FOOTER_MAX_BYTES {
            return Err(TableError::limit(path, None, "an end of bytes", FOOTER_MAX_BYTES));
        }
        guard(path, None, || {
            let metadata = ParquetMetaDataReader::new().parse_and_finish(&file)?;
            let columns = columns(&metadata);
            Ok(Self { path: path.to_owned(), file: Arc::new(file), metadata, columns }.checked())
        })?
    }

    fn checked(self) -> Result<Self, TableError> {
        let path = &self.path;
        if self.columns.len() > COLUMNS_MAX {
            return Err(TableError::limit(path, None, "columns", COLUMNS_MAX));
        }
        if self.columns.iter().any(|(name, _)| name.len() > NAME_MAX_BYTES) {
            return Err(TableError::limit(path, None, "a column's name of bytes", NAME_MAX_BYTES));
        }
        let groups = self.metadata.row_groups();
        if groups.iter().any(|group| group.num_rows() < 0) || self.metadata.file_metadata().num_rows() < 0 {
            return Err(TableError::malformed(path, None, "fewer than no rows; write the file anew"));
        }
        Ok(self)
    }

    /// The columns' names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> u64 {
        let groups = self.metadata.row_groups().iter();
        groups.map(|group| u64::try_from(group.num_rows()).unwrap_or(0)).fold(0, u64::saturating_add)
    }

    /// The values of one column of a row group.
    fn source(&self, group: usize, leaf: &Leaf, shape: &[u64]) -> Result<Source, ParquetError> {
        let group = self.metadata.row_groups().get(group);
        let chunk = group.and_then(|group| group.columns().get(leaf.index));
        let (Some(group), Some(chunk)) = (group, chunk) else {
            return Err(ParquetError::General("a row group lacks a column".into()));
        };
        let rows = usize::try_from(group.num_rows()).unwrap_or(0);
        let pages = Pages::of(&self.file, chunk);
        let header = pages.header().clone();
        let pages = SerializedPageReader::new(Arc::new(pages), chunk, rows, None)?;
        let reader = get_column_reader(chunk.column_descr_ptr(), Box::new(pages));
        Ok(Source { reader, header, leaf: leaf.clone(), shape: shape.to_vec() })
    }

    /// Whether every value of a column is missing, as its type or its
    /// statistics say.
    fn is_missing(&self, leaf: &Leaf) -> bool {
        let nulls = |chunk: &ColumnChunkMetaData| chunk.statistics().and_then(|known| known.null_count_opt());
        let is_empty = |chunk: &ColumnChunkMetaData| nulls(chunk).map(i64::try_from) == Some(Ok(chunk.num_values()));
        let mut groups = self.metadata.row_groups().iter().filter(|group| group.num_rows() > 0).peekable();
        leaf.meaning == Meaning::Nothing
            || (groups.peek().is_some() && groups.all(|group| group.columns().get(leaf.index).is_some_and(is_empty)))
    }

    /// What the columns hold. Lists have the shape of the first one.
    pub(crate) fn scan(&self, assumed: &mut Vec<String>) -> Result<Vec<ColumnInfo>, TableError> {
        let mut infos = Vec::new();
        for (name, leaf) in &self.columns {
            let kind = match leaf {
                Err(why) => Kind::Unreadable(why.clone()),
                Ok(leaf) if self.is_missing(leaf) => {
                    assumed.push(format!("column `{name}` has no value: all of them are missing"));
                    Kind::Missing { shape: Vec::new() }
                }
                Ok(leaf) => match self.shape(leaf) {
                    // A caller that does not read the column goes on without it.
                    Err(error) => Kind::Unreadable(format!("cannot be read ({error})")),
                    Ok(None) => Kind::Unreadable("holds lists, none of which has a shape in the first rows".into()),
                    Ok(Some(shape)) => {
                        assumed.extend(leaf.meaning.note().map(|note| format!("column `{name}` {note}")));
                        if !shape.is_empty() {
                            assumed.push(format!("column `{name}` holds lists: all taken for {shape:?}, as the first"));
                        }
                        Kind::Values { datatype: leaf.meaning.datatype(), shape, nullable: leaf.nullable() }
                    }
                },
            };
            infos.push(ColumnInfo { name: name.clone(), kind });
        }
        Ok(infos)
    }

    fn shape(&self, leaf: &Leaf) -> Result<Option<Vec<u64>>, TableError> {
        /// Enough to get past some rows without a list.
        const LOOK_ROWS: usize = 256;
        if leaf.depth == 0 {
            return Ok(Some(Vec::new()));
        }
        let groups = self.metadata.row_groups();
        let Some(group) = groups.iter().position(|group| group.num_rows() > 0) else { return Ok(None) };
        let rows = groups.get(group).and_then(|group| usize::try_from(group.num_rows()).ok()).unwrap_or(0);
        guard(&self.path, Some(Place::Row(0)), || first_shape(&mut self.source(group, leaf, &[])?, rows.min(LOOK_ROWS)))
    }
}

/// Each column of the top, by its name.
fn columns(metadata: &ParquetMetaData) -> Vec<(String, Result<Leaf, String>)> {
    let schema = metadata.file_metadata().schema_descr();
    let mut columns: Vec<(String, Result<Leaf, String>)> = Vec::new();
    let mut known = HashMap::new();
    let mut last_root = None;
    for (index, column) in schema.columns().iter().enumerate() {
        let at = schema.get_column_root_idx(index);
        // The second and later leaves of a struct.
        if last_root.replace(at) == Some(at) {
            continue;
        }
        let root = schema.get_column_root(index);
        let leaf = Leaf::of(root, column, index).map_err(|what| format!("holds {what}"));
        let leaf = leaf.and_then(|leaf| codec(metadata, index).map_or(Ok(leaf), Err));
        match known.get(root.name()).and_then(|&at: &usize| columns.get_mut(at)) {
            Some((_, other)) => *other = Err(TWICE.into()),
            None => {
                known.insert(root.name(), columns.len());
                columns.push((root.name().to_owned(), leaf));
            }
        }
    }
    columns
}

/// What is wrong with a column's compression.
fn codec(metadata: &ParquetMetaData, index: usize) -> Option<String> {
    let is_known = |codec: &Compression| {
        use Compression::{GZIP, SNAPPY, UNCOMPRESSED, ZSTD};
        matches!(codec, UNCOMPRESSED | SNAPPY | GZIP(_) | ZSTD(_))
    };
    let chunks = metadata.row_groups().iter().filter_map(|group| group.columns().get(index));
    let codec = chunks.map(ColumnChunkMetaData::compression).find(|codec| !is_known(codec));
    codec.map(|codec| format!("is compressed by {codec}, where snappy, zstd, gzip and no compression are read"))
}

/// Length of what says what is in the file, as the file's last bytes have it.
fn footer_bytes(file: &std::fs::File) -> usize {
    let mut last = [0; 8];
    let start = file.metadata().map_or(0, |metadata| metadata.len()).saturating_sub(8);
    match (file.read_exact_at(&mut last, start), last) {
        (Ok(()), [a, b, c, d, b'P', b'A', b'R', b'1']) => u32::from_le_bytes([a, b, c, d]) as usize,
        // Whether the file is Parquet is not decided here.
        _ => 0,
    }
}

/// The rows of a file, by given fields.
pub(crate) struct Rows {
    file: File,
    fields: Vec<Field>,
    rows_max: usize,
    /// What reads each field, as far as the file has it.
    leaves: Vec<Option<Leaf>>,
    next_group: usize,
    sources: Vec<Option<Source>>,
    group_rows_left: usize,
    pub(crate) rows_done: u64,
    pub(crate) ignored: Vec<String>,
}

impl Rows {
    pub(crate) fn open(path: &Path, fields: &[Field], rows_max: usize) -> Result<Self, TableError> {
        let file = File::open(path)?;
        let rows_max = Collector::new(path, fields, rows_max)?.rows_max;
        let leaves = fields.iter().map(|field| leaf_for(&file, field)).collect::<Result<_, _>>()?;
        let is_ignored = |name: &String| !fields.iter().any(|field| field.name == *name);
        let ignored = file.names().into_iter().filter(is_ignored).collect();
        let (next_group, group_rows_left, rows_done) = (0, 0, 0);
        let fields = fields.to_vec();
        Ok(Self { file, fields, rows_max, leaves, next_group, sources: vec![], group_rows_left, rows_done, ignored })
    }

    pub(crate) fn rows_total(&self) -> u64 {
        self.file.rows()
    }

    /// What is taken for granted of the columns that are read.
    pub(crate) fn assumed(&self) -> Vec<String> {
        let leaves = self.fields.iter().zip(&self.leaves);
        let note = |(field, leaf): (&Field, &Option<Leaf>)| {
            leaf.as_ref()?.meaning.note().map(|note| format!("column `{}` {note}", field.name))
        };
        leaves.filter_map(note).collect()
    }

    pub(crate) fn next_batch(&mut self) -> Result<Option<Batch>, TableError> {
        while self.group_rows_left == 0 {
            if !self.open_group()? {
                return Ok(None);
            }
        }
        let rows = self.group_rows_left.min(self.batch_rows());
        let group = self.next_group.saturating_sub(1);
        let columns = self.fields.iter().zip(&mut self.sources);
        let columns = columns.map(|(field, source)| {
            let column = column(&self.file.path, self.rows_done, field, source, rows);
            column.map_err(|error| within(error, &field.name, group))
        });
        let columns = columns.collect::<Result<_, _>>()?;
        self.group_rows_left -= rows;
        self.rows_done += rows as u64;
        Ok(Some(Batch { rows, columns }))
    }

    fn open_group(&mut self) -> Result<bool, TableError> {
        let Some(group) = self.file.metadata.row_groups().get(self.next_group) else { return Ok(false) };
        self.group_rows_left = usize::try_from(group.num_rows()).unwrap_or(0);
        let (at, file, place) = (self.next_group, &self.file, Some(Place::Row(self.rows_done)));
        self.next_group += 1;
        let open = |(leaf, field): (&Option<Leaf>, &Field)| {
            let source = leaf.as_ref().map(|leaf| guard(&file.path, place, || file.source(at, leaf, &field.shape)));
            source.transpose().map_err(|error| within(error, &field.name, at))
        };
        self.sources = self.leaves.iter().zip(&self.fields).map(open).collect::<Result<_, _>>()?;
        Ok(true)
    }

    /// Fewer rows where they are wide.
    fn batch_rows(&self) -> usize {
        let group = self.file.metadata.row_groups().get(self.next_group.saturating_sub(1));
        let row_bytes = group.map_or(0, |group| {
            let bytes = self.leaves.iter().flatten().filter_map(|leaf| group.columns().get(leaf.index));
            let bytes: i64 = bytes.map(|chunk| chunk.uncompressed_size()).fold(0, i64::saturating_add);
            bytes.checked_div(group.num_rows()).unwrap_or(0)
        });
        self.rows_max.min(BATCH_MAX_BYTES / usize::try_from(row_bytes).unwrap_or(0).max(1)).max(1)
    }
}

/// Damage has a place in the file, too.
fn within(error: TableError, column: &str, group: usize) -> TableError {
    match error {
        TableError::Malformed { path, place, why } => {
            TableError::malformed(&path, place, format!("column `{column}`, row group {group}: {why}"))
        }
        other => other,
    }
}

fn column(
    path: &Path,
    rows_done: u64,
    field: &Field,
    source: &mut Option<Source>,
    rows: usize,
) -> Result<Tensor, TableError> {
    let Some(source) = source else { return Ok(missing(field, rows)) };
    let place = Place::Row(rows_done);
    let column = match guard(path, Some(place), || Ok(source.read(rows, field.datatype)))? {
        Ok(column) => column,
        Err(Stopped::Broken(error)) => return guard(path, Some(place), || Err(error)),
        Err(Stopped::TooLong) => {
            let what = "a batch with text of one column, in bytes,";
            return Err(TableError::limit(path, Some(place), what, COLUMN_TEXT_MAX_BYTES));
        }
        Err(Stopped::Value(row, found)) => {
            let collector = Collector::new(path, std::slice::from_ref(field), 1)?;
            return Err(collector.refuse(path, Place::Row(rows_done + row as u64), 0, found));
        }
    };
    Ok(Tensor { shape: field.batch_shape(rows as u64), values: column.values, validity: column.validity })
}

/// What reads a field: `None` where the file does not have it.
fn leaf_for(file: &File, field: &Field) -> Result<Option<Leaf>, TableError> {
    let Some((_, leaf)) = file.columns.iter().find(|(name, _)| *name == field.name) else { return Ok(None) };
    let refuse = |why: String| Err(TableError::column(&file.path, &field.name, why));
    match leaf {
        Err(why) => refuse(format!("{why}; {UNREADABLE_ADVICE}")),
        Ok(leaf) if leaf.meaning == Meaning::Nothing => Ok(None),
        // Of no other shape either, and no other type: a value that is there nevertheless is refused.
        Ok(leaf) if leaf.depth != field.shape.len() && file.is_missing(leaf) => Ok(None),
        Ok(leaf) if !fits(leaf.meaning, field.datatype) && !file.is_missing(leaf) => refuse(format!(
            "holds {}, which {} {} field cannot hold",
            leaf.meaning.datatype(),
            field.datatype.article(),
            field.datatype
        )),
        Ok(leaf) if leaf.depth != field.shape.len() => refuse(format!(
            "holds lists {} deep, but the field has the shape {:?}; give it as many dimensions",
            leaf.depth, field.shape
        )),
        Ok(leaf) => Ok(Some(leaf.clone())),
    }
}
