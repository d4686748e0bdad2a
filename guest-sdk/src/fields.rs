//! Which Rust types can be a column, and how each one travels.

use crate::Failure;
use scry_card::{Datatype, Element, Field, Tensor, Text, Values};

/// A type that can be a field of a record.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a column",
    note = "use a number, `bool`, `String`, an array of numbers such as `[f32; 4]`, an enum with `#[derive(Category, Clone, Copy)]`, or `Option` of these where values may be missing"
)]
pub trait FieldType: Sized {
    /// A whole column of this type.
    type Column: Column;
    /// Whether `min` and `max` make sense.
    const NUMERIC: bool;
    /// Whether values may be missing.
    const NULLABLE: bool = false;
    /// The type of each element.
    fn datatype() -> Datatype;
    /// Shape of one row's value.
    fn shape() -> Vec<u64> {
        Vec::new()
    }
    /// All values allowed; empty: any.
    fn categories() -> Vec<String> {
        Vec::new()
    }
    /// The column in a tensor; the error says what was found instead.
    fn read(tensor: Tensor) -> Result<Self::Column, String>;
    /// The column as a tensor.
    fn write(column: Self::Column) -> Tensor;
    /// The value in a row, which must exist.
    fn get(column: &Self::Column, row: usize) -> Self;
    /// Appends a value.
    fn push(self, column: &mut Self::Column);
    /// What stands in a column where the value is missing.
    fn push_missing(column: &mut Self::Column);
}

/// A whole column.
pub trait Column: Default {
    /// Number of rows.
    fn len(&self) -> usize;
    /// Whether there is no row.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Column for Vec<T> {
    fn len(&self) -> usize {
        Vec::len(self)
    }
}

impl Column for Text {
    fn len(&self) -> usize {
        Text::len(self)
    }
}

/// A column whose values may be missing.
#[derive(Debug, Clone, Default)]
pub struct Nullable<C> {
    /// The values, neutral where missing.
    pub values: C,
    /// One flag a row, `false` where missing; `None`: all present.
    pub validity: Option<Vec<bool>>,
}

impl<C> Nullable<C> {
    /// Whether the value in a row is there.
    pub fn is_valid(&self, row: usize) -> bool {
        self.validity.as_ref().is_none_or(|flags| flags.get(row).copied().unwrap_or(false))
    }
}

impl<C: Column> Column for Nullable<C> {
    fn len(&self) -> usize {
        self.values.len()
    }
}

/// Numbers and arrays of them: their columns are plain lists.
pub trait Plain: Copy + Zero + 'static {
    /// The number inside.
    type Element: Element;
    /// Appends this type's dimensions.
    fn shape(dims: &mut Vec<u64>);
    /// Takes arrays apart.
    fn flatten(list: Vec<Self>) -> Vec<Self::Element>;
    /// Puts arrays together; a rest that fills none is dropped.
    fn nest(list: Vec<Self::Element>) -> Vec<Self>;
}

/// Zero, for arrays of any length too (`Default` stops at 32).
pub trait Zero {
    /// Zero, `false`, or an array of these.
    fn zero() -> Self;
}

impl<P: Zero, const N: usize> Zero for [P; N] {
    fn zero() -> Self {
        std::array::from_fn(|_| P::zero())
    }
}

impl<P: Plain, const N: usize> Plain for [P; N] {
    type Element = P::Element;

    fn shape(dims: &mut Vec<u64>) {
        dims.push(N as u64);
        P::shape(dims);
    }

    fn flatten(list: Vec<Self>) -> Vec<Self::Element> {
        P::flatten(list.into_flattened())
    }

    fn nest(list: Vec<Self::Element>) -> Vec<Self> {
        P::nest(list).as_chunks::<N>().0.to_vec()
    }
}

macro_rules! plain {
    ($($rust:ty),*) => {$(
        impl Zero for $rust {
            fn zero() -> Self {
                <$rust>::default()
            }
        }
        impl Plain for $rust {
            type Element = $rust;
            fn shape(_dims: &mut Vec<u64>) {}
            fn flatten(list: Vec<Self>) -> Vec<Self> {
                list
            }
            fn nest(list: Vec<Self>) -> Vec<Self> {
                list
            }
        }
    )*};
}
plain!(bool, i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);

impl<P: Plain> FieldType for P {
    type Column = Vec<P>;
    const NUMERIC: bool = !matches!(<P::Element as Element>::DATATYPE, Datatype::Bool);

    fn datatype() -> Datatype {
        P::Element::DATATYPE
    }

    fn shape() -> Vec<u64> {
        let mut dims = Vec::new();
        <P as Plain>::shape(&mut dims);
        dims
    }

    fn read(tensor: Tensor) -> Result<Vec<P>, String> {
        let found = tensor.values.datatype();
        P::Element::unwrap(tensor.values).map(P::nest).ok_or_else(|| found.to_string())
    }

    fn write(column: Vec<P>) -> Tensor {
        let mut shape = vec![column.len() as u64];
        <P as Plain>::shape(&mut shape);
        Tensor { shape, values: P::Element::wrap(P::flatten(column)), validity: None }
    }

    fn get(column: &Vec<P>, row: usize) -> P {
        column.get(row).copied().unwrap_or_else(P::zero)
    }

    fn push(self, column: &mut Vec<P>) {
        column.push(self);
    }

    fn push_missing(column: &mut Vec<P>) {
        column.push(P::zero());
    }
}

impl FieldType for String {
    type Column = Text;
    const NUMERIC: bool = false;

    fn datatype() -> Datatype {
        Datatype::Bytes
    }

    fn read(tensor: Tensor) -> Result<Text, String> {
        match tensor.values {
            Values::Bytes(text) => Ok(text),
            other => Err(other.datatype().to_string()),
        }
    }

    fn write(column: Text) -> Tensor {
        Tensor { shape: vec![column.len() as u64], values: Values::Bytes(column), validity: None }
    }

    fn get(column: &Text, row: usize) -> Self {
        column.get(row).unwrap_or_default().to_owned()
    }

    #[expect(clippy::expect_used, reason = "4 GiB of text do not fit in a guest")]
    fn push(self, column: &mut Text) {
        column.push(&self).expect("less than 4 GiB of text");
    }

    fn push_missing(column: &mut Text) {
        FieldType::push(Self::new(), column);
    }
}

impl<T: FieldType> FieldType for Option<T> {
    type Column = Nullable<T::Column>;
    const NUMERIC: bool = T::NUMERIC;
    const NULLABLE: bool = true;

    fn datatype() -> Datatype {
        T::datatype()
    }

    fn shape() -> Vec<u64> {
        const {
            assert!(!T::NULLABLE, "`Option<Option<…>>`: write one `Option`");
        }
        T::shape()
    }

    fn categories() -> Vec<String> {
        T::categories()
    }

    fn read(mut tensor: Tensor) -> Result<Self::Column, String> {
        let per_row = scry_card::element_count(&T::shape()).unwrap_or(1).max(1);
        let validity = tensor.validity.take();
        // A row is there when all of its elements are.
        let validity = match validity {
            Some(flags) if per_row > 1 => Some(flags.chunks(per_row).map(|row| row.iter().all(|&flag| flag)).collect()),
            other => other,
        };
        Ok(Nullable { values: T::read(tensor)?, validity })
    }

    fn write(column: Self::Column) -> Tensor {
        let per_row = scry_card::element_count(&T::shape()).unwrap_or(1).max(1);
        let validity =
            column.validity.map(|flags| flags.iter().flat_map(|&flag| std::iter::repeat_n(flag, per_row)).collect());
        Tensor { validity, ..T::write(column.values) }
    }

    fn get(column: &Self::Column, row: usize) -> Self {
        column.is_valid(row).then(|| T::get(&column.values, row))
    }

    fn push(self, column: &mut Self::Column) {
        let rows = column.values.len();
        let present = self.is_some();
        match self {
            Some(value) => value.push(&mut column.values),
            None => T::push_missing(&mut column.values),
        }
        if !present || column.validity.is_some() {
            column.validity.get_or_insert_with(|| vec![true; rows]).push(present);
        }
    }

    fn push_missing(column: &mut Self::Column) {
        Self::push(None, column);
    }
}

/// A field's description; called by the derive.
#[doc(hidden)]
pub fn describe<T: FieldType>(
    name: &str,
    description: &str,
    unit: Option<String>,
    minimum: Option<f64>,
    maximum: Option<f64>,
) -> Field {
    Field {
        name: name.to_owned(),
        description: description.to_owned(),
        datatype: T::datatype(),
        shape: T::shape(),
        nullable: T::NULLABLE,
        unit,
        minimum,
        maximum,
        categories: T::categories(),
    }
}

/// One column of a record; called by the derive.
#[doc(hidden)]
pub fn read_column<T: FieldType>(tensor: Option<Tensor>, name: &str) -> Result<T::Column, Failure> {
    let wrong = |found: &str| Failure::InvalidInput {
        input: name.to_owned(),
        row: None,
        message: format!("expected {}, found {found}", T::datatype()),
    };
    T::read(tensor.ok_or_else(|| wrong("nothing"))?).map_err(|found| wrong(&found))
}

#[cfg(test)]
mod tests;
