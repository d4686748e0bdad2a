//! Time passes: folders and components of the versions before, and a folder of
//! a version to come.
//!
//! `tests/folders/0.1.0` is what a host of version 0.1.0 left when data folders
//! had no format yet, without its compiled code.

use crate::crash::{copied, files};
use crate::support::{Host, PATIENT, Ran, root, rows, scry, sha256};
use serde_json::json;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The one component in that folder: `tests/guests/steady`, as it was sealed then.
const SEALED: &str = "1291561d42392021ce140bce3f41b869da27f7357a708d6f24e32df9f79cf7e6";

fn folder() -> PathBuf {
    root().join("tests/folders/0.1.0")
}

/// A host's folder with a copy of that data folder in it.
fn old_data() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let data = copied(&folder());
    std::fs::rename(data.keep(), dir.path().join("data")).unwrap();
    dir
}

#[test]
fn a_folder_of_the_version_before_starts_and_serves() {
    assert!(!folder().join("format").exists());
    let token = std::fs::read_to_string(folder().join("admin.token")).unwrap();
    let host = Host::begin(old_data(), PATIENT, "").unwrap_or_else(|fallen| panic!("{}", fallen.log()));
    assert_eq!(host.token(), token);
    let state = host.admin_get("/v1/state").status(200).json();
    assert_eq!((&state["number"], &state["damage"]), (&json!(6), &json!([])));
    let digest = format!("sha256:{SEALED}");
    let steady = json!({
        "versions": { "1": { "digest": digest } },
        "serving": {
            "live": 1,
            "aliases": { "champion": 1 },
            "fallback": [{ "constant": { "y": 0.5 } }],
            "limits": { "deadline_ms": 9000 },
        },
    });
    assert_eq!(state["models"], json!({ "steady": steady, "other": { "versions": { "1": { "digest": digest } } } }));
    let reply = host.post("/v2/models/steady/versions/champion/infer", &rows("", &[10.0])).status(200);
    assert_eq!((reply.y(), reply.header("scry-digest")), (20.0, Some(digest.as_str())));
    host.predict("other", "", 1.0).error(404, &["other"]);

    let history = host.admin_get("/v1/history").json();
    let whats: Vec<_> = history["changes"].as_array().unwrap().iter().map(|change| change["what"].clone()).collect();
    assert_eq!(
        json!(whats),
        json!([
            "withdraw other",
            "deploy other --to 1",
            "withdraw other",
            "deploy steady --alias champion=1 (fallback) (limits)",
            "publish other@1",
            "publish steady@1",
        ])
    );
    // It goes on from there, and carries its format from now on.
    host.scry(&["rollback", "other"]).ok();
    assert_eq!(host.predict("other", "", 1.0).status(200).y(), 2.0);
    let host = host.restart(|data| assert!(data.join("format").exists()));
    assert_eq!(host.admin_get("/v1/state").json()["number"], 7);
    assert_eq!(host.predict("other", "", 1.0).status(200).y(), 2.0);
}

/// A line as `format` has it.
fn sealed(json: &str) -> String {
    let tag = &sha256(json.as_bytes())[7..39];
    format!("{tag} {json}\n")
}

#[test]
fn a_folder_of_a_later_format_is_refused_without_a_byte_changed() {
    let lived = Host::begin(old_data(), PATIENT, "").unwrap().kill();
    let data = lived.dir.path().join("data");
    assert_eq!(std::fs::read_to_string(data.join("format")).unwrap(), sealed(r#"{"format":1}"#));
    std::fs::write(data.join(".0123456789abcdef.tmp"), b"a later version's").unwrap();
    std::fs::write(data.join("lock"), b"a later version's").unwrap();
    for later in [r#"{"format":2}"#, r#"{"format":9,"since":"1.0.0"}"#, r#"{"layout":"other"}"#] {
        std::fs::write(data.join("format"), sealed(later)).unwrap();
        let before = tree(&data);
        let mut command = scry();
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"]).arg(&data);
        let ran =
            Ran::of(&mut command).code(1).says(&["data format", "formats up to 1", "nothing has changed", "--data"]);
        assert_eq!(ran.stdout, "");
        assert!(tree(&data) == before, "{later}: the folder has changed");
    }
    // The same folder, with a format that is known.
    std::fs::write(data.join("format"), sealed(r#"{"format":1}"#)).unwrap();
    let host = Host::begin(lived.dir, PATIENT, "").unwrap();
    assert_eq!(host.predict("steady", "", 10.0).status(200).y(), 20.0);
}

/// Everything in a folder: what it is, when it was changed, and its bytes.
fn tree(dir: &Path) -> Vec<(PathBuf, std::time::SystemTime, Option<Vec<u8>>)> {
    let mut found = vec![(dir.to_owned(), std::fs::metadata(dir).unwrap().modified().unwrap(), None)];
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        } else {
            let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
            found.push((path.clone(), modified, Some(std::fs::read(path).unwrap())));
        }
    }
    found.sort();
    found
}

#[test]
fn a_component_that_was_sealed_before_is_published_and_answers_its_golden_examples() {
    let component = folder().join("components").join(format!("{SEALED}.wasm"));
    let bytes = files(&folder().join("components")).into_values().next().unwrap();
    assert_eq!(sha256(&bytes), format!("sha256:{SEALED}"), "it is the one that was sealed then");
    let path = component.to_str().unwrap();
    let host = Host::start();
    let published = host.scry(&["publish", path, "--json"]).ok().json();
    assert_eq!((&published["digest"], &published["live"]), (&json!(format!("sha256:{SEALED}")), &json!(true)));
    let golden = published["gates"].as_array().unwrap().iter().find(|gate| gate["gate"] == "golden").unwrap();
    assert!(golden["note"].as_str().unwrap().starts_with("1 examples"), "{golden}");
    assert_eq!(host.predict("steady", "", 10.0).status(200).y(), 20.0);
    Ran::of(scry().args(["test", path])).ok();
    Ran::of(scry().args(["inspect", path])).ok();
}
