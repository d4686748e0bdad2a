//! The functions that rules may call.
//!
//! Each takes a bounded time, or one that is accounted for by the length of a
//! text. None has a state, a clock or a random number.

use super::types::Type;
use super::value::{Fault, Value};
use crate::{Interrupt, Interrupted};

/// A function of one name and number of arguments.
#[derive(Debug, Clone, Copy)]
pub(super) enum Function {
    Constant(f64),
    Real(fn(f64) -> f64),
    RealPair(fn(f64, f64) -> f64),
    Test(fn(f64) -> bool),
    WholeTest(&'static str, fn(i64) -> bool),
    Abs,
    Sign,
    ToInt,
    Max,
    Min,
    Length,
    TextTest(TextTest),
    ParseInt,
    ParseFloat,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

/// A fault of the row, or the end of all rows.
pub(super) enum Stop {
    Fault(Fault),
    Interrupted,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Interrupted> for Stop {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

/// Names of CEL's that rules spell another way, and how.
pub(super) fn advice(name: &str) -> Option<&'static str> {
    Some(match name {
        "has" => "nothing: a row in which one of its fields is missing does not violate a rule",
        "matches" => "`contains`, `startsWith` or `endsWith`: there are no regular expressions",
        "all" | "exists" | "exists_one" | "map" | "filter" => "comparisons with each value: there are no loops",
        _ => return None,
    })
}

impl Function {
    /// The function of this name for so many arguments.
    pub(super) fn named(name: &str, arguments: usize) -> Option<Self> {
        Some(match (name, arguments) {
            ("abs", 1) => Self::Abs,
            ("sign", 1) => Self::Sign,
            ("to_int", 1) => Self::ToInt,
            ("to_float" | "double", 1) => Self::Real(|x| x),
            ("max", 2) => Self::Max,
            ("min", 2) => Self::Min,
            ("sqrt", 1) => Self::Real(f64::sqrt),
            ("exp", 1) => Self::Real(f64::exp),
            ("ln", 1) => Self::Real(f64::ln),
            ("log", 1) => Self::Real(f64::log10),
            ("log", 2) => Self::RealPair(f64::log),
            ("floor", 1) => Self::Real(f64::floor),
            ("ceiling" | "ceil", 1) => Self::Real(f64::ceil),
            ("round", 1) => Self::Real(f64::round),
            ("trunc" | "int", 1) => Self::Real(f64::trunc),
            ("fraction", 1) => Self::Real(f64::fract),
            ("sin", 1) => Self::Real(f64::sin),
            ("cos", 1) => Self::Real(f64::cos),
            ("tan", 1) => Self::Real(f64::tan),
            ("sinh", 1) => Self::Real(f64::sinh),
            ("cosh", 1) => Self::Real(f64::cosh),
            ("tanh", 1) => Self::Real(f64::tanh),
            ("asin", 1) => Self::Real(f64::asin),
            ("acos", 1) => Self::Real(f64::acos),
            ("atan", 1) => Self::Real(f64::atan),
            ("atan", 2) => Self::RealPair(f64::atan2),
            ("asinh", 1) => Self::Real(f64::asinh),
            ("acosh", 1) => Self::Real(f64::acosh),
            ("atanh", 1) => Self::Real(f64::atanh),
            ("hypot", 2) => Self::RealPair(f64::hypot),
            ("to_radians", 1) => Self::Real(f64::to_radians),
            ("to_degrees", 1) => Self::Real(f64::to_degrees),
            ("PI", 0) => Self::Constant(std::f64::consts::PI),
            ("E", 0) => Self::Constant(std::f64::consts::E),
            ("is_nan", 1) => Self::Test(f64::is_nan),
            ("is_finite", 1) => Self::Test(f64::is_finite),
            ("is_infinite", 1) => Self::Test(f64::is_infinite),
            ("is_zero", 1) => Self::Test(|x| x == 0.0),
            ("is_odd", 1) => Self::WholeTest("is_odd", |x| x % 2 != 0),
            ("is_even", 1) => Self::WholeTest("is_even", |x| x % 2 == 0),
            ("len" | "size", 1) => Self::Length,
            ("contains", 2) => Self::TextTest(TextTest::Contains),
            ("starts_with" | "startsWith", 2) => Self::TextTest(TextTest::StartsWith),
            ("ends_with" | "endsWith", 2) => Self::TextTest(TextTest::EndsWith),
            ("parse_int", 1) => Self::ParseInt,
            ("parse_float", 1) => Self::ParseFloat,
            _ => return None,
        })
    }

    /// The result's type for arguments of these types; otherwise the types that it takes.
    pub(super) fn typed(self, arguments: &[Type]) -> Result<Type, &'static str> {
        let numbers = || arguments.iter().all(|of| of.is_number()).then_some(()).ok_or("numbers");
        let texts = || arguments.iter().all(|of| *of == Type::Text).then_some(()).ok_or("texts");
        match self {
            Self::Constant(_) => Ok(Type::Real),
            Self::Real(_) | Self::RealPair(_) => numbers().map(|()| Type::Real),
            Self::Test(_) => numbers().map(|()| Type::Truth),
            Self::WholeTest(..) if arguments.contains(&Type::Real) => Err("whole numbers"),
            Self::WholeTest(..) => numbers().map(|()| Type::Truth),
            Self::Sign | Self::ToInt => numbers().map(|()| Type::Whole),
            Self::Abs | Self::Max | Self::Min => {
                numbers().map(|()| arguments.iter().copied().reduce(Type::calculated).unwrap_or(Type::Number))
            }
            Self::TextTest(_) => texts().map(|()| Type::Truth),
            Self::Length | Self::ParseInt => texts().map(|()| Type::Whole),
            Self::ParseFloat => texts().map(|()| Type::Real),
        }
    }

    pub(super) fn arguments(self) -> usize {
        match self {
            Self::Constant(_) => 0,
            Self::RealPair(_) | Self::Max | Self::Min | Self::TextTest(_) => 2,
            _ => 1,
        }
    }

    /// The result for `a` and, where it has two arguments, `b`.
    pub(super) fn of<'a>(self, a: Value<'a>, b: Value<'a>, interrupt: &mut Interrupt<'_>) -> Result<Value<'a>, Stop> {
        Ok(match self {
            Self::Constant(value) => Value::Float(value),
            Self::Real(of) => Value::Float(of(a.real()?)),
            Self::RealPair(of) => Value::Float(of(a.real()?, b.real()?)),
            Self::Test(holds) => Value::Bool(holds(a.real()?)),
            Self::WholeTest(name, holds) => match a {
                Value::Int(value) => Value::Bool(holds(value)),
                _ => return Err(Fault::NotWhole(name).into()),
            },
            Self::Abs => match a {
                Value::Int(value) => Value::Int(value.checked_abs().ok_or(Fault::Overflow("abs"))?),
                _ => Value::Float(a.real()?.abs()),
            },
            Self::Sign => Value::Int(sign(a)?),
            Self::ToInt => Value::Int(to_int(a)?),
            Self::Max => larger(a, b, |a, b| a >= b, |a, b| a >= b)?,
            Self::Min => larger(a, b, |a, b| a <= b, |a, b| a <= b)?,
            Self::Length => Value::Int(length(a.text()?, interrupt)?),
            Self::TextTest(test) => Value::Bool(test.holds(a.text()?, b.text()?, interrupt)?),
            Self::ParseInt => {
                let text = a.text()?;
                interrupt.spend_text(text)?;
                Value::Int(text.trim().parse().map_err(|_| Fault::NotANumber("parse_int"))?)
            }
            Self::ParseFloat => {
                let text = a.text()?;
                interrupt.spend_text(text)?;
                Value::Float(text.trim().parse().map_err(|_| Fault::NotANumber("parse_float"))?)
            }
        })
    }
}

fn sign(of: Value<'_>) -> Result<i64, Fault> {
    match of {
        Value::Int(value) => Ok(value.signum()),
        _ => match of.real()? {
            value if value.is_nan() => Err(Fault::NotANumber("sign")),
            0.0 => Ok(0),
            value => Ok(value.signum() as i64),
        },
    }
}

/// Without its fraction; NaN is 0.
fn to_int(of: Value<'_>) -> Result<i64, Fault> {
    match of {
        Value::Int(value) => Ok(value),
        _ => match of.real()? {
            value if value > i64::MAX as f64 || value < i64::MIN as f64 => Err(Fault::Overflow("to_int")),
            value => Ok(value.trunc() as i64),
        },
    }
}

/// The first where it is chosen, else the second; both real where one is.
fn larger<'a>(
    a: Value<'a>,
    b: Value<'a>,
    whole: fn(i64, i64) -> bool,
    real: fn(f64, f64) -> bool,
) -> Result<Value<'a>, Fault> {
    Ok(match (a, b) {
        (Value::Int(x), Value::Int(y)) => {
            if whole(x, y) {
                a
            } else {
                b
            }
        }
        _ => {
            let (x, y) = (a.real()?, b.real()?);
            Value::Float(if real(x, y) { x } else { y })
        }
    })
}

/// Bytes of text that are searched between two questions whether to go on.
const WINDOW_BYTES: usize = 64 << 10;

/// Its characters.
fn length(mut text: &str, interrupt: &mut Interrupt<'_>) -> Result<i64, Interrupted> {
    let mut count = 0;
    while !text.is_empty() {
        let (window, rest) = text.split_at_checked(text.floor_char_boundary(WINDOW_BYTES)).unwrap_or((text, ""));
        interrupt.spend_text(window)?;
        count += window.chars().count();
        text = rest;
    }
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

impl TextTest {
    fn holds(self, text: &str, part: &str, interrupt: &mut Interrupt<'_>) -> Result<bool, Interrupted> {
        match self {
            Self::Contains => contains(text, part, interrupt),
            Self::StartsWith | Self::EndsWith => {
                interrupt.spend_text(part)?;
                Ok(if matches!(self, Self::StartsWith) { text.starts_with(part) } else { text.ends_with(part) })
            }
        }
    }
}

/// In windows that overlap by the part.
pub(super) fn contains(mut text: &str, part: &str, interrupt: &mut Interrupt<'_>) -> Result<bool, Interrupted> {
    let step = WINDOW_BYTES.max(part.len());
    loop {
        let window = text.get(..text.floor_char_boundary(step + part.len())).unwrap_or(text);
        interrupt.spend_text(window)?;
        if window.contains(part) {
            return Ok(true);
        }
        if window.len() == text.len() {
            return Ok(false);
        }
        text = text.get(text.floor_char_boundary(step)..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The searched text may lie across the edge of any window.
        #[test]
        fn a_text_is_searched_across_windows(at in 0..3 * WINDOW_BYTES, part in "[aä]{1,9}b", shift in "ä?") {
            let mut text = [shift, "ä".repeat(2 * WINDOW_BYTES)].concat();
            let at = text.floor_char_boundary(at);
            prop_assert!(!contains(&text, &part, &mut Interrupt::never()).unwrap());
            text.insert_str(at, &part);
            prop_assert!(contains(&text, &part, &mut Interrupt::never()).unwrap());
            prop_assert_eq!(length(&text, &mut Interrupt::never()).unwrap(), text.chars().count() as i64);
        }
    }

    #[test]
    fn a_long_text_is_left_early() {
        let text = "a".repeat(64 * WINDOW_BYTES);
        let asked = std::cell::Cell::new(0);
        let is_over = || {
            asked.set(asked.get() + 1);
            asked.get() > 3
        };
        assert_eq!(length(&text, &mut Interrupt::when(&is_over)), Err(Interrupted));
        asked.set(0);
        assert_eq!(contains(&text, "b", &mut Interrupt::when(&is_over)), Err(Interrupted));
    }
}
