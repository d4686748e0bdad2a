//! The elements of a tensor as numbers of the message: `InferTensorContents`.

use super::Fault;
use crate::protobuf::{Fields, Value, numbers};
use crate::v2::placed;
use scry_card::strict::cut;
use scry_card::{
    CheckKind, Datatype, Found, Interrupt, Misread, NamedTensor, ShownShape, Tensor, Text, Values, element_count,
};

/// The lists of contents, by their fields' numbers from 1 on.
const LISTS: [&str; 8] = [
    "bool_contents",
    "int_contents",
    "int64_contents",
    "uint_contents",
    "uint64_contents",
    "fp32_contents",
    "fp64_contents",
    "bytes_contents",
];

/// The number of the list that has a type's elements.
fn list_of(datatype: Datatype) -> u64 {
    match datatype {
        Datatype::Bool => 1,
        Datatype::Int8 | Datatype::Int16 | Datatype::Int32 => 2,
        Datatype::Int64 => 3,
        Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 => 4,
        Datatype::Uint64 => 5,
        Datatype::Fp32 => 6,
        Datatype::Fp64 => 7,
        Datatype::Bytes => 8,
    }
}

/// Why contents are not read to their end.
enum Stop {
    Fault(Fault),
    /// An element of another type.
    Element(usize, Found),
    /// Another list.
    List(&'static str),
}

impl<E: Into<Fault>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

/// Reads a tensor. The inner error is the tensor's own.
pub(super) fn read(
    name: String,
    kind: &str,
    shape: Vec<u64>,
    contents: &[u8],
    interrupt: &mut Interrupt<'_>,
) -> Result<Result<NamedTensor, Misread>, Fault> {
    let wrong = |check, expected: String, found| Misread::new(check, &name, expected, found);
    let Some(datatype) = Datatype::of(kind) else {
        let expected = "a datatype of BOOL, INT8-64, UINT8-64, FP32, FP64, BYTES, or `raw_input_contents`";
        return Ok(Err(wrong(CheckKind::Type, expected.to_owned(), Found::Said(cut(kind)))));
    };
    let Some(count) = element_count(&shape) else {
        let expected = "a shape that can be counted".to_owned();
        return Ok(Err(wrong(CheckKind::Shape, expected, Found::Said(ShownShape(&shape).to_string()))));
    };
    let misread = match elements(datatype, contents, interrupt) {
        Ok(values) if values.len() == count => {
            return Ok(Ok(NamedTensor { name, tensor: Tensor { shape, values, validity: None } }));
        }
        Ok(values) => {
            let expected = format!("{count} elements for shape {}", ShownShape(&shape));
            wrong(CheckKind::Shape, expected, Found::Said(values.len().to_string()))
        }
        Err(Stop::Fault(fault)) => return Err(fault),
        Err(Stop::Element(at, found)) => placed(wrong(CheckKind::Type, datatype.value(), found), &shape, at),
        Err(Stop::List(list)) => {
            let wanted = usize::try_from(list_of(datatype) - 1).ok().and_then(|at| LISTS.get(at)).copied();
            let expected = format!("{datatype} elements in `{}`", wanted.unwrap_or_default());
            wrong(CheckKind::Type, expected, Found::Said(format!("`{list}`")))
        }
    };
    Ok(Err(misread))
}

fn elements(datatype: Datatype, contents: &[u8], interrupt: &mut Interrupt<'_>) -> Result<Values, Stop> {
    macro_rules! plain {
        ($variant:ident, $of:expr) => {{
            let mut list = Vec::new();
            each(datatype, contents, interrupt, |value| Ok(list.push($of(value)?)))?;
            Values::$variant(list)
        }};
    }
    Ok(match datatype {
        Datatype::Bool => plain!(Bool, |value| number(value).map(|bits| bits != 0)),
        Datatype::Int8 => plain!(Int8, |value| narrow(signed(value)?)),
        Datatype::Int16 => plain!(Int16, |value| narrow(signed(value)?)),
        Datatype::Int32 => plain!(Int32, |value| narrow(signed(value)?)),
        Datatype::Int64 => plain!(Int64, signed),
        Datatype::Uint8 => plain!(Uint8, |value| narrow(number(value)?)),
        Datatype::Uint16 => plain!(Uint16, |value| narrow(number(value)?)),
        Datatype::Uint32 => plain!(Uint32, |value| narrow(number(value)?)),
        Datatype::Uint64 => plain!(Uint64, number),
        Datatype::Fp32 => plain!(Fp32, |value| fixed(value).map(f32::from_le_bytes)),
        Datatype::Fp64 => plain!(Fp64, |value| fixed(value).map(f64::from_le_bytes)),
        Datatype::Bytes => {
            let mut list = Text::default();
            each(datatype, contents, interrupt, |value| {
                let Value::Bytes(bytes) = value else { return Err(odd()) };
                let text = std::str::from_utf8(bytes).map_err(|_| Found::Said("bytes that are not UTF-8".into()))?;
                list.push(text).map_err(|full| Found::Said(full.to_string()))
            })?;
            Values::Bytes(list)
        }
    })
}

/// Gives each element of a type's list, which may be packed.
fn each(
    datatype: Datatype,
    contents: &[u8],
    interrupt: &mut Interrupt<'_>,
    mut take: impl FnMut(Value<'_>) -> Result<(), Found>,
) -> Result<(), Stop> {
    let (wanted, mut at) = (list_of(datatype), 0);
    let mut next = |value: Value<'_>, interrupt: &mut Interrupt<'_>| {
        let bytes = if let Value::Bytes(bytes) = value { bytes.len() } else { 0 };
        interrupt.spend(1 + bytes / Interrupt::STEP_BYTES)?;
        take(value).map_err(|found| Stop::Element(at, found))?;
        at += 1;
        Ok::<_, Stop>(())
    };
    for field in Fields::of(contents) {
        let field = field?;
        if field.number != wanted {
            let other = usize::try_from(field.number.wrapping_sub(1)).ok().and_then(|at| LISTS.get(at));
            match other {
                Some(list) => return Err(Stop::List(list)),
                None => continue,
            }
        }
        match field.value {
            Value::Bytes(packed) if matches!(datatype, Datatype::Fp32 | Datatype::Fp64) => {
                let size = if datatype == Datatype::Fp32 { 4 } else { 8 };
                let parts = packed.chunks(size);
                parts.into_iter().try_for_each(|element| next(Value::Fixed(element), interrupt))?;
            }
            Value::Bytes(packed) if datatype != Datatype::Bytes => {
                for element in numbers(packed) {
                    next(Value::Number(element?), interrupt)?;
                }
            }
            value => next(value, interrupt)?,
        }
    }
    Ok(())
}

fn odd() -> Found {
    Found::Said("a field of another kind".into())
}

fn number(value: Value<'_>) -> Result<u64, Found> {
    if let Value::Number(bits) = value { Ok(bits) } else { Err(odd()) }
}

fn signed(value: Value<'_>) -> Result<i64, Found> {
    number(value).map(u64::cast_signed)
}

fn narrow<W: Copy + ToString, N: TryFrom<W>>(wide: W) -> Result<N, Found> {
    N::try_from(wide).map_err(|_| Found::Number(wide.to_string()))
}

fn fixed<const N: usize>(value: Value<'_>) -> Result<[u8; N], Found> {
    if let Value::Fixed(bytes) = value { bytes.try_into().map_err(|_| odd()) } else { Err(odd()) }
}
