//! Stored values into a column.
//!
//! Never lets a list in that has not exactly its field's shape.

use super::leaf::{Leaf, Meaning};
use super::levels::Levels;
use super::pages::Header;
use super::temporal;
use crate::collect::push_float;
use crate::error::shown;
use crate::limits::COLUMN_TEXT_MAX_BYTES;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use scry_card::{Column, ColumnBuilder, Datatype, Element, element_count};

/// One column of a row group, being read, and how its values go on.
pub(super) struct Source {
    pub(super) reader: ColumnReader,
    /// Of the page that is read.
    pub(super) header: Header,
    pub(super) leaf: Leaf,
    /// The field's shape.
    pub(super) shape: Vec<u64>,
}

/// What stopped a column.
#[derive(Debug)]
pub(super) enum Stopped {
    /// A value that the field cannot hold: how many rows on, and what it is.
    Value(usize, String),
    /// More text than a column may have.
    TooLong,
    Broken(ParquetError),
}

impl Source {
    /// Reads `rows` rows as elements of the field's type.
    pub(super) fn read(&mut self, rows: usize, datatype: Datatype) -> Result<Column, Stopped> {
        let meaning = self.leaf.meaning;
        self.header.begin_batch();
        // Where texts share their starts, a page may hold far more text than bytes.
        let step_rows = if self.header.shares_starts { 1 } else { rows };
        let target = Target { leaf: &self.leaf, shape: &self.shape, rows, step_rows, datatype };
        match &mut self.reader {
            ColumnReader::BoolColumnReader(reader) => target.fill(reader, |to, value| to.push_bool(*value)),
            ColumnReader::Int32ColumnReader(reader) => target.fill(reader, |to, &value| match meaning {
                Meaning::Unsigned(_) => to.push_u64(u64::from(value as u32)),
                Meaning::Date => to.push_str(&temporal::date(value)?),
                _ => push_int(to, meaning, i64::from(value)),
            }),
            ColumnReader::Int64ColumnReader(reader) => target.fill(reader, |to, &value| match meaning {
                Meaning::Unsigned(_) => to.push_u64(value as u64),
                _ => push_int(to, meaning, value),
            }),
            ColumnReader::Int96ColumnReader(reader) => {
                target.fill(reader, |to, value| to.push_str(&temporal::int96(value.data())?))
            }
            ColumnReader::FloatColumnReader(reader) if datatype == Datatype::Fp32 => target.copy(reader),
            ColumnReader::DoubleColumnReader(reader) if datatype == Datatype::Fp64 => target.copy(reader),
            ColumnReader::FloatColumnReader(reader) => {
                target.fill(reader, |to, &value| push_float(to, f64::from(value)))
            }
            ColumnReader::DoubleColumnReader(reader) => target.fill(reader, |to, &value| push_float(to, value)),
            ColumnReader::ByteArrayColumnReader(reader) => {
                target.fill_sized(reader, ByteArray::len, |to, value| push_bytes(to, meaning, value.data()))
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                target.fill_sized(reader, |value| value.len(), |to, value| push_bytes(to, meaning, value.data()))
            }
        }
    }
}

/// The values that are there, and where any is missing a flag an element.
type Present<T> = (Vec<T>, Option<Vec<bool>>);

/// What the values of one column are to become.
struct Target<'a> {
    leaf: &'a Leaf,
    shape: &'a [u64],
    rows: usize,
    /// Rows that are read before their text is measured.
    step_rows: usize,
    datatype: Datatype,
}

impl Target<'_> {
    /// Every value by way of `push`, which says what it found where it cannot.
    fn fill<T: DataType>(
        &self,
        reader: &mut ColumnReaderImpl<T>,
        push: impl FnMut(&mut ColumnBuilder, &T::T) -> Result<(), String>,
    ) -> Result<Column, Stopped> {
        self.fill_sized(reader, |_| 0, push)
    }

    /// Every value by way of `push`, where `bytes_of` says how much text each is.
    fn fill_sized<T: DataType>(
        &self,
        reader: &mut ColumnReaderImpl<T>,
        bytes_of: impl Fn(&T::T) -> usize,
        mut push: impl FnMut(&mut ColumnBuilder, &T::T) -> Result<(), String>,
    ) -> Result<Column, Stopped> {
        let (values, filled) = self.read_rows(reader, bytes_of)?;
        let per_row = element_count(self.shape).unwrap_or(1).max(1);
        let stop = |at: usize, found| Stopped::Value(at / per_row, found);
        let count = filled.as_ref().map_or(values.len(), Vec::len);
        let mut builder = ColumnBuilder::new(self.datatype, count);
        let mut values = values.iter();
        for at in 0..count {
            let is_filled = filled.as_ref().is_none_or(|flags| flags.get(at) == Some(&true));
            match values.as_slice().first().filter(|_| is_filled) {
                Some(value) => {
                    push(&mut builder, value).map_err(|found| stop(at, found))?;
                    values.next();
                }
                None => builder.push_null().map_err(|found| stop(at, found))?,
            }
        }
        Ok(builder.finish())
    }

    /// Every float as it is, bits and all, but for NaN, which is missing.
    fn copy<T: DataType<T: Element>>(&self, reader: &mut ColumnReaderImpl<T>) -> Result<Column, Stopped> {
        let (values, filled) = self.read_rows(reader, |_| 0)?;
        #[expect(clippy::eq_op, reason = "NaN alone is not equal to itself")]
        let is_number = |value: &T::T| value == value;
        if filled.is_none() && values.iter().all(is_number) {
            return Ok(Column { values: T::T::wrap(values), validity: None });
        }
        let flags = filled.unwrap_or_else(|| vec![true; values.len()]);
        let mut values = values.into_iter();
        let spread = flags.iter().map(|&is_filled| if is_filled { values.next() } else { None });
        let spread: Vec<_> = spread.map(|value| value.filter(is_number)).collect();
        let flags = spread.iter().map(Option::is_some).collect();
        Ok(Column {
            values: T::T::wrap(spread.into_iter().map(Option::unwrap_or_default).collect()),
            validity: Some(flags),
        })
    }

    fn read_rows<T: DataType>(
        &self,
        reader: &mut ColumnReaderImpl<T>,
        bytes_of: impl Fn(&T::T) -> usize,
    ) -> Result<Present<T::T>, Stopped> {
        let mut levels = Levels::default();
        let mut values = Vec::new();
        let (mut read, mut measured, mut text_bytes) = (0, 0, 0_usize);
        while read < self.rows {
            let step_rows = self.step_rows.min(self.rows - read);
            read_rows(reader, step_rows, &mut levels, &mut values).map_err(Stopped::Broken)?;
            read += step_rows;
            text_bytes += values.get(measured..).unwrap_or_default().iter().map(&bytes_of).sum::<usize>();
            measured = values.len();
            if text_bytes > COLUMN_TEXT_MAX_BYTES {
                return Err(Stopped::TooLong);
            }
        }
        let wanted = self.rows.saturating_mul(element_count(self.shape).unwrap_or(1));
        let filled = match self.leaf.depth {
            0 => levels.def.iter().map(|&level| level == self.leaf.max_def).collect(),
            _ => self.elements(&levels)?,
        };
        let present = if self.leaf.max_def == 0 { wanted } else { filled.iter().filter(|&&filled| filled).count() };
        if values.len() != present {
            return Err(Stopped::Broken(ParquetError::General("a column's levels contradict its values".into())));
        }
        Ok((values, (present != wanted).then_some(filled)))
    }

    /// Whether each element of the rows' lists is there.
    fn elements(&self, levels: &Levels) -> Result<Vec<bool>, Stopped> {
        let pattern = Levels::pattern(self.shape);
        let whole = self.leaf.max_def - i16::from(self.leaf.optional);
        let mut filled = Vec::with_capacity(self.rows * pattern.len());
        for (row, range) in levels.rows().enumerate() {
            let def = levels.def.get(range.clone()).unwrap_or_default();
            if levels.is_missing(self.leaf, &range) {
                filled.resize(filled.len() + pattern.len(), false);
            } else if levels.rep.get(range.clone()) == Some(&pattern) && def.iter().all(|&level| level >= whole) {
                filled.extend(def.iter().map(|&level| level == self.leaf.max_def));
            } else {
                let found = levels.shape(self.leaf, &range).map(|shape| format!("a list of shape {shape:?}"));
                return Err(Stopped::Value(row, found.unwrap_or_else(|why| why)));
            }
        }
        Ok(filled)
    }
}

/// Reads exactly `rows` rows.
fn read_rows<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    levels: &mut Levels,
    values: &mut Vec<T::T>,
) -> Result<(), ParquetError> {
    let mut read = 0;
    while read < rows {
        let (more, _, _) = reader.read_records(rows - read, Some(&mut levels.def), Some(&mut levels.rep), values)?;
        if more == 0 {
            return Err(ParquetError::EOF(format!("a column has {} fewer rows than the file says", rows - read)));
        }
        read += more;
    }
    Ok(())
}

/// The shape of the first of `rows` rows whose lists have one.
pub(super) fn first_shape(source: &mut Source, rows: usize) -> Result<Option<Vec<u64>>, ParquetError> {
    macro_rules! by_type {
        ($($variant:ident),*) => {{
            let mut levels = Levels::default();
            match &mut source.reader {
                $(ColumnReader::$variant(reader) => read_rows(reader, rows, &mut levels, &mut Vec::new())?,)*
            }
            levels
        }};
    }
    let levels = by_type!(
        BoolColumnReader,
        Int32ColumnReader,
        Int64ColumnReader,
        Int96ColumnReader,
        FloatColumnReader,
        DoubleColumnReader,
        ByteArrayColumnReader,
        FixedLenByteArrayColumnReader
    );
    Ok(levels.rows().find_map(|row| levels.shape(&source.leaf, &row).ok()))
}

fn push_int(builder: &mut ColumnBuilder, meaning: Meaning, value: i64) -> Result<(), String> {
    match meaning {
        Meaning::Timestamp { unit_ns, .. } => {
            builder.push_str(&temporal::timestamp(i128::from(value) * i128::from(unit_ns))?)
        }
        Meaning::Decimal { scale } => push_float(builder, decimal(i128::from(value), scale)),
        _ => builder.push_i64(value),
    }
}

fn push_bytes(builder: &mut ColumnBuilder, meaning: Meaning, bytes: &[u8]) -> Result<(), String> {
    match meaning {
        Meaning::Text => {
            let text = std::str::from_utf8(bytes).map_err(|_| format!("{} bytes that are not UTF-8", bytes.len()))?;
            builder.push_str(text)
        }
        Meaning::Half => match bytes.try_into() {
            Ok(two) => push_float(builder, half::f16::from_le_bytes(two).to_f64()),
            Err(_) => Err(format!("{} bytes for a half float", bytes.len())),
        },
        Meaning::Decimal { scale } => {
            let value = big_endian(bytes).ok_or_else(|| format!("a decimal of {} bytes", bytes.len()))?;
            push_float(builder, decimal(value, scale))
        }
        _ => Err(shown(&String::from_utf8_lossy(bytes))),
    }
}

/// A signed number, most significant byte first.
fn big_endian(bytes: &[u8]) -> Option<i128> {
    let sign = if bytes.first().is_some_and(|&byte| byte >= 0x80) { -1 } else { 0 };
    // Longer ones may still be small: what is in front must only repeat the sign.
    let (front, last) = bytes.split_at(bytes.len().saturating_sub(16));
    let fits =
        front.iter().all(|&byte| byte == sign as u8) && (front.is_empty() || (last.first()? >= &0x80) == (sign < 0));
    fits.then(|| last.iter().fold(sign, |value: i128, &byte| value << 8 | i128::from(byte)))
}

/// The float nearest to a decimal number.
fn decimal(value: i128, scale: i32) -> f64 {
    /// Up to here both the number and the power of ten are floats exactly, and
    /// one division rounds once.
    const EXACT_MAX: u128 = 1 << 53;
    if value.unsigned_abs() <= EXACT_MAX && scale <= 22 {
        return value as f64 / 10f64.powi(scale);
    }
    format!("{value}e-{scale}").parse().unwrap_or(f64::NAN)
}

/// Whether a field of this type can hold what a column means at all.
pub(super) fn fits(meaning: Meaning, datatype: Datatype) -> bool {
    let found = meaning.datatype();
    found == datatype || (found.is_numeric() && datatype.is_numeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_the_nearest_floats() {
        assert_eq!(decimal(1_234, 2), 12.34);
        assert_eq!(decimal(-1, 3), -0.001);
        assert_eq!(decimal(12_345_678_901_234_567_890, 4), 1_234_567_890_123_456.8);
        assert_eq!(big_endian(&[0xff, 0xfe]), Some(-2));
        assert_eq!(big_endian(&[0; 20]), Some(0));
        assert_eq!(big_endian(&[0xff; 20]), Some(-1));
        assert_eq!(big_endian(&[0x01; 20]), None);
    }
}
