//! Tensors that the file holds: weights and constants.
//!
//! Never believes a shape: there are as many values as it says, or the tensor is refused.

use super::message::text;
use super::value::Kind;
use crate::import::boosters::error::{BoosterError, Read};
use scry_protocol::protobuf::{Fields, Value, numbers};

/// Whole numbers are exact as floats up to here.
const WHOLE_MAX: i64 = 1 << 53;
/// Dimensions, at most.
const RANK_MAX: usize = 8;

/// A tensor.
pub(super) struct Tensor<'a> {
    pub(super) shape: Vec<usize>,
    pub(super) data: Data<'a>,
}

/// The values of a tensor.
pub(super) enum Data<'a> {
    Numbers(Kind, Vec<f64>),
    Texts(Vec<&'a str>),
}

/// The parts of a tensor's message.
#[derive(Default)]
struct Parts<'a> {
    shape: Vec<usize>,
    kind: u64,
    raw: Option<&'a [u8]>,
    /// Bytes of numbers with a fixed size.
    fixed: Vec<&'a [u8]>,
    whole: Vec<i64>,
    texts: Vec<&'a [u8]>,
}

impl<'a> Tensor<'a> {
    /// Reads a tensor of at most `most` values.
    pub(super) fn read(message: &'a [u8], most: usize) -> Read<Self> {
        let parts = Parts::read(message, most)?;
        let data = match parts.kind {
            1 => Data::Numbers(Kind::F32, parts.floats(|bytes: [u8; 4]| f32::from_le_bytes(bytes).into())?),
            11 => Data::Numbers(Kind::F64, parts.floats(f64::from_le_bytes)?),
            6 => Data::Numbers(Kind::I64, parts.whole(|bytes: [u8; 4]| i32::from_le_bytes(bytes).into())?),
            7 => Data::Numbers(Kind::I64, parts.whole(i64::from_le_bytes)?),
            9 => Data::Numbers(Kind::I64, parts.whole(|[byte]: [u8; 1]| byte.into())?),
            8 => Data::Texts(parts.texts.iter().map(|bytes| text(bytes)).collect::<Read<_>>()?),
            other => {
                let expected = "a tensor of float, double, int32, int64, bool or string";
                return Err(BoosterError::wrong(expected, format!("the type {other}")));
            }
        };
        let found = match &data {
            Data::Numbers(_, list) => list.len(),
            Data::Texts(list) => list.len(),
        };
        let expected = parts.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        if expected != Some(found) || found > most {
            let expected = format!("a tensor with the {} values of its shape", expected.unwrap_or(usize::MAX));
            return Err(BoosterError::wrong(expected, found));
        }
        Ok(Self { shape: parts.shape, data })
    }

    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whole numbers.
    pub(super) fn whole(&self) -> Read<Vec<i64>> {
        match &self.data {
            // Not above 2^53.
            Data::Numbers(Kind::I64, list) => Ok(list.iter().map(|&x| x as i64).collect()),
            _ => Err(BoosterError::wrong("a constant of whole numbers", "others")),
        }
    }
}

impl<'a> Parts<'a> {
    fn read(message: &'a [u8], most: usize) -> Read<Self> {
        let mut parts = Self::default();
        for field in Fields::of(message) {
            match field.map(|field| (field.number, field.value))? {
                (1, Value::Number(size)) => parts.size(size)?,
                (1, Value::Bytes(packed)) => {
                    numbers(packed).try_for_each(|size| parts.size(size?))?;
                }
                (2, Value::Number(kind)) => parts.kind = kind,
                (4 | 10, Value::Fixed(bytes) | Value::Bytes(bytes)) => parts.fixed.push(bytes),
                (5 | 7, Value::Number(number)) => parts.whole.push(number.cast_signed()),
                (5 | 7, Value::Bytes(packed)) => {
                    for number in numbers(packed) {
                        parts.whole.push(number?.cast_signed());
                        if parts.whole.len() > most {
                            break;
                        }
                    }
                }
                (6, Value::Bytes(text)) => parts.texts.push(text),
                (9, Value::Bytes(raw)) => parts.raw = Some(raw),
                (14, Value::Number(1)) => {
                    return Err(BoosterError::wrong("weights within the file", "some in another"));
                }
                _ => {}
            }
            if parts.whole.len().max(parts.texts.len()).max(parts.fixed.len()) > most {
                return Err(BoosterError::wrong(format!("constants of at most {most} values in all"), "more"));
            }
        }
        Ok(parts)
    }

    fn size(&mut self, size: u64) -> Read<()> {
        match usize::try_from(size) {
            Ok(size) if self.shape.len() < RANK_MAX => {
                self.shape.push(size);
                Ok(())
            }
            _ => Err(BoosterError::wrong(format!("a shape of at most {RANK_MAX} sizes"), "another")),
        }
    }

    /// Numbers of `N` bytes each, wherever they stand.
    fn floats<const N: usize>(&self, number: impl Fn([u8; N]) -> f64) -> Read<Vec<f64>> {
        let parts = self.raw.iter().chain(&self.fixed).map(|bytes| bytes.as_chunks::<N>());
        let mut list = Vec::new();
        for (numbers, rest) in parts {
            if !rest.is_empty() {
                return Err(BoosterError::wrong(format!("numbers of {N} bytes"), "a part of one"));
            }
            list.extend(numbers.iter().map(|&bytes| number(bytes)));
        }
        Ok(list)
    }

    /// Whole numbers that floats count exactly.
    fn whole<const N: usize>(&self, number: impl Fn([u8; N]) -> i64) -> Read<Vec<f64>> {
        let (raw, rest) = self.raw.unwrap_or_default().as_chunks::<N>();
        let exact = |number: i64| exact(number).ok_or(number);
        let list = raw.iter().map(|&bytes| number(bytes)).chain(self.whole.iter().copied()).map(exact);
        match list.collect() {
            Ok(list) if rest.is_empty() => Ok(list),
            Ok(_) => Err(BoosterError::wrong(format!("numbers of {N} bytes"), "a part of one")),
            Err(large) => Err(BoosterError::wrong(format!("whole numbers up to {WHOLE_MAX}"), large)),
        }
    }
}

/// A whole number as a float, if that is exact.
fn exact(number: i64) -> Option<f64> {
    (number.unsigned_abs() <= WHOLE_MAX.unsigned_abs()).then_some(number as f64)
}

/// Whole numbers as floats, if that is exact.
pub(super) fn whole(list: &[i64]) -> Read<Vec<f64>> {
    let number = |&x: &i64| exact(x).ok_or_else(|| BoosterError::wrong("whole numbers up to 2^53", x));
    list.iter().map(number).collect()
}
