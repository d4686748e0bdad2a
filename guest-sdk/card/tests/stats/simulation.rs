//! Epochs of normal data against references of normal data, row by row.

use scry_card::stats::{
    Binned, ColumnProfiler, ColumnReference, KS_MATERIAL, Kind, L_INFINITY_MATERIAL, TOTAL_VARIATION_MATERIAL,
    W_NORM_MATERIAL, ks_binned, l_infinity, ln_e, total_variation, total_variation_by_chance, wasserstein_binned,
};

/// SplitMix64, as numbers between 0 and 1 and as normal ones.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// What a column's values are drawn from.
pub(crate) type Source = fn(&mut Random) -> f64;

/// Rows at which an epoch first had evidence, and first an alarm.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outcome {
    pub(crate) evidence: Option<u64>,
    pub(crate) alarm: Option<u64>,
}

pub(crate) fn reference_of(random: &mut Random, source: Source, rows: u64) -> ColumnReference {
    let mut profiler = ColumnProfiler::numeric("x");
    (0..rows).for_each(|_| profiler.push(source(random)));
    profiler.finish(0, &mut Vec::new())
}

/// One epoch of one column, looked at every so many rows until the alarm.
pub(crate) fn epoch(
    random: &mut Random,
    reference: &ColumnReference,
    source: Source,
    shift: f64,
    look_every: u64,
    threshold: f64,
) -> Outcome {
    let mut cells = Cells::of(reference);
    let mut outcome = Outcome::default();
    for row in 1..=2_000u64 {
        cells.count(source(random) + shift);
        if row.is_multiple_of(look_every) && ln_e(&cells.weights, &cells.live) >= threshold {
            outcome.evidence.get_or_insert(row);
            if cells.values_ln_e() >= threshold && cells.is_material() {
                outcome.alarm = Some(row);
                break;
            }
        }
    }
    outcome
}

/// Missing values last, as the e-process has them.
struct Cells {
    numbers: Vec<f64>,
    is_numeric: bool,
    scale: f64,
    reference: Vec<u64>,
    reference_sums: Vec<f64>,
    weights: Vec<f64>,
    live: Vec<u64>,
    sums: Vec<f64>,
}

impl Cells {
    fn of(reference: &ColumnReference) -> Self {
        let (numbers, is_numeric, scale, counts, means) = match &reference.kind {
            Kind::Numeric(numeric) => {
                let histogram = numeric.histogram.clone();
                // The smaller unit: no alarm of the rule is missed here.
                (histogram.edges, true, numeric.robust_scale(), histogram.counts, histogram.means)
            }
            Kind::Categorical(categorical) => {
                let numbers: Vec<f64> = categorical.counts.iter().map(|c| c.value.parse().unwrap()).collect();
                let mut counts: Vec<u64> = categorical.counts.iter().map(|c| c.count).collect();
                counts.push(categorical.other_count);
                (numbers, false, 1.0, counts, Vec::new())
            }
        };
        let mut weights: Vec<f64> = counts.iter().map(|&count| count as f64).collect();
        if is_numeric {
            *weights.last_mut().unwrap() += 1.0;
        } else {
            weights.iter_mut().for_each(|weight| *weight += 0.5);
        }
        weights.push(0.5);
        Self {
            reference_sums: means.iter().zip(&counts).map(|(mean, &count)| mean * count as f64).collect(),
            live: vec![0; weights.len()],
            sums: vec![0.0; counts.len()],
            reference: counts,
            numbers,
            is_numeric,
            scale,
            weights,
        }
    }

    fn count(&mut self, value: f64) {
        let at = match self.is_numeric {
            true => self.numbers.iter().filter(|edge| value > **edge).count(),
            false => self.numbers.iter().position(|number| *number == value).unwrap_or(self.numbers.len()),
        };
        self.live[at] += 1;
        self.sums[at] += value;
    }

    fn values_ln_e(&self) -> f64 {
        let values = self.reference.len();
        ln_e(&self.weights[..values], &self.live[..values])
    }

    fn is_material(&self) -> bool {
        let live = &self.live[..self.reference.len()];
        if self.is_numeric {
            let reference = Binned { counts: &self.reference, sums: &self.reference_sums };
            let binned = Binned { counts: live, sums: &self.sums };
            wasserstein_binned(&self.numbers, reference, binned) / self.scale >= W_NORM_MATERIAL
                || ks_binned(&self.reference, live).low >= KS_MATERIAL
        } else {
            let by_chance = total_variation_by_chance(&self.reference, live);
            l_infinity(&self.reference, live) >= L_INFINITY_MATERIAL
                || total_variation(&self.reference, live) >= TOTAL_VARIATION_MATERIAL + by_chance
        }
    }
}

/// The middle one of `runs` epochs that are shifted by so much; epochs without
/// an alarm count as infinite.
pub(crate) fn median_rows_to_alarm(seed: u64, runs: usize, shift: f64, look_every: u64, threshold: f64) -> f64 {
    let mut random = Random(seed);
    let mut rows: Vec<f64> = (0..runs)
        .map(|_| {
            let reference = reference_of(&mut random, Random::normal, 2_000);
            let outcome = epoch(&mut random, &reference, Random::normal, shift, look_every, threshold);
            outcome.alarm.map_or(f64::INFINITY, |rows| rows as f64)
        })
        .collect();
    rows.sort_by(f64::total_cmp);
    rows[runs / 2]
}

/// Epochs without drift of so many columns: how many had evidence, how many an
/// alarm. Each has a reference of its own.
pub(crate) fn false_alarms(
    seed: u64,
    epochs: u64,
    columns: u64,
    source: Source,
    rows: u64,
    look_every: u64,
) -> (u64, u64) {
    let threshold = (columns as f64 / 0.01).ln();
    let mut random = Random(seed);
    let (mut evidence, mut alarms) = (0, 0);
    for _ in 0..epochs {
        let outcomes: Vec<_> = (0..columns)
            .map(|_| {
                let reference = reference_of(&mut random, source, rows);
                epoch(&mut random, &reference, source, 0.0, look_every, threshold)
            })
            .collect();
        evidence += u64::from(outcomes.iter().any(|outcome| outcome.evidence.is_some()));
        alarms += u64::from(outcomes.iter().any(|outcome| outcome.alarm.is_some()));
    }
    (evidence, alarms)
}
