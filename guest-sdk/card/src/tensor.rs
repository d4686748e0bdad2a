//! Typed columns: the one form in which data moves between the rooms.
//!
//! Never interprets data: what a column must look like is `schema`'s to say.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Element types, by the names of the Open Inference Protocol (V2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Datatype {
    /// One truth value.
    Bool,
    /// Signed, 8 bits.
    Int8,
    /// Signed, 16 bits.
    Int16,
    /// Signed, 32 bits.
    Int32,
    /// Signed, 64 bits.
    Int64,
    /// Unsigned, 8 bits.
    Uint8,
    /// Unsigned, 16 bits.
    Uint16,
    /// Unsigned, 32 bits.
    Uint32,
    /// Unsigned, 64 bits.
    Uint64,
    /// IEEE 754 binary32.
    Fp32,
    /// IEEE 754 binary64.
    Fp64,
    /// UTF-8 text.
    Bytes,
}

impl Datatype {
    /// Every type.
    pub const ALL: [Self; 12] = [
        Self::Bool,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Fp32,
        Self::Fp64,
        Self::Bytes,
    ];

    /// The type of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|datatype| datatype.name() == name)
    }

    /// The name that V2 uses on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
            Self::Bytes => "BYTES",
        }
    }

    /// Whether elements are numbers (not truth values, not text).
    pub fn is_numeric(self) -> bool {
        !matches!(self, Self::Bool | Self::Bytes)
    }

    /// What stands before the name in a sentence.
    pub fn article(self) -> &'static str {
        // FP is spoken letter by letter.
        if self.name().starts_with(['F', 'I']) { "an" } else { "a" }
    }

    /// One value of it, as a sentence calls it: `an INT64 value`.
    pub fn value(self) -> String {
        format!("{} {self} value", self.article())
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Strings laid end to end, as the contract carries them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    ends: Vec<u32>,
    utf8: String,
}

impl Text {
    /// Checks that the ends never decrease, fall on character boundaries and
    /// cover the text; the error says which does not.
    pub fn new(ends: Vec<u32>, utf8: Vec<u8>) -> Result<Self, String> {
        let utf8 = String::from_utf8(utf8).map_err(|e| e.to_string())?;
        let mut start = 0;
        for (i, &end) in ends.iter().enumerate() {
            let end = end as usize;
            if end < start || !utf8.is_char_boundary(end) {
                return Err(format!("end {end} of element {i} is not a boundary in {} bytes", utf8.len()));
            }
            start = end;
        }
        if start != utf8.len() {
            return Err(format!("elements cover {start} of {} bytes", utf8.len()));
        }
        Ok(Self { ends, utf8 })
    }

    /// Appends one string. Fails, unchanged, past 4 GiB in all.
    pub fn push(&mut self, text: &str) -> Result<(), TextFull> {
        let end = u32::try_from(self.utf8.len() + text.len()).map_err(|_| TextFull)?;
        self.utf8.push_str(text);
        self.ends.push(end);
        Ok(())
    }

    /// Keeps the first strings and drops the rest.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.ends.truncate(len);
        self.utf8.truncate(self.ends.last().map_or(0, |&end| end as usize));
    }

    /// Number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no string.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The `i`-th string, if there is one.
    pub fn get(&self, i: usize) -> Option<&str> {
        let end = *self.ends.get(i)? as usize;
        let start = match i.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize,
            None => 0,
        };
        self.utf8.get(start..end)
    }

    /// All strings, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> + '_ {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let text = self.utf8.get(start..end as usize).unwrap_or_default();
            start = end as usize;
            text
        })
    }

    /// End of each string in the joined text, in bytes.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// All strings joined.
    pub fn utf8(&self) -> &str {
        &self.utf8
    }

    /// The two lists, as the contract carries them.
    pub fn into_parts(self) -> (Vec<u32>, Vec<u8>) {
        (self.ends, self.utf8.into_bytes())
    }
}

/// A column of text holds at most 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a column of text holds at most 4 GiB")]
pub struct TextFull;

/// The elements of one tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "one variant a datatype, named as the datatype")]
pub enum Values {
    Bool(Vec<bool>),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Uint8(Vec<u8>),
    Uint16(Vec<u16>),
    Uint32(Vec<u32>),
    Uint64(Vec<u64>),
    Fp32(Vec<f32>),
    Fp64(Vec<f64>),
    Bytes(Text),
}

/// Runs one expression for the list of plain elements that `Values` holds.
#[macro_export]
#[doc(hidden)]
macro_rules! for_each_values {
    ($values:expr, $list:ident => $plain:expr, $text:ident => $bytes:expr) => {
        match $values {
            $crate::Values::Bool($list) => $plain,
            $crate::Values::Int8($list) => $plain,
            $crate::Values::Int16($list) => $plain,
            $crate::Values::Int32($list) => $plain,
            $crate::Values::Int64($list) => $plain,
            $crate::Values::Uint8($list) => $plain,
            $crate::Values::Uint16($list) => $plain,
            $crate::Values::Uint32($list) => $plain,
            $crate::Values::Uint64($list) => $plain,
            $crate::Values::Fp32($list) => $plain,
            $crate::Values::Fp64($list) => $plain,
            $crate::Values::Bytes($text) => $bytes,
        }
    };
}

impl Values {
    /// Number of elements.
    pub fn len(&self) -> usize {
        for_each_values!(self, list => list.len(), text => text.len())
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the elements.
    pub fn datatype(&self) -> Datatype {
        match self {
            Self::Bool(_) => Datatype::Bool,
            Self::Int8(_) => Datatype::Int8,
            Self::Int16(_) => Datatype::Int16,
            Self::Int32(_) => Datatype::Int32,
            Self::Int64(_) => Datatype::Int64,
            Self::Uint8(_) => Datatype::Uint8,
            Self::Uint16(_) => Datatype::Uint16,
            Self::Uint32(_) => Datatype::Uint32,
            Self::Uint64(_) => Datatype::Uint64,
            Self::Fp32(_) => Datatype::Fp32,
            Self::Fp64(_) => Datatype::Fp64,
            Self::Bytes(_) => Datatype::Bytes,
        }
    }

    /// `count` neutral elements (zero, false, empty text): what stands behind
    /// elements that are all missing.
    pub fn neutral(datatype: Datatype, count: usize) -> Self {
        match datatype {
            Datatype::Bool => Self::Bool(vec![false; count]),
            Datatype::Int8 => Self::Int8(vec![0; count]),
            Datatype::Int16 => Self::Int16(vec![0; count]),
            Datatype::Int32 => Self::Int32(vec![0; count]),
            Datatype::Int64 => Self::Int64(vec![0; count]),
            Datatype::Uint8 => Self::Uint8(vec![0; count]),
            Datatype::Uint16 => Self::Uint16(vec![0; count]),
            Datatype::Uint32 => Self::Uint32(vec![0; count]),
            Datatype::Uint64 => Self::Uint64(vec![0; count]),
            Datatype::Fp32 => Self::Fp32(vec![0.0; count]),
            Datatype::Fp64 => Self::Fp64(vec![0.0; count]),
            Datatype::Bytes => Self::Bytes(Text { ends: vec![0; count], utf8: String::new() }),
        }
    }
}

/// A Rust type that is the element of a column of plain values.
pub trait Element: Copy + Default + 'static {
    /// The V2 type of the column.
    const DATATYPE: Datatype;
    /// A list of elements as `Values`.
    fn wrap(list: Vec<Self>) -> Values;
    /// The list, when the values have this type.
    fn unwrap(values: Values) -> Option<Vec<Self>>;
}

macro_rules! elements {
    ($($rust:ty => $variant:ident),*) => {$(
        impl Element for $rust {
            const DATATYPE: Datatype = Datatype::$variant;
            fn wrap(list: Vec<Self>) -> Values {
                Values::$variant(list)
            }
            fn unwrap(values: Values) -> Option<Vec<Self>> {
                match values {
                    Values::$variant(list) => Some(list),
                    _ => None,
                }
            }
        }
    )*};
}
elements!(bool => Bool, i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64, u8 => Uint8,
    u16 => Uint16, u32 => Uint32, u64 => Uint64, f32 => Fp32, f64 => Fp64);

/// One column of a batch: rows first, then the field's own shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// `[rows]` for a scalar field, `[rows, 8, 8]` for an image.
    pub shape: Vec<u64>,
    /// As many as `shape` multiplies to.
    pub values: Values,
    /// One flag an element, `false` where it is missing; `None`: all present.
    pub validity: Option<Vec<bool>>,
}

impl Tensor {
    /// Whether element `i` is there.
    pub fn is_valid(&self, i: usize) -> bool {
        self.validity.as_ref().is_none_or(|flags| flags.get(i).copied().unwrap_or(false))
    }

    /// Element `i` of a 64-bit column, whose values an f64 may round.
    #[cfg(feature = "rules")]
    pub(crate) fn large(&self, i: usize) -> Option<i128> {
        match &self.values {
            Values::Int64(list) => list.get(i).map(|&value| value.into()),
            Values::Uint64(list) => list.get(i).map(|&value| value.into()),
            _ => None,
        }
        .filter(|_| self.is_valid(i))
    }

    /// Element `i` as a number, where it is one.
    #[cfg(feature = "rules")]
    pub(crate) fn number(&self, i: usize) -> Option<f64> {
        if !self.is_valid(i) {
            return None;
        }
        match &self.values {
            Values::Bool(_) | Values::Bytes(_) => None,
            Values::Int8(list) => list.get(i).map(|&value| value.into()),
            Values::Int16(list) => list.get(i).map(|&value| value.into()),
            Values::Int32(list) => list.get(i).map(|&value| value.into()),
            Values::Int64(list) => list.get(i).map(|&value| value as f64),
            Values::Uint8(list) => list.get(i).map(|&value| value.into()),
            Values::Uint16(list) => list.get(i).map(|&value| value.into()),
            Values::Uint32(list) => list.get(i).map(|&value| value.into()),
            Values::Uint64(list) => list.get(i).map(|&value| value as f64),
            Values::Fp32(list) => list.get(i).map(|&value| value.into()),
            Values::Fp64(list) => list.get(i).copied(),
        }
    }
}

/// Number of elements in a shape; `None` when it overflows.
pub fn element_count(shape: &[u64]) -> Option<usize> {
    let count = shape.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim))?;
    usize::try_from(count).ok()
}

/// Columns of equal row count, in the order of a schema's fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Number of rows.
    pub rows: usize,
    /// One tensor a field.
    pub columns: Vec<Tensor>,
}
