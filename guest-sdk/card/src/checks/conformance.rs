//! Whether a batch conforms to its schema: its form and its values.
//!
//! Never decides what to do about a batch that does not: policy is the caller's.

use super::scan::{Categories, Limits};
use crate::form::check_column;
use crate::invalid::invalid;
use crate::{Batch, Echo, Field, Interrupt, Interrupted, Invalid};
use std::ops::ControlFlow;

/// Rows that are no reason to sort a field's categories.
const FEW_ROWS: usize = 256;

/// Everything that is wrong with a batch, up to `errors_max` errors: form,
/// missing values, ranges, categories, numbers that are not finite.
pub fn check(fields: &[Field], batch: &Batch, errors_max: usize) -> Vec<Invalid> {
    // `Interrupt::never` does not interrupt.
    check_until(fields, batch, errors_max, &mut Interrupt::never()).unwrap_or_default()
}

/// Does the same, and stops when it is interrupted.
pub fn check_until(
    fields: &[Field],
    batch: &Batch,
    errors_max: usize,
    interrupt: &mut Interrupt<'_>,
) -> Result<Vec<Invalid>, Interrupted> {
    if fields.len() != batch.columns.len() {
        let found = batch.columns.len().to_string();
        return Ok(vec![invalid("*", None, format!("{} columns", fields.len()), found)]);
    }
    let mut errors = Vec::new();
    for (field, tensor) in fields.iter().zip(&batch.columns) {
        if errors.len() >= errors_max {
            break;
        }
        if let Err(error) = check_column(field, batch.rows as u64, tensor) {
            errors.push(error);
            continue;
        }
        // For a few rows, sorting takes longer than a linear search.
        let categories = (batch.rows > FEW_ROWS).then(|| Categories::many(field)).flatten();
        let limits = Limits { field, length_max_chars: None, categories: categories.as_ref() };
        let _ = limits.scan(tensor, interrupt, &mut |i, kind| {
            errors.push(limits.describe(tensor, i, kind, Echo::default()));
            if errors.len() < errors_max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        interrupt.check()?;
    }
    Ok(errors)
}
