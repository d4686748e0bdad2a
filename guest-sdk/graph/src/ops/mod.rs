//! What nodes compute, one file a family.

mod columns;
mod encode;
mod letters;
mod linear;
mod math;
mod models;
mod op;
mod rows;
mod tokens;
mod trees;

pub(crate) use op::{Op, Stop};

use crate::spec::Spec;
use op::Made;

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
