//! What a model's author does: new, test, build, inspect, golden examples.

use crate::support::{Host, Ran, alone, authored_target_dir, built_in, cargo, example, root, scry};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The crate `churn` of `scry new`, in a place that is one test's at a time.
/// There are only two: everything that a crate uses is compiled for each folder.
fn new_crate(place: &str) -> (PathBuf, File) {
    let dir = authored_target_dir().join("crates").join(place).join("churn");
    let alone = alone(dir.parent().unwrap());
    let made = tempfile::tempdir().unwrap();
    Ran::of(scry().arg("new").arg(made.path().join("churn"))).ok();
    mirror(&made.path().join("churn"), &dir);
    (dir, alone)
}

/// Makes a folder like another. A file that is the same already keeps its time,
/// by which cargo knows what it has compiled.
fn mirror(from: &Path, to: &Path) {
    let names = |dir: &Path| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    fs::create_dir_all(to).unwrap();
    for old in names(to).into_iter().filter(|name| !from.join(name).exists()).map(|name| to.join(name)) {
        if old.is_dir() { fs::remove_dir_all(old).unwrap() } else { fs::remove_file(old).unwrap() }
    }
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            mirror(&from, &to);
        } else if fs::read(&to).ok() != Some(fs::read(&from).unwrap()) {
            fs::copy(&from, &to).unwrap();
        }
    }
}

fn inspect(wasm: &Path) -> Value {
    Ran::of(scry().arg("inspect").arg(wasm).arg("--json")).ok().json()
}

#[test]
fn a_new_crate_tests_builds_and_proves_itself_and_its_digest_is_the_sources() {
    let (here, _alone) = new_crate("here");
    let tested = Ran::of(cargo(&here).args(["test", "--quiet"])).ok();
    assert!(tested.stdout.contains("1 passed"), "{tested:#?}");

    let wasm = here.join("churn.wasm");
    let built = built_in(&here, &wasm).ok().json();
    let card = inspect(&wasm);
    assert_eq!((&built["digest"], &built["model"]), (&card["digest"], &card["card"]["name"]));
    assert_eq!(built["size_bytes"], fs::metadata(&wasm).unwrap().len());

    // Another folder, the same sources: the same component to the last bit.
    let (there, alone) = new_crate("there");
    let other = there.join("churn.wasm");
    assert_eq!(built_in(&there, &other).ok().json()["digest"], built["digest"]);
    assert_eq!(fs::read(&wasm).unwrap(), fs::read(&other).unwrap());
    drop(alone);

    let report = Ran::of(scry().arg("test").arg(&wasm).arg("--json")).ok().json();
    assert_eq!((&report["passed"], &report["failed"]), (&Value::from(1), &Value::from(0)));
    let measured = &report["examples"][0]["measured"];
    assert!(measured["fuel"].as_u64().unwrap() > 0, "{measured}");
    assert!(measured["memory_bytes"].as_u64().unwrap() >= 65536, "{measured}");
    assert!(measured["duration_us"].as_f64().unwrap() > 0.0, "{measured}");
    let shown = Ran::of(scry().arg("test").arg(&wasm)).ok().stdout;
    for part in ["ok   new and old customers: 2 rows", " fuel, ", " KiB, ", " µs", "all 1 examples pass"] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }

    // A wrong example fails, natively and in the sandbox, with the numbers.
    let golden = here.join("golden.json");
    let right = fs::read_to_string(&golden).unwrap();
    let wrong = right.replace("0.7785092422169708", "0.5");
    assert_ne!(wrong, right);
    fs::write(&golden, wrong).unwrap();
    assert_ne!(built_in(&here, &wasm).ok().json()["digest"], built["digest"], "the examples are part of the component");
    let failed = Ran::of(scry().arg("test").arg(&wasm)).code(4).says(&["1 of 1 examples fail"]);
    for part in
        ["FAIL new and old customers", "output `probability`, row 0", "expected 0.5, got 0.778509", "tolerance 1.5e-6"]
    {
        assert!(failed.stdout.contains(part), "no {part:?} in {failed:#?}");
    }
    let native = Ran::of(cargo(&here).args(["test", "--quiet"])).code(101);
    assert!(native.stdout.contains("expected 0.5, got 0.778509"), "{native:#?}");

    // An example that is not of the schema is the build's to refuse.
    fs::write(&golden, right.replace("\"tenure\": 1.0", "\"tenur\": 1.0")).unwrap();
    built_in(&here, &wasm).code(1).says(&["golden.json", "new and old customers", "tenur", "expected one of"]);
    fs::write(&golden, "{").unwrap();
    built_in(&here, &wasm).code(1).says(&["golden.json"]);
    fs::write(&golden, &right).unwrap();

    let manifest = here.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let change = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        fs::write(&manifest, text.replace(from, to)).unwrap();
    };
    change("2025-12-31", "last year");
    built_in(&here, &wasm).code(1).says(&["data_until", "expected a date", "`last year`"]);
    change("data_until", "data_till");
    built_in(&here, &wasm).code(1).says(&["[package.metadata.scry]", "data_till"]);
    change("cdylib", "lib");
    built_in(&here, &wasm).code(1).says(&["crate-type", "cdylib"]);
    fs::write(&manifest, &text).unwrap();

    let source = here.join("src/lib.rs");
    let model = fs::read_to_string(&source).unwrap();
    fs::write(&source, model.replace("number(\"intercept\")", "number(\"intercpt\")")).unwrap();
    built_in(&here, &wasm).code(1).says(&["`load` failed", "the model could not be loaded", "intercpt"]);
    fs::write(&source, model.replace("fn load()", "fn lod()")).unwrap();
    built_in(&here, &wasm).code(1).says(&["does not compile", "lod"]);
}

#[test]
fn what_needs_no_compiler_is_checked_before_it_runs() {
    let (dir, _alone) = new_crate("here");
    let wasm = dir.join("churn.wasm");
    let source = dir.join("src/lib.rs");
    let model = fs::read_to_string(&source).unwrap();
    fs::write(&source, "fn no rust").unwrap();
    // Where all else is right, the compiler has its say.
    built_in(&dir, &wasm).code(1).says(&["does not compile"]);
    let refused = |file: &str, text: &str, says: &[&str]| {
        let path = dir.join(file);
        let before = fs::read(&path).ok();
        fs::write(&path, text).unwrap();
        let ran = built_in(&dir, &wasm).code(1).says(says);
        assert!(!ran.stderr.contains("does not compile"), "{ran:#?}");
        match before {
            Some(before) => fs::write(&path, before).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
    };
    let golden = fs::read_to_string(dir.join("golden.json")).unwrap();
    for (key, value, expected) in [
        ("rtol", "-1e-6", "`rtol`: expected a tolerance of at least 0 and below 1, found -1e-6"),
        ("rtol", "1", "`rtol`: expected a tolerance of at least 0 and below 1, found 1.0"),
        ("rtol", "1e400", "`rtol`: expected a number within the range of FP64, found 1e400"),
        ("rtol", "NaN", "`rtol`: expected a value, found `NaN`"),
        ("atol", "-0.5", "`atol`: expected a finite tolerance of at least 0, found -0.5"),
        ("atol", "\"0.1\"", "`atol`: expected a number, found \\\"0.1\\\""),
    ] {
        let text = golden.replace(&format!("\"{key}\": 1e-06"), &format!("\"{key}\": {value}"));
        assert_ne!(text, golden);
        refused("golden.json", &text, &["golden.json", expected]);
    }
    refused("golden.json", "{", &["golden.json"]);
    let fewer = r#"{ "examples": [{ "name": "two", "inputs": [{}, {}], "outputs": [{}] }] }"#;
    refused("golden.json", fewer, &["golden.json", "two/outputs", "inputs: 2", "found 1"]);
    refused("properties.json", "{}", &["properties.json", "`properties`: expected a value, found nothing"]);
    refused("reference.json", "{}", &["reference.json", "scry profile"]);
    let manifest = fs::read_to_string(dir.join("Cargo.toml")).unwrap();
    for (from, to, says) in [
        ("2025-01-01", "spring", "data_from: expected a date such as 2026-11-23"),
        ("2026-01-15T12:00:00Z", "2026-01-15T12:00", "trained_at: expected a date"),
        ("owner =", "max_age = \"P1Y\"\nowner =", "max_age: expected an ISO 8601 duration"),
        ("name = \"churn\"", "name = \"Churn\"", "`Churn` is not a model name"),
        ("owner =", "ower =", "`ower`: expected one of owner"),
    ] {
        assert!(manifest.contains(from), "{from}");
        refused("Cargo.toml", &manifest.replacen(from, to, 1), &[says]);
    }
    // A tolerance by which 0 would do is known with the schema.
    fs::write(&source, model).unwrap();
    let wide = golden.replace("\"atol\": 1e-06", "\"atol\": 0.78");
    refused("golden.json", &wide, &["`atol`: expected a tolerance below 0.7785092422169708", "found 0.78"]);
    let native = |text: &str| {
        fs::write(dir.join("golden.json"), text).unwrap();
        Ran::of(cargo(&dir).args(["test", "--quiet"])).code(101).stdout
    };
    assert!(native(&wide).contains("expected a tolerance below 0.778"));
    assert!(native(&golden.replace("\"rtol\": 1e-06", "\"rtol\": 2")).contains("at least 0 and below 1"));
}

#[test]
fn words_that_the_template_wrote_are_warned_of_until_they_are_others() {
    let (dir, _alone) = new_crate("here");
    let wasm = dir.join("churn.wasm");
    let host = Host::start();
    let commands = || {
        let built = built_in(&dir, &wasm).ok();
        let inspected = Ran::of(scry().arg("inspect").arg(&wasm)).ok();
        let published = host.scry(&["publish", wasm.to_str().unwrap()]).ok();
        [built, inspected, published]
    };
    for ran in commands() {
        ran.says(&[
            "warning: the card's owner is a placeholder, \"you@example.com\"; set `owner` in [package.metadata.scry]",
            "warning: the card's description is a placeholder, \"Whether a customer leaves.\"",
        ]);
    }
    let manifest = dir.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let text = text.replace("you@example.com", "churn@bank.invalid").replace("Whether a customer leaves.", "Churn.");
    fs::write(&manifest, text.replace("version = \"0.1.0\"", "version = \"2.7.1-rc.1\"")).unwrap();
    for ran in commands() {
        assert!(!ran.stderr.contains("warning"), "{ran:#?}");
    }
    // What its crate's version was, is said of each.
    assert_eq!(inspect(&wasm)["card"]["crate_version"], "2.7.1-rc.1");
    let shown = Ran::of(scry().arg("inspect").arg(&wasm)).ok().stdout;
    assert!(shown.contains("crate        2.7.1-rc.1"), "{shown}");
    host.scry(&["deploy", "churn", "--to", "2"]).ok();
    let listed = host.scry(&["models", "--json"]).ok().json();
    let versions = listed["models"][0]["versions"].as_array().unwrap();
    let versions: Vec<_> = versions.iter().map(|version| version["crate_version"].as_str().unwrap_or("-")).collect();
    assert_eq!(versions, ["0.1.0", "2.7.1-rc.1"], "{listed:#}");
    let shown = host.scry(&["models", "-o", "wide"]).ok().stdout;
    assert!(shown.contains("  crate 0.1.0\n") && shown.contains("  crate 2.7.1-rc.1\n"), "{shown}");
}

#[test]
fn a_card_says_what_the_manifest_and_the_records_say() {
    let said = inspect(&example("bikeshare").path);
    let card = &said["card"];
    assert_eq!(said["digest"], example("bikeshare").digest);
    assert_eq!(said["size_bytes"], example("bikeshare").bytes().len());
    assert_eq!((&card["name"], &card["crate_version"]), (&Value::from("bikeshare"), &Value::from("0.1.0")));
    assert_eq!(card["description"], "Riders per hour of a bike share, by gradient-boosted trees.");
    assert_eq!(card["license"], "Apache-2.0");
    assert_eq!(card["owner"], "examples@scry.invalid");
    assert_eq!((&card["data_from"], &card["data_until"]), (&Value::from("2011-01-01"), &Value::from("2012-12-31")));
    assert_eq!(card["trained_at"], "2026-11-23T00:00:00Z");
    let inputs = card["schema"]["inputs"].as_array().unwrap();
    assert_eq!(inputs.len(), 10);
    assert_eq!(
        inputs[0],
        serde_json::json!({
            "name": "hour", "description": "Hour of the day.", "datatype": "INT64", "unit": "h", "minimum": 0.0, "maximum": 23.0,
        })
    );
    let weather = inputs.iter().find(|field| field["name"] == "weather").unwrap();
    assert_eq!(
        weather["categories"],
        serde_json::json!(["clear", "cloudy/misty", "light rain/snow", "heavy rain/snow"])
    );
    let humidity = inputs.iter().find(|field| field["name"] == "humidity").unwrap();
    assert_eq!(humidity["nullable"], true);
    assert_eq!(card["schema"]["features"][0]["shape"], serde_json::json!([13]));
    assert!(said["golden_examples"].as_u64().unwrap() > 0);

    let shown = Ran::of(scry().arg("inspect").arg(&example("bikeshare").path)).ok().stdout;
    for part in [
        "bikeshare: Riders per hour",
        &example("bikeshare").digest,
        "0 to 23; h",
        "one of clear, cloudy/misty",
        "nullable",
    ] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
}

#[test]
fn every_example_builds_and_agrees_with_its_golden_examples() {
    for name in ["bikeshare", "bikeshare-linear", "digits", "bikeshare-faulty"] {
        let report = Ran::of(scry().arg("test").arg(&example(name).path).arg("--json")).ok().json();
        assert!(report["passed"].as_u64().unwrap() > 0, "{name}: {report}");
        assert_eq!(report["failed"], 0, "{name}");
        assert_eq!(report["digest"], example(name).digest, "{name}");
    }
}

#[test]
fn a_limit_in_the_configuration_counts_in_scry_test() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("scry.toml");
    fs::write(&config, "[limits]\nfuel = 1000\n").unwrap();
    let mut command = scry();
    command.arg("test").arg(&example("digits").path).arg("--config").arg(&config);
    let ran = Ran::of(&mut command).code(4).says(&["examples fail"]);
    assert!(ran.stdout.contains("fuel"), "{ran:#?}");
    fs::write(&config, "[limits]\nfuel = 0\n").unwrap();
    let ran = Ran::of(&mut command).ok();
    assert!(ran.stdout.contains("fuel off"), "{ran:#?}");
}

#[test]
fn new_makes_no_crate_where_or_as_what_it_should_not() {
    let dir = tempfile::tempdir().unwrap();
    let there = dir.path().join("churn");
    fs::create_dir(&there).unwrap();
    Ran::of(scry().arg("new").arg(&there)).code(1).says(&["is there already"]);
    assert_eq!(fs::read_dir(&there).unwrap().count(), 0);
    for name in ["Churn", "9lives", "a b", "ünwell", "-x", &"x".repeat(65)] {
        let path = dir.path().join(name);
        Ran::of(scry().args(["new", "--"]).arg(&path)).code(2).says(&[name, "cannot be a model's name"]);
        assert!(!path.exists(), "{name}");
    }
}

#[test]
fn a_folder_without_a_crate_is_told_how_to_make_one() {
    let dir = tempfile::tempdir().unwrap();
    Ran::of(scry().arg("build").arg(dir.path())).code(1).says(&["no Cargo.toml", "scry new"]);
}

/// What is written, and what the compiler says.
const MISTAKES: [(&str, &str, &str); 14] = [
    ("unknown-key", "#[derive(Record)] struct Row { #[field(units = \"h\")] x: f64 }", "unknown key: use `unit ="),
    (
        "categories",
        "#[derive(Record)] struct Row { #[field(categories = [\"a\"])] x: String }",
        "categories are an enum: write `#[derive(Category, Clone, Copy)] enum",
    ),
    ("nullable", "#[derive(Record)] struct Row { #[field(nullable)] x: f64 }", "write `age: Option<f64>`"),
    (
        "min-on-text",
        "#[derive(Record)] struct Row { #[field(min = 0)] x: String }",
        "`x` has no order: `min` and `max` go with numbers",
    ),
    ("min-on-bool", "#[derive(Record)] struct Row { #[field(max = 1)] x: bool }", "`x` has no order"),
    ("vec", "#[derive(Record)] struct Row { x: Vec<f64> }", "`Vec<f64>` cannot be a column"),
    ("vec-advice", "#[derive(Record)] struct Row { x: Vec<f64> }", "an array of numbers such as `[f32; 4]`"),
    ("generic", "#[derive(Record)] struct Row<T> { x: T }", "a record is one plain struct, without generics"),
    ("option-option", "#[derive(Record)] struct Row { x: Option<Option<f64>> }", "write one `Option`"),
    ("tuple", "#[derive(Record)] struct Row(f64);", "columns need names: `struct Row { age: f64 }`"),
    ("empty", "#[derive(Record)] struct Row {}", "at least one field"),
    ("enum-record", "#[derive(Record)] enum Row { A }", "#[derive(Record)] needs a struct"),
    (
        "category-with-data",
        "#[derive(Category, Clone, Copy)] enum Kind { A(u8) }",
        "a category is a plain variant: write `A`",
    ),
    (
        "two-the-same",
        "#[derive(Category, Clone, Copy)] enum Kind { A, #[category(\"a\")] B }",
        "two variants are the category \"a\"",
    ),
];

#[test]
fn a_mistake_in_a_record_is_a_compile_error_that_says_what_to_write() {
    let dir = authored_target_dir().join("crates/mistakes");
    fs::create_dir_all(dir.join("examples")).unwrap();
    fs::create_dir_all(dir.join("src")).unwrap();
    let sdk = root().join("guest-sdk");
    let manifest = format!(
        "[package]\nname = \"mistakes\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\nscry-guest = {{ path = {sdk:?} }}\n\n[workspace]\n"
    );
    fs::write(dir.join("Cargo.toml"), manifest).unwrap();
    fs::copy(root().join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
    fs::write(dir.join("src/lib.rs"), "").unwrap();
    let right = ("right", "#[derive(Record)] struct Row { #[field(min = 0, unit = \"h\")] x: Option<[f64; 3]> }", "");
    for (name, source, _) in MISTAKES.iter().chain([&right]) {
        // Every record is used: some checks are made only then.
        let used = if source.contains("Row") && !source.contains("<T>") { "Row::fields();" } else { "" };
        let source = format!("#![allow(dead_code)]\nuse scry_guest::prelude::*;\n{source}\nfn main() {{ {used} }}\n");
        fs::write(dir.join("examples").join(format!("{name}.rs")), source).unwrap();
    }
    // All at once; each message says which of them it is about.
    let ran = Ran::of(cargo(&dir).args(["build", "--examples", "--keep-going", "--message-format=json"])).code(101);
    let messages: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| messages.iter().filter(|message| message["target"]["name"] == name).collect::<Vec<_>>();
    assert!(of("right").iter().any(|message| message["reason"] == "compiler-artifact"), "{ran:#?}");
    for (name, _, says) in MISTAKES {
        let said = of(name).iter().filter_map(|message| message["message"]["rendered"].as_str()).collect::<String>();
        assert!(said.contains("error") && said.contains(says), "{name}: no {says:?} in {said}");
        assert!(of(name).iter().all(|message| message["reason"] != "compiler-artifact"), "{name} compiles");
    }
}

#[test]
fn what_an_author_claims_is_tried_and_a_counterexample_shown() {
    let (dir, _alone) = new_crate("there");
    let wasm = dir.join("churn.wasm");
    let claims = |more: &str| {
        let order = r#"{ "name": "the order of rows does not matter", "claim": "row-order" }"#;
        let batch = r#"{ "name": "rows are answered alone", "claim": "batch" }"#;
        fs::write(dir.join("properties.json"), format!(r#"{{ "properties": [{order}, {batch}{more}] }}"#)).unwrap();
    };
    claims("");
    built_in(&dir, &wasm).ok();
    let shown = Ran::of(scry().arg("test").arg(&wasm)).ok().stdout;
    let said = ["ok   property `rows are answered alone`: holds in", "all 3 examples and properties pass"];
    assert!(said.iter().all(|part| shown.contains(part)), "{shown}");

    let wrong = r#", { "name": "tenure is ignored", "claim": { "invariant": { "input": "tenure" } } }"#;
    claims(wrong);
    built_in(&dir, &wasm).ok();
    let failed = Ran::of(scry().arg("test").arg(&wasm)).code(4).says(&["1 of 4 examples and properties fail"]);
    for part in ["FAIL property `tenure is ignored`", "tenure", "probability"] {
        assert!(failed.stdout.contains(part), "no {part:?} in {failed:#?}");
    }
    let report = Ran::of(scry().arg("test").arg(&wasm).arg("--json")).code(4).json();
    assert!(report["properties"][2]["counterexample"].is_object(), "{report:#}");

    claims(r#", { "name": "age", "claim": { "increases": { "input": "age", "output": "probability" } } }"#);
    built_in(&dir, &wasm).code(1).says(&["properties.json", "age"]);
}
