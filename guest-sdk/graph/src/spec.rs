//! One node's attributes, read by name; what is left over is refused.

use crate::arrays::{Arrays, Table};
use crate::error::{Wrong, wrong};
use crate::value::Shape;
use scry_card::{Text, shortened, strict};
use serde_json::{Map, Value};

/// A node's attributes and the shapes of what it reads.
#[derive(Debug)]
pub(crate) struct Spec<'a> {
    pub(crate) members: Map<String, Value>,
    pub(crate) arrays: &'a Arrays<'a>,
    pub(crate) of: Vec<Shape>,
}

impl<'a> Spec<'a> {
    /// The width of the one matrix that the node reads.
    pub(crate) fn width(&self) -> Result<usize, Wrong> {
        match *self.of.as_slice() {
            [Shape::Matrix(width)] => Ok(width),
            [Shape::Text] => wrong("numbers", "text"),
            _ => wrong("`of` with 1 node", self.of.len()),
        }
    }

    /// Checks that the node reads one matrix of one column.
    pub(crate) fn single(&self) -> Result<(), Wrong> {
        match self.width()? {
            1 => Ok(()),
            width => wrong("numbers of width 1", format!("width {width}")),
        }
    }

    /// The widths of all matrices that the node reads: one at least.
    pub(crate) fn widths(&self) -> Result<Vec<usize>, Wrong> {
        if self.of.is_empty() {
            return wrong("`of` with at least 1 node", 0);
        }
        let width = |shape: &Shape| match *shape {
            Shape::Matrix(width) => Ok(width),
            Shape::Text => wrong("numbers", "text"),
        };
        self.of.iter().map(width).collect()
    }

    /// Whether an attribute is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// An attribute that may be absent; null is absence.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    fn array<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&Arrays<'a>, u64) -> Result<T, Wrong>,
    ) -> Result<Option<T>, Wrong> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let Some(index) = value.as_u64() else {
            return wrong(format!("`{name}`: the index of an array"), strict::found(&value));
        };
        match read(self.arrays, index) {
            Ok(array) => Ok(Some(array)),
            Err(Wrong { expected, found }) => wrong(format!("`{name}`: {expected}"), found),
        }
    }

    fn needed<T>(name: &str, found: Option<T>) -> Result<T, Wrong> {
        found.map_or_else(|| wrong(format!("`{name}`"), "nothing"), Ok)
    }

    /// Numbers, if there; so many.
    pub(crate) fn numbers_if(&mut self, name: &str, count: usize) -> Result<Option<Vec<f64>>, Wrong> {
        match self.array(name, Arrays::table)? {
            Some(table) if table.values.len() == count => Ok(Some(table.values)),
            Some(table) => wrong(format!("`{name}`: {count} numbers"), table.values.len()),
            None => Ok(None),
        }
    }

    /// Numbers, so many.
    pub(crate) fn numbers(&mut self, name: &str, count: usize) -> Result<Vec<f64>, Wrong> {
        let found = self.numbers_if(name, count)?;
        Self::needed(name, found)
    }

    /// Numbers, as many as there are, but one at least.
    pub(crate) fn any_numbers(&mut self, name: &str) -> Result<Vec<f64>, Wrong> {
        let found = self.array(name, Arrays::table)?;
        match Self::needed(name, found)? {
            table if table.values.is_empty() => wrong(format!("`{name}`: at least one number"), "none"),
            table => Ok(table.values),
        }
    }

    /// Rows of numbers; one row and one column at least, and as many as told.
    pub(crate) fn table(&mut self, name: &str, rows: Option<usize>, columns: Option<usize>) -> Result<Table, Wrong> {
        let found = self.array(name, Arrays::table)?;
        let table = Self::needed(name, found)?;
        let fits = |wanted: Option<usize>, size: usize| size > 0 && wanted.is_none_or(|wanted| wanted == size);
        if fits(rows, table.rows) && fits(columns, table.columns) {
            return Ok(table);
        }
        let shown = |wanted: Option<usize>| wanted.map_or_else(|| "1 or more".into(), |wanted| wanted.to_string());
        wrong(
            format!("`{name}`: a shape of {} by {}", shown(rows), shown(columns)),
            format!("{} by {}", table.rows, table.columns),
        )
    }

    /// Whole numbers below a limit, if there.
    pub(crate) fn indexes_if(&mut self, name: &str, limit: usize) -> Result<Option<Vec<u32>>, Wrong> {
        let Some(list) = self.array(name, Arrays::u32s)? else { return Ok(None) };
        match list.iter().find(|&&index| index as usize >= limit) {
            Some(index) => wrong(format!("`{name}`: indexes below {limit}"), index),
            None => Ok(Some(list)),
        }
    }

    /// Whole numbers below a limit.
    pub(crate) fn indexes(&mut self, name: &str, limit: usize) -> Result<Vec<u32>, Wrong> {
        let found = self.indexes_if(name, limit)?;
        Self::needed(name, found)
    }

    /// Whole numbers of any size.
    pub(crate) fn words(&mut self, name: &str) -> Result<Vec<u32>, Wrong> {
        let found = self.array(name, Arrays::u32s)?;
        Self::needed(name, found)
    }

    /// Bytes, so many.
    pub(crate) fn bytes(&mut self, name: &str, count: usize) -> Result<Vec<u8>, Wrong> {
        let found = self.array(name, Arrays::u8s)?;
        match Self::needed(name, found)? {
            list if list.len() == count => Ok(list),
            list => wrong(format!("`{name}`: {count} bytes"), list.len()),
        }
    }

    /// Texts.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Text, Wrong> {
        let found = self.array(name, Arrays::texts)?;
        Self::needed(name, found)
    }

    /// A number, if there.
    pub(crate) fn number_if(&mut self, name: &str) -> Result<Option<f64>, Wrong> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) => Ok(Some(number)),
                None => wrong(format!("`{name}`: a number"), strict::found(&value)),
            },
        }
    }

    /// A number.
    pub(crate) fn number(&mut self, name: &str) -> Result<f64, Wrong> {
        let found = self.number_if(name)?;
        Self::needed(name, found)
    }

    /// A whole number from 1 to a limit.
    pub(crate) fn count(&mut self, name: &str, limit: usize) -> Result<usize, Wrong> {
        let found = self.take(name);
        let value = Self::needed(name, found)?;
        match value.as_u64().and_then(|count| usize::try_from(count).ok()) {
            Some(count) if (1..=limit).contains(&count) => Ok(count),
            _ => wrong(format!("`{name}`: a whole number from 1 to {limit}"), strict::found(&value)),
        }
    }

    /// A whole number.
    pub(crate) fn index(&mut self, name: &str) -> Result<usize, Wrong> {
        let found = self.take(name);
        let value = Self::needed(name, found)?;
        match value.as_u64().and_then(|count| usize::try_from(count).ok()) {
            Some(index) => Ok(index),
            None => wrong(format!("`{name}`: a whole number"), strict::found(&value)),
        }
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &str) -> Result<String, Wrong> {
        let found = self.take(name);
        match Self::needed(name, found)? {
            Value::String(text) => Ok(text),
            other => wrong(format!("`{name}`: a text"), strict::found(&other)),
        }
    }

    /// What a word stands for, of those known.
    pub(crate) fn choice<T: Copy>(&mut self, name: &str, known: &[(&str, T)]) -> Result<T, Wrong> {
        let word = self.text(name)?;
        match known.iter().find(|(known, _)| *known == word) {
            Some(&(_, meant)) => Ok(meant),
            None => {
                let words: Vec<_> = known.iter().map(|(word, _)| format!("`{word}`")).collect();
                wrong(format!("`{name}`: {}", words.join(" or ")), format!("`{}`", shortened(word, 40)))
            }
        }
    }

    /// A number (NaN where none is given), or nothing where the word is "error".
    pub(crate) fn number_or_error(&mut self, name: &str) -> Result<Option<f64>, Wrong> {
        match self.take(name) {
            None => Ok(Some(f64::NAN)),
            Some(Value::String(word)) if word == "error" => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) => Ok(Some(number)),
                None => wrong(format!("`{name}`: a number or \"error\""), strict::found(&value)),
            },
        }
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), Wrong> {
        match self.members.into_iter().find(|(_, value)| !value.is_null()) {
            None => Ok(()),
            Some((name, _)) => wrong("no other attribute", format!("`{}`", shortened(name, 40))),
        }
    }
}
