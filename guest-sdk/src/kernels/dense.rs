//! Fully connected layers in f32.
//!
//! Sixteen outputs at a time: each input multiplies sixteen weights that lie
//! side by side, which the compiler turns into four SIMD multiplications and
//! additions without a sum across lanes. One back edge pays for four inputs.

/// Outputs that are computed together.
const LANES: usize = 16;
/// Inputs that one back edge pays for.
const UNROLL: usize = 4;

/// Weights or sums of outputs that are computed together.
type Lanes = [f32; LANES];

/// `x W + b`.
#[derive(Debug, Clone)]
pub struct Dense {
    inputs: usize,
    outputs: usize,
    /// For each sixteen outputs, one set of lanes an input; the last padded.
    weights: Vec<Lanes>,
    bias: Vec<Lanes>,
}

impl Dense {
    /// A layer from weights as scikit-learn keeps them: `inputs` rows of
    /// `outputs` values. `None` when the lengths do not fit each other.
    pub fn from_columns(inputs: usize, weights: &[f32], bias: &[f32]) -> Option<Self> {
        let outputs = bias.len();
        if inputs == 0 || outputs == 0 || weights.len() != inputs.checked_mul(outputs)? {
            return None;
        }
        let lanes = |row: &[f32], first| std::array::from_fn(|lane| row.get(first + lane).copied().unwrap_or(0.0));
        let blocks = (0..outputs).step_by(LANES);
        let rows = |first| weights.chunks_exact(outputs).map(move |row| lanes(row, first));
        Some(Self {
            inputs,
            outputs,
            weights: blocks.clone().flat_map(rows).collect(),
            bias: blocks.map(|first| lanes(bias, first)).collect(),
        })
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Fills `out` (one value an output) from `x` (one an input; any that are
    /// missing count as 0).
    pub fn forward(&self, x: &[f32], out: &mut Vec<f32>) {
        let x = x.get(..self.inputs).unwrap_or(x);
        let (x, x_rest) = x.as_chunks::<UNROLL>();
        out.clear();
        for (block, &bias) in self.weights.chunks_exact(self.inputs).zip(&self.bias) {
            let (block, rest) = block.split_at(x.len() * UNROLL);
            let mut sums = bias;
            for (weights, x) in block.as_chunks::<UNROLL>().0.iter().zip(x) {
                for i in 0..UNROLL {
                    multiply_add(&mut sums, &weights[i], x[i]);
                }
            }
            for (weights, &x) in rest.iter().zip(x_rest) {
                multiply_add(&mut sums, weights, x);
            }
            out.extend_from_slice(&sums);
        }
        out.truncate(self.outputs);
    }
}

#[inline(always)]
fn multiply_add(sums: &mut Lanes, weights: &Lanes, x: f32) {
    for lane in 0..LANES {
        sums[lane] += weights[lane] * x;
    }
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
