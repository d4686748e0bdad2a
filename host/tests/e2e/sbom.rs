//! Software bills of materials: what a component is made of, against what cargo says, the lock file, and the official
//! schema of CycloneDX.

use crate::clients::{clients, environment_of};
use crate::support::{Host, Ran, example, root, scry, with_section, without_section};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const SECTION: &str = "scry:sbom";

/// What `scry inspect --sbom` prints.
fn document(component: &Path) -> Value {
    Ran::of(scry().arg("inspect").arg("--sbom").arg(component)).ok().json()
}

/// The packages, by name and version, of one scope or of all.
fn packages(document: &Value, scope: Option<&str>) -> BTreeSet<String> {
    let parts = document["components"].as_array().unwrap().iter();
    let wanted = parts.filter(|part| scope.is_none_or(|scope| part["scope"] == scope));
    wanted.map(|part| format!("{}@{}", part["name"].as_str().unwrap(), part["version"].as_str().unwrap())).collect()
}

/// What `cargo tree` says that a crate needs.
fn tree(dir: &Path, edges: &str) -> BTreeSet<String> {
    let mut command = Command::new("cargo");
    command.current_dir(dir).args([
        "tree",
        "--target",
        "wasm32-wasip2",
        "--locked",
        "--prefix",
        "none",
        "--edges",
        edges,
    ]);
    let lines = Ran::of(command.args(["--no-dedupe", "--format", "{p}"])).ok().stdout;
    let package = |line: &str| {
        let mut words = line.split(' ');
        format!("{}@{}", words.next().unwrap(), words.next().unwrap().trim_start_matches('v'))
    };
    lines.lines().skip(1).map(package).collect()
}

/// Has the official schema read documents.
fn validate(documents: &[&Path]) {
    let mut command = Command::new(environment_of("sbom"));
    let ran = Ran::of(command.arg(clients().join("sbom.py")).args(documents)).ok();
    assert_eq!(ran.stdout.lines().count(), documents.len(), "{ran:?}");
}

fn written(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_component_names_each_package_that_it_is_made_of() {
    let dir = tempfile::tempdir().unwrap();
    let built = example("bikeshare");
    let of_build = document(&built.path);
    let source = root().join("examples/bikeshare");
    assert_eq!(packages(&of_build, None), tree(&source, "normal"));
    let linked = tree(&source, "normal,no-proc-macro");
    assert_eq!(packages(&of_build, Some("required")), linked);
    let about = &of_build["metadata"]["component"];
    assert_eq!((&about["name"], &about["licenses"][0]["expression"]), (&"bikeshare".into(), &"Apache-2.0".into()));

    // Checksums are the lock file's, and only packages of the workspace have none.
    let lock: toml::Value = toml::from_str(&std::fs::read_to_string(root().join("Cargo.lock")).unwrap()).unwrap();
    for part in of_build["components"].as_array().unwrap() {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let is_it = |locked: &&toml::Value| {
            ["name", "version"].iter().all(|key| locked[key].as_str().map(str::to_owned) == text(&part[*key]))
        };
        let locked = lock["package"].as_array().unwrap().iter().find(is_it).unwrap();
        let checksum = locked.get("checksum").map(|checksum| checksum.as_str().unwrap().to_owned());
        assert_eq!(text(&part["hashes"][0]["content"]), checksum, "{part}");
        assert_eq!(part["purl"].is_string(), checksum.is_some(), "{part}");
        assert!(part["licenses"][0]["expression"].is_string(), "{part}");
    }

    // An imported model is its runtime, and says what its file was made with.
    let (model, imported) = (root().join("tests/imports/titanic.scry"), dir.path().join("titanic.wasm"));
    let card = Ran::of(scry().arg("import").arg(&model).arg("-o").arg(&imported)).ok();
    let of_import = document(&imported);
    let runtime = tree(&root().join("runtimes/tabular"), "normal,no-proc-macro");
    let found = packages(&of_import, Some("required"));
    assert!(runtime.is_subset(&found), "{card:?}");
    let more: Vec<_> = found.difference(&runtime).collect();
    assert_eq!(more, [&format!("scry-tabular@{}", env!("CARGO_PKG_VERSION"))]);
    let inspected = Ran::of(scry().arg("inspect").arg("--json").arg(&imported)).ok().json();
    let labels = inspected["card"]["labels"].as_object().unwrap();
    let excluded = packages(&of_import, Some("excluded"));
    for library in ["python", "numpy", "scikit-learn"] {
        assert!(excluded.contains(&format!("{library}@{}", labels[library].as_str().unwrap())), "{library}");
    }
    assert_eq!(of_import["metadata"]["component"]["type"], "machine-learning-model");

    let texts = [&of_build, &of_import].map(Value::to_string);
    for text in &texts {
        assert!(!text.contains(root().to_str().unwrap()) && !text.contains("timestamp"), "{text}");
    }
    let files = [
        written(dir.path(), "build.json", texts[0].as_bytes()),
        written(dir.path(), "import.json", texts[1].as_bytes()),
    ];
    validate(&[&files[0], &files[1]]);

    // What people see of it.
    let summary = &inspected["sbom"];
    assert_eq!(summary["format"], "CycloneDX 1.5");
    assert_eq!(summary["packages"], found.len());
    assert_eq!(summary["excluded"], excluded.len());
    let rustc = Ran::of(Command::new("rustc").arg("--version")).ok().stdout;
    assert_eq!(
        summary["built_with"],
        Value::from(vec![format!("scry {}", env!("CARGO_PKG_VERSION")), rustc.trim().into()])
    );
    let shown = Ran::of(scry().arg("inspect").arg(&imported)).ok().stdout;
    assert!(
        shown.contains(&format!("  built with   scry {}, {}\n", env!("CARGO_PKG_VERSION"), rustc.trim())),
        "{shown}"
    );
    assert!(shown.contains(&format!("  packages     {}, and {} that", found.len(), excluded.len())), "{shown}");
}

#[test]
fn a_component_without_an_sbom_is_served_and_one_whose_sbom_is_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let component = example("bikeshare").bytes();
    let host = Host::start();

    let old = written(dir.path(), "old.wasm", &without_section(&component, SECTION));
    Ran::of(scry().arg("inspect").arg("--sbom").arg(&old)).code(1).says(&["old.wasm", "has no SBOM"]);
    let inspected = Ran::of(scry().arg("inspect").arg("--json").arg(&old)).ok().json();
    assert_eq!(inspected["sbom"], Value::Null);
    host.scry(&["publish", old.to_str().unwrap()]).ok();

    let large = format!("{{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.5\",\"x\":\"{}\"}}", "x".repeat(4 << 20));
    let many = vec![r#"{"name":"x"}"#; 10_001].join(",");
    let many = format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{many}]}}"#);
    let cases = [
        ("{", "the SBOM is not readable: EOF"),
        ("{}", "the SBOM is not readable: missing field `bomFormat`"),
        (r#"{"bomFormat":"SPDX","specVersion":"2.3"}"#, "`bomFormat`: expected `CycloneDX`, found `SPDX`"),
        (large.as_str(), "the SBOM: expected at most 4194304 bytes, found"),
        (many.as_str(), "the SBOM: expected at most 10000 packages, found 10001"),
    ];
    for (json, says) in cases {
        let odd = written(dir.path(), "odd.wasm", &with_section(&component, SECTION, json));
        let odd = odd.to_str().unwrap();
        host.scry(&["publish", odd]).code(1).says(&[says]);
        Ran::of(scry().args(["inspect", "--sbom", odd])).code(1).says(&["odd.wasm", says]);
    }
    let twice = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","specVersion":"1.6"}"#;
    let odd = written(dir.path(), "odd.wasm", &with_section(&component, SECTION, twice));
    host.scry(&["publish", odd.to_str().unwrap()]).code(1).says(&["specVersion"]);

    // Another's document is taken.
    let theirs = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"tools":[{"name":"a","version":"2"}]}}"#;
    let odd = written(dir.path(), "theirs.wasm", &with_section(&component, SECTION, theirs));
    host.scry(&["publish", odd.to_str().unwrap()]).ok();
    let summary = Ran::of(scry().arg("inspect").arg("--json").arg(&odd)).ok().json()["sbom"].clone();
    assert_eq!((&summary["format"], &summary["built_with"][0]), (&"CycloneDX 1.6".into(), &"a 2".into()));
}
