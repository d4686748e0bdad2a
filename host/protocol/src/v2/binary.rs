//! Tensors as bytes, the encoding of V2's binary extension and of gRPC's raw contents: elements
//! row-major and little-endian, BOOL as a byte, BYTES as a length of four bytes and UTF-8.
//!
//! Never knows how the bytes came, and never decides what becomes of a tensor.

use super::place::placed;
use scry_card::strict::cut;
use scry_card::{
    CheckKind, Datatype, Field, Found, Interrupt, Interrupted, Misread, NamedTensor, ShownShape, Tensor, Text, Values,
    element_count,
};

/// Elements between two questions whether to go on.
const BLOCK: usize = Interrupt::STEPS;

/// Bytes of a text's length.
const LENGTH_BYTES: usize = 4;

/// What elements are on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    /// As a column holds them.
    Column(Datatype),
    /// IEEE 754 binary16, read as FP32.
    Fp16,
    /// The upper half of an FP32, read as one.
    Bf16,
}

/// Why bytes are no elements.
enum Stop {
    Interrupted(Interrupted),
    /// More or fewer than the shape says.
    Length {
        expected: String,
        found: String,
    },
    /// One that is not of its type.
    Element(usize, Found),
}

impl From<Interrupted> for Stop {
    fn from(interrupted: Interrupted) -> Self {
        Self::Interrupted(interrupted)
    }
}

impl Wire {
    fn of(name: &str) -> Option<Self> {
        match name {
            "FP16" => Some(Self::Fp16),
            "BF16" => Some(Self::Bf16),
            name => Datatype::of(name).map(Self::Column),
        }
    }

    /// Bytes of one element, where all have as many.
    fn element_bytes(self) -> Option<usize> {
        use Datatype::{Bool, Bytes, Fp32, Fp64, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};
        match self {
            Self::Column(Bytes) => None,
            Self::Column(Bool | Int8 | Uint8) => Some(1),
            Self::Fp16 | Self::Bf16 | Self::Column(Int16 | Uint16) => Some(2),
            Self::Column(Int32 | Uint32 | Fp32) => Some(4),
            Self::Column(Int64 | Uint64 | Fp64) => Some(8),
        }
    }
}

/// Reads a tensor. `datatype` is a name of V2's; FP16 and BF16 become FP32, which holds each of
/// their values. The error is the tensor's own: of its type, its shape, or one of its elements.
pub fn read(
    name: String,
    datatype: &str,
    shape: Vec<u64>,
    bytes: &[u8],
    interrupt: &mut Interrupt<'_>,
) -> Result<Result<NamedTensor, Misread>, Interrupted> {
    let wrong = |check, expected: String, found| Misread::new(check, &name, expected, found);
    let Some(wire) = Wire::of(datatype) else {
        let expected = "a datatype of BOOL, INT8-64, UINT8-64, FP16, BF16, FP32, FP64, BYTES".to_owned();
        return Ok(Err(wrong(CheckKind::Type, expected, Found::Said(cut(datatype)))));
    };
    let Some(count) = element_count(&shape) else {
        let expected = "a shape that can be counted".to_owned();
        return Ok(Err(wrong(CheckKind::Shape, expected, Found::Said(ShownShape(&shape).to_string()))));
    };
    let misread = match elements(wire, count, bytes, interrupt) {
        Ok(values) => return Ok(Ok(NamedTensor { name, tensor: Tensor { shape, values, validity: None } })),
        Err(Stop::Interrupted(interrupted)) => return Err(interrupted),
        Err(Stop::Length { expected, found }) => {
            let expected = format!("{expected} for {} of shape {}", cut(datatype), ShownShape(&shape));
            wrong(CheckKind::Shape, expected, Found::Said(found))
        }
        Err(Stop::Element(at, found)) => {
            let expected = match wire {
                Wire::Column(datatype) => datatype.value(),
                Wire::Fp16 | Wire::Bf16 => format!("a value of {datatype}"),
            };
            placed(wrong(CheckKind::Type, expected, found), &shape, at)
        }
    };
    Ok(Err(misread))
}

/// Reads bytes that are a whole request: as many rows of the field as they hold; of text, the
/// one row that they are.
pub fn read_rows(
    field: &Field,
    bytes: &[u8],
    interrupt: &mut Interrupt<'_>,
) -> Result<Result<NamedTensor, Misread>, Interrupted> {
    let wrong = |expected: String, found: String| {
        Ok(Err(Misread::new(CheckKind::Shape, &field.name, expected, Found::Said(found))))
    };
    let per_row = field.elements_per_row().unwrap_or(0);
    let Some(size) = Wire::Column(field.datatype).element_bytes().map(|size| size.saturating_mul(per_row)) else {
        return match (per_row, std::str::from_utf8(bytes)) {
            (1, Ok(text)) => {
                interrupt.spend_text(text)?;
                let (name, mut values) = (field.name.clone(), Text::default());
                match values.push(text) {
                    Ok(()) => {
                        let tensor =
                            Tensor { shape: field.batch_shape(1), values: Values::Bytes(values), validity: None };
                        Ok(Ok(NamedTensor { name, tensor }))
                    }
                    Err(full) => wrong("a text as the body".into(), full.to_string()),
                }
            }
            (1, Err(error)) => wrong("UTF-8 as the body".into(), not_utf8(bytes, error.valid_up_to())),
            (more, _) => wrong("a field of one text, where the body is the text".into(), format!("one of {more}")),
        };
    };
    match bytes.len().checked_div(size) {
        Some(rows) if rows > 0 && rows * size == bytes.len() => {
            read(field.name.clone(), field.datatype.name(), field.batch_shape(rows as u64), bytes, interrupt)
        }
        _ => wrong(format!("rows of {size} bytes as the body"), format!("{} bytes", bytes.len())),
    }
}

fn elements(wire: Wire, count: usize, bytes: &[u8], interrupt: &mut Interrupt<'_>) -> Result<Values, Stop> {
    if let Some(size) = wire.element_bytes() {
        let expected = count.checked_mul(size);
        if expected != Some(bytes.len()) {
            let expected = expected.map_or("fewer bytes".to_owned(), |bytes| format!("{bytes} bytes"));
            return Err(Stop::Length { expected, found: bytes.len().to_string() });
        }
    }
    macro_rules! plain {
        ($variant:ident, $rust:ty) => {
            Values::$variant(each(bytes, <$rust>::from_le_bytes, interrupt)?)
        };
    }
    Ok(match wire {
        Wire::Fp16 => Values::Fp32(each(bytes, |half| of_half(u16::from_le_bytes(half)), interrupt)?),
        Wire::Bf16 => Values::Fp32(each(bytes, |half| of_upper_half(u16::from_le_bytes(half)), interrupt)?),
        Wire::Column(datatype) => match datatype {
            Datatype::Bool => Values::Bool(truths(bytes, interrupt)?),
            Datatype::Int8 => plain!(Int8, i8),
            Datatype::Int16 => plain!(Int16, i16),
            Datatype::Int32 => plain!(Int32, i32),
            Datatype::Int64 => plain!(Int64, i64),
            Datatype::Uint8 => plain!(Uint8, u8),
            Datatype::Uint16 => plain!(Uint16, u16),
            Datatype::Uint32 => plain!(Uint32, u32),
            Datatype::Uint64 => plain!(Uint64, u64),
            Datatype::Fp32 => plain!(Fp32, f32),
            Datatype::Fp64 => plain!(Fp64, f64),
            Datatype::Bytes => Values::Bytes(texts(count, bytes, interrupt)?),
        },
    })
}

/// Elements of `N` bytes each; the bytes are known to be whole elements.
fn each<T, const N: usize>(
    bytes: &[u8],
    of: impl Fn([u8; N]) -> T,
    interrupt: &mut Interrupt<'_>,
) -> Result<Vec<T>, Interrupted> {
    let (elements, _) = bytes.as_chunks::<N>();
    let mut list = Vec::with_capacity(elements.len());
    for block in elements.chunks(BLOCK) {
        interrupt.spend(block.len())?;
        list.extend(block.iter().map(|&element| of(element)));
    }
    Ok(list)
}

fn truths(bytes: &[u8], interrupt: &mut Interrupt<'_>) -> Result<Vec<bool>, Stop> {
    let list = each(bytes, |[byte]| byte == 1, interrupt)?;
    match bytes.iter().position(|&byte| byte > 1) {
        None => Ok(list),
        Some(at) => {
            let byte = bytes.get(at).copied().unwrap_or_default();
            Err(Stop::Element(at, Found::Number(byte.to_string())))
        }
    }
}

fn texts(count: usize, bytes: &[u8], interrupt: &mut Interrupt<'_>) -> Result<Text, Stop> {
    let wrong = |found| Err(Stop::Length { expected: format!("{count} texts with their lengths"), found });
    let (mut rest, mut list) = (bytes, Text::default());
    for at in 0..count {
        let split = rest.split_first_chunk::<LENGTH_BYTES>().and_then(|(length, after)| {
            after.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX))
        });
        let Some((text, after)) = split else { return wrong(format!("{} bytes, which end in text {at}", bytes.len())) };
        interrupt.spend(1 + text.len() / Interrupt::STEP_BYTES)?;
        let text = std::str::from_utf8(text)
            .map_err(|error| Stop::Element(at, Found::Said(not_utf8(text, error.valid_up_to()))))?;
        list.push(text).map_err(|full| Stop::Element(at, Found::Said(full.to_string())))?;
        rest = after;
    }
    if rest.is_empty() { Ok(list) } else { wrong(format!("{} bytes more", rest.len())) }
}

fn not_utf8(bytes: &[u8], at: usize) -> String {
    let byte = bytes.get(at).map_or_else(|| "the end".to_owned(), |byte| format!("the byte 0x{byte:02x}"));
    format!("{byte}, which is not UTF-8")
}

/// An IEEE 754 binary16 as the FP32 of the same value.
fn of_half(bits: u16) -> f32 {
    /// The value of the last place of numbers without an implied one.
    const SMALLEST: f32 = 1.0 / (1 << 24) as f32;
    let (sign, exponent, fraction) =
        (u32::from(bits & 0x8000) << 16, u32::from(bits >> 10 & 0x1f), u32::from(bits & 0x03ff));
    let magnitude = match exponent {
        0 => (fraction as f32 * SMALLEST).to_bits(),
        0x1f => 0x7f80_0000 | fraction << 13,
        // From an exponent that is 15 too large to one that is 127 too large.
        _ => (exponent + 112) << 23 | fraction << 13,
    };
    f32::from_bits(sign | magnitude)
}

fn of_upper_half(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// How many bytes `write` makes of these elements.
pub fn size(values: &Values) -> usize {
    match values {
        Values::Bytes(text) => text.len() * LENGTH_BYTES + text.utf8().len(),
        values => Wire::Column(values.datatype()).element_bytes().unwrap_or(0) * values.len(),
    }
}

/// Appends the elements. A missing one has no form here: it would become a neutral one.
pub fn write(values: &Values, into: &mut Vec<u8>, interrupt: &mut Interrupt<'_>) -> Result<(), Interrupted> {
    into.reserve(size(values));
    macro_rules! plain {
        ($list:expr) => {
            put(&$list, |element| element.to_le_bytes(), into, interrupt)
        };
    }
    match values {
        Values::Bool(list) => put(list, |element| [u8::from(element)], into, interrupt),
        Values::Int8(list) => plain!(list),
        Values::Int16(list) => plain!(list),
        Values::Int32(list) => plain!(list),
        Values::Int64(list) => plain!(list),
        Values::Uint8(list) => plain!(list),
        Values::Uint16(list) => plain!(list),
        Values::Uint32(list) => plain!(list),
        Values::Uint64(list) => plain!(list),
        Values::Fp32(list) => plain!(list),
        Values::Fp64(list) => plain!(list),
        Values::Bytes(texts) => {
            for text in texts.iter() {
                interrupt.spend_text(text)?;
                // A column holds no more.
                let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                into.extend_from_slice(&length.to_le_bytes());
                into.extend_from_slice(text.as_bytes());
            }
            Ok(())
        }
    }
}

fn put<T: Copy, const N: usize>(
    list: &[T],
    bytes_of: impl Fn(T) -> [u8; N],
    into: &mut Vec<u8>,
    interrupt: &mut Interrupt<'_>,
) -> Result<(), Interrupted> {
    for block in list.chunks(BLOCK) {
        interrupt.spend(block.len())?;
        let from = into.len();
        into.resize(from + block.len() * N, 0);
        let (places, _) = into.get_mut(from..).unwrap_or_default().as_chunks_mut::<N>();
        places.iter_mut().zip(block).for_each(|(place, &element)| *place = bytes_of(element));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
