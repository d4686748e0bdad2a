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

/// Appends 0s with a 1 at the category's place; only 0s where it is missing.
pub fn one_hot<C: Category>(value: Option<C>, row: &mut Vec<f64>) {
    let hot = value.map(|category| category.index());
    row.extend((0..C::ALL.len()).map(|i| if Some(i) == hot { 1.0 } else { 0.0 }));
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
