//! What an operation is: numbers of a block of rows from what its node reads.

use crate::error::Wrong;
use crate::value::Operands;
use std::fmt::Debug;

/// Why a row has no value.
#[derive(Debug)]
pub(crate) struct Stop {
    /// Within the block.
    pub(crate) row: usize,
    pub(crate) message: String,
}

/// Numbers from what a node reads.
pub(crate) trait Op: Debug + Send + Sync {
    /// Appends the block's rows to `out`, which is empty.
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop>;
}

/// An operation, and the width of what it makes.
pub(super) type Made = Result<(Box<dyn Op>, usize), Wrong>;

/// An operation that was read, and its width.
pub(super) fn made(op: impl Op + 'static, width: usize) -> Made {
    Ok((Box::new(op), width))
}

/// Computes each row of the output from the first operand's.
pub(super) fn by_row(of: &Operands<'_, '_>, width: usize, out: &mut Vec<f64>, mut row: impl FnMut(&[f64], &mut [f64])) {
    out.resize(of.rows * width, 0.0);
    of.rows().zip(out.chunks_exact_mut(width)).for_each(|(x, out)| row(x, out));
}
