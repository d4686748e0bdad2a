//! Evidence of drift that may be looked at after every row.
//!
//! An e-process: a bet against "live rows are drawn as the reference was" whose
//! value is unlikely ever to grow large if that is so (at most α of epochs ever
//! see 1/α, however often they look). The idea is Lindon & Malek's,
//! arXiv 2011.03567. It depends on counts alone, so neither order nor host
//! matters. It assumes exchangeable rows, which is why an alarm also wants an
//! effect that is material.
//!
//! Never a verdict: `judge` compares it with its threshold.

use super::gamma::ln_rising;

/// How firmly the alternatives hold to the reference's shares: drift may be
/// large (10) or small (100). The bet is the mean of both.
const KAPPAS: [f64; 2] = [10.0, 100.0];

/// ln E of an epoch's `live` counts.
///
/// E = mean over κ of DM(n; κc/C) / DM(n; c), where c is what the reference
/// weighs each cell (its spacing counts, or its counts + ½), C their sum, and
/// DM(n; a) = Γ(A)/Γ(A+N) Π Γ(a_j+n_j)/Γ(a_j). A cell without weight weighs 1e-9.
pub fn ln_e(weights: &[f64], live: &[u64]) -> f64 {
    const WEIGHT_MIN: f64 = 1e-9;
    let weights = || weights.iter().map(|weight| weight.max(WEIGHT_MIN)).zip(live);
    let total: f64 = weights().map(|(weight, _)| weight).sum();
    let rows = live.iter().fold(0u64, |sum, &count| sum.saturating_add(count));
    if rows == 0 || total <= 0.0 {
        return 0.0;
    }
    let ln_marginal = |factor: f64| {
        let cells: f64 = weights().map(|(weight, &count)| ln_rising(weight * factor, count)).sum();
        cells - ln_rising(total * factor, rows)
    };
    let expected = ln_marginal(1.0);
    let [large, small] = KAPPAS.map(|kappa| ln_marginal(kappa / total) - expected);
    let most = large.max(small);
    most + (((large - most).exp() + (small - most).exp()) / 2.0).ln()
}
