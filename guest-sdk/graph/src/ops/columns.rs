//! Columns beside each other, chosen, filled, scaled, added: no row looks at another.

use super::op::{Made, Op, Stop, by_row, made};
use crate::error::wrong;
use crate::spec::Spec;
use crate::value::{Operands, Shape};

/// All matrices side by side.
#[derive(Debug)]
pub(super) struct Concat {
    width: usize,
}

impl Concat {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let width = spec.widths()?.iter().fold(0usize, |sum, &width| sum.saturating_add(width));
        made(Self { width }, width)
    }
}

impl Op for Concat {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        out.resize(of.rows * self.width, 0.0);
        let mut first = 0;
        for (values, width) in of.matrices() {
            let rows =
                out.chunks_exact_mut(self.width).map(|row| row.get_mut(first..first + width).unwrap_or_default());
            if width == 1 {
                rows.zip(values).for_each(|(row, &x)| row.iter_mut().for_each(|out| *out = x));
            } else {
                rows.zip(values.chunks_exact(width)).for_each(|(row, x)| row.copy_from_slice(x));
            }
            first += width;
        }
        Ok(())
    }
}

/// Some columns, in any order.
#[derive(Debug)]
pub(super) struct Select {
    columns: Vec<u32>,
}

impl Select {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let width = spec.width()?;
        let columns = spec.indexes("columns", width)?;
        let width = columns.len();
        if width == 0 {
            return wrong("`columns`: at least one", "none");
        }
        made(Self { columns }, width)
    }
}

impl Op for Select {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        by_row(of, self.columns.len(), out, |x, out| {
            for (out, &column) in out.iter_mut().zip(&self.columns) {
                *out = x.get(column as usize).copied().unwrap_or(f64::NAN);
            }
        });
        Ok(())
    }
}

/// The same row everywhere.
#[derive(Debug)]
pub(super) struct Constant {
    value: Vec<f64>,
}

impl Constant {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        if spec.of.len() != 1 {
            return wrong("`of` with 1 node, for the number of rows", spec.of.len());
        }
        let value = spec.any_numbers("value")?;
        let width = value.len();
        made(Self { value }, width)
    }
}

impl Op for Constant {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        (0..of.rows).for_each(|_| out.extend_from_slice(&self.value));
        Ok(())
    }
}

/// What counts as missing: a number, or NaN.
#[derive(Debug, Clone, Copy)]
struct Missing(Option<f64>);

impl Missing {
    fn is(self, x: f64) -> bool {
        self.0.map_or_else(|| x.is_nan(), |missing| x == missing)
    }
}

/// Another value for what is missing.
#[derive(Debug)]
pub(super) struct Impute {
    fill: Vec<f64>,
    missing: Missing,
}

impl Impute {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let width = spec.width()?;
        made(Self { fill: spec.numbers("fill", width)?, missing: Missing(spec.number_if("missing")?) }, width)
    }
}

impl Op for Impute {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        by_row(of, self.fill.len(), out, |x, out| {
            for ((out, &x), &fill) in out.iter_mut().zip(x).zip(&self.fill) {
                *out = if self.missing.is(x) { fill } else { x };
            }
        });
        Ok(())
    }
}

/// 1 where a value is missing, else 0.
#[derive(Debug)]
pub(super) struct Indicate {
    missing: Missing,
}

impl Indicate {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let width = spec.width()?;
        made(Self { missing: Missing(spec.number_if("missing")?) }, width)
    }
}

impl Op for Indicate {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        out.extend(of.matrix(0).0.iter().map(|&x| f64::from(u8::from(self.missing.is(x)))));
        Ok(())
    }
}

/// Steps in the order in which scikit-learn's scalers take them.
const STEPS: [&str; 6] = ["subtract", "divide", "multiply", "add", "low", "high"];

/// Each column shifted, scaled and bounded.
#[derive(Debug)]
pub(super) struct Scale {
    steps: Vec<(usize, Vec<f64>)>,
    width: usize,
}

impl Scale {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let width = spec.width()?;
        let mut steps = Vec::new();
        for (at, name) in STEPS.iter().enumerate() {
            if let Some(numbers) = spec.numbers_if(name, width)? {
                steps.push((at, numbers));
            }
        }
        made(Self { steps, width }, width)
    }
}

/// One step for all rows; a function of its own, so that each is compiled as its own loop.
#[inline(always)]
fn step(values: &mut [f64], by: &[f64], apply: impl Fn(f64, f64) -> f64) {
    for row in values.chunks_exact_mut(by.len()) {
        row.iter_mut().zip(by).for_each(|(x, &by)| *x = apply(*x, by));
    }
}

impl Op for Scale {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        out.extend_from_slice(of.matrix(0).0);
        debug_assert_eq!(out.len(), of.rows * self.width);
        for (at, by) in &self.steps {
            match at {
                0 => step(out, by, |x, by| x - by),
                1 => step(out, by, |x, by| x / by),
                2 => step(out, by, |x, by| x * by),
                3 => step(out, by, |x, by| x + by),
                // A bound leaves NaN as it is.
                4 => step(out, by, |x, low| if x < low { low } else { x }),
                _ => step(out, by, |x, high| if x > high { high } else { x }),
            }
        }
        Ok(())
    }
}

/// Products of columns, as polynomial features are.
#[derive(Debug)]
pub(super) struct Products {
    starts: Vec<u32>,
    columns: Vec<u32>,
}

impl Products {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let width = spec.width()?;
        let columns = spec.indexes("columns", width)?;
        let starts = spec.words("starts")?;
        let ends = starts.first() == Some(&0) && starts.last().map(|&end| end as usize) == Some(columns.len());
        if starts.len() < 2 || !ends || !starts.is_sorted() {
            return wrong("`starts`: from 0 to the number of columns, never less", format!("{} starts", starts.len()));
        }
        let width = starts.len() - 1;
        made(Self { starts, columns }, width)
    }
}

impl Op for Products {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        by_row(of, self.starts.len() - 1, out, |x, out| {
            for (out, range) in out.iter_mut().zip(self.starts.windows(2)) {
                let &[start, end] = range else { continue };
                let columns = self.columns.get(start as usize..end as usize).unwrap_or_default();
                let factor = |&column: &u32| x.get(column as usize).copied().unwrap_or(f64::NAN);
                *out = columns.iter().map(factor).reduce(|product, x| product * x).unwrap_or(1.0);
            }
        });
        Ok(())
    }
}

/// Matrices added in order, each with a weight, then divided.
#[derive(Debug)]
pub(super) struct Sum {
    weights: Option<Vec<f64>>,
    divide: Option<f64>,
}

impl Sum {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let widths = spec.widths()?;
        let width = widths.first().copied().unwrap_or(0);
        if let Some(other) = widths.iter().find(|&&other| other != width) {
            return wrong(format!("matrices of width {width}, as the first"), format!("width {other}"));
        }
        made(Self { weights: spec.numbers_if("weights", widths.len())?, divide: spec.number_if("divide")? }, width)
    }
}

impl Op for Sum {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        for (i, (values, _)) in of.matrices().enumerate() {
            let weight = self.weights.as_ref().and_then(|weights| weights.get(i)).copied();
            match (i, weight) {
                (0, None) => out.extend_from_slice(values),
                (0, Some(weight)) => out.extend(values.iter().map(|x| x * weight)),
                (_, None) => out.iter_mut().zip(values).for_each(|(sum, x)| *sum += x),
                (_, Some(weight)) => out.iter_mut().zip(values).for_each(|(sum, x)| *sum += x * weight),
            }
        }
        if let Some(divide) = self.divide {
            out.iter_mut().for_each(|sum| *sum /= divide);
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Pair {
    Add,
    Subtract,
    Multiply,
    Divide,
    Minimum,
    Maximum,
    Power,
}

/// Two matrices, element by element; one of width 1 goes with every column of the other.
#[derive(Debug)]
pub(super) struct Combine {
    pair: Pair,
    width: usize,
}

impl Combine {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let width = match *spec.of.as_slice() {
            [Shape::Matrix(a), Shape::Matrix(b)] if a == b || b == 1 => a,
            [Shape::Matrix(1), Shape::Matrix(b)] => b,
            [Shape::Matrix(a), Shape::Matrix(b)] => {
                return wrong("widths that are equal, or 1", format!("{a} and {b}"));
            }
            _ => return wrong("`of` with 2 nodes of numbers", spec.of.len()),
        };
        let known = [
            ("add", Pair::Add),
            ("subtract", Pair::Subtract),
            ("multiply", Pair::Multiply),
            ("divide", Pair::Divide),
            ("minimum", Pair::Minimum),
            ("maximum", Pair::Maximum),
            ("power", Pair::Power),
        ];
        made(Self { pair: spec.choice("function", &known)?, width }, width)
    }
}

impl Op for Combine {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        let ((a, a_width), (b, b_width)) = (of.matrix(0), of.matrix(1));
        let apply: fn(f64, f64) -> f64 = match self.pair {
            Pair::Add => |a, b| a + b,
            Pair::Subtract => |a, b| a - b,
            Pair::Multiply => |a, b| a * b,
            Pair::Divide => |a, b| a / b,
            // NaN wins, as in numpy.
            Pair::Minimum => |a, b| if a < b || a.is_nan() { a } else { b },
            Pair::Maximum => |a, b| if a > b || a.is_nan() { a } else { b },
            Pair::Power => f64::powf,
        };
        let spread = |values: &[f64], width: usize, at: usize| {
            let at = if width == self.width { at } else { at / self.width };
            values.get(at).copied().unwrap_or(f64::NAN)
        };
        let count = of.rows * self.width;
        out.extend((0..count).map(|at| apply(spread(a, a_width, at), spread(b, b_width, at))));
        Ok(())
    }
}
