//! Where an element of a tensor is. Never reads one.

use scry_card::{Misread, element_count};

/// What is wrong with one element, at its row and its place within the row's value.
pub(crate) fn placed(misread: Misread, shape: &[u64], at: usize) -> Misread {
    let per_row = per_row(shape);
    let misread = misread.at_row(at / per_row);
    if shape.len() > 1 { misread.at_element(at % per_row) } else { misread }
}

/// Elements of one row; never none.
pub(super) fn per_row(shape: &[u64]) -> usize {
    element_count(shape.get(1..).unwrap_or_default()).unwrap_or(1).max(1)
}
