//! How far apart two columns are, as the field measures it.
//!
//! Never a verdict, and never NaN: where either side is empty there is nothing
//! to compare, and the distance is 0. Counts are compared cell by cell, in the
//! same order on both sides; samples are finite and in ascending order.

use super::gamma::ln_gamma;

/// A share of nothing, where a logarithm needs one.
const SHARE_OF_NONE: f64 = 1e-4;

/// Kolmogorov-Smirnov: the largest difference of the two distribution
/// functions, exact.
pub fn ks(reference: &[f64], live: &[f64]) -> f64 {
    let mut largest: f64 = 0.0;
    each_step(reference, live, |_, f, g| largest = largest.max((f - g).abs()));
    largest
}

/// Wasserstein (earth mover's) distance: the area between the two
/// distribution functions, exact, in the unit of the values.
pub fn wasserstein(reference: &[f64], live: &[f64]) -> f64 {
    let (mut area, mut last) = (0.0, None);
    each_step(reference, live, |value, f, g| {
        if let Some((before, height)) = last {
            area += (value - before) * height;
        }
        last = Some((value, (f - g).abs()));
    });
    area
}

/// Visits each distinct value of either sample with both distribution functions at it.
fn each_step(reference: &[f64], live: &[f64], mut visit: impl FnMut(f64, f64, f64)) {
    if reference.is_empty() || live.is_empty() {
        return;
    }
    let up_to = |list: &[f64], from: usize, value: f64| {
        let passed = list.iter().skip(from).take_while(|other| other.total_cmp(&value).is_le());
        from + passed.count()
    };
    let (mut i, mut j) = (0, 0);
    loop {
        let value = match (reference.get(i), live.get(j)) {
            (Some(&a), Some(&b)) => {
                if a.total_cmp(&b).is_le() {
                    a
                } else {
                    b
                }
            }
            (Some(&a), None) => a,
            (None, Some(&b)) => b,
            (None, None) => return,
        };
        (i, j) = (up_to(reference, i, value), up_to(live, j, value));
        visit(value, i as f64 / reference.len() as f64, j as f64 / live.len() as f64);
    }
}

/// Between what a quantity is known to lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// At least this.
    pub low: f64,
    /// At most this.
    pub high: f64,
}

/// Kolmogorov-Smirnov as far as bins tell: the largest difference at an edge,
/// and that plus the most that may hide inside one bin (the smaller of its two
/// shares, so never more than the largest share of a bin).
pub fn ks_binned(reference: &[u64], live: &[u64]) -> Bounds {
    let (mut apart, mut largest, mut hidden): (f64, f64, f64) = (0.0, 0.0, 0.0);
    for (p, q) in shares(reference, live) {
        apart += p - q;
        largest = largest.max(apart.abs());
        hidden = hidden.max(p.min(q));
    }
    Bounds { low: largest.min(1.0), high: (largest + hidden).min(1.0) }
}

/// What bins hold: how many values, and their sum.
#[derive(Debug, Clone, Copy)]
pub struct Binned<'a> {
    /// Values in each bin.
    pub counts: &'a [u64],
    /// Sum of the values in each bin.
    pub sums: &'a [f64],
}

/// Wasserstein distance as far as bins tell: a lower bound, exact unless the
/// two distribution functions cross inside a bin.
///
/// The area between the functions over one bin follows from the counts and
/// sums alone (by parts: the integral of F over (a, b] is bF(b) - aF(a) less
/// the sum of the values in it, as a share); only its sign may change unseen.
/// That holds for the open outer bins too, so no range has to be assumed.
pub fn wasserstein_binned(edges: &[f64], reference: Binned<'_>, live: Binned<'_>) -> f64 {
    let total = |side: Binned<'_>| side.counts.iter().map(|&count| count as f64).sum::<f64>();
    let (reference_total, live_total) = (total(reference), total(live));
    if reference_total <= 0.0 || live_total <= 0.0 {
        return 0.0;
    }
    let sums = reference.sums.iter().zip(live.sums);
    let mut edges = edges.iter();
    let (mut apart, mut at_low, mut distance) = (0.0, 0.0, 0.0);
    for ((p, q), (reference_sum, live_sum)) in shares(reference.counts, live.counts).zip(sums) {
        apart += p - q;
        let at_high = edges.next().map_or(0.0, |edge| edge * apart);
        let between = reference_sum / reference_total - live_sum / live_total;
        distance += (at_high - at_low - between).abs();
        at_low = at_high;
    }
    distance
}

/// Population stability index; a share of 0 counts as 1e-4, and nothing is
/// renormalised.
pub fn psi(reference: &[u64], live: &[u64]) -> f64 {
    let floored = |share: f64| if share > 0.0 { share } else { SHARE_OF_NONE };
    shares(reference, live).map(|(p, q)| (floored(p), floored(q))).map(|(p, q)| (p - q) * (p / q).ln()).sum()
}

/// Jensen-Shannon distance as scipy has it: the root of the divergence, with
/// the natural logarithm.
pub fn js_distance(reference: &[u64], live: &[u64]) -> f64 {
    js_divergence(reference, live).sqrt()
}

/// Jensen-Shannon divergence in bits: base 2, no root.
pub fn jsd_bits(reference: &[u64], live: &[u64]) -> f64 {
    (js_divergence(reference, live) / std::f64::consts::LN_2).min(1.0)
}

fn js_divergence(reference: &[u64], live: &[u64]) -> f64 {
    let to_middle = |share: f64, middle: f64| if share > 0.0 { share * (share / middle).ln() } else { 0.0 };
    let sum: f64 = shares(reference, live)
        .map(|(p, q)| (p, q, (p + q) / 2.0))
        .map(|(p, q, middle)| to_middle(p, middle) + to_middle(q, middle))
        .sum();
    (sum / 2.0).max(0.0)
}

/// The largest change of any cell's share.
pub fn l_infinity(reference: &[u64], live: &[u64]) -> f64 {
    shares(reference, live).map(|(p, q)| (p - q).abs()).fold(0.0, f64::max)
}

/// The share of one side that would have to move to make it the other: half
/// the sum of all changes, at least the largest of them.
pub fn total_variation(reference: &[u64], live: &[u64]) -> f64 {
    (shares(reference, live).map(|(p, q)| (p - q).abs()).sum::<f64>() / 2.0).min(1.0)
}

/// The total variation distance that two samples of one distribution have on
/// average. Of many cells it is large: of 100 equal ones, .13 at 2,000 rows a side.
///
/// A cell's count in a sample of the size that both sides come to is taken as
/// a Poisson number with mean μ, whose mean absolute deviation is
/// 2 e^-μ μ^(k+1) / k! with k = ⌊μ⌋, and √(2μ/π) where μ is large; the less,
/// the more of all rows the cell has, as of a binomial number.
pub fn total_variation_by_chance(reference: &[u64], live: &[u64]) -> f64 {
    const EXACT_MAX: f64 = 1e3;
    let total = |counts: &[u64]| counts.iter().map(|&count| count as f64).sum::<f64>();
    let (n, m) = (total(reference), total(live));
    if n <= 0.0 || m <= 0.0 {
        return 0.0;
    }
    let size = n * m / (n + m);
    let deviation = |(&r, &l): (&u64, &u64)| {
        let share = (r as f64 + l as f64) / (n + m);
        let (mean, whole) = (share * size, (share * size).floor());
        let of_poisson = match mean {
            mean if mean > EXACT_MAX => (2.0 * mean / std::f64::consts::PI).sqrt(),
            mean if mean > 0.0 => 2.0 * ((whole + 1.0) * mean.ln() - mean - ln_gamma(whole + 1.0)).exp(),
            _ => 0.0,
        };
        of_poisson * (1.0 - share).max(0.0).sqrt()
    };
    (reference.iter().zip(live).map(deviation).sum::<f64>() / (2.0 * size)).min(1.0)
}

/// Both sides' share of each cell; none where a side is empty.
fn shares(reference: &[u64], live: &[u64]) -> impl Iterator<Item = (f64, f64)> {
    let total = |counts: &[u64]| counts.iter().map(|&count| count as f64).sum::<f64>();
    let (reference_total, live_total) = (total(reference), total(live));
    let cells = if reference_total > 0.0 && live_total > 0.0 { reference.len() } else { 0 };
    let pairs = reference.iter().zip(live).take(cells);
    pairs.map(move |(&p, &q)| (p as f64 / reference_total, q as f64 / live_total))
}
