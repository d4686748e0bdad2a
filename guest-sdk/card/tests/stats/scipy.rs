//! Agreement with scipy to 1e-9, on real data (`scipy_values.py` wrote it).

use crate::agreement::{columns, list, pairs, sorted};
use crate::{number_fields, numbers, profile};
use scry_card::stats::{
    Basis, Binned, Counter, Kind, Statistic, Verdict, chi_square, compare, compare_counts, fisher_exact, js_distance,
    ks, ks_binned, ks_p_value, l_infinity, ln_e, psi, wasserstein, wasserstein_binned,
};
use serde_json::Value;

#[test]
fn every_number_is_scipys() {
    let pairs = pairs();
    assert!(pairs.len() > 300, "{}", pairs.len());
    for pair in pairs {
        assert!(pair.difference() <= 1e-9, "{}: {}, scipy says {}", pair.what, pair.ours, pair.scipys);
    }
}

#[test]
fn bins_of_real_columns_are_scipys_and_bound_what_is_exact() {
    for column in columns() {
        let profiled = column.profiled();
        let report = column.watched(&profiled);
        let name = &column.name;
        let Kind::Numeric(found) = &profiled.columns[0].kind else {
            assert!(column.categorical.is_some(), "{name}");
            continue;
        };
        assert_eq!(found.histogram.edges, list::<f64>(column.says(), "edges"), "{name}");
        assert_eq!(found.histogram.counts, column.counts().0, "{name}");
        let (reference, live) = (sorted(&column.reference), sorted(&column.live));
        let (distance, area) = (ks(&reference, &live), wasserstein(&reference, &live));
        let ours = |statistic| report.value(statistic).unwrap();
        assert!(ours(Statistic::KsD) <= distance + 1e-12 && distance <= ours(Statistic::KsDMax) + 1e-12, "{name}");
        assert!(ours(Statistic::Wasserstein) <= area * (1.0 + 1e-9), "{name}");
        let is_large = area / found.scale() > 0.3;
        assert!(!is_large || ours(Statistic::Wasserstein) >= area * 0.9, "{name}: {area}\n{report}");
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
