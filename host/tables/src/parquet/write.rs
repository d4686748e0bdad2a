//! Writing Parquet: row groups of bounded size, compressed with snappy, lists
//! as the format's own lists.
//!
//! Never leaves a column's type to be guessed: each has its logical type.

use crate::TableError;
use crate::limits::{ROW_GROUP_MAX_BYTES, ROW_GROUP_MAX_ROWS};
use crate::parquet::levels::Levels;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};
use scry_card::{Batch, Datatype, Field, Tensor, Values};
use std::fs::File;
use std::io::Error;
use std::path::Path;
use std::sync::Arc;

/// A file being written.
pub(crate) struct Sink {
    writer: SerializedFileWriter<File>,
    fields: Vec<Field>,
    waiting: Vec<Batch>,
    waiting_rows: usize,
    waiting_bytes: usize,
}

impl Sink {
    pub(crate) fn new(path: &Path, file: File, fields: &[Field]) -> Result<Self, TableError> {
        let columns = fields.iter().map(column_type).collect::<Result<_, _>>();
        let schema = columns.and_then(|columns| Type::group_type_builder("schema").with_fields(columns).build());
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = schema
            .and_then(|schema| SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)))
            .map_err(|error| failed(path, error))?;
        Ok(Self { writer, fields: fields.to_vec(), waiting: Vec::new(), waiting_rows: 0, waiting_bytes: 0 })
    }

    /// Takes a batch of the fields' form.
    pub(crate) fn write(&mut self, path: &Path, batch: &Batch) -> Result<(), TableError> {
        self.waiting_rows += batch.rows;
        self.waiting_bytes += batch.columns.iter().map(bytes_of).sum::<usize>();
        self.waiting.push(batch.clone());
        if self.waiting_rows < ROW_GROUP_MAX_ROWS && self.waiting_bytes < ROW_GROUP_MAX_BYTES {
            return Ok(());
        }
        self.flush().map_err(|error| failed(path, error))
    }

    /// Writes what waits and the footer; the file is not yet synced.
    pub(crate) fn finish(mut self, path: &Path) -> Result<File, TableError> {
        self.flush().and_then(|()| self.writer.into_inner()).map_err(|error| failed(path, error))
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        if self.waiting_rows == 0 {
            return Ok(());
        }
        let batches = std::mem::take(&mut self.waiting);
        (self.waiting_rows, self.waiting_bytes) = (0, 0);
        let mut group = self.writer.next_row_group()?;
        for (at, field) in self.fields.iter().enumerate() {
            let Some(mut column) = group.next_column()? else { break };
            for tensor in batches.iter().filter_map(|batch| batch.columns.get(at)) {
                write_tensor(&mut column, field, tensor)?;
            }
            column.close()?;
        }
        group.close()?;
        Ok(())
    }
}

fn failed(path: &Path, error: ParquetError) -> TableError {
    TableError::io(path, Error::other(error))
}

fn bytes_of(tensor: &Tensor) -> usize {
    let values = match &tensor.values {
        Values::Bytes(text) => text.utf8().len() + text.len() * size_of::<ByteArray>(),
        values => values.len() * size_of::<f64>(),
    };
    values + tensor.validity.as_ref().map_or(0, Vec::len)
}

fn column_type(field: &Field) -> Result<TypePtr, ParquetError> {
    let repetition = if field.nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
    let name = if field.shape.is_empty() { field.name.as_str() } else { "element" };
    let (physical, logical) = stored_as(field.datatype);
    let element = Type::primitive_type_builder(name, physical).with_repetition(repetition).with_logical_type(logical);
    let mut node = Arc::new(element.build()?);
    for depth in (0..field.shape.len()).rev() {
        let name = if depth == 0 { field.name.as_str() } else { "element" };
        let list = Type::group_type_builder("list").with_repetition(Repetition::REPEATED).with_fields(vec![node]);
        let outer = Type::group_type_builder(name).with_repetition(Repetition::REQUIRED);
        let outer = outer.with_logical_type(Some(LogicalType::List)).with_fields(vec![Arc::new(list.build()?)]);
        node = Arc::new(outer.build()?);
    }
    Ok(node)
}

fn stored_as(datatype: Datatype) -> (Physical, Option<LogicalType>) {
    let int = |bits, is_signed| Some(LogicalType::integer(bits, is_signed));
    match datatype {
        Datatype::Bool => (Physical::BOOLEAN, None),
        Datatype::Int8 => (Physical::INT32, int(8, true)),
        Datatype::Int16 => (Physical::INT32, int(16, true)),
        Datatype::Int32 => (Physical::INT32, int(32, true)),
        Datatype::Int64 => (Physical::INT64, int(64, true)),
        Datatype::Uint8 => (Physical::INT32, int(8, false)),
        Datatype::Uint16 => (Physical::INT32, int(16, false)),
        Datatype::Uint32 => (Physical::INT32, int(32, false)),
        Datatype::Uint64 => (Physical::INT64, int(64, false)),
        Datatype::Fp32 => (Physical::FLOAT, None),
        Datatype::Fp64 => (Physical::DOUBLE, None),
        Datatype::Bytes => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    }
}

fn write_tensor(to: &mut SerializedColumnWriter<'_>, field: &Field, tensor: &Tensor) -> Result<(), ParquetError> {
    match &tensor.values {
        Values::Bool(list) => put::<BoolType, _>(to, field, tensor, list.iter().copied()),
        Values::Int8(list) => put::<Int32Type, _>(to, field, tensor, list.iter().map(|&value| i32::from(value))),
        Values::Int16(list) => put::<Int32Type, _>(to, field, tensor, list.iter().map(|&value| i32::from(value))),
        Values::Int32(list) => put::<Int32Type, _>(to, field, tensor, list.iter().copied()),
        Values::Int64(list) => put::<Int64Type, _>(to, field, tensor, list.iter().copied()),
        Values::Uint8(list) => put::<Int32Type, _>(to, field, tensor, list.iter().map(|&value| i32::from(value))),
        Values::Uint16(list) => put::<Int32Type, _>(to, field, tensor, list.iter().map(|&value| i32::from(value))),
        // The format keeps unsigned numbers in the bits of signed ones.
        Values::Uint32(list) => put::<Int32Type, _>(to, field, tensor, list.iter().map(|&value| value as i32)),
        Values::Uint64(list) => put::<Int64Type, _>(to, field, tensor, list.iter().map(|&value| value as i64)),
        Values::Fp32(list) => put::<FloatType, _>(to, field, tensor, list.iter().copied()),
        Values::Fp64(list) => put::<DoubleType, _>(to, field, tensor, list.iter().copied()),
        Values::Bytes(text) => put::<ByteArrayType, _>(to, field, tensor, text.iter().map(ByteArray::from)),
    }
}

fn put<T: DataType, I: Iterator<Item = T::T>>(
    to: &mut SerializedColumnWriter<'_>,
    field: &Field,
    tensor: &Tensor,
    values: I,
) -> Result<(), ParquetError> {
    let present = |at: usize| tensor.is_valid(at);
    let values: Vec<T::T> = values.enumerate().filter(|(at, _)| present(*at)).map(|(_, value)| value).collect();
    let filled = i16::try_from(field.shape.len()).unwrap_or(i16::MAX).saturating_add(i16::from(field.nullable));
    let count = tensor.values.len();
    let def: Option<Vec<i16>> = (filled > 0).then(|| (0..count).map(|at| filled - i16::from(!present(at))).collect());
    let rep: Option<Vec<i16>> = (!field.shape.is_empty()).then(|| {
        let pattern = Levels::pattern(&field.shape);
        pattern.iter().copied().cycle().take(count).collect()
    });
    to.typed::<T>().write_batch(&values, def.as_deref(), rep.as_deref())?;
    Ok(())
}
