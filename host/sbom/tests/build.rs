//! What cargo says of a build becomes a document; what it does not say is an error.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use proptest::prelude::*;
use scry_sbom::{Build, Document, Model, PACKAGES_MAX, SbomError, Summary};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

const INDEX: &str = "registry+https://example.org/rust-lang/crates.io-index";
const CHECKSUM: &str = "6d0a";

/// The build of a guest that links `a` and `both`, uses the macro `m`, which links `both`, too, and whose build script
/// uses `script`. It has been tested with `dev`. A folder above is named like the target.
struct Told {
    messages: String,
    metadata: Value,
    lock: String,
}

fn told() -> Told {
    let id =
        |name: &str| if name == "guest" { "path+file:///src/guest".into() } else { format!("{INDEX}#{name}@1.0.0") };
    let package = |name: &str| {
        json!({
            "id": id(name), "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0", "edition": "2024",
            "source": (name != "guest").then_some(INDEX), "manifest_path": format!("/src/{name}/Cargo.toml"),
        })
    };
    let node = |name: &str, deps: &[(&str, Option<&str>)]| {
        let edge = |(to, kind): &(&str, Option<&str>)| json!({ "pkg": id(to), "dep_kinds": [{ "kind": kind, "target": null }] });
        json!({ "id": id(name), "deps": deps.iter().map(edge).collect::<Vec<_>>() })
    };
    let artifact = |name: &str, folder: &str| {
        let files = [format!("/src/wasm32-wasip2/target/{folder}/deps/lib{name}.rlib")];
        json!({ "reason": "compiler-artifact", "package_id": id(name), "filenames": files }).to_string()
    };
    let (guests, machines) = ("wasm32-wasip2/release", "release");
    let messages = [
        artifact("script", machines),
        artifact("both", machines),
        artifact("m", machines),
        json!({ "reason": "build-script-executed", "package_id": id("guest") }).to_string(),
        artifact("both", guests),
        artifact("a", guests),
        artifact("guest", guests),
        "a line of something else".into(),
        json!({ "reason": "build-finished", "success": true }).to_string(),
    ];
    let nodes = [
        node("guest", &[("a", None), ("m", None), ("script", Some("build")), ("dev", Some("dev")), ("off", None)]),
        node("a", &[("both", None)]),
        node("m", &[("both", None)]),
        node("both", &[]),
        node("script", &[]),
        node("dev", &[("a", None)]),
        node("off", &[]),
    ];
    let names = ["guest", "a", "m", "both", "script", "dev", "off"];
    let locked = |name: &&str| match *name {
        "guest" => "[[package]]\nname = \"guest\"\nversion = \"1.0.0\"\n".to_owned(),
        name => format!(
            "[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\nsource = \"{INDEX}\"\nchecksum = \"{CHECKSUM}\"\n"
        ),
    };
    Told {
        messages: messages.join("\n"),
        metadata: json!({ "packages": names.map(package), "resolve": { "nodes": nodes } }),
        lock: names.iter().map(locked).collect(),
    }
}

impl Told {
    fn document(&self) -> Result<Document, SbomError> {
        let metadata = self.metadata.to_string();
        let build = Build {
            manifest: Path::new("/src/guest/Cargo.toml"),
            target_dir: Path::new("/src/wasm32-wasip2/target"),
            messages: self.messages.as_bytes(),
            metadata: metadata.as_bytes(),
            lock: &self.lock,
            compiler: "rustc 1.95.0 (59807616e 2026-04-14)\n",
        };
        build.document()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.document().unwrap().to_json().unwrap()).unwrap()
    }
}

fn library(name: &str, scope: &str) -> Value {
    let purl = format!("pkg:cargo/{name}@1.0.0");
    json!({
        "type": "library", "bom-ref": purl, "name": name, "version": "1.0.0", "scope": scope, "purl": purl,
        "hashes": [{ "alg": "SHA-256", "content": CHECKSUM }], "licenses": [{ "expression": "MIT OR Apache-2.0" }],
    })
}

#[test]
fn a_document_has_what_was_compiled_for_the_guest_and_the_macros_that_wrote_it() {
    let document = told().json();
    let libraries = [library("a", "required"), library("both", "required"), library("m", "excluded")];
    assert_eq!(document["components"], json!(libraries));
    let needs = |of: &str, to: &[&str]| match to {
        [] => json!({ "ref": of }),
        to => json!({ "ref": of, "dependsOn": to }),
    };
    let [a, both, m] = ["pkg:cargo/a@1.0.0", "pkg:cargo/both@1.0.0", "pkg:cargo/m@1.0.0"];
    let dependencies = [needs("guest@1.0.0", &[a, m]), needs(a, &[both]), needs(both, &[]), needs(m, &[both])];
    assert_eq!(document["dependencies"], json!(dependencies));
    assert_eq!(document["metadata"]["component"]["name"], "guest");
    let tools = json!([
        { "type": "application", "name": "scry", "version": env!("CARGO_PKG_VERSION") },
        { "type": "application", "name": "rustc", "version": "1.95.0 (59807616e 2026-04-14)" },
    ]);
    assert_eq!(document["metadata"]["tools"]["components"], tools);
}

#[test]
fn an_imported_model_has_its_runtime_and_what_its_file_was_made_with() {
    let labels = [("python", "3.12.4"), ("scikit-learn", "1.7.2"), ("auc", "0.9"), ("producer", "skl2onnx 1.19.1")];
    let labels: BTreeMap<_, _> = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let model = Model { name: "churn", version: Some("3"), license: Some("All rights reserved"), labels: &labels };
    let document = told().document().unwrap().of_import(&model);
    let json: Value = serde_json::from_slice(&document.to_json().unwrap()).unwrap();
    let about = json!({
        "type": "machine-learning-model", "bom-ref": "model:churn", "name": "churn", "version": "3",
        "licenses": [{ "license": { "name": "All rights reserved" } }],
    });
    assert_eq!(json["metadata"]["component"], about);
    let told = |part: &Value| {
        let word = |key: &str| part[key].as_str().unwrap_or("-").to_owned();
        [word("type"), word("name"), word("version"), word("scope"), word("purl")].join(" ")
    };
    let parts: Vec<_> = json["components"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(
        parts,
        [
            "library a 1.0.0 required pkg:cargo/a@1.0.0",
            "library both 1.0.0 required pkg:cargo/both@1.0.0",
            "library guest 1.0.0 required -",
            "library m 1.0.0 excluded pkg:cargo/m@1.0.0",
            "platform python 3.12.4 excluded -",
            "library scikit-learn 1.7.2 excluded pkg:pypi/scikit-learn@1.7.2",
            "application skl2onnx 1.19.1 excluded -",
        ]
    );
    let dependencies = json["dependencies"].as_array().unwrap();
    assert!(dependencies.contains(&json!({ "ref": "model:churn", "dependsOn": ["guest@1.0.0"] })));
}

#[test]
fn what_cargo_does_not_say_is_an_error_that_says_so() {
    let wrong = |change: fn(&mut Told), says: &str| {
        let mut told = told();
        change(&mut told);
        let error = told.document().unwrap_err().to_string();
        assert!(error.contains(says), "no {says:?} in {error:?}");
    };
    wrong(|told| told.metadata = json!([]), "cargo metadata: ");
    wrong(|told| told.metadata["packages"][1]["id"] = "another".into(), "no package `registry+");
    wrong(|told| told.metadata["packages"][0]["manifest_path"] = "/else".into(), "the guest is no package");
    wrong(|told| told.lock.push_str("[["), "Cargo.lock: ");
    wrong(|told| told.messages = "{".into(), "cargo's messages: ");
}

#[test]
fn a_document_of_too_many_packages_is_not_written() {
    let mut document = told().json();
    let many = vec![library("a", "required"); PACKAGES_MAX + 1];
    document["components"] = many.into();
    // The reader's limit of bytes is not what refuses it.
    let document = Document::from_json(document.to_string().as_bytes()).unwrap();
    assert!(matches!(document.to_json(), Err(SbomError::TooMany(count)) if count == PACKAGES_MAX + 1));
}

proptest! {
    /// A document with any of its bytes changed: an error, or a summary.
    #[test]
    fn a_damaged_document_is_an_error_or_another_document(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut json = told().document().unwrap().to_json().unwrap();
        let at = at.index(json.len());
        json[at] = to;
        let _ = Document::from_json(&json);
        if let Ok((_, summary)) = Summary::of(&json) {
            prop_assert!(summary.packages + summary.excluded <= 3);
        }
    }
}
