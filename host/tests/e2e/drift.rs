//! What a version sees and says, beside its training data: noticed when it
//! drifts, quiet when it does not, and never lost with the host.

use crate::support::Ran;
use crate::support::data::{command, hours, read_json, write_ndjson};
use crate::support::{
    Guest, Host, PATIENT, Reply, eventually, example, features, guest, rows, scry, sha256, with_section,
};
use scry_card::stats::{Profiler, Reference, References};
use scry_card::{Batch, Field, Tensor, Values};
use serde_json::{Value, json};
use std::path::Path;

/// SplitMix64, as normal numbers.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((mixed ^ (mixed >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// So many around a middle, with a standard deviation of 1.
    pub(crate) fn normal(&mut self, count: usize, middle: f64) -> Vec<f64> {
        let mut next = || {
            let radius = (-2.0 * self.uniform().ln()).sqrt();
            middle + radius * (std::f64::consts::TAU * self.uniform()).cos()
        };
        (0..count).map(|_| next()).collect()
    }
}

/// What 2,000 rows looked like.
fn reference(name: &str, values: Vec<f64>) -> Reference {
    let field: Field = serde_json::from_value(json!({ "name": name, "datatype": "FP64" })).unwrap();
    let mut profiler = Profiler::new(&[field]);
    let rows = values.len();
    let tensor = Tensor { shape: vec![rows as u64], values: Values::Fp64(values), validity: None };
    profiler.add(&Batch { rows, columns: vec![tensor] }).unwrap();
    profiler.finish()
}

/// Of `steady`: x is normal, y is twice that, and its features are around a middle.
pub(crate) fn references(features_middle: f64) -> References {
    let x = Random(1).normal(2_000, 0.0);
    References {
        outputs: Some(reference("y", x.iter().map(|x| 2.0 * x).collect())),
        features: Some(reference("x", Random(2).normal(2_000, features_middle))),
        inputs: reference("x", x),
    }
}

/// A component with training data and, if need be, other words on its card.
pub(crate) fn with(of: &Guest, references: &References, card: &Value) -> Vec<u8> {
    let references = serde_json::to_string(references).unwrap();
    let mut bytes = with_section(&of.bytes(), "scry:reference", &references);
    if let Some(words) = card.as_object() {
        let mut card =
            Ran::of(scry().args(["inspect", of.path.to_str().unwrap(), "--json"])).ok().json()["card"].take();
        card.as_object_mut().unwrap().extend(words.clone());
        bytes = with_section(&bytes, "scry:card", &card.to_string());
    }
    bytes
}

/// A host that serves `steady` with its training data.
pub(crate) fn watched(config: &str) -> (Host, Vec<u8>) {
    let host = Host::with(&format!("{PATIENT}{config}"));
    let bytes = with(&guest("steady"), &references(0.0), &Value::Null);
    publish(&host, &bytes);
    (host, bytes)
}

pub(crate) fn publish(host: &Host, bytes: &[u8]) -> Value {
    host.admin_post("/v1/models", bytes).status(200).json()
}

fn send(host: &Host, x: &[f64]) -> Reply {
    host.post("/v2/models/steady/infer", &rows("", x)).status(200)
}

/// Rows around a middle, 50 a request.
pub(crate) fn traffic(host: &Host, random: &mut Random, count: usize, middle: f64) {
    random.normal(count, middle).chunks(50).for_each(|x| drop(send(host, x)));
}

/// One version, as `GET /v1/models/steady/drift` shows it.
fn shown(host: &Host, version: u64) -> Value {
    let report = host.admin_get("/v1/models/steady/drift").status(200).json();
    let mut versions = report["versions"].as_array().unwrap().iter();
    versions.find(|shown| shown["version"] == version).unwrap().clone()
}

pub(crate) fn counts(host: &Host) -> Value {
    host.admin_get("/v1/models/steady/drift/counts").status(200).json()
}

fn current(shown: &Value, side: &str) -> Value {
    shown["sides"][side]["current"].clone()
}

#[test]
fn rows_like_the_training_data_raise_no_alarm_and_all_is_shown_all_the_same() {
    let (host, _) = watched("");
    traffic(&host, &mut Random(7), 1_500, 0.0);
    let shown = shown(&host, 1);
    assert_eq!((&shown["state"], &shown["role"]), (&json!("watched"), &json!("live")));
    for (side, column) in [("inputs", "x"), ("outputs", "y")] {
        let epoch = current(&shown, side);
        assert_eq!(
            (&epoch["epoch"], &epoch["alarm"], &epoch["report"]["live_rows"]),
            (&json!(1), &json!(null), &json!(1_500))
        );
        let found = &epoch["report"]["columns"][0];
        assert_eq!((&found["column"], &found["verdict"]), (&json!(column), &json!("ok")), "{found}");
        let checks = found["checks"].as_array().unwrap();
        let has = |name: &str, judged: bool| {
            checks.iter().any(|check| check["statistic"] == name && check["threshold"].is_number() == judged)
        };
        for (name, judged) in
            [("ln_e", true), ("w_norm", true), ("null_rate_change", true), ("psi", false), ("js_distance", false)]
        {
            assert!(has(name, judged), "{name} in {found}");
        }
        let labels = format!("{{model=\"steady\",side=\"{side}\",version=\"1\"}}");
        assert_eq!(host.metric(&format!("scry_drift_rows{labels}")), 1_500.0);
        assert_eq!(host.metric(&format!("scry_drift_alarms_total{labels}")), 0.0);
        assert_eq!(host.metric(&format!("scry_drift_columns{labels}")), 0.0);
    }
    let text = host.scry(&["drift", "steady", "-o", "wide"]).ok().stdout;
    assert!(text.contains("[inputs]") && text.contains("w_norm") && !text.contains("ALARM"), "{text}");
    assert!(!host.log().contains("drift"), "{}", host.log());
    host.scry(&["drift", "nobody"]).code(1).says(&["nobody", "not known"]);
    // The next rows are another epoch's once this one has its 2,000.
    traffic(&host, &mut Random(8), 600, 0.0);
    let shown = self::shown(&host, 1)["sides"]["inputs"].clone();
    assert_eq!((&shown["current"]["epoch"], &shown["last"]["report"]["live_rows"]), (&json!(2), &json!(2_000)));
    assert_eq!(shown["current"]["report"]["live_rows"], 100);
}

#[test]
fn a_shift_is_an_alarm_after_as_few_rows_as_promised_and_said_once() {
    let (host, _) = watched("");
    let mut random = Random(3);
    let mut alarm = Value::Null;
    let mut sent = 0;
    while alarm.is_null() {
        // 33 are the median for one standard deviation; 1 in 100 takes up to here.
        assert!(sent < 200, "no alarm after {sent} rows");
        send(&host, &random.normal(5, 1.0));
        sent += 5;
        alarm = current(&shown(&host, 1), "inputs")["alarm"].clone();
    }
    assert_eq!((&alarm["rows"], &alarm["columns_drifting"]), (&json!(sent), &json!(1)));
    let column = &alarm["columns"][0];
    assert_eq!((&column["column"], &column["effect"]), (&json!("x"), &json!("w_norm")));
    assert!(column["ln_e"].as_f64() >= column["ln_e_threshold"].as_f64(), "{column}");
    traffic(&host, &mut random, 300, 1.0);
    let text = host.scry(&["drift", "steady", "-o", "wide"]).ok().stdout;
    assert!(text.contains("[inputs]  alarms so far: 1") && text.contains("ALARM after"), "{text}");
    let short = host.scry(&["drift", "steady"]).ok().stdout;
    assert!(short.starts_with("ALARM  steady@1  inputs drift after"), "{short}");
    let short: Vec<Vec<_>> = short.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(
        short.iter().any(|line| line.starts_with(&["@1", "live", "inputs"]) && line.contains(&"drift")),
        "{short:?}"
    );
    assert!(short.iter().any(|line| line.starts_with(&["@1", "live", "inputs", "x"])), "{short:?}");
    let listed = host.scry(&["models", "-o", "wide"]).ok().stdout;
    assert!(listed.contains("DRIFT in inputs, "), "{listed}");
    let labels = "{model=\"steady\",side=\"inputs\",version=\"1\"}";
    assert_eq!(host.metric(&format!("scry_drift_alarms_total{labels}")), 1.0);
    assert!(host.metric(&format!("scry_drift_ln_e{labels}")) > 4.6);
    let log = host.log();
    let said: Vec<_> = log.lines().filter(|line| line.contains("side=\"inputs\"")).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("x: w_norm ") && said[0].contains("ln E "), "{}", said[0]);
}

#[test]
fn an_epoch_goes_on_after_a_restart_exactly_where_it_was() {
    let (host, _) = watched("[validation]\nskew_sample_percent = 0\n");
    traffic(&host, &mut Random(11), 2_700, 0.0);
    let before = counts(&host);
    let host = host.restart(|_| {});
    assert_eq!(counts(&host), before);
    traffic(&host, &mut Random(12), 100, 0.0);
    let after = &counts(&host)["versions"][0]["sides"]["inputs"]["current"];
    assert_eq!((&after["number"], &after["counts"]["rows"]), (&json!(2), &json!(800)));
}

#[test]
fn a_kill_loses_no_more_than_the_last_moments() {
    let (host, _) = watched("[validation]\nskew_sample_percent = 0\ndrift_save_ms = 100\n");
    traffic(&host, &mut Random(11), 500, 0.0);
    let before = counts(&host);
    let file = only_file(&host.data().join("drift"));
    eventually("the counts in their file", || {
        let line = std::fs::read_to_string(&file).unwrap();
        let (_seal, kept) = line.split_once(' ').unwrap();
        let kept: Value = serde_json::from_str(kept).unwrap();
        kept == before["versions"][0]["sides"]
    });
    let host = host.kill_and_restart();
    assert_eq!(counts(&host), before);
}

fn only_file(dir: &Path) -> std::path::PathBuf {
    let mut found = Vec::new();
    eventually("a file", || {
        let listing = std::fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path());
        found = listing.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        found.len() == 1
    });
    found.remove(0)
}

#[test]
fn counts_that_are_damaged_are_set_aside_and_nothing_else_is() {
    let (mut host, _) = watched("");
    for damage in ["{}}", "{\"inputs\":", "[1]"] {
        traffic(&host, &mut Random(11), 100, 0.0);
        host = host.restart(|data| std::fs::write(only_file(&data.join("drift")), damage).unwrap());
        assert_eq!(current(&shown(&host, 1), "inputs")["report"]["live_rows"], 0);
        send(&host, &[1.0]);
    }
    assert_eq!(std::fs::read_dir(host.data().join("quarantine")).unwrap().count(), 3);
    assert!(host.log().contains("counts are damaged or another component's"), "{}", host.log());
    let damage = host.admin_get("/v1/state").json()["damage"].to_string();
    assert_eq!(damage.matches("quarantine/").count(), 3, "what was set aside is told until it is removed: {damage}");
    // Counts that contradict themselves are none either.
    traffic(&host, &mut Random(11), 100, 0.0);
    let host = host.restart(|data| {
        let file = only_file(&data.join("drift"));
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replacen("\"rows\":", "\"rows\":7", 1)).unwrap();
    });
    assert_eq!(current(&shown(&host, 1), "inputs")["report"]["live_rows"], 0);
}

#[test]
fn counts_of_components_that_nothing_refers_to_are_cleaned_away() {
    let (host, _) = watched("[history]\nretention_days = 0\nchanges_max = 1\n[catalog]\nversions_warm = 0\n");
    traffic(&host, &mut Random(1), 100, 0.0);
    let other = with(&features("steady", "triple"), &references(0.0), &Value::Null);
    publish(&host, &other);
    host.deploy(&["steady", "--to", "2"]).ok();
    traffic(&host, &mut Random(1), 100, 0.0);
    host.scry(&["gc"]).ok();
    // What was ready for a rollback is let go of with the next look.
    let host = host.restart(|_| {});
    host.scry(&["gc"]).ok();
    let kept = only_file(&host.data().join("drift"));
    let name = kept.file_name().unwrap().to_str().unwrap();
    assert_eq!(format!("{name}"), format!("{}-steady.json", sha256(&other).strip_prefix("sha256:").unwrap()));
    assert_eq!(current(&shown(&host, 2), "inputs")["report"]["live_rows"], 100);
}

#[test]
fn counts_of_two_hosts_add_up_to_those_of_one() {
    let config = "[validation]\nskew_sample_percent = 0\n";
    let hosts: [(Host, Vec<u8>); 3] = std::array::from_fn(|_| watched(config));
    let [(one, bytes), (two, _), (both, _)] = &hosts;
    let x = Random(21).normal(1_300, 0.2);
    for (at, x) in x.chunks(50).enumerate() {
        send(if at % 2 == 0 { one } else { two }, x);
        send(both, x);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    for (name, host) in [("one.json", one), ("two.json", two), ("both.json", both)] {
        std::fs::write(path(name), counts(host).to_string()).unwrap();
    }
    std::fs::write(path("steady.wasm"), bytes).unwrap();
    let merged = |files: &[&str]| {
        let files: Vec<String> = files.iter().map(|name| path(name)).collect();
        let mut command = scry();
        command.args(["drift", "merge"]).args(&files).args(["--component", &path("steady.wasm"), "--json"]);
        Ran::of(&mut command).ok().json()
    };
    let (added, alone) = (merged(&["one.json", "two.json"]), merged(&["both.json"]));
    for side in ["inputs", "outputs"] {
        let [added, alone] = [&added, &alone].map(|report| &report[side]["current"]);
        assert_eq!((&added["live_rows"], &added["verdict"]), (&json!(1_300), &alone["verdict"]));
        let checks = |report: &Value| report["columns"][0]["checks"].as_array().unwrap().clone();
        for (a, b) in checks(added).iter().zip(&checks(alone)) {
            let [x, y] = [a, b].map(|check| check["observed_value"].as_f64().unwrap());
            assert!((x - y).abs() <= 1e-9 * x.abs().max(1.0), "{a} {b}");
        }
    }
    // It is what the host itself says.
    assert_eq!(alone["inputs"]["current"], current(&shown(both, 1), "inputs")["report"]);
    std::fs::write(path("other.wasm"), guest("steady").bytes()).unwrap();
    let mut command = scry();
    command.args(["drift", "merge", &path("one.json"), "--component", &path("other.wasm")]);
    Ran::of(&mut command).code(1).says(&["other.wasm", "no reference statistics"]);
}

#[test]
fn a_pipeline_that_gives_other_features_than_in_training_is_noticed() {
    let host = Host::with(&format!("{PATIENT}[validation]\nskew_sample_percent = 100\n"));
    publish(&host, &with(&guest("steady"), &references(1.5), &Value::Null));
    let mut random = Random(5);
    send(&host, &random.normal(500, 0.0));
    eventually("features", || current(&shown(&host, 1), "features")["report"]["live_rows"] == 500);
    let shown = self::shown(&host, 1);
    assert_eq!(shown["skew"], json!({ "sampled": 1, "failed": 0, "dropped": 0 }));
    let alarm = &current(&shown, "features")["alarm"];
    assert_eq!(alarm["columns"][0]["column"], "x", "{alarm}");
    assert_eq!(current(&shown, "inputs")["alarm"], json!(null), "what came in is as it was");
    let text = host.scry(&["drift", "steady", "-o", "wide"]).ok().stdout;
    assert!(text.contains("[features]  alarms so far: 1, sampled 1 requests, 0 failed, 0 dropped"), "{text}");
    // A few a second, however many there are.
    (0..40).for_each(|_| drop(send(&host, &random.normal(1, 0.0))));
    assert!(self::shown(&host, 1)["skew"]["sampled"].as_u64().unwrap() < 40);
}

#[test]
fn skew_is_judged_element_by_element_where_features_are_one_array() {
    let dir = tempfile::tempdir().unwrap();
    write_ndjson(&dir.path().join("hours.ndjson"), &hours(1_500));
    let bikeshare = example("bikeshare");
    let mut profile = command(&dir, &["profile", "hours.ndjson", "-o", "reference.json", "--model"]);
    Ran::of(profile.arg(&bikeshare.path)).ok();
    // As if training had taken humidity for wind speed, and the other way round.
    let mut reference = read_json(dir.path().join("reference.json"));
    let columns = reference["features"]["columns"].as_array_mut().unwrap();
    (columns[6]["name"], columns[7]["name"]) = (json!("features[7]"), json!("features[6]"));
    let references = serde_json::from_value(reference).unwrap();
    let host = Host::with(&format!("{PATIENT}[validation]\nskew_sample_percent = 100\n"));
    publish(&host, &with(&bikeshare, &references, &Value::Null));
    let mut rows = hours(1_500);
    rows.iter_mut().for_each(|row| drop(row.remove("riders")));
    host.post("/v1/models/bikeshare:predict", &json!({ "instances": rows })).status(200);
    let shown = || host.admin_get("/v1/models/bikeshare/drift").status(200).json()["versions"][0].clone();
    eventually("features", || current(&shown(), "features")["report"]["live_rows"] == 1_500);
    let shown = shown();
    let alarm = current(&shown, "features")["alarm"].clone();
    let names: Vec<_> = alarm["columns"].as_array().unwrap().iter().map(|column| column["column"].clone()).collect();
    assert_eq!(names, ["features[7]", "features[6]"], "{alarm}");
    assert_eq!(current(&shown, "features")["report"]["columns"].as_array().unwrap().len(), 13);
    assert_eq!(current(&shown, "inputs")["alarm"], json!(null), "what came in is as it was");
}

#[test]
fn a_model_whose_data_is_too_old_is_stale_everywhere_it_is_shown() {
    let host = Host::start();
    let card = |until: &str| json!({ "data_until": until, "max_age": "P30D" });
    publish(&host, &with(&guest("steady"), &references(0.0), &card("2020-01-01")));
    publish(&host, &with(&guest("steady"), &references(0.0), &card("2999-01-01T00:00:00Z")));
    let labels = |version: u32| format!("{{model=\"steady\",version=\"{version}\"}}");
    assert_eq!(host.metric(&format!("scry_model_stale{}", labels(1))), 1.0);
    assert_eq!(host.metric(&format!("scry_model_stale{}", labels(2))), 0.0);
    assert!(host.metric(&format!("scry_model_data_age_seconds{}", labels(1))) > 1.5e8);
    assert!(host.metric(&format!("scry_model_data_age_seconds{}", labels(2))) < 0.0);
    let listed = host.scry(&["models", "--json"]).ok().json();
    let versions = &listed["models"][0]["versions"];
    assert_eq!((&versions[0]["stale"], &versions[0]["max_age"]), (&json!(true), &json!("P30D")));
    assert_eq!(versions[1]["stale"], false);
    let text = host.scry(&["models", "-o", "wide"]).ok().stdout;
    assert_eq!(text.matches("STALE: older than P30D").count(), 1, "{text}");
    assert_eq!(shown(&host, 1)["stale"], true);
    let warnings = || host.log().matches("older than its `max_age`").count();
    eventually("the warning", || warnings() == 1);
    host.deploy(&["steady", "--to", "2"]).ok();
    shown(&host, 2);
    host.deploy(&["steady", "--to", "1"]).ok();
    shown(&host, 1);
    assert_eq!(warnings(), 2, "each time that it comes to be served");
    let no_data = with(&guest("steady"), &references(0.0), &json!({ "max_age": "P30D" }));
    host.admin_post("/v1/models", &no_data).error(422, &["max_age", "data_until"]);
}

#[test]
fn a_canary_and_a_shadow_are_compared_with_the_live_version_of_the_same_time() {
    let (host, _) = watched("");
    let triple = with(&features("steady", "triple"), &references(0.0), &Value::Null);
    publish(&host, &triple);
    host.deploy(&["steady", "--to", "2", "--canary", "50"]).ok();
    traffic(&host, &mut Random(31), 3_000, 0.0);
    let shown = self::shown(&host, 2);
    let beside = &shown["beside"];
    assert_eq!((&shown["role"], &beside["live"]), (&json!("canary"), &json!(1)));
    for side in ["inputs", "outputs"] {
        assert_eq!(beside[side]["reference_rows"], 1_500);
        assert_eq!(beside[side]["live_rows"], 1_500);
    }
    assert_eq!(beside["inputs"]["verdict"], "ok", "{beside}");
    let found = &beside["outputs"]["columns"][0];
    assert_eq!((&found["column"], &found["verdict"]), (&json!("y"), &json!("drift")), "{found}");
    assert!(found["checks"].as_array().unwrap().iter().any(|check| check["statistic"] == "chi_square_p_value"));
    assert_eq!(self::shown(&host, 1)["beside"], json!(null));
    let text = host.scry(&["drift", "steady", "-o", "wide"]).ok().stdout;
    assert!(text.contains("[outputs beside the live version @1]"), "{text}");
    // As a shadow it is asked what the live version is asked.
    host.deploy(&["steady", "--no-canary"]).ok();
    host.deploy(&["steady", "--shadow", "2"]).ok();
    for x in Random(32).normal(1_000, 0.0).chunks(50) {
        send(&host, x);
    }
    let beside = || self::shown(&host, 2)["beside"].clone();
    eventually("the shadow", || beside()["outputs"]["live_rows"] == 1_000);
    let beside = beside();
    assert_eq!((&beside["inputs"], &beside["outputs"]["reference_rows"]), (&json!(null), &json!(1_000)));
    assert_eq!(beside["outputs"]["verdict"], "drift", "{beside}");
}
