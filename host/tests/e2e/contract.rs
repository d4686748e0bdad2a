//! The contract does not change by accident.

use crate::support::{Ran, guest, root, scry};
use sha2::{Digest, Sha256};

/// SHA-256 of `wit/model.wit` as version 0.1.0 was made.
const VERSION: &str = "scry:model@0.1.0";
const SHA256: &str = "4ee313778622351636ed7a0f528cd62c9c3feb69eadf7bf7a2ff1d823c3556db";

#[test]
fn the_contract_is_what_its_version_says() {
    let text = std::fs::read_to_string(root().join("wit/model.wit")).unwrap();
    let text = text.replace("\r\n", "\n");
    let found: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(
        text.contains(&format!("package {VERSION};")),
        "wit/model.wit is no longer {VERSION}: update this test too"
    );
    assert_eq!(
        found, SHA256,
        "wit/model.wit has changed. Components out there were built against {VERSION}: give the package a new \
         version (and keep hosts able to read the old one), then put the new version and hash here"
    );
}

#[test]
fn a_component_imports_and_exports_the_contract_and_nothing_else() {
    let said = Ran::of(scry().arg("inspect").arg(&guest("steady").path).arg("--json")).ok().json();
    let names = |key: &str| -> Vec<String> { serde_json::from_value(said[key].clone()).unwrap() };
    assert_eq!(names("exports"), ["scry:model/predictor@0.1.0"]);
    for import in names("imports") {
        assert!(["scry:model/logging@0.1.0", "scry:model/types@0.1.0"].contains(&import.as_str()), "{import}");
    }
}
