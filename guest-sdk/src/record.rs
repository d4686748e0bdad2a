//! Rows and batches of rows.

use crate::Failure;
use scry_card::{Field, Tensor};
use std::ops::Deref;

/// A struct that is one row; made by `#[derive(Record)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a record",
    note = "write `#[derive(Record)]` above `struct {Self}`"
)]
pub trait Record: Sized {
    /// The same fields as whole columns.
    type Columns: Default;
    /// What the columns are.
    fn fields() -> Vec<Field>;
    /// Columns from tensors in the order of `fields`.
    fn read(tensors: Vec<Tensor>) -> Result<Self::Columns, Failure>;
    /// Tensors in the order of `fields`.
    fn write(columns: Self::Columns) -> Vec<Tensor>;
    /// Number of rows, when all columns agree on it.
    fn rows(columns: &Self::Columns) -> Option<usize>;
    /// The row at `row`, which must exist.
    fn row(columns: &Self::Columns, row: usize) -> Self;
    /// Appends this row.
    fn push(self, columns: &mut Self::Columns);
}

/// Rows of `R`, held as columns: take `rows()` for comfort, the columns
/// themselves (`batch.age`) for speed.
pub struct Batch<R: Record> {
    rows: usize,
    columns: R::Columns,
}

impl<R: Record> Batch<R> {
    /// A batch from whole columns; fails when their lengths differ.
    pub fn new(columns: R::Columns) -> Result<Self, Failure> {
        let rows = R::rows(&columns).ok_or_else(|| Failure::Failed("columns of different length".into()))?;
        Ok(Self { rows, columns })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows, one struct each, in order.
    pub fn rows(&self) -> impl Iterator<Item = R> + '_ {
        (0..self.rows).map(|row| R::row(&self.columns, row))
    }

    /// The columns, by value.
    pub fn into_columns(self) -> R::Columns {
        self.columns
    }
}

impl<R: Record> Deref for Batch<R> {
    type Target = R::Columns;

    fn deref(&self) -> &Self::Target {
        &self.columns
    }
}

impl<R: Record> FromIterator<R> for Batch<R> {
    fn from_iter<I: IntoIterator<Item = R>>(rows: I) -> Self {
        let mut batch = Self { rows: 0, columns: R::Columns::default() };
        for row in rows {
            row.push(&mut batch.columns);
            batch.rows += 1;
        }
        batch
    }
}
