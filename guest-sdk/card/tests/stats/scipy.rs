//! Agreement with scipy to 1e-9, on real data (`scipy_values.py` wrote it).

use crate::{batch, column, number_fields, numbers, profile};
use scry_card::Values;
use scry_card::stats::{
    Basis, Binned, Counter, Kind, Statistic, Verdict, chi_square, compare, compare_counts, fisher_exact, js_distance,
    jsd_bits, ks, ks_binned, ks_p_value, l_infinity, ln_e, psi, wasserstein, wasserstein_binned, watch,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Deserialize)]
struct Column {
    name: String,
    reference: Vec<f64>,
    live: Vec<f64>,
    numeric: Option<Value>,
    categorical: Option<Value>,
}

fn stored<T: DeserializeOwned>(key: &str) -> T {
    let mut all: Value = serde_json::from_str(include_str!("../scipy_values.json")).unwrap();
    serde_json::from_value(all[key].take()).unwrap()
}

fn near(what: &str, ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() <= 1e-9 * theirs.abs().max(1e-12), "{what}: {ours}, scipy says {theirs}");
}

fn list<T: DeserializeOwned>(value: &Value, key: &str) -> Vec<T> {
    serde_json::from_value(value[key].clone()).unwrap()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn check_counts(name: &str, says: &Value, p: &[u64], q: &[u64]) {
    let says = |key: &str| says[key].as_f64().unwrap();
    let test = chi_square(p, q);
    assert_eq!(test.degrees_of_freedom as f64, says("chi_square_dof"), "{name}");
    for (key, ours) in [
        ("psi", psi(p, q)),
        ("js_distance", js_distance(p, q)),
        ("jsd_bits", jsd_bits(p, q)),
        ("l_infinity", l_infinity(p, q)),
        ("chi_square", test.statistic),
        ("chi_square_p_value", test.p_value),
    ] {
        near(&format!("{name}, {key}"), ours, says(key));
    }
}

#[test]
fn every_number_of_real_columns_is_scipys() {
    for Column { name, reference, live, numeric, categorical } in stored::<Vec<Column>>("columns") {
        let fields = number_fields(1);
        let profiled = profile(&fields, &batch(vec![column(Values::Fp64(reference.clone()))]));
        let counter = Counter::new(&profiled, &fields).unwrap();
        let mut counts = counter.start();
        counter.count(&mut counts, &batch(vec![column(Values::Fp64(live.clone()))])).unwrap();
        let report = watch(&profiled, &counts, 0.01).unwrap().columns.remove(0);
        let ours = |statistic| report.value(statistic).unwrap();

        let says = numeric.as_ref().or(categorical.as_ref()).unwrap();
        let (p, q): (Vec<u64>, Vec<u64>) = (list(says, "reference_counts"), list(says, "live_counts"));
        check_counts(&name, says, &p, &q);
        for (statistic, key) in [
            (Statistic::Psi, "psi"),
            (Statistic::ChiSquare, "chi_square"),
            (Statistic::JsDistance, "js_distance"),
            (Statistic::LnE, "ln_e"),
        ] {
            near(&format!("{name}, counted {key}"), ours(statistic), says[key].as_f64().unwrap());
        }
        let Kind::Numeric(found) = &profiled.columns[0].kind else {
            assert!(categorical.is_some(), "{name}");
            near(&name, ours(Statistic::LInfinity), says["l_infinity"].as_f64().unwrap());
            continue;
        };
        assert_eq!(found.histogram.edges, list::<f64>(says, "edges"), "{name}");
        assert_eq!(found.histogram.counts, p, "{name}");
        let (reference, live) = (sorted(&reference), sorted(&live));
        let says = |key: &str| says[key].as_f64().unwrap();
        let (distance, area) = (ks(&reference, &live), wasserstein(&reference, &live));
        near(&name, found.mean, says("mean"));
        near(&name, found.std_dev, says("std_dev"));
        near(&name, distance, says("ks_d"));
        near(&name, ks_p_value(distance, reference.len() as u64, live.len() as u64), says("ks_p_value"));
        near(&name, area, says("wasserstein"));
        near(&name, area / found.scale(), says("w_norm"));
        // What bins tell of both.
        assert!(ours(Statistic::KsD) <= distance + 1e-12 && distance <= ours(Statistic::KsDMax) + 1e-12, "{name}");
        assert!(ours(Statistic::Wasserstein) <= area * (1.0 + 1e-9), "{name}");
        let is_large = area / found.scale() > 0.3;
        assert!(!is_large || ours(Statistic::Wasserstein) >= area * 0.9, "{name}: {area}\n{report}");
    }
}

#[derive(Deserialize)]
struct Case<T> {
    input: T,
    value: f64,
}

#[test]
fn tests_of_significance_are_scipys() {
    for Case { input: (distance, n, m), value } in stored::<Vec<Case<(f64, u64, u64)>>>("ks_p_value") {
        near(&format!("ks_p_value({distance}, {n}, {m})"), ks_p_value(distance, n, m), value);
    }
    for Case { input, value } in stored::<Vec<Case<[[u64; 2]; 2]>>>("fisher_exact") {
        near(&format!("fisher_exact({input:?})"), fisher_exact(input), value);
    }
    for Case { input: (p, q), value } in stored::<Vec<Case<(Vec<u64>, Vec<u64>)>>>("chi_square") {
        near(&format!("chi_square({p:?}, {q:?})"), chi_square(&p, &q).p_value, value);
    }
    for Case { input: (weights, live), value } in stored::<Vec<Case<(Vec<f64>, Vec<u64>)>>>("ln_e") {
        near(&format!("ln_e({weights:?}, {live:?})"), ln_e(&weights, &live), value);
    }
}

#[test]
fn a_table_too_large_to_enumerate_is_normal() {
    // Just below and just above the limit, by the same distance in standard deviations.
    let p_value = |n: u64| {
        let shift = (1.5 * (n as f64 / 8.0).sqrt()).round() as u64;
        fisher_exact([[n / 2 + shift, n / 2 - shift], [n / 2, n / 2]])
    };
    let (exact, normal) = (p_value(700_000_000), p_value(900_000_000));
    assert!((exact / normal - 1.0).abs() < 1e-3, "{exact} {normal}");
    assert!((0.0..=1.0).contains(&fisher_exact([[1 << 53, 1], [3, 1 << 53]])));
}

/// Ten steps of .1 against eight of .125.
#[test]
fn the_check_vector() {
    let reference: Vec<f64> = (1..=100).map(|i| f64::from(i) / 10.0).collect();
    let live: Vec<f64> = (1..=80).map(|i| f64::from(i) / 8.0 + 0.5).collect();
    let options = |list: &[f64]| list.iter().copied().map(Some).collect::<Vec<_>>();
    let fields = number_fields(1);
    let profiled = profile(&fields, &numbers(&options(&reference)));
    let counter = Counter::new(&profiled, &fields).unwrap();
    let mut counts = counter.start();
    counter.count(&mut counts, &numbers(&options(&live))).unwrap();
    let json: Value = serde_json::to_value(&counts).unwrap();
    assert_eq!(json["columns"][0]["cells"], serde_json::json!([4, 8, 8, 8, 8, 8, 8, 8, 8, 12]));

    let exact = compare(&profiled, &profile(&fields, &numbers(&options(&live))), 0.01).unwrap().columns.remove(0);
    let binned = compare_counts(&profiled, &counts, 0.01).unwrap().columns.remove(0);
    assert_eq!((exact.basis, binned.basis), (Basis::Samples, Basis::Bins));
    // Fewer than 100 rows.
    assert_eq!(exact.verdict, Verdict::InsufficientData);
    for report in [&exact, &binned] {
        for (statistic, value) in [
            (Statistic::JsDistance, 0.082_246_064_4),
            (Statistic::JsdBits, 0.009_758_988_1),
            (Statistic::Psi, 0.054_930_614_4),
            (Statistic::ChiSquare, 2.337_662_337_7),
        ] {
            assert!((report.value(statistic).unwrap() - value).abs() < 1e-10, "{report}");
        }
    }
    for (statistic, value) in
        [(Statistic::KsD, 0.06), (Statistic::Wasserstein, 0.5125), (Statistic::WNorm, 0.1775440852)]
    {
        assert!((exact.value(statistic).unwrap() - value).abs() < 1e-10, "{exact}");
    }
    let bounds = ks_binned(&[10; 10], &[4, 8, 8, 8, 8, 8, 8, 8, 8, 12]);
    assert!(bounds.low <= 0.06 && 0.06 <= bounds.high, "{bounds:?}");
}

#[test]
fn distances_of_nothing_are_zero() {
    assert_eq!(ks(&[], &[1.0]), 0.0);
    assert_eq!(wasserstein(&[1.0], &[]), 0.0);
    assert_eq!((psi(&[], &[]), js_distance(&[0], &[5]), l_infinity(&[5], &[0])), (0.0, 0.0, 0.0));
    let nothing = Binned { counts: &[0], sums: &[0.0] };
    assert_eq!(wasserstein_binned(&[], nothing, nothing), 0.0);
    assert_eq!(chi_square(&[0, 0], &[1, 2]).p_value, 1.0);
    assert_eq!((ks_p_value(0.5, 0, 0), fisher_exact([[0, 0], [0, 0]])), (1.0, 1.0));
    assert_eq!((ln_e(&[], &[]), ln_e(&[1.0, 1.0], &[0, 0])), (0.0, 0.0));
}
