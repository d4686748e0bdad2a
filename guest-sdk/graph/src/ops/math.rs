//! Functions of one number.

use super::op::{Made, Op, Stop, by_row, made};
use crate::arrays::Table;
use crate::error::wrong;
use crate::spec::Spec;
use crate::value::Operands;

/// What becomes of a number, with a parameter that some functions have.
type Function = fn(f64, f64) -> f64;

/// 1 for true.
fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn single(f: impl Fn(f32) -> f32, x: f64) -> f64 {
    f64::from(f(x as f32))
}

const FUNCTIONS: [(&str, Function); 33] = [
    ("identity", |x, _| x),
    ("exp", |x, _| x.exp()),
    ("exp2", |x, _| x.exp2()),
    ("expm1", |x, _| x.exp_m1()),
    ("log", |x, _| x.ln()),
    ("log1p", |x, _| x.ln_1p()),
    ("log2", |x, _| x.log2()),
    ("log10", |x, _| x.log10()),
    ("sqrt", |x, _| x.sqrt()),
    ("cbrt", |x, _| x.cbrt()),
    ("square", |x, _| x * x),
    ("abs", |x, _| x.abs()),
    ("negative", |x, _| -x),
    ("sign", |x, _| {
        if x > 0.0 {
            1.0
        } else if x < 0.0 {
            -1.0
        } else {
            x.abs()
        }
    }),
    ("reciprocal", |x, _| 1.0 / x),
    ("sigmoid", |x, _| 1.0 / (1.0 + (-x).exp())),
    ("tanh", |x, _| x.tanh()),
    // NaN stays.
    ("relu", |x, _| if x < 0.0 { 0.0 } else { x }),
    ("sin", |x, _| x.sin()),
    ("cos", |x, _| x.cos()),
    ("floor", |x, _| x.floor()),
    ("ceil", |x, _| x.ceil()),
    ("rint", |x, _| x.round_ties_even()),
    ("is_missing", |x, _| truth(x.is_nan())),
    ("greater", |x, than| truth(x > than)),
    ("at_least", |x, least| truth(x >= least)),
    ("add", |x, by| x + by),
    ("multiply", |x, by| x * by),
    ("power", f64::powf),
    ("float32", |x, _| f64::from(x as f32)),
    // A count, as TfidfVectorizer takes it with `sublinear_tf`.
    ("log_count", |x, _| if x > 0.0 { x.ln() + 1.0 } else { x }),
    // As XGBoost computes them.
    ("exp_f32", |x, _| single(f32::exp, x)),
    ("sigmoid_f32", |x, _| single(|x| 1.0 / ((-x).min(88.7).exp() + 1.0 + 1e-16), x)),
];

/// Functions that have a parameter.
const WITH_PARAMETER: [&str; 5] = ["greater", "at_least", "add", "multiply", "power"];

/// One function for all elements.
#[derive(Debug)]
pub(super) struct Map {
    function: Function,
    parameter: f64,
}

impl Map {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let width = spec.width()?;
        let (name, function) = spec.choice("function", &FUNCTIONS.map(|(name, function)| (name, (name, function))))?;
        let parameter = if WITH_PARAMETER.contains(&name) { spec.number("parameter")? } else { 0.0 };
        made(Self { function, parameter }, width)
    }
}

impl Op for Map {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        out.extend(of.matrix(0).0.iter().map(|&x| (self.function)(x, self.parameter)));
        Ok(())
    }
}

/// A power transform, with a lambda for each column.
#[derive(Debug)]
pub(super) struct Power {
    method: fn(f64, f64) -> f64,
    lambda: Vec<f64>,
}

impl Power {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let width = spec.width()?;
        let known: [(&str, Function); 3] =
            [("yeo_johnson", yeo_johnson), ("yeo_johnson_expm1", yeo_johnson_expm1), ("box_cox", box_cox)];
        made(Self { method: spec.choice("method", &known)?, lambda: spec.numbers("lambda", width)? }, width)
    }
}

/// As scikit-learn computes it.
fn yeo_johnson(x: f64, lambda: f64) -> f64 {
    if x >= 0.0 {
        if lambda.abs() < f64::EPSILON { x.ln_1p() } else { ((x + 1.0).powf(lambda) - 1.0) / lambda }
    } else if (lambda - 2.0).abs() > f64::EPSILON {
        -((-x + 1.0).powf(2.0 - lambda) - 1.0) / (2.0 - lambda)
    } else {
        -(-x).ln_1p()
    }
}

/// As scipy computes it.
fn yeo_johnson_expm1(x: f64, lambda: f64) -> f64 {
    if x >= 0.0 {
        if lambda.abs() < f64::EPSILON { x.ln_1p() } else { (lambda * x.ln_1p()).exp_m1() / lambda }
    } else if (lambda - 2.0).abs() > f64::EPSILON {
        -((2.0 - lambda) * (-x).ln_1p()).exp_m1() / (2.0 - lambda)
    } else {
        -(-x).ln_1p()
    }
}

fn box_cox(x: f64, lambda: f64) -> f64 {
    if lambda.abs() < 1e-19 { x.ln() } else { (lambda * x.ln()).exp_m1() / lambda }
}

impl Op for Power {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        by_row(of, self.lambda.len(), out, |x, out| {
            for ((out, &x), &lambda) in out.iter_mut().zip(x).zip(&self.lambda) {
                *out = (self.method)(x, lambda);
            }
        });
        Ok(())
    }
}

/// A column's quantiles to even spaces, as scikit-learn's QuantileTransformer for a uniform
/// distribution.
#[derive(Debug)]
pub(super) struct Quantile {
    /// One list a column: the quantiles, and negated from the last to the first.
    columns: Vec<[Vec<f64>; 2]>,
    references: [Vec<f64>; 2],
}

/// A list, and negated from its end.
fn mirrored(list: Vec<f64>) -> [Vec<f64>; 2] {
    let mirror = list.iter().rev().map(|x| -x).collect();
    [list, mirror]
}

impl Quantile {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let width = spec.width()?;
        let Table { rows, columns, values } = spec.table("quantiles", None, Some(width))?;
        let references = spec.numbers("references", rows)?;
        let column = |column: usize| values.iter().skip(column).step_by(columns).copied().collect::<Vec<_>>();
        let columns: Vec<_> = (0..columns).map(column).collect();
        if !references.is_sorted() || !columns.iter().all(|column| column.is_sorted()) {
            return wrong("`quantiles` and `references`: numbers that never decrease", "one that does, or NaN");
        }
        made(Self { columns: columns.into_iter().map(mirrored).collect(), references: mirrored(references) }, width)
    }
}

impl Op for Quantile {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        let [references, negated] = &self.references;
        by_row(of, self.columns.len(), out, |x, out| {
            for ((out, &x), [quantiles, mirror]) in out.iter_mut().zip(x).zip(&self.columns) {
                *out = if quantiles.first() == Some(&x) {
                    0.0
                } else if quantiles.last() == Some(&x) {
                    1.0
                } else {
                    0.5 * (interpolate(x, quantiles, references) - interpolate(-x, mirror, negated))
                };
            }
        });
        Ok(())
    }
}

/// Lines between points, as numpy's interp.
#[derive(Debug)]
pub(super) struct Interpolate {
    x: Vec<f64>,
    y: Vec<f64>,
}

impl Interpolate {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        spec.single()?;
        let x = spec.any_numbers("x")?;
        let y = spec.numbers("y", x.len())?;
        if !x.is_sorted() {
            return wrong("`x`: numbers that never decrease", "one that does, or NaN");
        }
        made(Self { x, y }, 1)
    }
}

impl Op for Interpolate {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        out.extend(of.matrix(0).0.iter().map(|&x| interpolate(x, &self.x, &self.y)));
        Ok(())
    }
}

/// The value at `x` of the line through points in ascending order; beyond the ends, theirs.
fn interpolate(x: f64, xs: &[f64], ys: &[f64]) -> f64 {
    let point = |at: usize| Some((*xs.get(at)?, *ys.get(at)?));
    if x.is_nan() {
        return x;
    }
    let above = xs.partition_point(|&other| other <= x);
    let Some((x0, y0)) = above.checked_sub(1).and_then(point) else { return ys.first().copied().unwrap_or(f64::NAN) };
    let Some((x1, y1)) = point(above) else { return ys.last().copied().unwrap_or(f64::NAN) };
    if x0 == x {
        return y0;
    }
    let slope = (y1 - y0) / (x1 - x0);
    let from_below = slope * (x - x0) + y0;
    if !from_below.is_nan() {
        return from_below;
    }
    let from_above = slope * (x - x1) + y1;
    if from_above.is_nan() && y0 == y1 { y0 } else { from_above }
}
