//! Values as rules see them, and what is done with them.
//!
//! Whole numbers have 64 bits, and what leaves their range is a fault, as is a
//! division by zero. Where a whole number meets a real one, it becomes real.
//! Real numbers are IEEE 754's, NaN among them.

use crate::{Tensor, Values};

/// The longest text that a rule may build, in bytes.
pub(super) const TEXT_MAX_BYTES: usize = 4_096;

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

/// Why a rule has no result for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("`{0}` leaves the range of whole numbers")]
    Overflow(&'static str),
    #[error("`{0}` by zero")]
    ByZero(&'static str),
    #[error("a whole number to a negative power")]
    NegativePower,
    #[error("`{0}` of a real number, where only whole ones have an answer")]
    NotWhole(&'static str),
    #[error("`{0}` of what is not a number")]
    NotANumber(&'static str),
    #[error("`+` makes a text of more than {} bytes", TEXT_MAX_BYTES)]
    TextTooLong,
    /// Types are checked before any row is looked at.
    #[error("values of types that do not fit; this is a bug in scry")]
    Types,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

impl<'a> Value<'a> {
    pub(super) fn truth(self) -> Result<bool, Fault> {
        if let Self::Bool(value) = self { Ok(value) } else { Err(Fault::Types) }
    }

    pub(super) fn text(self) -> Result<&'a str, Fault> {
        if let Self::Text(text) = self { Ok(text) } else { Err(Fault::Types) }
    }

    /// A number as a real one.
    pub(super) fn real(self) -> Result<f64, Fault> {
        match self {
            Self::Int(value) => Ok(value as f64),
            Self::Float(value) => Ok(value),
            Self::Bool(_) | Self::Text(_) => Err(Fault::Types),
        }
    }

    pub(super) fn negative(self) -> Result<Self, Fault> {
        match self {
            Self::Int(value) => value.checked_neg().map(Self::Int).ok_or(Fault::Overflow("-")),
            Self::Float(value) => Ok(Self::Float(-value)),
            Self::Bool(_) | Self::Text(_) => Err(Fault::Types),
        }
    }

    /// One value of a column: whole where it fits, else real.
    #[inline]
    pub(super) fn of(tensor: &'a Tensor, row: usize) -> Result<Self, Fault> {
        let value = match &tensor.values {
            Values::Bool(list) => list.get(row).map(|&v| Self::Bool(v)),
            Values::Int8(list) => list.get(row).map(|&v| Self::Int(v.into())),
            Values::Int16(list) => list.get(row).map(|&v| Self::Int(v.into())),
            Values::Int32(list) => list.get(row).map(|&v| Self::Int(v.into())),
            Values::Int64(list) => list.get(row).map(|&v| Self::Int(v)),
            Values::Uint8(list) => list.get(row).map(|&v| Self::Int(v.into())),
            Values::Uint16(list) => list.get(row).map(|&v| Self::Int(v.into())),
            Values::Uint32(list) => list.get(row).map(|&v| Self::Int(v.into())),
            Values::Uint64(list) => list.get(row).map(|&v| i64::try_from(v).map_or(Self::Float(v as f64), Self::Int)),
            Values::Fp32(list) => list.get(row).map(|&v| Self::Float(v.into())),
            Values::Fp64(list) => list.get(row).map(|&v| Self::Float(v)),
            Values::Bytes(text) => text.get(row).map(Self::Text),
        };
        value.ok_or(Fault::Types)
    }
}

impl Comparison {
    pub(super) fn named(sign: &str) -> Option<Self> {
        Some(match sign {
            "==" => Self::Equal,
            "!=" => Self::Unequal,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    pub(super) fn holds(self, a: Value<'_>, b: Value<'_>) -> Result<bool, Fault> {
        Ok(match (a, b) {
            (Value::Int(a), Value::Int(b)) => self.of(&a, &b),
            (Value::Text(a), Value::Text(b)) => self.of(a, b),
            (Value::Bool(a), Value::Bool(b)) => self.of(&a, &b),
            (a, b) => self.of(&a.real()?, &b.real()?),
        })
    }

    fn of<T: PartialOrd + ?Sized>(self, a: &T, b: &T) -> bool {
        match self {
            Self::Equal => a == b,
            Self::Unequal => a != b,
            Self::Less => a < b,
            Self::LessOrEqual => a <= b,
            Self::Greater => a > b,
            Self::GreaterOrEqual => a >= b,
        }
    }
}

impl Operation {
    pub(super) fn named(sign: &str) -> Option<Self> {
        Some(match sign {
            "+" => Self::Add,
            "-" => Self::Subtract,
            "*" => Self::Multiply,
            "/" => Self::Divide,
            "%" => Self::Remainder,
            "**" => Self::Power,
            "&" => Self::And,
            "|" => Self::Or,
            "^" => Self::Xor,
            "<<" => Self::ShiftLeft,
            ">>" => Self::ShiftRight,
            _ => return None,
        })
    }

    /// Whether it is of truth values, too.
    pub(super) fn is_of_truths(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Xor)
    }

    /// Whether it is of whole numbers only.
    pub(super) fn is_of_bits(self) -> bool {
        self.is_of_truths() || matches!(self, Self::ShiftLeft | Self::ShiftRight)
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Power => "**",
            Self::And => "&",
            Self::Or => "|",
            Self::Xor => "^",
            Self::ShiftLeft => "<<",
            Self::ShiftRight => ">>",
        }
    }

    pub(super) fn of<'a>(self, a: Value<'a>, b: Value<'a>) -> Result<Value<'a>, Fault> {
        match (a, b) {
            (Value::Int(a), Value::Int(b)) => self.of_whole(a, b).map(Value::Int),
            (Value::Bool(a), Value::Bool(b)) => Ok(Value::Bool(self.of_whole(a.into(), b.into())? != 0)),
            (Value::Float(a), Value::Int(b)) if self == Self::Power => {
                let power = i32::try_from(b).map(|b| a.powi(b));
                Ok(Value::Float(power.unwrap_or_else(|_| a.powf(b as f64))))
            }
            (a, b) => self.of_real(a.real()?, b.real()?).map(Value::Float),
        }
    }

    fn of_whole(self, a: i64, b: i64) -> Result<i64, Fault> {
        let result = match self {
            Self::Add => a.checked_add(b),
            Self::Subtract => a.checked_sub(b),
            Self::Multiply => a.checked_mul(b),
            Self::Divide | Self::Remainder if b == 0 => return Err(Fault::ByZero(self.sign())),
            Self::Divide => a.checked_div(b),
            Self::Remainder => a.checked_rem(b),
            Self::Power if b < 0 => return Err(Fault::NegativePower),
            Self::Power => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
            Self::And => Some(a & b),
            Self::Or => Some(a | b),
            Self::Xor => Some(a ^ b),
            Self::ShiftLeft => Some(shifted(a, b.into())),
            Self::ShiftRight => Some(shifted(a, -i128::from(b))),
        };
        result.ok_or(Fault::Overflow(self.sign()))
    }

    fn of_real(self, a: f64, b: f64) -> Result<f64, Fault> {
        Ok(match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => a / b,
            Self::Remainder => a % b,
            Self::Power => a.powf(b),
            Self::And | Self::Or | Self::Xor | Self::ShiftLeft | Self::ShiftRight => {
                return Err(Fault::NotWhole(self.sign()));
            }
        })
    }
}

/// To the left by so many bits, below zero to the right; what leaves is lost.
fn shifted(value: i64, bits: i128) -> i64 {
    match u32::try_from(bits.unsigned_abs()).unwrap_or(u32::MAX) {
        right if bits < 0 => value >> right.min(i64::BITS - 1),
        left => value.checked_shl(left).unwrap_or(0),
    }
}
