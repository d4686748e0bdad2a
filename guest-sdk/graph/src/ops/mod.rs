//! What nodes compute, one file a family.

mod columns;
mod encode;
mod letters;
mod linear;
mod math;
mod models;
mod rows;
mod tokens;
mod trees;

use crate::error::Wrong;
use crate::spec::Spec;
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
type Made = Result<(Box<dyn Op>, usize), Wrong>;

/// The operation of that name; none if there is no such.
pub(crate) fn read(name: &str, spec: &mut Spec<'_>) -> Option<Made> {
    Some(match name {
        "concat" => columns::Concat::read(spec),
        "select" => columns::Select::read(spec),
        "constant" => columns::Constant::read(spec),
        "impute" => columns::Impute::read(spec),
        "indicate" => columns::Indicate::read(spec),
        "scale" => columns::Scale::read(spec),
        "products" => columns::Products::read(spec),
        "sum" => columns::Sum::read(spec),
        "combine" => columns::Combine::read(spec),
        "text_index" => encode::TextIndex::read(spec),
        "number_index" => encode::NumberIndex::read(spec),
        "one_hot" => encode::OneHot::read(spec),
        "gather" => encode::Gather::read(spec),
        "bins" => encode::Bins::read(spec),
        "map" => math::Map::read(spec),
        "power" => math::Power::read(spec),
        "quantile" => math::Quantile::read(spec),
        "interpolate" => math::Interpolate::read(spec),
        "normalize" => rows::Normalize::read(spec),
        "softmax" => rows::Softmax::read(spec, false),
        "log_softmax" => rows::Softmax::read(spec, true),
        "proportion" => rows::Proportion::read(spec),
        "argmax" => rows::Extreme::read(spec, true),
        "argmin" => rows::Extreme::read(spec, false),
        "row_sum" => rows::RowSum::read(spec),
        "linear" => linear::Linear::read(spec),
        "distance" => linear::Distance::read(spec),
        "kernel" => linear::Kernel::read(spec),
        "trees" => trees::Trees::read(spec),
        "one_vs_one" => models::OneVsOne::read(spec),
        "weighted_median" => models::WeightedMedian::read(spec),
        "gaussian_nb" => models::GaussianNb::read(spec),
        "neighbors" => models::Neighbors::read(spec),
        "tokens" => tokens::Tokens::read(spec),
        _ => return None,
    })
}

fn made(op: impl Op + 'static, width: usize) -> Made {
    Ok((Box::new(op), width))
}

/// Computes each row of the output from the first operand's.
fn by_row(of: &Operands<'_, '_>, width: usize, out: &mut Vec<f64>, mut row: impl FnMut(&[f64], &mut [f64])) {
    out.resize(of.rows * width, 0.0);
    of.rows().zip(out.chunks_exact_mut(width)).for_each(|(x, out)| row(x, out));
}
