//! Sums of products: every output of every row is summed in the order of the inputs, however rows
//! and outputs are computed together.

use super::op::{Made, Op, Stop, made};
use crate::arrays::Table;
use crate::error::wrong;
use crate::spec::Spec;
use crate::value::Operands;

/// Outputs that are summed side by side.
const SIDE: usize = 8;

/// Weights of a layer, for so many outputs side by side.
#[derive(Debug)]
pub(super) struct Tiles {
    inputs: usize,
    outputs: usize,
    /// For each eight outputs, their weights for each input; the last eight may be padded.
    wide: Vec<[f64; SIDE]>,
    /// The same for the last one, two or four.
    rest: Vec<f64>,
    rest_side: usize,
}

impl Tiles {
    /// From the weight of each input and output.
    pub(super) fn new(inputs: usize, outputs: usize, weight: impl Fn(usize, usize) -> f64) -> Self {
        let rest_side = match outputs % SIDE {
            0 | 5.. => 0,
            3 => 4,
            rest => rest,
        };
        let wide_outputs = if rest_side == 0 { outputs } else { outputs - outputs % SIDE };
        let weight = |input, output| if output < outputs { weight(input, output) } else { 0.0 };
        let tile = |first: usize| (0..inputs).map(move |input| (first, input));
        let wide = (0..wide_outputs).step_by(SIDE).flat_map(tile);
        let wide = wide.map(|(first, input)| std::array::from_fn(|side| weight(input, first + side))).collect();
        let rest = (0..inputs).flat_map(|input| (0..rest_side).map(move |side| (input, wide_outputs + side)));
        let rest = rest.map(|(input, output)| weight(input, output)).collect();
        Self { inputs, outputs, wide, rest, rest_side }
    }

    /// Folds each output's weights and a row's inputs, from 0 on.
    pub(super) fn fold(&self, x: &[f64], out: &mut [f64], with: impl Fn(f64, f64, f64) -> f64 + Copy) {
        let wide = self.wide.chunks_exact(self.inputs.max(1));
        for (tile, first) in wide.zip((0..).step_by(SIDE)) {
            self.rows::<2, SIDE>(x, tile, first, out, with);
        }
        let first = self.outputs - self.outputs % SIDE;
        match self.rest_side {
            1 => self.rows::<8, 1>(x, self.rest.as_chunks().0, first, out, with),
            2 => self.rows::<8, 2>(x, self.rest.as_chunks().0, first, out, with),
            4 => self.rows::<4, 4>(x, self.rest.as_chunks().0, first, out, with),
            _ => {}
        }
    }

    /// One tile, for all rows, `R` at a time.
    #[inline(always)]
    fn rows<const R: usize, const S: usize>(
        &self,
        x: &[f64],
        tile: &[[f64; S]],
        first: usize,
        out: &mut [f64],
        with: impl Fn(f64, f64, f64) -> f64 + Copy,
    ) {
        let whole = x.chunks_exact(self.inputs * R);
        let (x_rest, out_rest_at) = (whole.remainder(), whole.len() * R * self.outputs);
        let (out_whole, out_rest) = out.split_at_mut(out_rest_at.min(out.len()));
        for (x, out) in whole.zip(out_whole.chunks_exact_mut(self.outputs * R)) {
            put(&sums::<R, S>(x, tile, with), first, self.outputs, out);
        }
        for (x, out) in x_rest.chunks_exact(self.inputs).zip(out_rest.chunks_exact_mut(self.outputs)) {
            put(&sums::<1, S>(x, tile, with), first, self.outputs, out);
        }
    }
}

/// Writes each row's outputs from the `first` on; beyond the last is padding.
#[inline(always)]
fn put<const R: usize, const S: usize>(sums: &[[f64; S]; R], first: usize, outputs: usize, out: &mut [f64]) {
    for (out, sums) in out.chunks_exact_mut(outputs).zip(sums) {
        let out = out.get_mut(first..).unwrap_or_default();
        out.iter_mut().zip(sums).for_each(|(out, &sum)| *out = sum);
    }
}

/// The sums of `R` rows and `S` outputs.
#[inline(always)]
fn sums<const R: usize, const S: usize>(
    x: &[f64],
    tile: &[[f64; S]],
    with: impl Fn(f64, f64, f64) -> f64,
) -> [[f64; S]; R] {
    let mut sums = [[0.0; S]; R];
    let mut rest = x;
    let rows: [&[f64]; R] = std::array::from_fn(|_| {
        let (row, others) = rest.split_at(tile.len().min(rest.len()));
        rest = others;
        row
    });
    if rows.iter().any(|row| row.len() != tile.len()) {
        return sums;
    }
    for (input, weights) in tile.iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(rows) {
            #[expect(clippy::indexing_slicing, reason = "rows are as long as tiles")]
            let x = row[input];
            for (sum, &weight) in sums.iter_mut().zip(weights) {
                *sum = with(*sum, x, weight);
            }
        }
    }
    sums
}

/// `x W + b`.
#[derive(Debug)]
pub(super) struct Linear {
    tiles: Tiles,
    bias: Vec<f64>,
}

impl Linear {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let inputs = spec.width()?;
        let weights = spec.table("weights", Some(inputs), None)?;
        let outputs = weights.columns;
        let tiles = Tiles::new(inputs, outputs, |input, output| value(&weights, input, output));
        made(Self { tiles, bias: spec.numbers("bias", outputs)? }, outputs)
    }
}

fn value(table: &Table, row: usize, column: usize) -> f64 {
    table.row(row).get(column).copied().unwrap_or(0.0)
}

impl Op for Linear {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        out.resize(of.rows * self.bias.len(), 0.0);
        self.tiles.fold(of.matrix(0).0, out, |sum, x, weight| sum + x * weight);
        for out in out.chunks_exact_mut(self.bias.len()) {
            out.iter_mut().zip(&self.bias).for_each(|(out, bias)| *out += bias);
        }
        Ok(())
    }
}

/// Squared Euclidean distances.
#[derive(Debug)]
pub(super) struct Distance {
    centers: Tiles,
}

impl Distance {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        let width = spec.width()?;
        let centers = spec.table("centers", None, Some(width))?;
        let count = centers.rows;
        made(Self { centers: Tiles::new(width, count, |input, center| value(&centers, center, input)) }, count)
    }
}

/// Adds a square to a squared distance.
pub(super) fn add_square(sum: f64, x: f64, center: f64) -> f64 {
    let apart = x - center;
    sum + apart * apart
}

impl Op for Distance {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        out.resize(of.rows * self.centers.outputs, 0.0);
        self.centers.fold(of.matrix(0).0, out, add_square);
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Linear,
    Rbf,
    Poly,
    Sigmoid,
}

/// A kernel of a row and each of some vectors.
#[derive(Debug)]
pub(super) struct Kernel {
    vectors: Tiles,
    kind: Kind,
    gamma: f64,
    coef0: f64,
    degree: i32,
}

impl Kernel {
    pub(super) fn read(spec: &mut Spec<'_>) -> Made {
        const DEGREE_MAX: usize = 1_000;
        let width = spec.width()?;
        let known = [("linear", Kind::Linear), ("rbf", Kind::Rbf), ("poly", Kind::Poly), ("sigmoid", Kind::Sigmoid)];
        let kind = spec.choice("kind", &known)?;
        let vectors = spec.table("vectors", None, Some(width))?;
        let count = vectors.rows;
        let vectors = Tiles::new(width, count, |input, vector| value(&vectors, vector, input));
        let gamma = if matches!(kind, Kind::Linear) { 0.0 } else { spec.number("gamma")? };
        let coef0 = if matches!(kind, Kind::Poly | Kind::Sigmoid) { spec.number("coef0")? } else { 0.0 };
        let degree = if matches!(kind, Kind::Poly) { spec.index("degree")? } else { 0 };
        let Some(degree) = i32::try_from(degree).ok().filter(|_| degree <= DEGREE_MAX) else {
            return wrong(format!("`degree`: at most {DEGREE_MAX}"), degree);
        };
        made(Self { vectors, kind, gamma, coef0, degree }, count)
    }
}

impl Op for Kernel {
    fn run(&self, of: &Operands<'_, '_>, out: &mut Vec<f64>) -> Result<(), Stop> {
        out.resize(of.rows * self.vectors.outputs, 0.0);
        let x = of.matrix(0).0;
        match self.kind {
            Kind::Rbf => self.vectors.fold(x, out, add_square),
            _ => self.vectors.fold(x, out, |sum, x, weight| sum + x * weight),
        }
        let scaled = |dot: f64| self.gamma * dot + self.coef0;
        match self.kind {
            Kind::Linear => {}
            Kind::Rbf => out.iter_mut().for_each(|x| *x = (-self.gamma * *x).exp()),
            Kind::Poly => out.iter_mut().for_each(|x| *x = power(scaled(*x), self.degree)),
            Kind::Sigmoid => out.iter_mut().for_each(|x| *x = scaled(*x).tanh()),
        }
        Ok(())
    }
}

/// By squaring, in libsvm's order.
fn power(base: f64, mut times: i32) -> f64 {
    let (mut square, mut product) = (base, 1.0);
    while times > 0 {
        if times % 2 == 1 {
            product *= square;
        }
        square *= square;
        times /= 2;
    }
    product
}
