//! Enums as text columns.
//!
//! Never allows a text that no variant has.

use scry_card::{Tensor, Text, Values};

/// An enum whose variants are a text column's values; made by
/// `#[derive(Category)]`.
pub trait Category: Copy + 'static {
    /// The text of each variant.
    const NAMES: &'static [&'static str];
    /// Each variant, in the order of `NAMES`.
    const ALL: &'static [Self];
    /// Position in `ALL`: the column of a one-hot encoding.
    fn index(&self) -> usize;
}

/// Makes an enum with `Category` a field type; called by the derive.
#[macro_export]
#[doc(hidden)]
macro_rules! category_column {
    ($category:ident) => {
        #[automatically_derived]
        impl $crate::FieldType for $category {
            type Column = ::std::vec::Vec<$category>;
            const NUMERIC: bool = false;

            fn datatype() -> $crate::card::Datatype {
                $crate::card::Datatype::Bytes
            }
            fn categories() -> ::std::vec::Vec<::std::string::String> {
                <$category as $crate::Category>::NAMES.iter().map(|&name| name.into()).collect()
            }
            fn read(tensor: $crate::card::Tensor) -> ::core::result::Result<Self::Column, ::std::string::String> {
                $crate::read_categories(tensor)
            }
            fn write(column: Self::Column) -> $crate::card::Tensor {
                $crate::write_categories(column)
            }
            fn get(column: &Self::Column, row: usize) -> Self {
                column.get(row).copied().unwrap_or(<$category as $crate::Category>::ALL[0])
            }
            fn push(self, column: &mut Self::Column) {
                column.push(self);
            }
            fn push_missing(column: &mut Self::Column) {
                column.push(<$category as $crate::Category>::ALL[0]);
            }
        }
    };
}

/// A text column as variants; the error says what was found instead. Called by the derive.
#[doc(hidden)]
pub fn read_categories<C: Category>(tensor: Tensor) -> Result<Vec<C>, String> {
    let Values::Bytes(text) = &tensor.values else { return Err(tensor.values.datatype().to_string()) };
    let find = |(row, name): (usize, &str)| match C::NAMES.iter().position(|&known| known == name) {
        Some(at) => C::ALL.get(at).copied().ok_or_else(|| name.to_owned()),
        // What stands behind a missing value does not matter.
        None if !tensor.is_valid(row) || name.is_empty() => C::ALL.first().copied().ok_or_else(|| name.to_owned()),
        None => Err(format!("{name:?}")),
    };
    text.iter().enumerate().map(find).collect()
}

/// Variants as a text column; called by the derive.
#[doc(hidden)]
#[expect(clippy::expect_used, reason = "4 GiB of text do not fit in a guest")]
pub fn write_categories<C: Category>(column: Vec<C>) -> Tensor {
    let mut text = Text::default();
    for value in &column {
        let name = C::NAMES.get(value.index()).copied().unwrap_or_default();
        text.push(name).expect("less than 4 GiB of text");
    }
    Tensor { shape: vec![column.len() as u64], values: Values::Bytes(text), validity: None }
}
