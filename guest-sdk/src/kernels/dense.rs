//! Fully connected layers in f32.
//!
//! Sixteen outputs of one row at a time, or eight of four rows: no sum waits for
//! another, and in WebAssembly one read of the weights pays for four rows, and
//! one back edge for four inputs. However rows come, an output's sum is taken
//! in the order of the inputs: the same bits.

use super::lanes::Lanes;

/// Outputs whose weights lie side by side, in vectors of four.
const OUTPUTS: usize = 4 * VECTORS;
const VECTORS: usize = 4;
/// Rows that are computed together. Native code has nothing to gain: sixteen
/// sums of one row keep the processor busy.
const ROWS: usize = if cfg!(target_arch = "wasm32") { 4 } else { 1 };
/// Inputs that one back edge pays for.
const UNROLL: usize = 4;

/// One input's weights, or the bias, of outputs that lie side by side.
type Weights = [[f32; 4]; VECTORS];

/// `x W + b`.
#[derive(Debug, Clone)]
pub struct Dense {
    inputs: usize,
    outputs: usize,
    /// For each sixteen outputs, their weights for each input; the last padded.
    weights: Vec<Weights>,
    bias: Vec<Weights>,
}

impl Dense {
    /// A layer from weights as scikit-learn keeps them: `inputs` rows of
    /// `outputs` values. `None` when the lengths do not fit each other.
    pub fn from_columns(inputs: usize, weights: &[f32], bias: &[f32]) -> Option<Self> {
        let outputs = bias.len();
        if inputs == 0 || outputs == 0 || weights.len() != inputs.checked_mul(outputs)? {
            return None;
        }
        let side_by_side = |row: &[f32], first| -> Weights {
            let value = |at| row.get(first + at).copied().unwrap_or(0.0);
            std::array::from_fn(|vector| std::array::from_fn(|lane| value(vector * 4 + lane)))
        };
        let blocks = (0..outputs).step_by(OUTPUTS);
        let rows = |first| weights.chunks_exact(outputs).map(move |row| side_by_side(row, first));
        Some(Self {
            inputs,
            outputs,
            weights: blocks.clone().flat_map(rows).collect(),
            bias: blocks.map(|first| side_by_side(bias, first)).collect(),
        })
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Fills `out` (one value an output) from `x` (one an input), for as many
    /// rows as `x` has, one behind the other. What the last one lacks counts
    /// as 0. Four rows at once take a quarter less time than one by one.
    pub fn forward(&self, x: &[f32], out: &mut Vec<f32>) {
        self.forward_by::<ROWS>(x, out);
    }

    fn forward_by<const R: usize>(&self, x: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.resize(x.len().div_ceil(self.inputs) * self.outputs, 0.0);
        let groups = x.chunks_exact(self.inputs * R);
        let rest = groups.remainder().chunks(self.inputs);
        let (whole, last) = out.split_at_mut(groups.len() * R * self.outputs);
        for (x, out) in groups.zip(whole.chunks_exact_mut(self.outputs * R)) {
            self.group::<R>(x, out);
        }
        for (x, out) in rest.zip(last.chunks_exact_mut(self.outputs)) {
            if x.len() == self.inputs {
                self.group::<1>(x, out);
            } else {
                let mut padded = x.to_vec();
                padded.resize(self.inputs, 0.0);
                self.group::<1>(&padded, out);
            }
        }
    }

    /// So many rows, as a whole.
    fn group<const R: usize>(&self, x: &[f32], out: &mut [f32]) {
        let x = split::<R>(x, self.inputs);
        let mut out = split_mut::<R>(out, self.outputs);
        let firsts = (0..self.outputs).step_by(OUTPUTS);
        for ((first, block), bias) in firsts.zip(self.weights.chunks_exact(self.inputs)).zip(&self.bias) {
            // As many sums as there are registers for.
            if R == 1 {
                put(first, sums::<R, 4, 0>(block, bias, x), &mut out);
            } else {
                put(first, sums::<R, 2, 0>(block, bias, x), &mut out);
                put(first + 8, sums::<R, 2, 2>(block, bias, x), &mut out);
            }
            add_rest(first, block, x, &mut out);
        }
    }
}

/// Writes each row's outputs from the `first` on; beyond the last is padding.
#[inline(always)]
fn put<const R: usize, const V: usize>(first: usize, sums: [[Lanes; V]; R], out: &mut [&mut [f32]; R]) {
    for (out, sums) in out.iter_mut().zip(&sums) {
        let (whole, rest) = out.get_mut(first..).unwrap_or_default().as_chunks_mut::<4>();
        whole.iter_mut().zip(sums).for_each(|(out, sums)| sums.store(out));
        if let Some(sums) = sums.get(whole.len()) {
            let mut last = [0.0; 4];
            sums.store(&mut last);
            rest.iter_mut().zip(last).for_each(|(out, sum)| *out = sum);
        }
    }
}

/// The inputs that no whole turn of the unrolled loop pays for: apart, since
/// sums that go through two loops find no registers.
#[inline(always)]
fn add_rest<const R: usize>(first: usize, block: &[Weights], x: [&[f32]; R], out: &mut [&mut [f32]; R]) {
    let rest = block.as_chunks::<UNROLL>().1;
    if rest.is_empty() {
        return;
    }
    for (out, x) in out.iter_mut().zip(x) {
        let out = out.get_mut(first..).unwrap_or_default();
        for (weights, x) in rest.iter().zip(x.as_chunks::<UNROLL>().1) {
            out.iter_mut().zip(weights.as_flattened()).for_each(|(out, weight)| *out += weight * x);
        }
    }
}

/// So many rows of a length that the compiler knows to be the same.
#[inline(always)]
fn split<const R: usize>(mut rows: &[f32], length: usize) -> [&[f32]; R] {
    std::array::from_fn(|_| {
        let (row, rest) = rows.split_at(length);
        rows = rest;
        row
    })
}

#[inline(always)]
fn split_mut<const R: usize>(mut rows: &mut [f32], length: usize) -> [&mut [f32]; R] {
    std::array::from_fn(|_| {
        let (row, rest) = std::mem::take(&mut rows).split_at_mut(length);
        rows = rest;
        row
    })
}

/// The sums of so many rows and vectors of outputs, from the `FIRST` on of
/// those that lie side by side, but for the last few inputs.
#[inline(always)]
fn sums<const R: usize, const V: usize, const FIRST: usize>(
    block: &[Weights],
    bias: &Weights,
    x: [&[f32]; R],
) -> [[Lanes; V]; R] {
    let vectors = |weights: &Weights| -> [Lanes; V] { std::array::from_fn(|v| Lanes::load(&weights[FIRST + v])) };
    let mut sums = [vectors(bias); R];
    let mut add = |weights: &Weights, x: [Lanes; R]| {
        let weights = vectors(weights);
        for r in 0..R {
            for v in 0..V {
                sums[r][v] = sums[r][v].plus_product(weights[v], x[r]);
            }
        }
    };
    let x = x.map(|x| x.as_chunks::<UNROLL>().0);
    for (i, [a, b, c, d]) in block.as_chunks::<UNROLL>().0.iter().enumerate() {
        #[expect(clippy::indexing_slicing, reason = "rows are as long as blocks")]
        let x = x.map(|x| &x[i]);
        add(a, x.map(spread::<R, 0>));
        add(b, x.map(spread::<R, 1>));
        add(c, x.map(spread::<R, 2>));
        add(d, x.map(spread::<R, 3>));
    }
    sums
}

/// One of a row's inputs, four times.
#[inline(always)]
fn spread<const R: usize, const INPUT: usize>(x: &[f32; UNROLL]) -> Lanes {
    if R == 1 { Lanes::splat(x[INPUT]) } else { Lanes::load(x).spread::<INPUT>() }
}

/// max(x, 0), in place; NaN becomes 0. A comparison, since `f32::max` is a
/// function call in WebAssembly.
pub fn relu(values: &mut [f32]) {
    for x in values {
        *x = if *x > 0.0 { *x } else { 0.0 };
    }
}

/// eˣ normalised to a sum of 1, in place.
pub fn softmax(values: &mut [f32]) {
    let high = values.iter().fold(f32::NEG_INFINITY, |high, &x| if x > high { x } else { high });
    let mut sum = 0.0;
    for x in values.iter_mut() {
        *x = (*x - high).exp();
        sum += *x;
    }
    for x in values {
        *x /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without a pattern, of many sizes.
    fn numbers(seed: u32, count: usize) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..count).map(|_| next() * 4f32.powi((next() * 4.0) as i32)).collect()
    }

    /// One product after the other, in the order of the inputs.
    fn plain(weights: &[f32], bias: &[f32], x: &[f32]) -> Vec<f32> {
        let column = |output| weights.iter().skip(output).step_by(bias.len());
        let sum = |(output, &bias)| column(output).zip(x).fold(bias, |sum, (weight, x)| sum + weight * x);
        bias.iter().enumerate().map(sum).collect()
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn however_rows_come_the_bits_are_those_of_one_product_after_the_other() {
        for (inputs, outputs, rows) in [(1, 1, 1), (3, 10, 9), (4, 16, 4), (13, 17, 6), (64, 128, 5), (66, 9, 3)] {
            let (weights, bias) = (numbers(1, inputs * outputs), numbers(2, outputs));
            let x = numbers(3, inputs * rows);
            let layer = Dense::from_columns(inputs, &weights, &bias).unwrap();
            let expected: Vec<_> = x.chunks(inputs).flat_map(|x| plain(&weights, &bias, x)).collect();
            let mut out = vec![7.0; 3];
            layer.forward_by::<1>(&x, &mut out);
            assert_eq!(bits(&out), bits(&expected), "{inputs} x {outputs}, {rows} rows, one by one");
            layer.forward_by::<4>(&x, &mut out);
            assert_eq!(bits(&out), bits(&expected), "{inputs} x {outputs}, {rows} rows, four by four");
        }
    }

    #[test]
    fn what_a_row_lacks_counts_as_nothing() {
        let layer = Dense::from_columns(2, &[1.0, 10.0, 2.0, 20.0], &[0.5, 0.0]).unwrap();
        let mut out = Vec::new();
        layer.forward(&[1.0, 1.0, 3.0], &mut out);
        assert_eq!(out, [3.5, 30.0, 3.5, 30.0]);
        layer.forward(&[], &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn lengths_that_do_not_fit_are_no_layer() {
        assert!(Dense::from_columns(2, &[1.0; 5], &[0.0; 2]).is_none());
        assert!(Dense::from_columns(0, &[], &[0.0]).is_none());
        assert!(Dense::from_columns(usize::MAX, &[1.0; 2], &[0.0; 2]).is_none());
    }
}
