//! Inputs and outputs: what ONNX says of them as fields of the schema, and their values as tensors.

use rten::{NodeId, Value, ValueView};
use rten_onnx::onnx::{DataType, TypeProtoTensor, ValueInfoProto};
use rten_tensor::{AsView, Layout};
use scry_guest::Failure;
use scry_guest::card::{Datatype, Field, Values, element_count};

/// An input or output of the graph.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) node: NodeId,
    pub(crate) field: Field,
}

/// What an input says of its first dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Batch {
    /// As many rows as there are.
    Open,
    /// One row.
    One,
}

/// The field of an input: its shape without the first dimension, which counts rows.
pub(crate) fn input(info: &ValueInfoProto) -> Result<(Field, Batch), String> {
    let name = info.name.clone().unwrap_or_default();
    let wrong = |expected: &str, found: &str| format!("input `{name}`: expected {expected}, found {found}");
    let tensor = tensor(info).ok_or_else(|| wrong("a tensor", "another type"))?;
    let datatype = datatype(tensor).map_err(|found| wrong(DATATYPES, &found))?;
    let dims = tensor.shape.as_ref().map(|shape| shape.dim.as_slice()).unwrap_or_default();
    let (rows, row) = dims.split_first().ok_or_else(|| wrong("a first dimension that counts rows", "no shape"))?;
    let batch = match rows.dim_value {
        None => Batch::Open,
        Some(1) => Batch::One,
        Some(other) => {
            return Err(wrong("an open first dimension, which counts rows, or 1", &other.to_string())
                + ": export it with a dynamic batch");
        }
    };
    let fixed = |(at, dim): (usize, &rten_onnx::onnx::Dimension)| {
        dim.dim_value.and_then(|size| u64::try_from(size).ok()).ok_or_else(|| {
            let found = dim.dim_param.as_deref().unwrap_or("none");
            let expected = format!("a fixed size of dimension {}", at + 1);
            wrong(&expected, &format!("`{found}`")) + ": export it with that size, and pad the rows to it"
        })
    };
    let shape: Vec<u64> = row.iter().enumerate().map(fixed).collect::<Result<_, _>>()?;
    if element_count(&shape).is_none_or(|count| count > ROW_MAX_ELEMENTS) {
        return Err(wrong("at most 16777216 elements a row", &format!("the shape {shape:?}")));
    }
    Ok((field(name, datatype, shape), batch))
}

/// As the schema allows.
const ROW_MAX_ELEMENTS: usize = 1 << 24;
const DATATYPES: &str = "one of FLOAT, INT32, INT64, INT8, UINT8, BOOL";

/// The field of an output that has this shape for so many rows.
pub(crate) fn output(info: &ValueInfoProto, value: &Value, rows: usize) -> Result<Field, String> {
    let name = info.name.clone().unwrap_or_default();
    let wrong = |expected: &str, found: &str| format!("output `{name}`: expected {expected}, found {found}");
    let tensor = tensor(info).ok_or_else(|| wrong("a tensor", "another type"))?;
    let datatype = datatype(tensor).map_err(|found| wrong(DATATYPES, &found))?;
    let shape = shape(value);
    match shape.split_first() {
        Some((&first, row)) if first == rows => {
            Ok(field(name, datatype, row.iter().map(|&size| size as u64).collect()))
        }
        _ => Err(wrong(&format!("{rows} as the first dimension for {rows} rows"), &format!("the shape {shape:?}"))
            + ": export it with the batch first, or without this output"),
    }
}

pub(crate) fn shape(value: &Value) -> Vec<usize> {
    match value {
        Value::FloatTensor(tensor) => tensor.shape().to_vec(),
        Value::Int32Tensor(tensor) => tensor.shape().to_vec(),
        Value::Int8Tensor(tensor) => tensor.shape().to_vec(),
        Value::UInt8Tensor(tensor) => tensor.shape().to_vec(),
        _ => Vec::new(),
    }
}

fn field(name: String, datatype: Datatype, shape: Vec<u64>) -> Field {
    Field {
        name,
        description: String::new(),
        datatype,
        shape,
        nullable: false,
        unit: None,
        minimum: None,
        maximum: None,
        categories: Vec::new(),
    }
}

fn tensor(info: &ValueInfoProto) -> Option<&TypeProtoTensor> {
    info.r#type.as_ref()?.tensor_type.as_ref()
}

fn datatype(tensor: &TypeProtoTensor) -> Result<Datatype, String> {
    match tensor.elem_type {
        Some(DataType::FLOAT) => Ok(Datatype::Fp32),
        Some(DataType::INT32) => Ok(Datatype::Int32),
        Some(DataType::INT64) => Ok(Datatype::Int64),
        Some(DataType::INT8) => Ok(Datatype::Int8),
        Some(DataType::UINT8) => Ok(Datatype::Uint8),
        Some(DataType::BOOL) => Ok(Datatype::Bool),
        Some(other) => Err(other.to_string()),
        None => Err("no type".into()),
    }
}

/// What a row of it takes; whole numbers of 64 bits are there in 32, too.
pub(crate) fn row_bytes(port: &Port) -> usize {
    12 * port.field.elements_per_row().unwrap_or(0)
}

/// Values as the engine has them: whole numbers and truth values are i32.
pub(crate) fn narrow(field: &Field, values: Values) -> Result<Values, Failure> {
    match values {
        Values::Bool(list) => Ok(Values::Int32(list.into_iter().map(i32::from).collect())),
        Values::Int64(list) => {
            let wide = list.iter().position(|&value| i32::try_from(value).is_err());
            let Some(at) = wide else { return Ok(Values::Int32(list.into_iter().map(|value| value as i32).collect())) };
            let found = list.get(at).copied().unwrap_or_default();
            let row = at / field.elements_per_row().unwrap_or(1).max(1);
            let message = format!("expected a whole number of 32 bits, found {found}");
            Err(Failure::InvalidInput { input: field.name.clone(), row: Some(row as u64), message })
        }
        other => Ok(other),
    }
}

/// Some rows of an input.
pub(crate) fn view<'a>(
    field: &Field,
    values: &'a Values,
    rows: std::ops::Range<usize>,
) -> Result<ValueView<'a>, Failure> {
    let width = field.elements_per_row().unwrap_or(0);
    let shape: Vec<usize> = std::iter::once(rows.len()).chain(field.shape.iter().map(|&size| size as usize)).collect();
    let part = rows.start * width..rows.end * width;
    fn cut<T>(list: &[T], part: std::ops::Range<usize>) -> Result<&[T], Failure> {
        list.get(part).ok_or_else(|| Failure::Failed("an input is shorter than its shape".into()))
    }
    match values {
        Values::Fp32(list) => Ok(ValueView::from_shape(&shape, cut(list, part)?)?),
        Values::Int32(list) => Ok(ValueView::from_shape(&shape, cut(list, part)?)?),
        Values::Int8(list) => Ok(ValueView::from_shape(&shape, cut(list, part)?)?),
        Values::Uint8(list) => Ok(ValueView::from_shape(&shape, cut(list, part)?)?),
        other => Err(Failure::Failed(format!("a {} tensor was not expected", other.datatype()))),
    }
}

/// Adds rows of an output: its type is the graph's, and that of the engine.
pub(crate) fn append(field: &Field, to: &mut Values, value: Value, rows: usize) -> Result<(), Failure> {
    let (name, found) = (&field.name, shape(&value));
    if !found.iter().map(|&size| size as u64).eq(field.batch_shape(rows as u64)) {
        let expected = field.batch_shape(rows as u64);
        return Err(Failure::Failed(format!("output `{name}`: expected the shape {expected:?}, found {found:?}")));
    }
    match (to, value) {
        (Values::Fp32(list), Value::FloatTensor(tensor)) => join(list, tensor.into_data()),
        (Values::Int32(list), Value::Int32Tensor(tensor)) => join(list, tensor.into_data()),
        (Values::Int8(list), Value::Int8Tensor(tensor)) => join(list, tensor.into_data()),
        (Values::Uint8(list), Value::UInt8Tensor(tensor)) => join(list, tensor.into_data()),
        (Values::Int64(list), Value::Int32Tensor(tensor)) => list.extend(tensor.iter().map(|&value| i64::from(value))),
        (Values::Bool(list), Value::Int32Tensor(tensor)) => list.extend(tensor.iter().map(|&value| value != 0)),
        (_, value) => {
            let (expected, found) = (field.datatype, value.dtype());
            return Err(Failure::Failed(format!("output `{name}`: expected {expected}, found {found}")));
        }
    }
    Ok(())
}

/// The first rows are not copied.
fn join<T>(list: &mut Vec<T>, mut more: Vec<T>) {
    if list.is_empty() { *list = more } else { list.append(&mut more) }
}
