//! Numbers of ours beside scipy's, on real data (`scipy_values.py` wrote them).

use scry_card::stats::{
    Counter, Kind, Profiler, Reference, Statistic, chi_square, compare, fisher_exact, js_distance, jsd_bits, ks,
    ks_p_value, l_infinity, ln_e, psi, total_variation, total_variation_by_chance, wasserstein, watch,
};
use scry_card::{Batch, Field, Tensor, Values};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A column, and what scipy says of it.
#[derive(Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) reference: Vec<f64>,
    pub(crate) live: Vec<f64>,
    pub(crate) numeric: Option<Value>,
    pub(crate) categorical: Option<Value>,
}

/// One number twice.
pub(crate) struct Pair {
    pub(crate) what: String,
    pub(crate) ours: f64,
    pub(crate) scipys: f64,
}

impl Pair {
    /// How far apart they are, relatively.
    pub(crate) fn difference(&self) -> f64 {
        let apart = (self.ours - self.scipys).abs() / self.scipys.abs().max(1e-12);
        // What is not a number agrees with nothing.
        if apart.is_nan() { f64::INFINITY } else { apart }
    }
}

#[derive(Deserialize)]
struct Case<T> {
    input: T,
    value: f64,
}

pub(crate) fn columns() -> Vec<Column> {
    stored("columns")
}

/// All numbers that scipy has.
pub(crate) fn pairs() -> Vec<Pair> {
    let mut pairs: Vec<Pair> = columns().iter().flat_map(of_column).collect();
    let mut add = |what, ours, scipys| pairs.push(Pair { what, ours, scipys });
    for Case { input: (distance, n, m), value } in stored::<Vec<Case<(f64, u64, u64)>>>("ks_p_value") {
        add(format!("ks_p_value({distance}, {n}, {m})"), ks_p_value(distance, n, m), value);
    }
    for Case { input, value } in stored::<Vec<Case<[[u64; 2]; 2]>>>("fisher_exact") {
        add(format!("fisher_exact({input:?})"), fisher_exact(input), value);
    }
    for Case { input: (p, q), value } in stored::<Vec<Case<(Vec<u64>, Vec<u64>)>>>("chi_square") {
        add(format!("chi_square({p:?}, {q:?})"), chi_square(&p, &q).p_value, value);
    }
    for Case { input: (weights, live), value } in stored::<Vec<Case<(Vec<f64>, Vec<u64>)>>>("ln_e") {
        add(format!("ln_e({weights:?}, {live:?})"), ln_e(&weights, &live), value);
    }
    pairs
}

impl Column {
    pub(crate) fn says(&self) -> &Value {
        self.numeric.as_ref().or(self.categorical.as_ref()).unwrap()
    }

    pub(crate) fn counts(&self) -> (Vec<u64>, Vec<u64>) {
        (list(self.says(), "reference_counts"), list(self.says(), "live_counts"))
    }

    /// The reference that is made of one half.
    pub(crate) fn profiled(&self) -> Reference {
        let mut profiler = Profiler::new(&[field()]);
        profiler.add(&batch(&self.reference)).unwrap();
        profiler.finish()
    }

    /// The report of the other half, of which all values are kept.
    fn compared(&self, profiled: &Reference) -> scry_card::stats::ColumnReport {
        let mut profiler = Profiler::new(&[field()]);
        profiler.add(&batch(&self.live)).unwrap();
        compare(profiled, &profiler.finish(), 0.01).unwrap().columns.remove(0)
    }

    /// The report of the other half, counted row by row.
    pub(crate) fn watched(&self, profiled: &Reference) -> scry_card::stats::ColumnReport {
        let counter = Counter::new(profiled, &[field()]).unwrap();
        let mut counts = counter.start();
        counter.count(&mut counts, &batch(&self.live)).unwrap();
        watch(profiled, &counts, 0.01).unwrap().columns.remove(0)
    }
}

fn of_column(column: &Column) -> Vec<Pair> {
    let says = |key: &str| column.says()[key].as_f64().unwrap();
    let pair = |(key, ours): (&str, f64)| Pair { what: format!("{}, {key}", column.name), ours, scipys: says(key) };
    let (p, q) = column.counts();
    let test = chi_square(&p, &q);
    let mut ours = vec![
        ("psi", psi(&p, &q)),
        ("js_distance", js_distance(&p, &q)),
        ("jsd_bits", jsd_bits(&p, &q)),
        ("l_infinity", l_infinity(&p, &q)),
        ("total_variation", total_variation(&p, &q)),
        ("total_variation_by_chance", total_variation_by_chance(&p, &q)),
        ("chi_square", test.statistic),
        ("chi_square_p_value", test.p_value),
        ("chi_square_dof", test.degrees_of_freedom as f64),
    ];
    let profiled = column.profiled();
    let report = column.watched(&profiled);
    let counted = |statistic| report.value(statistic).unwrap();
    ours.extend([
        ("psi", counted(Statistic::Psi)),
        ("chi_square", counted(Statistic::ChiSquare)),
        ("js_distance", counted(Statistic::JsDistance)),
        ("ln_e", counted(Statistic::LnE)),
    ]);
    match &profiled.columns[0].kind {
        Kind::Categorical(_) => ours.push(("l_infinity", counted(Statistic::LInfinity))),
        Kind::Numeric(found) => {
            let (reference, live) = (sorted(&column.reference), sorted(&column.live));
            let (distance, area) = (ks(&reference, &live), wasserstein(&reference, &live));
            ours.extend([
                ("mean", found.mean),
                ("std_dev", found.std_dev),
                ("ks_d", distance),
                ("ks_p_value", ks_p_value(distance, reference.len() as u64, live.len() as u64)),
                ("wasserstein", area),
                ("w_norm", area / found.scale()),
                ("w_robust", column.compared(&profiled).value(Statistic::WRobust).unwrap()),
            ]);
        }
    }
    ours.into_iter().map(pair).collect()
}

fn stored<T: DeserializeOwned>(key: &str) -> T {
    let mut all: Value = serde_json::from_str(include_str!("../scipy_values.json")).unwrap();
    serde_json::from_value(all[key].take()).unwrap()
}

pub(crate) fn list<T: DeserializeOwned>(value: &Value, key: &str) -> Vec<T> {
    serde_json::from_value(value[key].clone()).unwrap()
}

pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn field() -> Field {
    serde_json::from_value(json!({ "name": "x", "datatype": "FP64" })).unwrap()
}

fn batch(values: &[f64]) -> Batch {
    let tensor = Tensor { shape: vec![values.len() as u64], values: Values::Fp64(values.to_vec()), validity: None };
    Batch { rows: values.len(), columns: vec![tensor] }
}
