//! Columns of another form than their field's, where that loses nothing: scalars as lists of one,
//! and numbers of another type that the field's type has exactly.
//!
//! Never rounds a number, and never changes the order of elements.

use crate::form::check_column;
use crate::{CheckKind, Datatype, Echo, Field, Interrupt, Interrupted, Invalid, Tensor, Values};
use std::fmt;

/// Steps that converting a number takes.
const NUMBER_STEPS: usize = 4;

/// Numbers of another type, or the first that this type does not have, and where it is.
type Converted<T> = Result<T, (usize, Number)>;

/// A number of any type.
#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Real(f64),
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(whole) => whole.fmt(f),
            Self::Real(real) => write!(f, "{real:?}"),
        }
    }
}

/// The column as its field has it, or what is wrong with it.
pub(crate) fn fit(
    field: &Field,
    rows: u64,
    tensor: Tensor,
    echo: Echo,
    interrupt: &mut Interrupt<'_>,
) -> Result<Result<Tensor, Invalid>, Interrupted> {
    let Err(error) = check_column(field, rows, &tensor) else { return Ok(Ok(tensor)) };
    let Tensor { mut shape, values, validity } = tensor;
    if field.shape.is_empty() && shape == [rows, 1] {
        shape.truncate(1);
    }
    let values = match converted(field, &values, interrupt)? {
        None if values.datatype() == field.datatype => values,
        None => return Ok(Err(error)),
        Some(Ok(values)) => values,
        Some(Err((at, found))) => {
            let per_row = field.elements_per_row().unwrap_or(1).max(1);
            let wrong = Invalid::new(CheckKind::Type, &field.name, field.datatype.value(), echo.number(found));
            let element = (!field.shape.is_empty()).then_some(at % per_row);
            return Ok(Err(Invalid { element, ..wrong.at_row(at / per_row) }));
        }
    };
    let tensor = Tensor { shape, values, validity };
    Ok(check_column(field, rows, &tensor).map(|()| tensor))
}

/// Numbers as the field's type, or the first that it does not have, and where it is. Nothing
/// where it is no number's type, or real numbers stand in the place of whole ones.
fn converted(
    field: &Field,
    values: &Values,
    interrupt: &mut Interrupt<'_>,
) -> Result<Option<Converted<Values>>, Interrupted> {
    macro_rules! each {
        ($list:expr, $number:expr) => {{
            let numbers = $list.iter().map(|&value| $number(value.into()));
            into(field, numbers, interrupt)
        }};
    }
    match values {
        values if values.datatype() == field.datatype => Ok(None),
        Values::Bool(_) | Values::Bytes(_) => Ok(None),
        Values::Int8(list) => each!(list, Number::Whole),
        Values::Int16(list) => each!(list, Number::Whole),
        Values::Int32(list) => each!(list, Number::Whole),
        Values::Int64(list) => each!(list, Number::Whole),
        Values::Uint8(list) => each!(list, Number::Whole),
        Values::Uint16(list) => each!(list, Number::Whole),
        Values::Uint32(list) => each!(list, Number::Whole),
        Values::Uint64(list) => each!(list, Number::Whole),
        Values::Fp32(_) | Values::Fp64(_) if !matches!(field.datatype, Datatype::Fp32 | Datatype::Fp64) => Ok(None),
        Values::Fp32(list) => each!(list, Number::Real),
        Values::Fp64(list) => each!(list, Number::Real),
    }
}

fn into(
    field: &Field,
    numbers: impl ExactSizeIterator<Item = Number>,
    interrupt: &mut Interrupt<'_>,
) -> Result<Option<Converted<Values>>, Interrupted> {
    use Datatype::{Bool, Bytes, Fp32, Fp64, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64};
    macro_rules! whole {
        ($variant:ident) => {
            list(numbers, |whole| whole.try_into().ok(), |_| None, interrupt)?.map(Values::$variant)
        };
    }
    Ok(Some(match field.datatype {
        Bool | Bytes => return Ok(None),
        Int8 => whole!(Int8),
        Int16 => whole!(Int16),
        Int32 => whole!(Int32),
        Int64 => whole!(Int64),
        Uint8 => whole!(Uint8),
        Uint16 => whole!(Uint16),
        Uint32 => whole!(Uint32),
        Uint64 => whole!(Uint64),
        Fp32 => list(numbers, |whole| exactly(whole as f32, whole), narrow, interrupt)?.map(Values::Fp32),
        Fp64 => {
            list(numbers, |whole| exactly(whole as f64, whole), |real| Some(wide(real)), interrupt)?.map(Values::Fp64)
        }
    }))
}

/// All numbers as elements, or the first that is none.
fn list<T>(
    numbers: impl ExactSizeIterator<Item = Number>,
    of_whole: impl Fn(i128) -> Option<T>,
    of_real: impl Fn(f64) -> Option<T>,
    interrupt: &mut Interrupt<'_>,
) -> Result<Converted<Vec<T>>, Interrupted> {
    let mut list = Vec::with_capacity(numbers.len());
    for (at, number) in numbers.enumerate() {
        interrupt.spend(NUMBER_STEPS)?;
        let element = match number {
            Number::Whole(whole) => of_whole(whole),
            Number::Real(real) => of_real(real),
        };
        match element {
            Some(element) => list.push(element),
            None => return Ok(Err((at, number))),
        }
    }
    Ok(Ok(list))
}

/// A whole number as a real one, where that is the same number.
fn exactly<T: Copy + Into<f64>>(real: T, whole: i128) -> Option<T> {
    // A float of this size is a whole number, which an i128 has.
    (real.into() as i128 == whole).then_some(real)
}

fn narrow(real: f64) -> Option<f32> {
    let narrow = real as f32;
    match real.is_nan() {
        true => Some(f32::NAN),
        false => (f64::from(narrow) == real).then_some(narrow),
    }
}

/// A NaN's bits are the same on every machine.
fn wide(real: f64) -> f64 {
    if real.is_nan() { f64::NAN } else { real }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(datatype: Datatype, shape: &[u64]) -> Field {
        Field {
            name: "x".into(),
            description: String::new(),
            datatype,
            shape: shape.to_vec(),
            nullable: false,
            unit: None,
            minimum: None,
            maximum: None,
            categories: vec![],
        }
    }

    fn fitted(datatype: Datatype, own: &[u64], shape: &[u64], values: Values) -> Result<Tensor, String> {
        let tensor = Tensor { shape: shape.to_vec(), values, validity: None };
        let rows = shape[0];
        let fitted = fit(&field(datatype, own), rows, tensor, Echo::default(), &mut Interrupt::never()).unwrap();
        fitted.map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn a_scalar_may_come_as_a_list_of_one_and_nothing_else_changes_shape() {
        let scalars = || Values::Fp64(vec![1.0, 2.0]);
        assert_eq!(fitted(Datatype::Fp64, &[], &[2, 1], scalars()).unwrap().shape, [2]);
        assert_eq!(fitted(Datatype::Fp32, &[], &[2, 1], scalars()).unwrap().values, Values::Fp32(vec![1.0, 2.0]));
        let pixels = || Values::Fp32(vec![0.0; 64]);
        let refused =
            |own: &[u64], shape: &[u64], values: Values| fitted(values.datatype(), own, shape, values).unwrap_err();
        assert_eq!(refused(&[8, 8], &[1, 64], pixels()), "field `x`: expected shape [1, 8, 8], found shape [1, 64]");
        assert_eq!(refused(&[], &[2, 1, 1], scalars()), "field `x`: expected shape [2], found shape [2, 1, 1]");
        assert_eq!(refused(&[], &[1, 2], scalars()), "field `x`: expected shape [1], found shape [1, 2]");
        assert_eq!(refused(&[1], &[2], scalars()), "field `x`: expected shape [2, 1], found shape [2]");
    }

    #[test]
    fn numbers_of_another_type_are_taken_where_each_is_the_same_number() {
        let big = 1_i64 << 53;
        for (datatype, values, taken) in [
            (Datatype::Int64, Values::Int32(vec![-5]), Ok(Values::Int64(vec![-5]))),
            (Datatype::Int8, Values::Int64(vec![127, -128]), Ok(Values::Int8(vec![127, -128]))),
            (Datatype::Int8, Values::Int64(vec![0, 128]), Err("field `x`, row 1: expected an INT8 value, found 128")),
            (Datatype::Uint64, Values::Int8(vec![-1]), Err("field `x`, row 0: expected a UINT64 value, found -1")),
            (Datatype::Fp64, Values::Fp32(vec![0.1]), Ok(Values::Fp64(vec![0.100_000_001_490_116_12]))),
            (Datatype::Fp32, Values::Fp64(vec![0.5, -0.0]), Ok(Values::Fp32(vec![0.5, -0.0]))),
            (Datatype::Fp32, Values::Fp64(vec![0.1]), Err("field `x`, row 0: expected an FP32 value, found 0.1")),
            (Datatype::Fp32, Values::Fp64(vec![1e300]), Err("field `x`, row 0: expected an FP32 value, found 1e300")),
            (Datatype::Fp64, Values::Int64(vec![big]), Ok(Values::Fp64(vec![9_007_199_254_740_992.0]))),
            (
                Datatype::Fp64,
                Values::Int64(vec![0, big + 1]),
                Err("field `x`, row 1: expected an FP64 value, found 9007199254740993"),
            ),
            (
                Datatype::Fp64,
                Values::Uint64(vec![u64::MAX]),
                Err("field `x`, row 0: expected an FP64 value, found 18446744073709551615"),
            ),
            (Datatype::Fp32, Values::Uint8(vec![255]), Ok(Values::Fp32(vec![255.0]))),
            (Datatype::Int64, Values::Fp64(vec![1.0]), Err("field `x`: expected INT64, found FP64")),
            (Datatype::Int64, Values::Bool(vec![true]), Err("field `x`: expected INT64, found BOOL")),
            (Datatype::Bool, Values::Uint8(vec![1]), Err("field `x`: expected BOOL, found UINT8")),
        ] {
            let shown = format!("{datatype} {values:?}");
            let shape = [values.len() as u64];
            let found = fitted(datatype, &[], &shape, values).map(|tensor| format!("{:?}", tensor.values));
            assert_eq!(found, taken.map(|values| format!("{values:?}")).map_err(str::to_owned), "{shown}");
        }
        let nan = fitted(Datatype::Fp32, &[], &[1], Values::Fp64(vec![f64::NAN])).unwrap();
        assert!(matches!(nan.values, Values::Fp32(list) if list[0].to_bits() == f32::NAN.to_bits()));
        assert_eq!(
            fitted(Datatype::Fp32, &[2], &[2, 2], Values::Fp64(vec![0.0, 0.5, 0.25, 0.3])).unwrap_err(),
            "field `x`, row 1, element 1: expected an FP32 value, found 0.3"
        );
    }

    proptest! {
        /// A whole number is taken for a real one if and only if their decimal texts are the same.
        #[test]
        fn nothing_is_lost(whole in prop_oneof![any::<i64>(), -100_000..100_000_i64, any::<i64>().prop_map(|whole| whole >> 9 << 9)]) {
            let taken = |datatype| fitted(datatype, &[], &[1], Values::Int64(vec![whole])).is_ok();
            prop_assert_eq!(taken(Datatype::Fp64), format!("{:.0}", whole as f64) == whole.to_string());
            prop_assert_eq!(taken(Datatype::Fp32), format!("{:.0}", whole as f32) == whole.to_string());
        }
    }
}
