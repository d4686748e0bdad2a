//! Fully connected layers in f32.
//!
//! Sixteen partial sums: the compiler turns each step into four SIMD
//! multiply-adds, and one back edge pays for 16 weights.

/// Lanes of the partial sums.
const LANES: usize = 16;

/// `W x + b` with `W` stored one row an output.
#[derive(Debug, Clone)]
pub struct Dense {
    inputs: usize,
    /// Rows padded to a whole number of lanes.
    stride: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Dense {
    /// A layer from weights as scikit-learn keeps them: `inputs` rows of
    /// `outputs` values. `None` when the lengths do not fit each other.
    pub fn from_columns(inputs: usize, weights: &[f32], bias: &[f32]) -> Option<Self> {
        let outputs = bias.len();
        if inputs == 0 || outputs == 0 || weights.len() != inputs.checked_mul(outputs)? {
            return None;
        }
        let stride = inputs.next_multiple_of(LANES);
        let mut rows = vec![0.0; stride * outputs];
        for (i, column) in weights.chunks_exact(outputs).enumerate() {
            for (o, &weight) in column.iter().enumerate() {
                *rows.get_mut(o * stride + i)? = weight;
            }
        }
        Some(Self { inputs, stride, weights: rows, bias: bias.to_vec() })
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Fills `out` (one value an output) from `x` (one an input).
    pub fn forward(&self, x: &[f32], out: &mut Vec<f32>) {
        let mut padded = [0.0; 1024];
        let storage;
        let x = x.get(..self.inputs).unwrap_or(x);
        let x: &[f32] = if x.len() == self.stride {
            x
        } else if let Some(room) = padded.get_mut(..self.stride) {
            for (to, from) in room.iter_mut().zip(x) {
                *to = *from;
            }
            room
        } else {
            storage = x.iter().copied().chain(std::iter::repeat(0.0)).take(self.stride).collect::<Vec<_>>();
            &storage
        };
        let (x, _) = x.as_chunks::<LANES>();
        out.clear();
        out.extend(self.weights.chunks_exact(self.stride).zip(&self.bias).map(|(row, bias)| {
            let mut sum = [0.0f32; LANES];
            for (weights, x) in row.as_chunks::<LANES>().0.iter().zip(x) {
                for lane in 0..LANES {
                    sum[lane] += weights[lane] * x[lane];
                }
            }
            bias + tree_sum(sum)
        }));
    }
}

/// Sums the lanes pairwise, which SIMD can do and rounding likes.
fn tree_sum(s: [f32; LANES]) -> f32 {
    let quarter = |i: usize| (s[i] + s[i + 8]) + (s[i + 4] + s[i + 12]);
    (quarter(0) + quarter(2)) + (quarter(1) + quarter(3))
}

/// max(x, 0), in place.
pub fn relu(values: &mut [f32]) {
    for x in values {
        *x = x.max(0.0);
    }
}

/// eˣ normalised to a sum of 1, in place.
pub fn softmax(values: &mut [f32]) {
    let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for x in values.iter_mut() {
        *x = (*x - high).exp();
        sum += *x;
    }
    for x in values {
        *x /= sum;
    }
}
