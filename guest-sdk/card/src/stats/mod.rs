//! Whether the data that a model sees is still like the data it learned from.
//!
//! [`Profiler`] reads training data once and leaves a [`Reference`]. Live rows
//! are counted in the reference's own bins: [`Counter`] says where a value
//! belongs, [`Counts`] is how many came. [`watch`] judges such counts after
//! any row; [`compare`] and [`compare_counts`] judge a window once.
//!
//! It never keeps a row of live traffic, reads a clock or draws from entropy:
//! the same data gives the same numbers, and counts of many hosts add up.

mod cells;
mod compare;
mod counter;
mod counts;
mod distance;
mod evidence;
mod gamma;
mod judge;
mod moments;
mod profiler;
mod reference;
mod report;
mod reservoir;
mod shown;
mod sides;
mod significance;
mod texts;
mod validate;
mod withheld;

pub use cells::belongs_to;
pub use compare::{compare, compare_counts, compare_live, watch};
pub use counter::Counter;
pub use counts::Counts;
pub use distance::{
    Binned, Bounds, js_distance, jsd_bits, ks, ks_binned, l_infinity, psi, total_variation, total_variation_by_chance,
    wasserstein, wasserstein_binned,
};
pub use evidence::ln_e;
pub use moments::Moments;
pub use profiler::{ColumnProfiler, Profiler};
pub use reference::{
    CategoricalReference, Category, ColumnReference, HeldOut, Histogram, Kind, NumericReference, Reference, References,
    StatsError,
};
pub use report::{Basis, Check, ColumnReport, DriftReport, Rule, Statistic, Verdict};
pub use shown::{Fell, ShownCells, ShownColumn};
pub use significance::{ChiSquare, chi_square, fisher_exact, ks_p_value, means_p_value};

/// Quantile bins of a numeric column, at most.
pub const BINS: usize = 10;
/// A column of numbers with no more distinct values than this is categorical.
pub const DISTINCT_NUMBERS_MAX: usize = 20;
/// Categories kept of a column; the rest is `other`.
pub const CATEGORIES_MAX: usize = 100;
/// A longer text is counted as `other`.
pub const CATEGORY_MAX_BYTES: usize = 256;
/// Values of a column that its order statistics are taken from, at most.
pub const VALUES_MAX: usize = 1 << 16;
/// Values of a column that a reference stores, at most.
pub const SAMPLE_MAX_VALUES: usize = 10_000;
/// Elements of a field in a row that are compared one by one; a field with more
/// is not.
pub const ELEMENTS_MAX: usize = 64;
/// Columns of a reference, at most.
pub const COLUMNS_MAX: usize = 4_096;
/// A finite number beyond this counts as this: its square could not be summed.
pub const MAGNITUDE_MAX: f64 = 1e100;
/// The largest count that a reference or an import may hold: exact as `f64`.
pub const COUNT_MAX: u64 = 1 << 53;

/// Share of epochs, or windows, in which an alarm may be false.
pub const ALPHA: f64 = 0.01;
/// Rows after which counting starts anew, so that old rows hide no new drift.
pub const EPOCH_ROWS: u64 = 2_000;
/// Live values below which a window is not judged.
pub const WINDOW_MIN_ROWS: u64 = 100;
/// Values of a reference below which nothing is judged by it.
pub const REFERENCE_MIN_ROWS: u64 = 100;
/// The same where no p-value can be had, only a distance.
pub const DISTANCE_MIN_ROWS: u64 = 500;
/// Smallest normed Wasserstein distance that matters.
pub const W_NORM_MATERIAL: f64 = 0.1;
/// Smallest Kolmogorov-Smirnov distance that matters: it knows no unit, so
/// nothing far out can hide it.
pub const KS_MATERIAL: f64 = 0.1;
/// Smallest total variation distance, beyond what chance makes of it, that matters.
pub const TOTAL_VARIATION_MATERIAL: f64 = 0.1;
/// Smallest change of a category's share that matters.
pub const L_INFINITY_MATERIAL: f64 = 0.05;
/// Smallest change of the share of missing values that matters.
pub const NULL_RATE_MATERIAL: f64 = 0.02;
/// Standard deviations below this count as this when a distance is normed.
pub const SCALE_MIN: f64 = 1e-3;
