//! Rows and columns as lists, without a name beside each value: the forms in which clients of other
//! servers send tables.
//!
//! Never guesses an order: it is the schema's, or the one that the columns' names give.

use crate::records::{Cells, batch_of};
use crate::schema::unknown_field;
use crate::{Batch, CheckKind, Detail, Field, Interrupt, Interrupted, Invalid, Unfit};
use serde_json::Value;
use std::collections::BTreeMap;

/// Names of fields that an error lists.
const NAMES_MAX: usize = 16;

/// Reads rows into a batch. With `columns` each row is a list of their values; without, a list of one value for each of
/// `fields`, in their order. Of one field alone a row is the value itself.
pub fn batch_from_lists_until(
    fields: &[Field],
    columns: Option<&[String]>,
    rows: &[Value],
    detail: &Detail,
    interrupt: &mut Interrupt<'_>,
) -> Result<Result<Batch, Unfit>, Interrupted> {
    let places = match columns {
        None => None,
        Some(columns) => match places(fields, columns.iter().map(String::as_str).enumerate(), interrupt)? {
            Ok(places) => Some(places),
            Err(error) => return Ok(Err(Unfit::of(vec![error]))),
        },
    };
    let lists = Lists { fields, columns: columns.map(<[_]>::len), places, rows };
    match lists.misshapen(detail.errors_max.max(1)) {
        (errors, 0) if errors.is_empty() => batch_of(fields, &lists, detail, interrupt),
        (errors, unlisted) => Ok(Err(Unfit { errors, unlisted, is_by_row: true, rest: None })),
    }
}

/// Reads columns, each with its values row by row, into a batch.
pub fn batch_from_columns_until(
    fields: &[Field],
    columns: &[(String, Vec<Value>)],
    detail: &Detail,
    interrupt: &mut Interrupt<'_>,
) -> Result<Result<Batch, Unfit>, Interrupted> {
    let places = match places(fields, columns.iter().map(|(name, _)| name.as_str()).enumerate(), interrupt)? {
        Ok(places) => places,
        Err(error) => return Ok(Err(Unfit::of(vec![error]))),
    };
    let rows = columns.first().map_or(0, |(_, values)| values.len());
    if let Some((name, values)) = columns.iter().find(|(_, values)| values.len() != rows) {
        let error = Invalid::new(CheckKind::Shape, name, format!("{rows} values"), values.len().to_string());
        return Ok(Err(Unfit::of(vec![error])));
    }
    batch_of(fields, &Columns { columns, places, rows }, detail, interrupt)
}

/// For each field, where its column is, of columns with their places and names; no column twice, none that is no field's.
pub fn places<'a>(
    fields: &[Field],
    columns: impl Iterator<Item = (usize, &'a str)>,
    interrupt: &mut Interrupt<'_>,
) -> Result<Result<Vec<Option<usize>>, Invalid>, Interrupted> {
    let mut named = BTreeMap::new();
    for (at, name) in columns {
        interrupt.spend_text(name)?;
        if named.insert(name, at).is_some() {
            return Ok(Err(Invalid::new(CheckKind::Form, name, "the column once", "the column twice")));
        }
    }
    interrupt.spend(fields.len())?;
    let places = fields.iter().map(|field| named.remove(field.name.as_str())).collect();
    Ok(match named.into_keys().next() {
        Some(unknown) => Err(unknown_field(fields, unknown)),
        None => Ok(places),
    })
}

struct Lists<'a> {
    fields: &'a [Field],
    /// How many columns have a name.
    columns: Option<usize>,
    /// Where each field is, where columns have names.
    places: Option<Vec<Option<usize>>>,
    rows: &'a [Value],
}

impl Lists<'_> {
    /// Whether a row is the value of the only field.
    fn are_values(&self) -> bool {
        self.columns.is_none() && self.fields.len() == 1
    }

    /// The rows that are no lists of as many values as there should be: so many, and how many others.
    fn misshapen(&self, errors_max: usize) -> (Vec<Invalid>, usize) {
        if self.are_values() {
            return (Vec::new(), 0);
        }
        let length = self.columns.unwrap_or(self.fields.len());
        let mut wrong = self.rows.iter().enumerate().filter_map(|(row, value)| match value {
            Value::Array(values) if values.len() == length => None,
            Value::Array(values) => Some((row, format!("a list of {}", values.len()))),
            _ => Some((row, "no list".to_owned())),
        });
        let told = wrong.by_ref().take(errors_max).map(|(row, found)| {
            let expected = match self.columns {
                Some(_) => format!("a list of {length} values, one for each column"),
                None => format!("an object, or a list of {length} values in this order: {}", self.order()),
            };
            Invalid::new(CheckKind::Shape, "*", expected, found).at_row(row)
        });
        (told.collect(), wrong.count())
    }

    fn order(&self) -> String {
        let names: Vec<_> = self.fields.iter().take(NAMES_MAX).map(|field| field.name.as_str()).collect();
        let more = if self.fields.len() > NAMES_MAX { ", …" } else { "" };
        names.join(", ") + more
    }
}

impl Cells for Lists<'_> {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn value(&self, row: usize, place: usize, field: &Field) -> Option<&Value> {
        let row = self.rows.get(row)?;
        if self.are_values() {
            // A row of one value is that value, as in a table of one column.
            return match row {
                Value::Array(values) if field.shape.is_empty() && values.len() == 1 => values.first(),
                value => Some(value),
            };
        }
        let place = self.places.as_ref().map_or(Some(place), |places| places.get(place).copied().flatten())?;
        row.as_array()?.get(place)
    }

    fn members(&self, _: usize) -> usize {
        self.columns.unwrap_or(self.fields.len())
    }

    fn names(&self, _: usize) -> impl Iterator<Item = &String> {
        // All of them are fields'.
        std::iter::empty()
    }
}

struct Columns<'a> {
    columns: &'a [(String, Vec<Value>)],
    places: Vec<Option<usize>>,
    rows: usize,
}

impl Cells for Columns<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn value(&self, row: usize, place: usize, _: &Field) -> Option<&Value> {
        let column = self.places.get(place).copied().flatten()?;
        self.columns.get(column)?.1.get(row)
    }

    fn members(&self, _: usize) -> usize {
        self.columns.len()
    }

    fn names(&self, _: usize) -> impl Iterator<Item = &String> {
        std::iter::empty()
    }
}
