//! Rows gathered into columns, value by value, with everything that is wrong on the way.
//!
//! Never reads a value: that is for the form in which the rows came.

use crate::assemble::{MISSING_MAX_ELEMENTS, REST_MAX_ELEMENTS};
use crate::{Batch, CheckKind, ColumnBuilder, Detail, Field, Interrupt, Interrupted, Invalid, Tensor, Unfit};

/// Steps that saying what is wrong with a value takes beside.
const ERROR_STEPS: usize = 64;

/// The columns of the rows so far, and what is wrong with these.
#[derive(Debug)]
pub struct Gatherer<'a> {
    fields: &'a [Field],
    columns: Vec<ColumnBuilder>,
    errors: Vec<Invalid>,
    errors_max: usize,
    unlisted: usize,
    /// Elements that may still be made missing where a value does not fit; none where more were needed.
    left: Option<usize>,
}

impl<'a> Gatherer<'a> {
    /// With room for so many rows, which have so many values in all. Fails where too many others are missing: an empty row
    /// takes a few bytes of a body, and as much of each column as any other.
    pub fn new(fields: &'a [Field], rows: usize, members: usize, detail: &Detail) -> Result<Self, Unfit> {
        let missing = rows.saturating_mul(fields.len()).saturating_sub(members);
        if missing > MISSING_MAX_ELEMENTS {
            let expected = format!("at most {MISSING_MAX_ELEMENTS} missing values");
            return Err(Unfit::of(vec![Invalid::new(CheckKind::Shape, "*", expected, missing.to_string())]));
        }
        let column = |field: &Field| ColumnBuilder::new(field.datatype, rows).with_echo(detail.echo);
        Ok(Self {
            fields,
            columns: fields.iter().map(column).collect(),
            errors: Vec::new(),
            errors_max: detail.errors_max.max(1),
            unlisted: 0,
            left: Some(REST_MAX_ELEMENTS),
        })
    }

    /// Appends the next row, of this number. `push` is asked for the value of each field, which it gets with its place in
    /// the schema; where it fails, the value is missing in what is checked beside.
    #[inline]
    pub fn row(
        &mut self,
        row: usize,
        interrupt: &mut Interrupt<'_>,
        mut push: impl FnMut(
            usize,
            &Field,
            &mut ColumnBuilder,
            &mut Interrupt<'_>,
        ) -> Result<Result<(), Invalid>, Interrupted>,
    ) -> Result<(), Interrupted> {
        for (place, (field, column)) in self.fields.iter().zip(&mut self.columns).enumerate() {
            let begin = column.len();
            if let Err(error) = push(place, field, column, interrupt)? {
                interrupt.spend(ERROR_STEPS)?;
                let per_row = field.elements_per_row().unwrap_or(usize::MAX);
                self.left = self.left.and_then(|left| left.checked_sub(per_row));
                column.truncate(begin);
                if self.left.is_some() {
                    (0..per_row).for_each(|_| drop(column.push_null()));
                }
                if self.errors.len() < self.errors_max {
                    self.errors.push(error.at_row(row));
                } else {
                    self.unlisted += 1;
                }
            }
        }
        Ok(())
    }

    /// Adds errors that are of no field's value; each is made only where it is listed.
    pub(crate) fn wrong<T>(&mut self, mut found: impl Iterator<Item = T>, error: impl FnMut(T) -> Invalid) {
        let room = self.errors_max.saturating_sub(self.errors.len());
        self.errors.extend(found.by_ref().take(room).map(error));
        self.unlisted += found.count();
    }

    /// The batch of so many rows, or what is wrong with them.
    pub fn finish(self, rows: usize) -> Result<Batch, Unfit> {
        let Self { fields, columns, errors, unlisted, left, .. } = self;
        let columns = fields.iter().zip(columns).map(|(field, column)| {
            let column = column.finish();
            Tensor { shape: field.batch_shape(rows as u64), values: column.values, validity: column.validity }
        });
        let is_whole = unlisted == 0 && left.is_some();
        let batch = is_whole.then(|| Batch { rows, columns: columns.collect() });
        match batch {
            Some(batch) if errors.is_empty() => Ok(batch),
            rest => Err(Unfit { errors, unlisted, is_by_row: true, rest }),
        }
    }
}
