//! Documents that are empty, cut short, or no documents at all: nothing is
//! withdrawn by what is not there.

use super::watched::{answers_eventually, file_error, watching};
use super::{Document, apply, changes, exported, is_served, put, with_two_versions};
use crate::support::{Host, Lie, LyingRegistry, eventually, features, guest, scry, with_section};
use serde_json::json;
use std::path::Path;

/// A host that serves `steady` and `hostile`.
fn with_two_models() -> Host {
    let host = with_two_versions();
    host.publish(&guest("hostile"));
    host
}

#[track_caller]
fn both_serve(host: &Host) {
    is_served(host, "1", 20.0);
    assert_eq!(host.predict("hostile", "well", 1.5).status(200).y(), 1.5);
}

#[test]
fn a_document_cut_at_any_byte_changes_nothing() {
    let host = with_two_models();
    // It would change everything that a document can.
    let document = exported(&host).replacen("live = 1", "withdrawn = true", 1).replacen("live = 1", "live = 2", 1);
    assert!(document.contains("prune = true") && document.contains("[end]\nmodels = 2\n"), "{document}");
    let (state, history) = (host.admin_get("/v1/state").json(), changes(&host));
    for cut in 0..document.len() {
        put(&host, &document.as_bytes()[..cut]).status(422);
    }
    assert_eq!((host.admin_get("/v1/state").json(), changes(&host)), (state, history));
    both_serve(&host);
    let said = put(&host, document.as_bytes()).status(200).json();
    let lines = said["changes"].as_array().unwrap();
    assert_eq!(lines[0], json!("- models.hostile.live = 1"), "the whole of it does change something");
}

#[test]
fn to_withdraw_is_to_say_so() {
    let host = with_two_models();
    let only_steady = "[models.steady]\nlive = 1\n";
    assert_eq!(apply(&host, only_steady, &[]).ok().stdout, "nothing differs; state 3\n");
    both_serve(&host);
    apply(&host, "", &[]).code(1).says(&["names no model"]);
    host.scry(&["apply", "/dev/null"]).code(1).says(&["names no model"]);
    both_serve(&host);

    let withdrawn = apply(&host, "[models.hostile]\nwithdrawn = true\n", &[]).ok().stdout;
    assert!(withdrawn.starts_with("- models.hostile.live = 1\n"), "{withdrawn}");
    host.predict("hostile", "well", 1.0).error(404, &["hostile"]);
    is_served(&host, "1", 20.0);
    // A document in which it is served again, and one that names all there is to be.
    host.scry(&["rollback", "hostile"]).ok();
    both_serve(&host);
    apply(&host, &format!("prune = true\n{only_steady}[end]\nmodels = 1\n"), &[]).ok();
    host.predict("hostile", "well", 1.0).error(404, &["hostile"]);
    is_served(&host, "1", 20.0);
}

/// Writes into the watched file piece by piece, as `: > FILE`, `cp` and
/// `scry export > FILE` do.
fn write_in_place(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[test]
fn whatever_lies_in_the_files_place_withdraws_nothing_and_watching_goes_on() {
    let start = with_two_models();
    let document = exported(&start);
    let file = Document::of(&document);
    let fallen = start.kill();
    let host = Host::begin(fallen.dir, &watching(&file.path()), "").unwrap();
    let path = file.path();
    eventually("a look", || host.admin_get("/v1/state").json()["desired_state"].is_object());
    assert_eq!(file_error(&host), None);
    let told = changes(&host).len();

    let fifo = |path: &Path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    let cut_after_the_first = document.split_once("[models.steady]").unwrap().0.to_owned();
    let in_a_digest = &document[..document.rfind("sha256:").unwrap() + 10];
    type Put<'a> = Box<dyn Fn(&Path) + 'a>;
    let cases: Vec<(&str, Put<'_>)> = vec![
        ("names no model", Box::new(|path| write_in_place(path, ""))),
        ("cut short", Box::new(|path| write_in_place(path, &cut_after_the_first))),
        ("not readable", Box::new(|path| write_in_place(path, in_a_digest))),
        ("found a FIFO", Box::new(fifo)),
        ("found a directory", Box::new(|path| std::fs::create_dir(path).unwrap())),
        ("found a device", Box::new(|path| std::os::unix::fs::symlink("/dev/zero", path).unwrap())),
        ("No such file", Box::new(|_| {})),
        ("expected at most", Box::new(|path| std::fs::File::create(path).unwrap().set_len(1 << 30).unwrap())),
        ("expected UTF-8", Box::new(|path| std::fs::write(path, b"\xff\xfe").unwrap())),
    ];
    for (says, put) in cases {
        // What is written in place stays the file that it was.
        if !["names no model", "cut short", "not readable"].contains(&says) {
            clear(&path);
        }
        put(&path);
        eventually(says, || file_error(&host).is_some_and(|error| error.contains(says)));
        both_serve(&host);
        assert_eq!(host.metric("scry_desired_state_applied"), 0.0, "{says}");
    }
    assert_eq!(changes(&host).len(), told);
    // Watching goes on: the same document counts, and so does another.
    clear(&path);
    write_in_place(&path, &document);
    eventually("no error", || file_error(&host).is_none());
    assert_eq!((changes(&host).len(), host.metric("scry_desired_state_applied")), (told, 1.0));
    write_in_place(&path, &document.replacen("[models.steady]\nlive = 1", "[models.steady]\nlive = 2", 1));
    answers_eventually(&host, 30.0);

    // What a file withdraws is warned of by name.
    assert!(!host.log().contains("withdrew"), "{}", host.log());
    write_in_place(&path, "prune = true\n[models.steady]\nlive = 1\n[end]\nmodels = 1\n");
    answers_eventually(&host, 20.0);
    host.predict("hostile", "well", 1.0).error(404, &["hostile"]);
    let log = host.log();
    let warned = log.lines().find(|line| line.contains("withdrew")).unwrap_or_else(|| panic!("{log}"));
    assert!(warned.contains("WARN") && warned.contains("hostile") && !warned.contains("steady"), "{warned}");
}

#[test]
fn a_watched_file_may_be_what_export_writes_into_it() {
    let start = with_two_models();
    let file = Document::of(&exported(&start));
    let host =
        Host::begin(start.kill().dir, &watching(&file.path()).replace("poll_ms = 50", "poll_ms = 10"), "").unwrap();
    let told = changes(&host).len();
    for _ in 0..10 {
        // As a shell does: the file is empty until the command has its answer.
        let mut export = scry();
        export.arg("export").env("SCRY_ADMIN", &host.admin).env("SCRY_ADMIN_TOKEN", host.token());
        assert!(export.stdout(std::fs::File::create(file.path()).unwrap()).status().unwrap().success());
        both_serve(&host);
    }
    eventually("the document is what runs", || host.metric("scry_desired_state_applied") == 1.0);
    // The same content as at its start is the same document.
    assert!(changes(&host).len() <= told + 1, "{:?}", changes(&host));
    both_serve(&host);
    assert!(!host.log().contains("withdrew"), "{}", host.log());
    // A disk that is full ends the command with an error, and the file somewhere.
    let document = exported(&host);
    write_in_place(&file.path(), &document[..document.len() - 1]);
    eventually("the error", || file_error(&host).is_some_and(|error| error.contains("cut short")));
    both_serve(&host);
}

fn clear(path: &Path) {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir(path).unwrap(),
        Ok(_) => std::fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

#[test]
fn a_dry_run_fails_where_applying_would() {
    let host = Host::start();
    host.publish(&guest("steady"));
    host.publish(&features("steady", "single"));
    host.publish(&guest("hostile"));
    let document = exported(&host).replacen("[models.steady]\nlive = 1", "[models.steady]\nlive = 2", 1);
    let (state, history) = (host.admin_get("/v1/state").json(), changes(&host));
    for (edited, says) in [
        (document.clone(), "would break callers of version 1"),
        (document.replacen("live = 2", "live = 1\nlimits = { deadline_ms = 0 }", 1), "limit `deadline_ms`"),
        (document.replacen("live = 2", "live = 1\nlimits = { memory_max_bytes = 9000000000 }", 1), "memory_max_bytes"),
        (document.replacen("live = 2", "live = 1\nfallback = [{ constant = { z = 1 } }]", 1), "constant"),
        (document.replacen("live = 2", "live = 1\nfallback = [{ model = 'steady@2' }]", 1), "cannot be a fallback for"),
        (document.replacen("live = 2", "live = 1\nchecks = { rules = { nothing = 'warn' } }", 1), "`nothing`"),
        (document.replacen("live = 2", "live = 1\nshadow = { to = 2, percent = 5 }", 1), "version 2"),
    ] {
        let looked = apply(&host, &edited, &["--dry-run"]).code(1).says(&[says]);
        assert_eq!((host.admin_get("/v1/state").json(), changes(&host)), (state.clone(), history.clone()), "{edited}");
        let applied = apply(&host, &edited, &[]).code(1);
        assert_eq!(looked.stderr, applied.stderr, "{edited}");
    }
    // What comes in is looked at as strictly, even where nothing routes to it.
    let empty = with_section(&guest("steady").bytes(), "scry:golden", r#"{"examples":[]}"#);
    let registry = LyingRegistry::start(Lie::None, &empty);
    let arriving = format!("[models.steady]\nlive = 1\nversions.3 = {{ from = '{}' }}\n", registry.tagged());
    let looked = apply(&host, &arriving, &["--dry-run"]).code(1).says(&["no golden examples"]);
    assert_eq!(looked.stderr, apply(&host, &arriving, &[]).code(1).stderr);
    // What is allowed is shown as a gate, and changes nothing.
    let looked = apply(&host, &document, &["--dry-run", "--allow-breaking", "--json"]).ok().json();
    assert!(looked["gates"].as_array().unwrap().iter().any(|gate| gate["gate"] == "schema"), "{looked}");
    assert_eq!((host.admin_get("/v1/state").json(), changes(&host)), (state, history));
}

#[test]
fn a_host_without_a_file_has_no_series_for_one() {
    let host = Host::start();
    assert!(!host.admin_get("/metrics").status(200).text.contains("scry_desired_state_applied"));
    let missing = tempfile::tempdir().unwrap();
    let host = Host::with(&watching(&missing.path().join("desired.toml")));
    eventually("a look", || file_error(&host).is_some());
    assert!(host.admin_get("/metrics").status(200).text.contains("\nscry_desired_state_applied 0\n"));
}
