//! Columns from Python to a batch and back: the bytes of arrays, and lists of Python's own values.
//!
//! Takes what files may hold, too: a missing number may be NaN, and whole numbers may be written as floats, as pandas
//! writes those of which some are missing. Never judges a value that its column can hold: that is the checks' to do.

use crate::errors::Failure;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple};
use scry_card::{Batch, CheckKind, ColumnBuilder, Field, Invalid, Tensor, Values};
use scry_tables::push_float;

/// Wrong values that are listed.
const ERRORS_MAX: usize = 16;

/// A column as Python gives it.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) name: String,
    data: Data,
}

#[derive(Debug)]
enum Data {
    /// The bytes of an array, in this machine's order, and numpy's code of its type.
    Plain(String, Vec<u8>),
    Cells(Vec<Cell>),
}

/// A value of Python.
#[derive(Debug)]
enum Cell {
    Missing,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    /// Nothing that a column holds; its type.
    Other(String),
}

impl<'py> FromPyObject<'_, 'py> for Given {
    type Error = PyErr;

    /// Of a name, a code, and bytes or a list.
    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let (name, code, data): (String, String, Bound<'py, PyAny>) = given.extract()?;
        let data = match data.cast::<PyBytes>() {
            Ok(bytes) => Data::Plain(code, bytes.as_bytes().to_vec()),
            Err(_) => Data::Cells(data.try_iter()?.map(|value| cell(&value?)).collect::<PyResult<_>>()?),
        };
        Ok(Self { name, data })
    }
}

fn cell(value: &Bound<'_, PyAny>) -> PyResult<Cell> {
    if value.is_none() {
        return Ok(Cell::Missing);
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Cell::Text(text.to_str()?.to_owned()));
    }
    if let Ok(number) = value.cast::<PyFloat>() {
        return Ok(Cell::Float(number.value()));
    }
    if let Ok(truth) = value.cast::<PyBool>() {
        return Ok(Cell::Bool(truth.is_true()));
    }
    if value.is_instance_of::<PyInt>() {
        let signed = value.extract::<i64>().map(Cell::Signed);
        return Ok(signed
            .or_else(|_| value.extract::<u64>().map(Cell::Unsigned))
            .unwrap_or(Cell::Other("a huge number".into())));
    }
    let class = value.get_type().name()?.to_string();
    match class.as_str() {
        "NAType" => Ok(Cell::Missing),
        // A scalar of numpy.
        _ => match value.call_method0("item") {
            Ok(plain) if !plain.get_type().is(value.get_type()) => cell(&plain),
            _ => Ok(Cell::Other(format!("a {class}"))),
        },
    }
}

/// One column of a batch while it is filled.
#[derive(Debug)]
pub(crate) struct Filling<'a> {
    pub(crate) field: &'a Field,
    builder: ColumnBuilder,
    per_row: usize,
    errors: &'a mut Errors,
}

/// What is wrong with the columns so far.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    listed: Vec<Invalid>,
    unlisted: usize,
}

impl Errors {
    pub(crate) fn add(&mut self, error: Invalid) {
        if self.listed.len() < ERRORS_MAX { self.listed.push(error) } else { self.unlisted += 1 }
    }

    /// Nothing, or all that is wrong.
    pub(crate) fn none(self) -> Result<(), Failure> {
        if self.listed.is_empty() { Ok(()) } else { Err(Failure::of_form(self.listed, self.unlisted)) }
    }
}

impl<'a> Filling<'a> {
    pub(crate) fn new(field: &'a Field, rows: usize, errors: &'a mut Errors) -> Self {
        let per_row = field.elements_per_row().unwrap_or(1).max(1);
        let builder = ColumnBuilder::new(field.datatype, rows.saturating_mul(per_row));
        Self { field, builder, per_row, errors }
    }

    /// Pushes one element; one that the column cannot hold is an error.
    pub(crate) fn put(&mut self, push: impl FnOnce(&mut ColumnBuilder) -> Result<(), String>) {
        let at = self.builder.len();
        if let Err(found) = push(&mut self.builder) {
            // Only a column of too much text cannot hold a missing value, and then its length is the error.
            let _ = self.builder.push_null();
            let expected = format!("{} value", self.field.datatype);
            let row = at / self.per_row;
            let error = Invalid::new(CheckKind::Type, &self.field.name, expected, found).at_row(row);
            let element = (self.per_row > 1).then_some(at % self.per_row);
            self.errors.add(Invalid { element, ..error });
        }
    }

    pub(crate) fn put_f64(&mut self, value: f64) {
        self.put(|builder| push_float(builder, value));
    }

    /// The column cannot be read at all.
    pub(crate) fn refuse(&mut self, check: CheckKind, expected: String, found: String) {
        self.errors.add(Invalid::new(check, &self.field.name, expected, found));
    }

    /// The row that is filled now is not of the field's shape.
    pub(crate) fn refuse_row(&mut self, expected: String, found: String) {
        let row = self.builder.len() / self.per_row;
        self.errors.add(Invalid::new(CheckKind::Shape, &self.field.name, expected, found).at_row(row));
    }

    /// The column, of so many rows.
    pub(crate) fn finish(mut self, rows: usize) -> Tensor {
        let wanted = rows * self.per_row;
        if self.builder.len() != wanted {
            let (expected, found) = (format!("{wanted} values"), self.builder.len().to_string());
            self.refuse(CheckKind::Shape, expected, found);
        }
        let column = self.builder.finish();
        Tensor { shape: self.field.batch_shape(rows as u64), values: column.values, validity: column.validity }
    }
}

/// The batch that a model reads. A table has a column for each input, also where values may be missing: a name that is
/// not there is misspelled more often than without values.
pub(crate) fn batch(fields: &[Field], rows: usize, given: &[Given]) -> Result<Batch, Failure> {
    let mut errors = Errors::default();
    let mut columns = Vec::new();
    for field in fields {
        match given.iter().find(|column| column.name == field.name) {
            Some(found) => columns.push(column(field, rows, &found.data, &mut errors)),
            None => errors.add(absent(field)),
        }
    }
    errors.none()?;
    Ok(Batch { rows, columns })
}

fn column(field: &Field, rows: usize, data: &Data, errors: &mut Errors) -> Tensor {
    let mut filling = Filling::new(field, rows, errors);
    match data {
        Data::Cells(cells) => cells.iter().for_each(|cell| put_cell(&mut filling, cell)),
        Data::Plain(code, bytes) => put_plain(&mut filling, code, bytes),
    }
    filling.finish(rows)
}

/// A column that is not there.
pub(crate) fn absent(field: &Field) -> Invalid {
    Invalid::new(CheckKind::Missing, &field.name, "a column", "none")
}

fn put_cell(filling: &mut Filling<'_>, cell: &Cell) {
    match cell {
        Cell::Missing => filling.put(ColumnBuilder::push_null),
        Cell::Bool(value) => filling.put(|builder| builder.push_bool(*value)),
        Cell::Signed(value) => filling.put(|builder| builder.push_i64(*value)),
        Cell::Unsigned(value) => filling.put(|builder| builder.push_u64(*value)),
        // However a missing text is written.
        Cell::Float(value) if value.is_nan() => filling.put(ColumnBuilder::push_null),
        Cell::Float(value) => filling.put_f64(*value),
        Cell::Text(text) => filling.put(|builder| builder.push_str(text)),
        Cell::Other(what) => filling.put(|_| Err(what.clone())),
    }
}

/// Runs an expression for each element of that type.
macro_rules! each {
    ($filling:expr, $bytes:expr, $rust:ty, $value:ident => $push:expr) => {
        for chunk in $bytes.chunks_exact(size_of::<$rust>()) {
            let $value = <$rust>::from_ne_bytes(chunk.try_into().unwrap_or_default());
            $filling.put($push);
        }
    };
}

fn put_plain(filling: &mut Filling<'_>, code: &str, bytes: &[u8]) {
    match code {
        "b1" => bytes.iter().for_each(|&byte| filling.put(|builder| builder.push_bool(byte != 0))),
        "f8" => each!(filling, bytes, f64, value => |builder| push_float(builder, value)),
        "f4" => each!(filling, bytes, f32, value => |builder| push_float(builder, value.into())),
        "i1" => each!(filling, bytes, i8, value => |builder| builder.push_i64(value.into())),
        "i2" => each!(filling, bytes, i16, value => |builder| builder.push_i64(value.into())),
        "i4" => each!(filling, bytes, i32, value => |builder| builder.push_i64(value.into())),
        "i8" => each!(filling, bytes, i64, value => |builder| builder.push_i64(value)),
        "u1" => each!(filling, bytes, u8, value => |builder| builder.push_u64(value.into())),
        "u2" => each!(filling, bytes, u16, value => |builder| builder.push_u64(value.into())),
        "u4" => each!(filling, bytes, u32, value => |builder| builder.push_u64(value.into())),
        "u8" => each!(filling, bytes, u64, value => |builder| builder.push_u64(value)),
        other => filling.refuse(CheckKind::Type, filling.field.datatype.to_string(), format!("`{other}`")),
    }
}

/// A batch for Python: of each column its name, code, data, shape of a row, and one byte an element where some are
/// missing.
pub(crate) fn told<'py>(py: Python<'py>, fields: &[Field], batch: &Batch) -> PyResult<Bound<'py, PyList>> {
    let made = PyList::empty(py);
    for (field, tensor) in fields.iter().zip(&batch.columns) {
        let (code, data) = values(py, tensor)?;
        let flags = tensor.validity.as_ref().filter(|flags| flags.contains(&false));
        let flags = flags.map(|flags| PyBytes::new(py, &flags.iter().map(|&flag| u8::from(flag)).collect::<Vec<_>>()));
        made.append((field.name.as_str(), code, data, PyTuple::new(py, &field.shape)?, flags))?;
    }
    Ok(made)
}

fn values<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<(&'static str, Bound<'py, PyAny>)> {
    macro_rules! bytes {
        ($code:literal, $list:expr) => {{
            let bytes: Vec<u8> = $list.iter().flat_map(|value| value.to_ne_bytes()).collect();
            ($code, PyByteArray::new(py, &bytes).into_any())
        }};
    }
    Ok(match &tensor.values {
        Values::Bool(list) => {
            ("b1", PyByteArray::new(py, &list.iter().map(|&value| u8::from(value)).collect::<Vec<_>>()).into_any())
        }
        Values::Int8(list) => bytes!("i1", list),
        Values::Int16(list) => bytes!("i2", list),
        Values::Int32(list) => bytes!("i4", list),
        Values::Int64(list) => bytes!("i8", list),
        Values::Uint8(list) => bytes!("u1", list),
        Values::Uint16(list) => bytes!("u2", list),
        Values::Uint32(list) => bytes!("u4", list),
        Values::Uint64(list) => bytes!("u8", list),
        Values::Fp32(list) => bytes!("f4", list),
        Values::Fp64(list) => bytes!("f8", list),
        Values::Bytes(text) => {
            let list = text.iter().enumerate().map(|(at, value)| tensor.is_valid(at).then_some(value));
            ("text", PyList::new(py, list.collect::<Vec<_>>())?.into_any())
        }
    })
}

/// A batch without rows.
pub(crate) fn empty(fields: &[Field]) -> Batch {
    let none = |field: &Field| Tensor {
        shape: field.batch_shape(0),
        values: Values::neutral(field.datatype, 0),
        validity: None,
    };
    Batch { rows: 0, columns: fields.iter().map(none).collect() }
}

/// What Python gave is not what this module is called with: a mistake of the package.
pub(crate) fn wrong(what: impl Into<String>) -> PyErr {
    PyTypeError::new_err(what.into())
}
