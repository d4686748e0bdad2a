//! `scry profile --compare` on files that drift, or do not, in ways that were
//! once mistaken for the other.

use crate::support::data::{read_json, run};
use serde_json::{Value, json};
use tempfile::TempDir;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((mixed ^ (mixed >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn category(&mut self, count: u32) -> String {
        format!("k{}", (self.uniform() * f64::from(count)) as u32)
    }
}

/// A file of one column.
fn write(dir: &TempDir, name: &str, seed: u64, rows: usize, value: impl Fn(&mut Random) -> String) {
    let mut random = Random(seed);
    let lines: Vec<_> = (0..rows).map(|_| value(&mut random)).collect();
    std::fs::write(dir.path().join(name), format!("c\n{}\n", lines.join("\n"))).unwrap();
}

fn report(dir: &TempDir, old: &str, new: &str) -> Value {
    run(dir, &["profile", "--compare", old, new, "--json"]).ok().json()
}

/// By both tables, and by the statistics of the first.
fn assert_verdict(dir: &TempDir, verdict: &str, what: &str) {
    run(dir, &["profile", "old.csv", "-o", "old.json"]).ok();
    for old in ["old.csv", "old.json"] {
        let report = report(dir, old, "new.csv");
        assert_eq!(report["verdict"], verdict, "{what}, {old}: {report}");
    }
}

#[test]
fn drift_of_categories_is_seen_however_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let drift = |what: &str| assert_verdict(&dir, "drift", what);
    write(&dir, "old.csv", 1, 50_000, |_| "card".into());
    write(&dir, "new.csv", 1, 500, |_| "cash".into());
    drift("a category never seen fills all rows");
    let quarter = |other: &'static str| move |r: &mut Random| (if r.uniform() < 0.75 { "a" } else { other }).into();
    write(&dir, "old.csv", 1, 5_000, quarter("b"));
    write(&dir, "new.csv", 2, 200, quarter("B"));
    drift("a category never seen takes the place of a quarter");
    for count in [50, 300] {
        write(&dir, "old.csv", 1, 20_000, |r| r.category(count));
        write(&dir, "new.csv", 2, 20_000, |r| r.category(count / 2));
        drift("half of all categories vanish");
    }
    let report = report(&dir, "old.csv", "new.csv");
    let checks = report["columns"][0]["checks"].as_array().unwrap();
    let check = |name: &str| checks.iter().find(|check| check["statistic"] == name).unwrap();
    assert_eq!((&check("total_variation")["reached"], &check("ln_e_values")["reached"]), (&json!(true), &json!(true)));
}

#[test]
fn two_samples_of_one_distribution_do_not_drift_however_many_categories_it_has() {
    let dir = tempfile::tempdir().unwrap();
    for count in [2, 30, 300, 1_000, 3_000] {
        for seed in 0..4 {
            write(&dir, "old.csv", seed, 2_000, |r| r.category(count));
            write(&dir, "new.csv", seed + 100, 2_000, |r| r.category(count));
            assert_verdict(&dir, "ok", &format!("{count} categories"));
        }
    }
    // The counts to compare with had no part in choosing the names.
    let kept = &read_json(dir.path().join("old.json"))["inputs"]["columns"][0]["kind"]["categorical"];
    assert!(kept["held_out"]["other_count"].as_u64().unwrap() > 800, "{kept}");
}

#[test]
fn a_shift_of_numbers_is_seen_beside_sentinels_in_any_unit_and_beyond_2_to_the_53() {
    let dir = tempfile::tempdir().unwrap();
    let sentinels = |middle: f64| {
        move |r: &mut Random| if r.uniform() < 0.01 { "-9999".into() } else { (r.normal() + middle).to_string() }
    };
    write(&dir, "old.csv", 1, 2_000, sentinels(0.0));
    for (middle, verdict) in [(0.0, "ok"), (3.0, "drift")] {
        write(&dir, "new.csv", 2, 2_000, sentinels(middle));
        assert_verdict(&dir, verdict, "one in a hundred is -9999");
    }
    let small = |middle: f64| move |r: &mut Random| format!("{:e}", 1e-6 * (r.normal() + middle));
    write(&dir, "old.csv", 1, 2_000, small(0.0));
    write(&dir, "new.csv", 2, 2_000, small(1.0));
    assert_verdict(&dir, "drift", "a small unit");
    let whole = |share: f64| move |r: &mut Random| ((1u64 << 53) + u64::from(r.uniform() < share)).to_string();
    write(&dir, "old.csv", 1, 2_000, whole(0.5));
    for (share, verdict) in [(0.5, "ok"), (0.9, "drift")] {
        write(&dir, "new.csv", 2, 2_000, whole(share));
        assert_verdict(&dir, verdict, "2^53 and 2^53 + 1");
    }
    let ids = |middle: f64| move |r: &mut Random| ((1i64 << 60) + ((r.normal() + middle) * 100.0) as i64).to_string();
    write(&dir, "old.csv", 1, 2_000, ids(0.0));
    for (middle, verdict) in [(0.0, "ok"), (0.5, "drift")] {
        write(&dir, "new.csv", 2, 2_000, ids(middle));
        assert_verdict(&dir, verdict, "numbers about 2^60");
    }
    let shown = run(&dir, &["profile", "old.csv"]).ok().stdout;
    assert!(shown.contains("mean 115292150460684"), "{shown}");
}

#[test]
fn what_stands_for_a_missing_whole_number_hides_no_drift_in_whichever_row_it_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let missing = i64::MIN;
    let ages = |middle: f64| move |r: &mut Random| ((r.normal() + middle) * 10.0) as i64;
    for (old, new, verdict) in [(4.0, 4.0, "ok"), (4.0, 5.0, "drift")] {
        for first in [true, false] {
            for (name, seed, middle) in [("old.csv", 1, old), ("new.csv", 2, new)] {
                let row = |r: &mut Random| if r.uniform() < 0.01 { missing } else { ages(middle)(r) }.to_string();
                write(&dir, name, seed, 2_000, row);
                let rows = std::fs::read_to_string(dir.path().join(name)).unwrap();
                let begin = if first { format!("c\n{missing}\n") } else { "c\n40\n".to_owned() };
                std::fs::write(dir.path().join(name), rows.replacen("c\n", &begin, 1)).unwrap();
            }
            assert_verdict(&dir, verdict, &format!("ages about {old} and {new}, {missing} first: {first}"));
        }
    }
}

#[test]
fn a_reference_of_few_rows_says_that_it_is_too_small() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "new.csv", 2, 2_000, |r| (r.normal() + 100.0).to_string());
    for rows in [1, 5, 20] {
        write(&dir, "old.csv", 1, rows, |r| r.normal().to_string());
        assert_verdict(&dir, "insufficient_data", &format!("{rows} rows"));
    }
    write(&dir, "old.csv", 1, 100, |r| r.normal().to_string());
    assert_verdict(&dir, "drift", "100 rows");
}
