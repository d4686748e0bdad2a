//! Lists of plain numbers, as nearly all elements come: read in one go.
//!
//! Never says what is wrong with a list: whatever is unusual in it, and whatever
//! is no JSON, leaves the whole of it to the JSON reader, which gives the same
//! values, only later.

use scry_card::strict::space;
use scry_card::{Column, Datatype, Interrupt, Values};

/// The JSON reader refuses lists that are deeper than tensors have.
const DEPTH_MAX: usize = 8;

/// Digits that a fraction may have here: as whole numbers they are exact in an
/// `f64`, as is the power of ten that they are divided by, so one division rounds once.
const DIGITS_MAX: usize = 15;
/// Digits that always fit an `i64`.
const WHOLE_DIGITS_MAX: usize = 18;

const POWERS_OF_TEN: [f64; DIGITS_MAX + 1] =
    [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// The column of the list that the text begins with, with room for `capacity`
/// elements, and what comes after it; none if any is not a number, or not one of
/// this type, if the list is neither flat nor nested as `shape` says, or where it is interrupted.
pub(super) fn column<'a>(
    datatype: Datatype,
    shape: &[u64],
    text: &'a [u8],
    capacity: usize,
    interrupt: Interrupt<'_>,
) -> Option<(Column, &'a [u8])> {
    let (sizes, depth) = sizes(shape);
    let mut list = List { rest: text, capacity, sizes, depth, interrupt };
    macro_rules! whole {
        ($kind:ident) => {
            Values::$kind(list.elements(|whole| whole.try_into().ok(), |_| None)?)
        };
    }
    let values = match datatype {
        Datatype::Fp32 => Values::Fp32(list.elements(|whole| Some(whole as f32), narrow)?),
        Datatype::Fp64 => Values::Fp64(list.elements(|whole| Some(whole as f64), Some)?),
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
    Some((Column { values, validity: None }, list.rest))
}

fn narrow(value: f64) -> Option<f32> {
    let narrow = value as f32;
    narrow.is_finite().then_some(narrow)
}

/// How many elements a list of each level holds, and at what depth elements are where lists
/// are nested; 0 where no nested list is read here.
fn sizes(shape: &[u64]) -> ([usize; DEPTH_MAX], usize) {
    let mut sizes = [0; DEPTH_MAX];
    if shape.len() > DEPTH_MAX {
        return (sizes, 0);
    }
    let mut size = 1_usize;
    for (level, &dimension) in sizes.iter_mut().zip(shape).rev() {
        // A list that holds nothing says nothing of its length.
        let Some(larger) = usize::try_from(dimension).ok().and_then(|dimension| size.checked_mul(dimension)) else {
            return (sizes, 0);
        };
        if larger == 0 {
            return (sizes, 0);
        }
        (size, *level) = (larger, larger);
    }
    (sizes, shape.len())
}

struct List<'a, 'i> {
    rest: &'a [u8],
    interrupt: Interrupt<'i>,
    capacity: usize,
    sizes: [usize; DEPTH_MAX],
    depth: usize,
}

impl List<'_, '_> {
    /// Nested lists are their elements, one after the other.
    #[inline(always)]
    fn elements<T>(
        &mut self,
        of_whole: impl Fn(i64) -> Option<T>,
        of_fraction: impl Fn(f64) -> Option<T>,
    ) -> Option<Vec<T>> {
        if self.rest.first() != Some(&b'[') {
            return None;
        }
        let (mut elements, mut depth) = (Vec::with_capacity(self.capacity), 0);
        // Where the list of each level began, and the depth of all elements.
        let (mut begins, mut leaf) = ([0; DEPTH_MAX], 0);
        loop {
            while let [b'[', after @ ..] = self.rest {
                *begins.get_mut(depth)? = elements.len();
                (depth, self.rest) = (depth + 1, space(after));
            }
            if depth != leaf {
                if leaf != 0 || (depth != 1 && depth != self.depth) {
                    return None;
                }
                leaf = depth;
            }
            self.interrupt.spend(1).ok()?;
            elements.push(self.number(&of_whole, &of_fraction)?);
            loop {
                self.rest = space(self.rest);
                match self.rest {
                    [b',', after @ ..] => {
                        self.rest = space(after);
                        break;
                    }
                    [b']', after @ ..] => {
                        (depth, self.rest) = (depth - 1, after);
                        let count = elements.len() - begins.get(depth)?;
                        if leaf > 1 && Some(&count) != self.sizes.get(depth) {
                            return None;
                        }
                        if depth == 0 {
                            return Some(elements);
                        }
                    }
                    _ => return None,
                }
            }
        }
    }

    #[inline(always)]
    fn number<T>(&mut self, of_whole: impl Fn(i64) -> Option<T>, of_fraction: impl Fn(f64) -> Option<T>) -> Option<T> {
        let (is_negative, number) = match self.rest {
            [b'-', after @ ..] => (true, after),
            number => (false, number),
        };
        let (digits, after) = take_digits(number, 0);
        let count = number.len() - after.len();
        if count == 0 || (count > 1 && number.first() == Some(&b'0')) {
            return None;
        }
        match after {
            [b'.' | b'e' | b'E', ..] => {
                let (fraction, after) = fraction(number, digits, after)?;
                self.rest = after;
                of_fraction(if is_negative { -fraction } else { fraction })
            }
            // Too many digits: the sum has wrapped around.
            _ if count > WHOLE_DIGITS_MAX => None,
            _ => {
                self.rest = after;
                of_whole(if is_negative { -digits } else { digits })
            }
        }
    }
}

/// A number of which the whole digits have been read.
#[inline]
fn fraction<'a>(number: &'a [u8], digits: i64, after: &'a [u8]) -> Option<(f64, &'a [u8])> {
    if let [b'.', fraction @ ..] = after {
        let (digits, after) = take_digits(fraction, digits);
        if fraction.len() == after.len() {
            return None;
        }
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

    /// Where nothing comes after the list.
    fn whole(datatype: Datatype, shape: &[u64], list: &str) -> Option<Column> {
        column(datatype, shape, list.as_bytes(), 0, Interrupt::never())
            .filter(|(_, rest)| rest.is_empty())
            .map(|(column, _)| column)
    }

    #[test]
    fn the_usual_forms_are_read_here() {
        for (shape, list) in [
            (&[2][..], "[1,2]"),
            (&[2, 2], "[[1, 2],\n[3,\t4]]"),
            (&[2, 2], "[1,2,3,4]"),
            (&[1], "[999999999999999999]"),
            (&[2, 1, 2], "[[[ 0 , 10 ]],[\r[-0,1]]]"),
        ] {
            assert!(whole(Datatype::Fp64, shape, list).is_some(), "{list}");
            assert!(whole(Datatype::Int64, shape, list).is_some(), "{list}");
        }
        for list in ["[0.5,-0.25]", "[-0.0]", "[1e3]", "[0.30000001192092896]", "[1.7976931348623157E+308,5e-324]"] {
            assert!(whole(Datatype::Fp64, &[1], list).is_some(), "{list}");
            assert!(whole(Datatype::Int64, &[1], list).is_none(), "{list}");
        }
        for list in
            ["[null]", "[\"1\"]", "[true]", "[{}]", "[1e400]", "[[[[[[[[[1]]]]]]]]]", "1", "1]", "1,[2]", "", "-", "[]"]
        {
            assert!(whole(Datatype::Fp64, &[1], list).is_none(), "{list}");
        }
        assert!(whole(Datatype::Int8, &[1], "[128]").is_none() && whole(Datatype::Fp32, &[1], "[1e39]").is_none());
        let (two, rest) = column(Datatype::Int8, &[2, 1], b"[[1],[2]] ,3]", 0, Interrupt::never()).unwrap();
        assert_eq!((two.values, rest), (Values::Int8(vec![1, 2]), &b" ,3]"[..]));
    }

    #[test]
    fn a_list_nested_otherwise_than_its_shape_is_not_read_here() {
        for (shape, list) in [
            (&[2, 2][..], "[[1,2],3,4]"),
            (&[2, 2], "[1,2,[3,4]]"),
            (&[2, 2], "[[1,2,3],[4]]"),
            (&[2, 2], "[[[1,2],[3,4]]]"),
            (&[4], "[[1,2],[3,4]]"),
            (&[2, 1, 2], "[[1,2],[3,4]]"),
            (&[1, 2, 2], "[[[1],[2]],[[3],[4]]]"),
            (&[2, 2], "[[1,2],[3,4],[5,6]]"),
            (&[2, 2], "[[1,2],[]]"),
        ] {
            assert!(whole(Datatype::Fp64, shape, list).is_none(), "{shape:?} {list}");
        }
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
        fn what_is_read_here_is_what_is_read_element_by_element(
            numbers in prop::collection::vec(number(), 1..6),
            is_nested in any::<bool>(),
            kind in 0..NUMERIC.len(),
        ) {
            let list = format!("[{}]", numbers.join(if is_nested { "],[" } else { ", " }));
            let list = if is_nested { format!("[{list}]") } else { list };
            let shape = if is_nested { vec![numbers.len() as u64, 1] } else { vec![numbers.len() as u64] };
            if let Some(column) = whole(NUMERIC[kind], &shape, &list) {
                let slow = slowly(NUMERIC[kind], &shape, &list);
                prop_assert_eq!(slow.as_ref().map(bits), Ok(bits(&column)), "{}", list);
                prop_assert_eq!(slow.unwrap().validity, None);
            }
        }

        /// Whatever it is given: what is read is JSON, nested as its shape says, and of the same elements.
        #[test]
        fn what_is_no_json_is_not_read(
            list in "\\[?[\\[\\], 0-2.eE+\\-a\"é]{0,8}\\]?",
            shape in prop::collection::vec(0..3_u64, 0..4),
            kind in 0..NUMERIC.len(),
        ) {
            if let Some((column, rest)) = column(NUMERIC[kind], &shape, list.as_bytes(), 0, Interrupt::never()) {
                let list = list.strip_suffix(std::str::from_utf8(rest).unwrap()).unwrap();
                let slow = slowly(NUMERIC[kind], &shape, list);
                prop_assert_eq!(slow.as_ref().map(bits), Ok(bits(&column)), "{}", list);
            }
        }
    }
}
