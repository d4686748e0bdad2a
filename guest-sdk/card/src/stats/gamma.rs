//! The gamma function, as far as the tests of significance need it.
//!
//! Never overflows: everything is a logarithm or a share.

/// Stirling's series is used from here on; its error there is below 1e-16.
const SERIES_FROM: f64 = 10.0;

/// ln Γ(x), for x > 0.
pub(super) fn ln_gamma(x: f64) -> f64 {
    let (mut shifted, mut product) = (x, 1.0);
    while shifted < SERIES_FROM {
        product *= shifted;
        shifted += 1.0;
    }
    let half_ln_tau = 0.5 * std::f64::consts::TAU.ln();
    (shifted - 0.5) * shifted.ln() - shifted + half_ln_tau + correction(shifted) - product.ln()
}

/// ln of `start (start + 1) … (start + steps - 1)`, which is
/// ln Γ(start + steps) - ln Γ(start) without the cancellation.
pub(super) fn ln_rising(start: f64, steps: u64) -> f64 {
    let (mut from, mut left, mut product) = (start, steps, 1.0);
    while from < SERIES_FROM && left > 0 {
        product *= from;
        from += 1.0;
        left -= 1;
    }
    let head: f64 = if left == steps { 0.0 } else { f64::ln(product) };
    if left == 0 {
        return head;
    }
    let count = left as f64;
    let to = from + count;
    head + (from - 0.5) * (count / from).ln_1p() + count * (to.ln() - 1.0) + correction(to) - correction(from)
}

/// What Stirling's formula lacks of ln Γ.
fn correction(z: f64) -> f64 {
    let square = 1.0 / (z * z);
    let inner = 1.0 / 1188.0 - square * (691.0 / 360_360.0 - square / 156.0);
    let outer = 1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0 - square * inner));
    (1.0 / 12.0 - square * outer) / z
}

/// The regularised upper incomplete gamma function Q(a, x), for a > 0.
pub(super) fn gamma_q(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    let share = if x < a + 1.0 { 1.0 - front * lower_series(a, x) } else { front * upper_fraction(a, x) };
    share.clamp(0.0, 1.0)
}

/// Iterations after which either expansion has long converged for the degrees
/// of freedom that occur here.
const ITERATIONS_MAX: u32 = 1_000;

fn lower_series(a: f64, x: f64) -> f64 {
    let mut term = 1.0 / a;
    let mut sum = term;
    for n in 1..ITERATIONS_MAX {
        term *= x / (a + f64::from(n));
        sum += term;
        if term < sum * f64::EPSILON {
            break;
        }
    }
    sum
}

/// The continued fraction, by Lentz's method.
fn upper_fraction(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / away_from_zero(b);
    let mut fraction = d;
    for n in 1..ITERATIONS_MAX {
        let n = f64::from(n);
        let numerator = -n * (n - a);
        b += 2.0;
        d = 1.0 / away_from_zero(numerator * d + b);
        c = away_from_zero(b + numerator / c);
        let step = d * c;
        fraction *= step;
        if (step - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_closed_forms() {
        let mut ln_factorial = 0.0;
        for n in 1..200u32 {
            let x = f64::from(n);
            assert!((ln_gamma(x) - ln_factorial).abs() <= 1e-13 * ln_factorial.max(1.0), "{n}");
            ln_factorial += x.ln();
        }
        assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-14);
        for x in [0.1, 1.0, 3.0, 30.0, 300.0] {
            // Q(1, x) = exp(-x), Q(2, x) = (1 + x) exp(-x).
            assert!((gamma_q(1.0, x) / f64::exp(-x) - 1.0).abs() < 1e-12, "{x}");
            assert!((gamma_q(2.0, x) / ((1.0 + x) * f64::exp(-x)) - 1.0).abs() < 1e-12, "{x}");
        }
        assert_eq!(gamma_q(3.0, 0.0), 1.0);
    }

    #[test]
    fn a_rising_product_is_the_sum_of_its_logarithms() {
        for start in [5e-9, 0.005, 0.5, 9.5, 10.0, 200.5, 1e9] {
            for steps in [0, 1, 2, 9, 10, 11, 500, 2_000] {
                let sum: f64 = (0..steps).map(|k| (start + k as f64).ln()).sum();
                assert!((ln_rising(start, steps) - sum).abs() <= 1e-12 * sum.abs().max(1.0), "{start} {steps}");
            }
        }
    }
}
