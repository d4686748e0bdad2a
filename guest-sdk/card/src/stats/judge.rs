//! The rules: which statistics of a column say that it drifts.
//!
//! Drift is always both significant, so that chance alone raises few alarms,
//! and material, so that many rows do not make much of little. Never counts.

use super::distance::{Binned, js_distance, jsd_bits, ks, ks_binned, l_infinity, psi, wasserstein, wasserstein_binned};
use super::{
    Basis, Check, ColumnReference, ColumnReport, DISTANCE_MIN_ROWS, Kind, L_INFINITY_MATERIAL, NULL_RATE_MATERIAL,
    NumericReference, Rule, Statistic, Verdict, W_NORM_MATERIAL, WINDOW_MIN_ROWS, chi_square, fisher_exact, ks_p_value,
    ln_e,
};

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
    pub(super) sample: Option<&'a [f64]>,
    /// For want of cells.
    pub(super) mean: Option<f64>,
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
        let basis = match &reference.kind {
            Kind::Numeric(numeric) => checks.numbers(numeric, live),
            Kind::Categorical(_) => checks.categories(&reference.cell_counts(), live),
        };
        checks.missing(reference, live);
        if live.is_complete {
            checks.evidence(reference, live);
        }
        let effect = if basis == Basis::Categories { Statistic::LInfinity } else { Statistic::WNorm };
        let verdict = match self.rule {
            Rule::Window => checks.window(reference, live, basis, effect),
            Rule::Epoch => checks.epoch(reference, live, effect),
        };
        let share = if live.rows == 0 { 0.0 } else { live.missing_count as f64 / live.rows as f64 };
        let observed = checks.list.iter().find(|check| check.statistic == effect);
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
            (Statistic::WNorm, _) => Some(W_NORM_MATERIAL),
            (Statistic::LInfinity, _) => Some(L_INFINITY_MATERIAL),
            (Statistic::NullRateChange, _) => Some(NULL_RATE_MATERIAL),
            (Statistic::LnE | Statistic::LnEValues | Statistic::LnEMissing, Rule::Epoch) => Some(-self.alpha_each.ln()),
            (Statistic::KsPValue | Statistic::ChiSquarePValue | Statistic::FisherPValue, Rule::Window) => {
                Some(self.alpha_each)
            }
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

    fn numbers(&mut self, numeric: &NumericReference, live: &Live<'_>) -> Basis {
        let scale = numeric.scale();
        let cells = &numeric.histogram.counts;
        let basis = if let (Some(reference), Some(live)) = (numeric.sample.as_deref(), live.sample) {
            let distance = ks(reference, live);
            self.add(Statistic::KsD, distance);
            self.add(Statistic::KsPValue, ks_p_value(distance, reference.len() as u64, live.len() as u64));
            let distance = wasserstein(reference, live);
            self.add(Statistic::Wasserstein, distance);
            self.add(Statistic::WNorm, distance / scale);
            Basis::Samples
        } else if let Some(mean) = live.mean.filter(|_| live.cells.is_empty()) {
            let distance = (mean - numeric.mean).abs();
            self.add(Statistic::Wasserstein, distance);
            self.add(Statistic::WNorm, distance / scale);
            return Basis::Means;
        } else {
            let bounds = ks_binned(cells, &live.cells);
            self.add(Statistic::KsD, bounds.low);
            self.add(Statistic::KsDMax, bounds.high);
            let total = |cells: &[u64]| cells.iter().copied().fold(0, u64::saturating_add);
            self.add(Statistic::KsPValue, ks_p_value(bounds.low, total(cells), total(&live.cells)));
            let (edges, sums) = numeric.normed_bins();
            let reference = Binned { counts: cells, sums: &sums };
            let distance = wasserstein_binned(&edges, reference, Binned { counts: &live.cells, sums: &live.sums });
            self.add(Statistic::Wasserstein, distance * scale);
            self.add(Statistic::WNorm, distance);
            Basis::Bins
        };
        self.cells(cells, &live.cells, false);
        basis
    }

    fn categories(&mut self, reference: &[u64], live: &Live<'_>) -> Basis {
        self.add(Statistic::LInfinity, l_infinity(reference, &live.cells));
        self.cells(reference, &live.cells, true);
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
    fn evidence(&mut self, reference: &ColumnReference, live: &Live<'_>) {
        let (values, missing) = (reference.value_weights(), reference.missing_weight());
        let all: Vec<f64> = values.iter().copied().chain([missing]).collect();
        let cells: Vec<u64> = live.cells.iter().copied().chain([live.missing_count]).collect();
        self.add(Statistic::LnE, ln_e(&all, &cells));
        self.add(Statistic::LnEValues, ln_e(&values, &live.cells));
        let present = live.rows.saturating_sub(live.missing_count);
        self.add(Statistic::LnEMissing, ln_e(&[values.iter().sum(), missing], &[present, live.missing_count]));
    }

    fn window(&self, reference: &ColumnReference, live: &Live<'_>, basis: Basis, effect: Statistic) -> Verdict {
        let (significant, rows_min) = match basis {
            Basis::Means => (true, DISTANCE_MIN_ROWS),
            Basis::Categories => (self.reached(Statistic::ChiSquarePValue), WINDOW_MIN_ROWS),
            Basis::Samples | Basis::Bins => (self.reached(Statistic::KsPValue), WINDOW_MIN_ROWS),
        };
        let present = live.rows.saturating_sub(live.missing_count);
        let counted = live.cells.iter().copied().fold(0, u64::saturating_add);
        let values = if basis == Basis::Means { present } else { counted };
        let enough = values >= rows_min && reference.count > reference.missing_count();
        let missing = live.rows >= WINDOW_MIN_ROWS
            && self.reached(Statistic::FisherPValue)
            && self.reached(Statistic::NullRateChange);
        match () {
            () if missing || (enough && significant && self.reached(effect)) => Verdict::Drift,
            () if enough => Verdict::Ok,
            () => Verdict::InsufficientData,
        }
    }

    /// The e-process holds at any number of rows.
    fn epoch(&self, reference: &ColumnReference, live: &Live<'_>, effect: Statistic) -> Verdict {
        let values = self.reached(Statistic::LnEValues) && self.reached(effect);
        let missing = self.reached(Statistic::LnEMissing) && self.reached(Statistic::NullRateChange);
        match () {
            () if live.rows == 0 || reference.count == 0 => Verdict::InsufficientData,
            () if self.reached(Statistic::LnE) && (values || missing) => Verdict::Drift,
            () => Verdict::Ok,
        }
    }
}
