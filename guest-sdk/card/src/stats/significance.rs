//! How likely a difference is by chance alone, looked at once.
//!
//! Never to be looked at row after row: that is what `evidence` is for.

use super::gamma::gamma_q;

/// The chance of a Kolmogorov-Smirnov distance of at least `distance` between
/// samples of two sizes: the asymptotic distribution, with Stephens'
/// correction for small samples.
pub fn ks_p_value(distance: f64, reference_count: u64, live_count: u64) -> f64 {
    let (n, m) = (reference_count as f64, live_count as f64);
    let root = (n * m / (n + m)).sqrt();
    if root > 0.0 { kolmogorov((root + 0.12 + 0.11 / root) * distance) } else { 1.0 }
}

/// 2 Σ (-1)^(k-1) exp(-2 k² λ²).
fn kolmogorov(lambda: f64) -> f64 {
    /// Below it the sum is 1 to the last digit, and converges slowly.
    const LAMBDA_MIN: f64 = 0.04;
    const TERMS_MAX: i32 = 150;
    if lambda < LAMBDA_MIN {
        return 1.0;
    }
    let (mut sum, mut sign) = (0.0, 1.0);
    for k in 1..TERMS_MAX {
        let term = (-2.0 * (f64::from(k) * lambda).powi(2)).exp();
        sum += sign * term;
        sign = -sign;
        if term < f64::EPSILON * f64::EPSILON {
            break;
        }
    }
    (2.0 * sum).clamp(0.0, 1.0)
}

/// The chance of means at least so far apart, two-sided, by their standard errors.
pub fn means_p_value(apart: f64, standard_errors: [f64; 2]) -> f64 {
    let variance: f64 = standard_errors.iter().map(|error| error * error).sum();
    match () {
        () if apart == 0.0 => 1.0,
        () if variance > 0.0 => gamma_q(0.5, apart * apart / (2.0 * variance)),
        () => 0.0,
    }
}

/// The outcome of a χ² test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquare {
    /// The statistic.
    pub statistic: f64,
    /// Cells compared, less one.
    pub degrees_of_freedom: u64,
    /// The chance of a statistic at least as large.
    pub p_value: f64,
}

/// χ² of the 2×K contingency table of both sides' counts, without continuity
/// correction: the reference is a sample too, not the truth.
///
/// Cells in which either side expects fewer than 5 are pooled into one; if
/// that still expects fewer, it is left out: joined to another cell it could
/// make up for what that lacks. What it holds is for the exact evidence.
pub fn chi_square(reference: &[u64], live: &[u64]) -> ChiSquare {
    let pairs = || reference.iter().zip(live).map(|(&r, &l)| (r as f64, l as f64));
    let (rows, columns) = pairs().fold((0.0, 0.0), |(r, l), (a, b)| (r + a, l + b));
    let nothing = ChiSquare { statistic: 0.0, degrees_of_freedom: 0, p_value: 1.0 };
    if rows <= 0.0 || columns <= 0.0 {
        return nothing;
    }
    let total = rows + columns;
    let cells = pooled(pairs(), rows.min(columns) / total);
    if cells.len() < 2 {
        return nothing;
    }
    let (rows, columns) = cells.iter().fold((0.0, 0.0), |(r, l), (a, b)| (r + a, l + b));
    if rows <= 0.0 || columns <= 0.0 {
        return nothing;
    }
    let total = rows + columns;
    let mut statistic = 0.0;
    for &(r, l) in &cells {
        for (observed, side) in [(r, rows), (l, columns)] {
            let expected = (r + l) * side / total;
            statistic += (observed - expected).powi(2) / expected;
        }
    }
    let degrees_of_freedom = cells.len() as u64 - 1;
    let p_value = gamma_q(degrees_of_freedom as f64 / 2.0, statistic / 2.0);
    ChiSquare { statistic, degrees_of_freedom, p_value }
}

/// `smaller` is the share of the side that expects less.
fn pooled(pairs: impl Iterator<Item = (f64, f64)>, smaller: f64) -> Vec<(f64, f64)> {
    const EXPECTED_MIN: f64 = 5.0;
    let is_small = |(r, l): (f64, f64)| (r + l) * smaller < EXPECTED_MIN;
    let (small, mut kept): (Vec<_>, Vec<_>) = pairs.filter(|(r, l)| r + l > 0.0).partition(|&cell| is_small(cell));
    if small.is_empty() {
        return kept;
    }
    let pool = small.into_iter().fold((0.0, 0.0), |(r, l), (a, b)| (r + a, l + b));
    if !is_small(pool) {
        kept.push(pool);
    }
    kept
}

/// Fisher's exact test of a 2×2 table `[[a, b], [c, d]]`, two-sided: the chance
/// of a table no likelier than this one, given its margins.
pub fn fisher_exact(table: [[u64; 2]; 2]) -> f64 {
    /// Past it the normal distribution has the same digits, at no cost.
    const EXACT_MAX_STD_DEV: f64 = 1e4;
    let [[a, b], [c, d]] = table.map(|row| row.map(|count| count as f64));
    let (row, column, total) = (a + b, a + c, a + b + c + d);
    if total <= 0.0 {
        return 1.0;
    }
    let mean = row * (column / total);
    let variance = mean * ((c + d) / total) * ((b + d) / (total - 1.0).max(1.0));
    if variance.sqrt() > EXACT_MAX_STD_DEV {
        return gamma_q(0.5, (a - mean).powi(2) / (2.0 * variance));
    }
    let (low, high) = ((row + column - total).max(0.0), row.min(column));
    let middle = mean.floor().clamp(low, high);
    // The weight of k + 1 relative to that of k.
    let odds = |k: f64| (row - k) * (column - k) / ((k + 1.0) * (total - row - column + k + 1.0));
    let each_weight = |visit: &mut dyn FnMut(f64, f64)| {
        let (mut k, mut weight) = (middle, 1.0);
        while k <= high && weight > 0.0 {
            visit(k, weight);
            weight *= odds(k);
            k += 1.0;
        }
        (k, weight) = (middle, 1.0);
        while k > low && weight > 0.0 {
            k -= 1.0;
            weight /= odds(k);
            visit(k, weight);
        }
    };
    let (mut all, mut own) = (0.0, 0.0);
    each_weight(&mut |k, weight| {
        all += weight;
        if k == a {
            own = weight;
        }
    });
    // Equal weights differ by rounding.
    let limit = own * (1.0 + 1e-7);
    let mut as_unlikely = 0.0;
    each_weight(&mut |_, weight| as_unlikely += if weight <= limit { weight } else { 0.0 });
    (as_unlikely / all).clamp(0.0, 1.0)
}
