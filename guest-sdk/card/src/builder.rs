//! Building a column element by element, from whatever text format is read.
//!
//! Never coerces: an element that is not exactly of the column's type is an
//! error that says what was expected and what was found.

use crate::{Datatype, Echo, Text, Values};
use serde_json::Number;

/// A finished column: its elements, and flags where any is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The elements, neutral where missing.
    pub values: Values,
    /// One flag an element, present when any element is missing.
    pub validity: Option<Vec<bool>>,
}

/// Collects elements of one datatype.
#[derive(Debug)]
pub struct ColumnBuilder {
    values: Values,
    validity: Option<Vec<bool>>,
    echo: Echo,
}

macro_rules! push_integer {
    ($self:ident, $value:expr, $found:expr) => {
        match &mut $self.values {
            Values::Int8(list) => list.push($value.try_into().map_err(|_| $found)?),
            Values::Int16(list) => list.push($value.try_into().map_err(|_| $found)?),
            Values::Int32(list) => list.push($value.try_into().map_err(|_| $found)?),
            Values::Int64(list) => list.push($value.try_into().map_err(|_| $found)?),
            Values::Uint8(list) => list.push($value.try_into().map_err(|_| $found)?),
            Values::Uint16(list) => list.push($value.try_into().map_err(|_| $found)?),
            Values::Uint32(list) => list.push($value.try_into().map_err(|_| $found)?),
            Values::Uint64(list) => list.push($value.try_into().map_err(|_| $found)?),
            Values::Fp32(list) => list.push($value as f32),
            Values::Fp64(list) => list.push($value as f64),
            Values::Bool(_) | Values::Bytes(_) => return Err($found),
        }
    };
}

/// Each `push` fails with what was found, when the column can't hold it.
impl ColumnBuilder {
    /// An empty column with room for `capacity` elements.
    pub fn new(datatype: Datatype, capacity: usize) -> Self {
        let values = match datatype {
            Datatype::Bool => Values::Bool(Vec::with_capacity(capacity)),
            Datatype::Int8 => Values::Int8(Vec::with_capacity(capacity)),
            Datatype::Int16 => Values::Int16(Vec::with_capacity(capacity)),
            Datatype::Int32 => Values::Int32(Vec::with_capacity(capacity)),
            Datatype::Int64 => Values::Int64(Vec::with_capacity(capacity)),
            Datatype::Uint8 => Values::Uint8(Vec::with_capacity(capacity)),
            Datatype::Uint16 => Values::Uint16(Vec::with_capacity(capacity)),
            Datatype::Uint32 => Values::Uint32(Vec::with_capacity(capacity)),
            Datatype::Uint64 => Values::Uint64(Vec::with_capacity(capacity)),
            Datatype::Fp32 => Values::Fp32(Vec::with_capacity(capacity)),
            Datatype::Fp64 => Values::Fp64(Vec::with_capacity(capacity)),
            Datatype::Bytes => Values::Bytes(Text::default()),
        };
        Self { values, validity: None, echo: Echo::default() }
    }

    /// The same, whose errors repeat so much of what was found.
    pub fn with_echo(self, echo: Echo) -> Self {
        Self { echo, ..self }
    }

    /// How much of what was found its errors repeat.
    pub fn echo(&self) -> Echo {
        self.echo
    }

    /// Number of elements so far.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no element yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type that every element must have.
    pub fn datatype(&self) -> Datatype {
        self.values.datatype()
    }

    /// A missing element.
    pub fn push_null(&mut self) -> Result<(), String> {
        let count = self.len();
        match &mut self.values {
            Values::Bytes(text) => text.push("").map_err(|e| e.to_string())?,
            values => crate::for_each_values!(values, list => list.push(Default::default()), _text => ()),
        }
        self.validity.get_or_insert_with(|| vec![true; count]).push(false);
        Ok(())
    }

    /// A truth value.
    #[inline]
    pub fn push_bool(&mut self, value: bool) -> Result<(), String> {
        match &mut self.values {
            Values::Bool(list) => list.push(value),
            _ => return Err(self.echo.truth(value)),
        }
        self.present();
        Ok(())
    }

    /// A whole number below zero (or any that fits).
    #[inline]
    pub fn push_i64(&mut self, value: i64) -> Result<(), String> {
        push_integer!(self, value, self.echo.number(value));
        self.present();
        Ok(())
    }

    /// A whole number.
    #[inline]
    pub fn push_u64(&mut self, value: u64) -> Result<(), String> {
        push_integer!(self, value, self.echo.number(value));
        self.present();
        Ok(())
    }

    /// A number as JSON has it: whole where it is written as one and fits.
    #[inline]
    pub fn push_number(&mut self, number: &Number) -> Result<(), String> {
        match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(value), _, _) => self.push_u64(value),
            (_, Some(value), _) => self.push_i64(value),
            (_, _, Some(value)) => self.push_f64(value),
            _ => Err(self.echo.number(number)),
        }
    }

    /// A number with a fraction or an exponent.
    #[inline]
    pub fn push_f64(&mut self, value: f64) -> Result<(), String> {
        match &mut self.values {
            Values::Fp64(list) => list.push(value),
            Values::Fp32(list) => {
                let narrow = value as f32;
                if narrow.is_infinite() && value.is_finite() {
                    return Err(self.echo.number(format_args!("{value:?}")));
                }
                list.push(narrow);
            }
            // Shown with its fraction: that is what is wrong with 1.0 in a column of whole numbers.
            _ => return Err(self.echo.number(format_args!("{value:?}"))),
        }
        self.present();
        Ok(())
    }

    /// A string.
    pub fn push_str(&mut self, value: &str) -> Result<(), String> {
        match &mut self.values {
            Values::Bytes(text) => text.push(value).map_err(|e| e.to_string())?,
            _ => return Err(self.echo.text(value)),
        }
        self.present();
        Ok(())
    }

    /// Keeps the first elements and drops the rest.
    pub(crate) fn truncate(&mut self, len: usize) {
        crate::for_each_values!(&mut self.values, list => list.truncate(len), text => text.truncate(len));
        if let Some(flags) = &mut self.validity {
            flags.truncate(len);
        }
    }

    /// The column.
    pub fn finish(self) -> Column {
        Column { values: self.values, validity: self.validity }
    }

    fn present(&mut self) {
        if let Some(flags) = &mut self.validity {
            flags.push(true);
        }
    }
}
