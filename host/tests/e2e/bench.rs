//! `scry bench`: the time of a component in the sandbox.

use crate::support::{Ran, example, guest, scry};
use serde_json::Value;
use std::path::Path;

fn bench(component: &Path, arguments: &[&str]) -> Ran {
    Ran::of(scry().arg("bench").arg(component).args(["--time-ms", "50"]).args(arguments))
}

#[test]
fn calls_of_each_count_of_rows_are_timed() {
    let bikeshare = example("bikeshare");
    let report = bench(&bikeshare.path, &["--rows", "1,64", "--json"]).ok().json();
    assert_eq!(report["digest"], bikeshare.digest);
    assert!(report["compile_ms"].as_f64().unwrap() > 0.0, "{report}");
    let of = |rows: &str, key: &str| report["rows"][rows][key].as_f64().unwrap();
    for rows in ["1", "64"] {
        assert!(of(rows, "calls") >= 10.0, "{report}");
        assert!(0.0 < of(rows, "p50_us") && of(rows, "p50_us") <= of(rows, "p99_us"), "{report}");
        // Only calls that write memory of their own have instances that are made anew.
        assert!((0.0..=1.0).contains(&of(rows, "put_back")), "{report}");
        assert!(of(rows, "memory_bytes") >= 65536.0, "{report}");
    }
    // Each row costs instructions.
    assert!(of("64", "fuel") > 10.0 * of("1", "fuel"), "{report}");
    let shown = bench(&bikeshare.path, &[]).ok().stdout;
    let lines: Vec<_> = shown.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["1 row", "64 rows"], "{shown}");
}

#[test]
fn what_cannot_be_timed_says_why() {
    let steady = guest("steady");
    for wrong in ["0", "65537", "x", "1,", "-1"] {
        bench(&steady.path, &["--rows", wrong]).code(2);
    }
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("scry.toml");
    std::fs::write(&config, "[limits]\nfuel = 10\n").unwrap();
    let failed = bench(&steady.path, &["--config", config.to_str().unwrap(), "--json"]).code(1);
    let error: Value = serde_json::from_str(failed.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(error["error"]["kind"], "failed", "{error}");
    assert!(error["error"]["message"].as_str().unwrap().contains("fuel"), "{error}");
    bench(&dir.path().join("none.wasm"), &[]).code(1).says(&["none.wasm"]);
}
