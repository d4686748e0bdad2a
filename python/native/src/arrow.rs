//! Tables over Arrow's C interface, which pyarrow, polars, DuckDB and others speak without copies of each other's code.
//!
//! Never takes dates and decimals for numbers: their meaning is the caller's to choose.

use crate::columns::{Errors, Filling, absent, wrong};
use crate::errors::Failure;
use arrow_array::cast::AsArray;
use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeListArray, LargeStringArray, PrimitiveArray, RecordBatch,
    RecordBatchIterator, RecordBatchReader,
};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field as ArrowField, Schema};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use scry_card::{Batch, CheckKind, ColumnBuilder, Field, Invalid, Tensor, Values};
use scry_tables::push_float;
use std::ffi::CStr;
use std::sync::Arc;

const STREAM: &CStr = c"arrow_array_stream";

/// Takes the stream out of its capsule.
pub(crate) fn stream(capsule: &Bound<'_, PyCapsule>) -> PyResult<FFI_ArrowArrayStream> {
    let pointer = capsule.pointer_checked(Some(STREAM))?;
    // SAFETY: a capsule of this name holds such a structure, which is moved out and left empty.
    Ok(unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr().cast()) })
}

/// All rows of a stream as the batch that a model reads.
pub(crate) fn batch(fields: &[Field], stream: FFI_ArrowArrayStream) -> Result<Batch, Failure> {
    let unreadable = |error: arrow_schema::ArrowError| {
        let error = Invalid::new(CheckKind::Form, "*", "a table in Arrow's format", error.to_string());
        Failure::of_form(vec![error], 0)
    };
    let reader = RecordBatchStreamReader::try_new(stream).map_err(unreadable)?;
    let schema = reader.schema();
    let parts = reader.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let rows = parts.iter().map(RecordBatch::num_rows).sum();
    let mut errors = Errors::default();
    let mut columns = Vec::new();
    for field in fields {
        let Ok(at) = schema.index_of(&field.name) else {
            errors.add(absent(field));
            continue;
        };
        let count = schema.fields().iter().filter(|column| *column.name() == field.name).count();
        if count > 1 {
            errors.add(Invalid::new(CheckKind::Form, &field.name, "one column", count.to_string()));
            continue;
        }
        let mut filling = Filling::new(field, rows, &mut errors);
        let arrays = parts.iter().map(|part| part.column(at));
        let put = arrays.into_iter().try_for_each(|array| put_all(&mut filling, array, &field.shape));
        match put {
            Ok(()) => columns.push(filling.finish(rows)),
            Err(Unfit::Kind) => {
                let what = parts.first().map(|part| part.column(at).data_type().to_string());
                let advice = "; make numbers or text of it first";
                filling.refuse(CheckKind::Type, field.datatype.to_string(), what.unwrap_or_default() + advice);
            }
            Err(Unfit::Shape(found)) => filling.refuse_row(format!("values of shape {:?}", field.shape), found),
        }
    }
    errors.none()?;
    Ok(Batch { rows, columns })
}

/// Why an array is not put.
enum Unfit {
    /// It holds something else.
    Kind,
    /// Its lists are not of the field's shape; what they are.
    Shape(String),
}

/// Puts all elements of an array, each of this shape, those of lists one after the other.
fn put_all(filling: &mut Filling<'_>, array: &ArrayRef, shape: &[u64]) -> Result<(), Unfit> {
    macro_rules! numbers {
        ($kind:ty, $value:ident => $push:expr) => {{
            for value in array.as_primitive::<$kind>() {
                match value {
                    Some($value) => filling.put($push),
                    None => filling.put(ColumnBuilder::push_null),
                }
            }
        }};
    }
    let kind = array.data_type();
    match kind {
        DataType::List(_) => return put_lists(filling, array.as_list::<i32>().iter(), shape),
        DataType::LargeList(_) => return put_lists(filling, array.as_list::<i64>().iter(), shape),
        DataType::FixedSizeList(..) => return put_lists(filling, array.as_fixed_size_list().iter(), shape),
        DataType::Null => return put_lists(filling, (0..array.len()).map(|_| None), shape),
        _ if !shape.is_empty() => return Err(Unfit::Shape(format!("{kind}, which is no list"))),
        _ => {}
    }
    match kind {
        DataType::Boolean => array.as_boolean().iter().for_each(|value| match value {
            Some(value) => filling.put(|builder| builder.push_bool(value)),
            None => filling.put(ColumnBuilder::push_null),
        }),
        DataType::Int8 => numbers!(Int8Type, value => |builder| builder.push_i64(value.into())),
        DataType::Int16 => numbers!(Int16Type, value => |builder| builder.push_i64(value.into())),
        DataType::Int32 => numbers!(Int32Type, value => |builder| builder.push_i64(value.into())),
        DataType::Int64 => numbers!(Int64Type, value => |builder| builder.push_i64(value)),
        DataType::UInt8 => numbers!(UInt8Type, value => |builder| builder.push_u64(value.into())),
        DataType::UInt16 => numbers!(UInt16Type, value => |builder| builder.push_u64(value.into())),
        DataType::UInt32 => numbers!(UInt32Type, value => |builder| builder.push_u64(value.into())),
        DataType::UInt64 => numbers!(UInt64Type, value => |builder| builder.push_u64(value)),
        DataType::Float32 => numbers!(Float32Type, value => |builder| push_float(builder, value.into())),
        DataType::Float64 => numbers!(Float64Type, value => |builder| push_float(builder, value)),
        DataType::Utf8 => array.as_string::<i32>().iter().for_each(|text| put_text(filling, text)),
        DataType::LargeUtf8 => array.as_string::<i64>().iter().for_each(|text| put_text(filling, text)),
        DataType::Utf8View => array.as_string_view().iter().for_each(|text| put_text(filling, text)),
        DataType::Dictionary(..) => return put_dictionary(filling, array),
        _ => return Err(Unfit::Kind),
    }
    Ok(())
}

fn put_text(filling: &mut Filling<'_>, text: Option<&str>) {
    match text {
        Some(text) => filling.put(|builder| builder.push_str(text)),
        None => filling.put(ColumnBuilder::push_null),
    }
}

/// Lists of this shape, or of all its elements in one; one that is missing has them all missing.
fn put_lists(
    filling: &mut Filling<'_>,
    lists: impl Iterator<Item = Option<ArrayRef>>,
    shape: &[u64],
) -> Result<(), Unfit> {
    let elements: u64 = shape.iter().product();
    for list in lists {
        let Some(list) = list else {
            (0..elements).for_each(|_| filling.put(ColumnBuilder::push_null));
            continue;
        };
        let (size, rest) = match shape.split_first() {
            None => return Err(Unfit::Shape(format!("a list of {}", list.len()))),
            Some((_, [_, ..])) if !is_list(list.data_type()) => (elements, &[][..]),
            Some((&size, rest)) => (size, rest),
        };
        if list.len() as u64 != size {
            return Err(Unfit::Shape(format!("a list of {}", list.len())));
        }
        put_all(filling, &list, rest)?;
    }
    Ok(())
}

fn is_list(kind: &DataType) -> bool {
    matches!(kind, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))
}

/// Categories, each as the text or number that it stands for.
fn put_dictionary(filling: &mut Filling<'_>, array: &ArrayRef) -> Result<(), Unfit> {
    let dictionary = array.as_any_dictionary();
    let values = dictionary.values();
    // There are no keys without values.
    let keys = if values.is_empty() { vec![0; array.len()] } else { dictionary.normalized_keys() };
    keys.iter().enumerate().try_for_each(|(at, &key)| match dictionary.is_null(at) {
        true => {
            filling.put(ColumnBuilder::push_null);
            Ok(())
        }
        false => put_all(filling, &values.slice(key, 1), &[]),
    })
}

/// Answers that any library of Arrow's takes.
#[pyclass(frozen, module = "scry._native")]
#[derive(Debug)]
pub(crate) struct Table(RecordBatch);

#[pymethods]
impl Table {
    /// The rows as Arrow's C stream.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A request, which may be left unmet.
        drop(requested_schema);
        let rows = RecordBatchIterator::new([Ok(self.0.clone())], self.0.schema());
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(rows)), STREAM)
    }

    fn __repr__(&self) -> String {
        let schema = self.0.schema();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        format!("<scry table: {} rows of {}>", self.0.num_rows(), names.join(", "))
    }
}

impl Table {
    pub(crate) fn of(fields: &[Field], batch: Batch) -> PyResult<Self> {
        let mut columns = Vec::new();
        for (field, tensor) in fields.iter().zip(batch.columns) {
            let array = shaped(array(tensor), &field.shape);
            columns.push((ArrowField::new(&field.name, array.data_type().clone(), true), array));
        }
        let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let made = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays);
        made.map(Self).map_err(|error| wrong(error.to_string()))
    }
}

fn array(tensor: Tensor) -> ArrayRef {
    let nulls = tensor.validity.map(NullBuffer::from);
    macro_rules! numbers {
        ($kind:ty, $list:expr) => {
            Arc::new(PrimitiveArray::<$kind>::new(ScalarBuffer::from($list), nulls))
        };
    }
    match tensor.values {
        Values::Bool(list) => Arc::new(BooleanArray::new(list.into(), nulls)),
        Values::Int8(list) => numbers!(Int8Type, list),
        Values::Int16(list) => numbers!(Int16Type, list),
        Values::Int32(list) => numbers!(Int32Type, list),
        Values::Int64(list) => numbers!(Int64Type, list),
        Values::Uint8(list) => numbers!(UInt8Type, list),
        Values::Uint16(list) => numbers!(UInt16Type, list),
        Values::Uint32(list) => numbers!(UInt32Type, list),
        Values::Uint64(list) => numbers!(UInt64Type, list),
        Values::Fp32(list) => numbers!(Float32Type, list),
        Values::Fp64(list) => numbers!(Float64Type, list),
        Values::Bytes(text) => {
            let is_there = |at: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(at));
            let texts = text.iter().enumerate().map(|(at, text)| is_there(at).then_some(text));
            Arc::new(LargeStringArray::from_iter(texts))
        }
    }
}

/// Lists of a fixed size around the elements, one a dimension.
fn shaped(array: ArrayRef, shape: &[u64]) -> ArrayRef {
    shape.iter().rev().fold(array, |array, &size| {
        let item = Arc::new(ArrowField::new("item", array.data_type().clone(), true));
        Arc::new(FixedSizeListArray::new(item, i32::try_from(size).unwrap_or(i32::MAX), array, None))
    })
}
