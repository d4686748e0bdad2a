//! Lists of plain numbers, as nearly all elements come: read in one go.
//!
//! Never says what is wrong with a list: whatever is unusual in it leaves the
//! whole of it to the JSON reader, which gives the same values, only later.

use scry_card::{Column, Datatype, Values};

/// Deeper lists than tensors have are the JSON reader's to refuse.
const DEPTH_MAX: u32 = 8;

/// Digits that a fraction may have here: as whole numbers they are exact in an
/// `f64`, as is the power of ten that they are divided by, so one division rounds once.
const DIGITS_MAX: usize = 15;
/// Digits that always fit an `i64`.
const WHOLE_DIGITS_MAX: usize = 18;

const POWERS_OF_TEN: [f64; DIGITS_MAX + 1] =
    [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// The column of a list whose syntax has been checked, with room for `capacity`
/// elements; none if any is not a number, or not one of this type.
pub(super) fn column(datatype: Datatype, list: &str, capacity: usize) -> Option<Column> {
    macro_rules! whole {
        ($kind:ident) => {
            Values::$kind(elements(list, capacity, |whole| whole.try_into().ok(), |_| None)?)
        };
    }
    let values = match datatype {
        Datatype::Fp32 => Values::Fp32(elements(list, capacity, |whole| Some(whole as f32), narrow)?),
        Datatype::Fp64 => Values::Fp64(elements(list, capacity, |whole| Some(whole as f64), Some)?),
        Datatype::Int8 => whole!(Int8),
        Datatype::Int16 => whole!(Int16),
        Datatype::Int32 => whole!(Int32),
        Datatype::Int64 => whole!(Int64),
        Datatype::Uint8 => whole!(Uint8),
        Datatype::Uint16 => whole!(Uint16),
        Datatype::Uint32 => whole!(Uint32),
        Datatype::Uint64 => whole!(Uint64),
        Datatype::Bool | Datatype::Bytes => return None,
    };
    Some(Column { values, validity: None })
}

fn narrow(value: f64) -> Option<f32> {
    let narrow = value as f32;
    narrow.is_finite().then_some(narrow)
}

/// Nested lists are their elements, one after the other.
#[inline(always)]
fn elements<T>(
    list: &str,
    capacity: usize,
    of_whole: impl Fn(i64) -> Option<T>,
    of_fraction: impl Fn(f64) -> Option<T>,
) -> Option<Vec<T>> {
    let (mut elements, mut depth, mut rest) = (Vec::with_capacity(capacity), 0, list.as_bytes());
    while let [first, after @ ..] = rest {
        let number = match first {
            b'0'..=b'9' => rest,
            b'-' => after,
            b',' | b' ' | b'\n' | b'\r' | b'\t' => {
                rest = after;
                continue;
            }
            b'[' if depth < DEPTH_MAX => {
                (depth, rest) = (depth + 1, after);
                continue;
            }
            b']' => {
                (depth, rest) = (depth.checked_sub(1)?, after);
                continue;
            }
            _ => return None,
        };
        let is_negative = *first == b'-';
        let (digits, after) = take_digits(number, 0);
        elements.push(match after {
            [b'.' | b'e' | b'E', ..] => {
                let (fraction, after) = fraction(number, digits, after)?;
                rest = after;
                of_fraction(if is_negative { -fraction } else { fraction })?
            }
            // Zero below zero is not a whole number; too many digits have wrapped around.
            _ if number.len() - after.len() > WHOLE_DIGITS_MAX || (is_negative && digits == 0) => return None,
            _ => {
                rest = after;
                of_whole(if is_negative { -digits } else { digits })?
            }
        });
    }
    Some(elements)
}

/// A number of which the whole digits have been read.
#[inline]
fn fraction<'a>(number: &'a [u8], digits: i64, after: &'a [u8]) -> Option<(f64, &'a [u8])> {
    if let [b'.', fraction @ ..] = after {
        let (digits, after) = take_digits(fraction, digits);
        let is_short = number.len() - after.len() <= DIGITS_MAX + 1;
        if is_short && !matches!(after, [b'e' | b'E', ..]) {
            return Some((digits as f64 / POWERS_OF_TEN.get(fraction.len() - after.len())?, after));
        }
    }
    // A long one, or one with an exponent.
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    let end = number.iter().position(|byte| !is_part(byte)).unwrap_or(number.len());
    let (number, after) = number.split_at_checked(end)?;
    let fraction = std::str::from_utf8(number).ok()?.parse::<f64>().ok()?;
    fraction.is_finite().then_some((fraction, after))
}

/// The digits with which the bytes begin, behind those before them, and what comes after.
#[inline(always)]
fn take_digits(mut bytes: &[u8], mut digits: i64) -> (i64, &[u8]) {
    while let [byte @ b'0'..=b'9', after @ ..] = bytes {
        digits = digits.wrapping_mul(10).wrapping_add(i64::from(byte - b'0'));
        bytes = after;
    }
    (digits, bytes)
}

#[cfg(test)]
mod tests {
    use super::super::tests::slowly;
    use super::*;
    use proptest::prelude::*;

    const NUMERIC: [Datatype; 10] = [
        Datatype::Int8,
        Datatype::Int16,
        Datatype::Int32,
        Datatype::Int64,
        Datatype::Uint8,
        Datatype::Uint16,
        Datatype::Uint32,
        Datatype::Uint64,
        Datatype::Fp32,
        Datatype::Fp64,
    ];

    fn bits(column: &Column) -> String {
        match &column.values {
            Values::Fp32(list) => format!("{:?}", list.iter().map(|x| x.to_bits()).collect::<Vec<_>>()),
            Values::Fp64(list) => format!("{:?}", list.iter().map(|x| x.to_bits()).collect::<Vec<_>>()),
            others => format!("{others:?}"),
        }
    }

    #[test]
    fn the_usual_forms_are_read_here() {
        for list in ["[]", "[1,2]", "[[1, 2],\n[3,\t4]]", "[999999999999999999]"] {
            assert!(column(Datatype::Fp64, list, 0).is_some(), "{list}");
            assert!(column(Datatype::Int64, list, 0).is_some(), "{list}");
        }
        for list in ["[0.5,-0.25]", "[-0.0]", "[1e3]", "[0.30000001192092896]", "[1.7976931348623157E+308,5e-324]"] {
            assert!(column(Datatype::Fp64, list, 0).is_some(), "{list}");
            assert!(column(Datatype::Int64, list, 0).is_none(), "{list}");
        }
        for list in ["[null]", "[\"1\"]", "[true]", "[{}]", "[1e400]", "[-0]", "[[[[[[[[[1]]]]]]]]]"] {
            assert!(column(Datatype::Fp64, list, 0).is_none(), "{list}");
        }
        assert!(column(Datatype::Int8, "[128]", 0).is_none() && column(Datatype::Fp32, "[1e39]", 0).is_none());
    }

    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<i8>().prop_map(|n| n.to_string()),
            any::<i64>().prop_map(|n| n.to_string()),
            any::<u64>().prop_map(|n| n.to_string()),
            any::<f64>().prop_filter("JSON has no others", |x| x.is_finite()).prop_map(|x| format!("{x:?}")),
            any::<f32>().prop_filter("JSON has no others", |x| x.is_finite()).prop_map(|x| format!("{x:?}")),
            (-100_000..100_000i32).prop_map(|n| format!("{:?}", f64::from(n) / 1000.0)),
            "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// To the bit.
        #[test]
        fn what_is_read_here_is_what_the_json_reader_gives(
            numbers in prop::collection::vec(number(), 0..6),
            is_nested in any::<bool>(),
            kind in 0..NUMERIC.len(),
        ) {
            let list = format!("[{}]", numbers.join(if is_nested { "],[" } else { ", " }));
            let list = if is_nested { format!("[{list}]") } else { list };
            if let Some(column) = column(NUMERIC[kind], &list, 0) {
                let slow = slowly(NUMERIC[kind], &list);
                prop_assert_eq!(slow.as_ref().map(bits), Ok(bits(&column)), "{}", list);
                prop_assert_eq!(slow.unwrap().validity, None);
            }
        }

        /// Whatever it is given.
        #[test]
        fn nothing_panics(list in "[\\[\\], 0-9.eE+\\-a\"é]{0,40}", kind in 0..NUMERIC.len()) {
            column(NUMERIC[kind], &list, 0);
        }
    }
}
