//! Scaling, one-hot encoding, linear models.

use crate::Category;

/// `(x - mean) / scale`, one pair a feature, as scikit-learn's StandardScaler.
#[derive(Debug, Clone)]
pub struct Scaler {
    /// Subtracted first.
    pub mean: Vec<f64>,
    /// Divided by then.
    pub scale: Vec<f64>,
}

impl Scaler {
    /// Scales one row in place. A missing value (NaN) becomes 0, the mean.
    pub fn scale_or_mean(&self, row: &mut [f64]) {
        for ((x, mean), scale) in row.iter_mut().zip(&self.mean).zip(&self.scale) {
            *x = if x.is_nan() { 0.0 } else { (*x - mean) / scale };
        }
    }
}

/// 0s with a 1 at the category's place; only 0s where it is missing.
pub fn one_hot<C: Category, const N: usize>(value: Option<C>) -> [f64; N] {
    const {
        assert!(N == C::NAMES.len(), "one place for each category");
    }
    let hot = value.map(|category| category.index());
    std::array::from_fn(|i| if Some(i) == hot { 1.0 } else { 0.0 })
}

/// 0s with a 1 at the number's place; only 0s where it is out of range.
pub fn one_hot_number<const N: usize>(value: i64) -> [f64; N] {
    std::array::from_fn(|i| if i as i64 == value { 1.0 } else { 0.0 })
}

/// `x · coefficients + intercept`.
#[derive(Debug, Clone)]
pub struct Linear {
    /// One a feature.
    pub coefficients: Vec<f64>,
    /// Added at the end.
    pub intercept: f64,
}

impl Linear {
    /// The prediction for one row.
    pub fn predict(&self, row: &[f64]) -> f64 {
        let (rows4, rest) = row.as_chunks::<4>();
        let (coefficients4, coefficients_rest) = self.coefficients.as_chunks::<4>();
        let mut sum = [0.0; 4];
        for (x, c) in rows4.iter().zip(coefficients4) {
            for i in 0..4 {
                sum[i] += x[i] * c[i];
            }
        }
        let tail: f64 = rest.iter().zip(coefficients_rest).map(|(x, c)| x * c).sum();
        self.intercept + (sum[0] + sum[1]) + (sum[2] + sum[3]) + tail
    }
}
