//! The rules: which statistics of a column say that it drifts.
//!
//! Drift is always both significant, so that chance alone raises few alarms,
//! and material, so that many rows do not make much of little. Never counts.

use super::distance::{
    Binned, js_distance, jsd_bits, ks, ks_binned, l_infinity, psi, total_variation, total_variation_by_chance,
    wasserstein, wasserstein_binned,
};
use super::sides::Sides;
use super::{
    Basis, Check, ColumnReference, ColumnReport, DISTANCE_MIN_ROWS, KS_MATERIAL, Kind, L_INFINITY_MATERIAL,
    NULL_RATE_MATERIAL, NumericReference, REFERENCE_MIN_ROWS, Rule, Statistic, TOTAL_VARIATION_MATERIAL, Verdict,
    W_NORM_MATERIAL, WINDOW_MIN_ROWS, chi_square, fisher_exact, ks_p_value, ln_e, means_p_value,
};
use std::borrow::Cow;

/// Tests that may say of a column that its window drifts, and share its alpha:
/// of the values, by a distance and by the evidence, and of what is missing.
const WINDOW_TESTS: f64 = 3.0;

/// The live side of one column.
#[derive(Debug, Default)]
pub(super) struct Live<'a> {
    /// All elements.
    pub(super) rows: u64,
    /// Those that are missing or not finite.
    pub(super) missing_count: u64,
    pub(super) unexpected_count: Option<u64>,
    /// In the reference's cells: every present element, or a sample of them;
    /// empty where they could not be counted so.
    pub(super) cells: Vec<u64>,
    /// Normed sums of the bins.
    pub(super) sums: Vec<f64>,
    /// Whether `cells` are of every present element.
    pub(super) is_complete: bool,
    pub(super) sample: Option<Cow<'a, [f64]>>,
    /// For want of cells.
    pub(super) moments: Option<Spread>,
}

/// Where numbers are, and how far apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    pub(super) mean: f64,
    pub(super) std_dev: f64,
    pub(super) count: u64,
}

impl Spread {
    fn standard_error(self) -> f64 {
        self.std_dev / (self.count.max(1) as f64).sqrt()
    }
}

/// One rule, for one number of columns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judge {
    rule: Rule,
    /// What is left of alpha for each column.
    alpha_each: f64,
}

impl Judge {
    pub(super) fn new(rule: Rule, alpha: f64, columns: usize) -> Self {
        Self { rule, alpha_each: alpha / columns.max(1) as f64 }
    }

    pub(super) fn column(&self, reference: &ColumnReference, live: &Live<'_>) -> ColumnReport {
        let mut checks = Checks { judge: *self, list: Vec::new() };
        let sides = Sides::of(reference, &live.cells);
        let basis = match &reference.kind {
            Kind::Numeric(numeric) => checks.numbers(numeric, reference.present_count(), live),
            Kind::Categorical(_) => checks.categories(&sides),
        };
        checks.missing(reference, live);
        checks.evidence(&sides, live);
        let verdict = match self.rule {
            Rule::Window => checks.window(reference, live, basis),
            Rule::Epoch => checks.epoch(reference, live),
        };
        let share = if live.rows == 0 { 0.0 } else { live.missing_count as f64 / live.rows as f64 };
        let effects = [Statistic::WNorm, Statistic::LInfinity];
        let observed = checks.list.iter().find(|check| effects.contains(&check.statistic));
        ColumnReport {
            column: reference.name.clone(),
            verdict,
            basis,
            element_count: live.rows,
            missing_count: live.missing_count,
            missing_percent: 100.0 * share,
            unexpected_count: live.unexpected_count,
            observed_value: observed.map_or(0.0, |check| check.observed_value),
            checks: checks.list,
        }
    }

    fn threshold(&self, statistic: Statistic) -> Option<f64> {
        match (statistic, self.rule) {
            (Statistic::WNorm | Statistic::WRobust, _) => Some(W_NORM_MATERIAL),
            (Statistic::KsD, _) => Some(KS_MATERIAL),
            (Statistic::LInfinity, _) => Some(L_INFINITY_MATERIAL),
            (Statistic::NullRateChange, _) => Some(NULL_RATE_MATERIAL),
            (Statistic::LnE | Statistic::LnEValues | Statistic::LnEMissing, Rule::Epoch) => Some(-self.alpha_each.ln()),
            (Statistic::LnEValues, Rule::Window) => Some(-(self.alpha_each / WINDOW_TESTS).ln()),
            (statistic, Rule::Window) if statistic.is_p_value() => Some(self.alpha_each / WINDOW_TESTS),
            _ => None,
        }
    }
}

/// The statistics of one column, as they are found.
struct Checks {
    judge: Judge,
    list: Vec<Check>,
}

impl Checks {
    fn add(&mut self, statistic: Statistic, value: f64) {
        self.push(statistic, value, self.judge.threshold(statistic));
    }

    fn push(&mut self, statistic: Statistic, observed_value: f64, threshold: Option<f64>) {
        let reached = threshold.is_some_and(|threshold| match statistic.is_p_value() {
            true => observed_value <= threshold,
            false => observed_value >= threshold,
        });
        self.list.push(Check { statistic, observed_value, threshold, reached });
    }

    fn reached(&self, statistic: Statistic) -> bool {
        self.list.iter().any(|check| check.statistic == statistic && check.reached)
    }

    /// Whether the values changed by more than what is too small to matter.
    fn is_material(&self) -> bool {
        let mut effects = Statistic::EFFECTS.into_iter().filter(|effect| *effect != Statistic::NullRateChange);
        effects.any(|effect| self.reached(effect))
    }

    fn numbers(&mut self, numeric: &NumericReference, count: u64, live: &Live<'_>) -> Basis {
        let basis = if let (Some(reference), Some(live)) = (numeric.sample.as_deref(), live.sample.as_deref()) {
            self.samples(numeric, reference, live);
            Basis::Samples
        } else if let Some(moments) = live.moments.filter(|_| live.cells.is_empty()) {
            let distance = (moments.mean - numeric.mean).abs();
            self.add(Statistic::Wasserstein, distance);
            self.add(Statistic::WNorm, distance / numeric.scale());
            let reference = Spread { mean: numeric.mean, std_dev: numeric.std_dev, count };
            let errors = [reference, moments].map(Spread::standard_error);
            self.add(Statistic::MeansPValue, means_p_value(distance, errors));
            return Basis::Means;
        } else {
            self.bins(numeric, live);
            Basis::Bins
        };
        self.cells(&numeric.histogram.counts, &live.cells, false);
        basis
    }

    fn samples(&mut self, numeric: &NumericReference, reference: &[f64], live: &[f64]) {
        let distance = ks(reference, live);
        self.add(Statistic::KsD, distance);
        self.add(Statistic::KsPValue, ks_p_value(distance, reference.len() as u64, live.len() as u64));
        let distance = wasserstein(reference, live);
        self.add(Statistic::Wasserstein, distance);
        self.add(Statistic::WNorm, distance / numeric.scale());
        let (low, high) = numeric.robust_limits();
        let limited = |values: &[f64]| values.iter().map(|value| value.max(low).min(high)).collect::<Vec<_>>();
        self.add(Statistic::WRobust, wasserstein(&limited(reference), &limited(live)) / numeric.robust_scale());
    }

    fn bins(&mut self, numeric: &NumericReference, live: &Live<'_>) {
        let (scale, cells) = (numeric.scale(), &numeric.histogram.counts);
        let bounds = ks_binned(cells, &live.cells);
        self.add(Statistic::KsD, bounds.low);
        self.add(Statistic::KsDMax, bounds.high);
        let total = |cells: &[u64]| cells.iter().copied().fold(0, u64::saturating_add);
        self.add(Statistic::KsPValue, ks_p_value(bounds.low, total(cells), total(&live.cells)));
        let (edges, sums) = numeric.normed_bins();
        let distance = |sums: &[f64], live_sums: &[f64]| {
            let (reference, live) = (Binned { counts: cells, sums }, Binned { counts: &live.cells, sums: live_sums });
            wasserstein_binned(&edges, reference, live)
        };
        let apart = distance(&sums, &live.sums);
        self.add(Statistic::Wasserstein, apart * scale);
        self.add(Statistic::WNorm, apart);
        let (low, high) = numeric.robust_limits();
        let (low, high) = (numeric.normed(low), numeric.normed(high));
        let limited = |sums: &[f64], counts: &[u64]| {
            let pairs = sums.iter().zip(counts).map(|(sum, &count)| (sum, count as f64));
            pairs.map(|(sum, count)| sum.max(low * count).min(high * count)).collect::<Vec<_>>()
        };
        let apart = distance(&limited(&sums, cells), &limited(&live.sums, &live.cells));
        self.add(Statistic::WRobust, apart * (scale / numeric.robust_scale()));
    }

    fn categories(&mut self, sides: &Sides) -> Basis {
        let Sides { reference, live, unseen, .. } = sides;
        // What the reference cannot have seen is no change.
        let beyond = |material: f64| Some(material + unseen);
        self.push(Statistic::LInfinity, l_infinity(reference, live), beyond(L_INFINITY_MATERIAL));
        let by_chance = total_variation_by_chance(reference, live);
        let threshold = beyond(TOTAL_VARIATION_MATERIAL + by_chance);
        self.push(Statistic::TotalVariation, total_variation(reference, live), threshold);
        self.cells(reference, live, true);
        Basis::Categories
    }

    /// What counts alone give; the χ² test is judged of categories only.
    fn cells(&mut self, reference: &[u64], live: &[u64], is_judged: bool) {
        let test = chi_square(reference, live);
        self.add(Statistic::ChiSquare, test.statistic);
        let threshold = self.judge.threshold(Statistic::ChiSquarePValue).filter(|_| is_judged);
        self.push(Statistic::ChiSquarePValue, test.p_value, threshold);
        self.add(Statistic::Psi, psi(reference, live));
        self.add(Statistic::JsDistance, js_distance(reference, live));
        self.add(Statistic::JsdBits, jsd_bits(reference, live));
    }

    fn missing(&mut self, reference: &ColumnReference, live: &Live<'_>) {
        let sides = [(reference.missing_count(), reference.count), (live.missing_count, live.rows)];
        let [p, q] = sides.map(|(missing, count)| if count == 0 { None } else { Some(missing as f64 / count as f64) });
        let change = p.zip(q).map_or(0.0, |(p, q)| (p - q).abs());
        self.add(Statistic::NullRateChange, change);
        let table = sides.map(|(missing, count)| [missing, count.saturating_sub(missing)]);
        self.add(Statistic::FisherPValue, fisher_exact(table));
    }

    /// Of all cells, which holds the rate of false alarms, and of either part
    /// alone, so that sure evidence of one immaterial change does not make an
    /// alarm of what the other happens to look like after few rows.
    fn evidence(&mut self, sides: &Sides, live: &Live<'_>) {
        let Sides { live: cells, weights, missing_weight, .. } = sides;
        if live.is_complete {
            let all: Vec<f64> = weights.iter().chain([missing_weight]).copied().collect();
            let counts: Vec<u64> = cells.iter().chain([&live.missing_count]).copied().collect();
            self.add(Statistic::LnE, ln_e(&all, &counts));
            let present = live.rows.saturating_sub(live.missing_count);
            let parts = ln_e(&[weights.iter().sum(), *missing_weight], &[present, live.missing_count]);
            self.add(Statistic::LnEMissing, parts);
        }
        // A sample of the values serves as well as all of them.
        self.add(Statistic::LnEValues, ln_e(weights, cells));
    }

    fn window(&self, reference: &ColumnReference, live: &Live<'_>, basis: Basis) -> Verdict {
        let (test, rows_min) = match basis {
            Basis::Means => (Statistic::MeansPValue, DISTANCE_MIN_ROWS),
            Basis::Categories => (Statistic::ChiSquarePValue, WINDOW_MIN_ROWS),
            Basis::Samples | Basis::Bins => (Statistic::KsPValue, WINDOW_MIN_ROWS),
        };
        let significant = self.reached(test) || self.reached(Statistic::LnEValues);
        let present = live.rows.saturating_sub(live.missing_count);
        let counted = live.cells.iter().copied().fold(0, u64::saturating_add);
        let values = if basis == Basis::Means { present } else { counted };
        let enough = values >= rows_min && reference.present_count() >= rows_min.max(REFERENCE_MIN_ROWS);
        let missing = live.rows >= WINDOW_MIN_ROWS
            && reference.count >= REFERENCE_MIN_ROWS
            && self.reached(Statistic::FisherPValue)
            && self.reached(Statistic::NullRateChange);
        match () {
            () if missing || (enough && significant && self.is_material()) => Verdict::Drift,
            () if enough => Verdict::Ok,
            () => Verdict::InsufficientData,
        }
    }

    /// The e-process is valid at any number of live rows, and allows for a
    /// reference of few values.
    fn epoch(&self, reference: &ColumnReference, live: &Live<'_>) -> Verdict {
        let enough = reference.present_count() >= REFERENCE_MIN_ROWS;
        let values = enough && self.reached(Statistic::LnEValues) && self.is_material();
        let missing = reference.count >= REFERENCE_MIN_ROWS
            && self.reached(Statistic::LnEMissing)
            && self.reached(Statistic::NullRateChange);
        match () {
            () if self.reached(Statistic::LnE) && (values || missing) => Verdict::Drift,
            () if live.rows == 0 || !enough => Verdict::InsufficientData,
            () => Verdict::Ok,
        }
    }
}
