//! Functions of a row as a whole.

use super::op::{Made, Op, Stop, by_row, made};
use crate::spec::Spec;
use crate::value::Operands;

#[derive(Debug, Clone, Copy)]
enum Norm {
    L1,
    L2,
    Max,
}

/// Each row divided by its norm.
#[derive(Debug)]
pub(super) struct Normalize {
    norm: Norm,
    width: usize,
}

impl Normalize {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let width = spec.width()?;
        let norm = spec.choice("norm", &[("l1", Norm::L1), ("l2", Norm::L2), ("max", Norm::Max)])?;
        made(Self { norm, width }, width)
    }
}

impl Op for Normalize {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        /// Below it scikit-learn takes a norm for zero, and leaves the row as it is.
        const ZERO: f64 = 10.0 * f64::EPSILON;
        by_row(of, self.width, out, |x, out| {
            let norm = match self.norm {
                Norm::L1 => x.iter().map(|x| x.abs()).sum(),
                Norm::L2 => x.iter().map(|x| x * x).sum::<f64>().sqrt(),
                Norm::Max => x.iter().fold(0.0, |high: f64, x| if x.abs() > high { x.abs() } else { high }),
            };
            let norm = if norm < ZERO { 1.0 } else { norm };
            out.iter_mut().zip(x).for_each(|(out, x)| *out = x / norm);
        });
        Ok(())
    }
}

/// eˣ by the sum of them, or its logarithm.
#[derive(Debug)]
pub(super) struct Softmax {
    is_log: bool,
    is_single: bool,
    width: usize,
}

impl Softmax {
    pub(super) fn read(spec: &mut Spec<'_>, is_log: bool) -> Made {
        let width = spec.width()?;
        let is_single = match spec.has("precision") && !is_log {
            true => spec.choice("precision", &[("f64", false), ("f32", true)])?,
            false => false,
        };
        made(Self { is_log, is_single, width }, width)
    }
}

/// The largest; not NaN, where there is a number.
fn largest(x: &[f64]) -> f64 {
    x.iter().fold(f64::NEG_INFINITY, |high, &x| if x > high { x } else { high })
}

impl Op for Softmax {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        by_row(of, self.width, out, |x, out| {
            let high = largest(x);
            if self.is_single {
                // As XGBoost: f32, but for the sum.
                out.iter_mut().zip(x).for_each(|(out, &x)| *out = f64::from((x as f32 - high as f32).exp()));
                let sum = out.iter().sum::<f64>() as f32;
                out.iter_mut().for_each(|out| *out = f64::from(*out as f32 / sum));
            } else if self.is_log {
                let sum = x.iter().map(|x| (x - high).exp()).sum::<f64>().ln();
                out.iter_mut().zip(x).for_each(|(out, x)| *out = (x - high) - sum);
            } else {
                out.iter_mut().zip(x).for_each(|(out, x)| *out = (x - high).exp());
                let sum: f64 = out.iter().sum();
                out.iter_mut().for_each(|out| *out /= sum);
            }
        });
        Ok(())
    }
}

/// Each row divided by its sum.
#[derive(Debug)]
pub(super) struct Proportion {
    zero_is_uniform: bool,
    width: usize,
}

impl Proportion {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let width = spec.width()?;
        made(Self { zero_is_uniform: spec.choice("zero", &[("uniform", true), ("keep", false)])?, width }, width)
    }
}

impl Op for Proportion {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        by_row(of, self.width, out, |x, out| match x.iter().sum::<f64>() {
            0.0 if self.zero_is_uniform => out.fill(1.0 / self.width as f64),
            0.0 => out.copy_from_slice(x),
            sum => out.iter_mut().zip(x).for_each(|(out, x)| *out = x / sum),
        });
        Ok(())
    }
}

/// Where a row's largest or smallest number is: the first of several. NaN is both, as in numpy.
#[derive(Debug)]
pub(super) struct Extreme {
    is_largest: bool,
}

impl Extreme {
    pub(super) fn read(spec: &mut Spec<'_>, is_largest: bool) -> Made {
        spec.width()?;
        made(Self { is_largest }, 1)
    }
}

impl Op for Extreme {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        by_row(of, 1, out, |x, out| {
            let mut best = (0, x.first().copied().unwrap_or(f64::NAN));
            for (i, &x) in x.iter().enumerate() {
                let is_better = if self.is_largest { x > best.1 } else { x < best.1 };
                if is_better || (x.is_nan() && !best.1.is_nan()) {
                    best = (i, x);
                }
            }
            out.fill(best.0 as f64);
        });
        Ok(())
    }
}

/// Each row's sum.
#[derive(Debug)]
pub(super) struct RowSum;

impl RowSum {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        spec.width()?;
        made(Self, 1)
    }
}

impl Op for RowSum {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        out.extend(of.rows().map(|x| x.iter().sum::<f64>()));
        Ok(())
    }
}
