//! Each finding at its limits.

use super::seen::{Configuration, Content, Disk, Folder, Listener, State, System};
use super::*;
use scry_catalog::Told;
use scry_names::Digest;

const NOW_MS: u64 = 1_800_000_000_000;

/// A machine on which nothing is wrong, and a host that runs.
fn well() -> Seen {
    Seen {
        scry: "0.1.0",
        folder_format: 1,
        system: System {
            name: "Linux".into(),
            release: "6.1".into(),
            machine: "x86_64",
            processors: 2,
            memory_bytes: Some(8 << 30),
            available_bytes: Some(4 << 30),
            open_files_max: Some(100_000),
            clock: Some("tsc".into()),
            now_ms: NOW_MS,
        },
        configuration: Configuration {
            file: None,
            error: None,
            warnings: Vec::new(),
            unusable: Vec::new(),
            has_admin_tls: false,
            shortest_token: Some(16),
            open_files_wanted: 4672,
            call_memory_max_bytes: 256 << 20,
            compute_threads: 2,
            component_max_bytes: 64 << 20,
        },
        folder: Folder { path: "data".into(), content: Some(Ok(content())) },
        disk: Ok(Disk {
            free_bytes: 1 << 30,
            total_bytes: 1 << 40,
            free_files: Some(1000),
            is_read_only: false,
            is_shared: false,
        }),
        listeners: vec![Listener {
            name: "admin",
            address: "127.0.0.1:8081".parse().unwrap(),
            error: None,
            is_tried: false,
        }],
        host: Answer::Says {
            url: "http://127.0.0.1:8081".into(),
            version: "0.1.0".into(),
            state: 3,
            prediction: "http://127.0.0.1:8080".into(),
            damage: Vec::new(),
            unavailable: Vec::new(),
            open: Vec::new(),
        },
        variables: Vec::new(),
    }
}

fn content() -> Content {
    Content {
        is_in_use: true,
        damage: Vec::new(),
        cut_bytes: 0,
        quarantined: 0,
        unfinished: 0,
        exposed: Vec::new(),
        state: Ok(State { number: 3, models: 1, needed: 1, hashed: 1, ..State::default() }),
    }
}

/// With something changed: how bad it is, and what about.
#[track_caller]
fn found(change: impl FnOnce(&mut Seen)) -> Vec<(&'static str, Level)> {
    let mut seen = well();
    change(&mut seen);
    let findings = judge(&seen);
    let bad = findings.into_iter().filter(|finding| finding.level != Level::Ok);
    bad.inspect(|finding| assert!(finding.next.is_some(), "{finding:?}"))
        .map(|finding| (finding.about, finding.level))
        .collect()
}

fn content_of(seen: &mut Seen) -> &mut Content {
    seen.folder.content.as_mut().unwrap().as_mut().unwrap()
}

fn disk_of(seen: &mut Seen) -> &mut Disk {
    seen.disk.as_mut().unwrap()
}

#[test]
fn where_nothing_is_wrong_nothing_is_found() {
    assert_eq!(found(|_| {}), []);
    assert!(judge(&well()).iter().all(|finding| finding.next.is_none()));
}

#[test]
fn a_disk_has_two_limits() {
    use Level::{Problem, Warning};
    assert_eq!(found(|seen| disk_of(seen).free_bytes = (1 << 30) - 1), [("disk", Warning)]);
    assert_eq!(found(|seen| disk_of(seen).free_bytes = 128 << 20), [("disk", Warning)]);
    assert_eq!(found(|seen| disk_of(seen).free_bytes = (128 << 20) - 1), [("disk", Problem)]);
    assert_eq!(found(|seen| disk_of(seen).free_files = Some(999)), [("disk", Problem)]);
    assert_eq!(found(|seen| disk_of(seen).free_files = None), []);
    assert_eq!(found(|seen| disk_of(seen).is_read_only = true), [("disk", Problem)]);
    assert_eq!(found(|seen| disk_of(seen).is_shared = true), [("disk", Warning)]);
    assert_eq!(found(|seen| seen.disk = Err("no".into())), [("disk", Warning)]);
}

#[test]
fn limits_of_the_machine_are_compared_with_the_configuration() {
    use Level::{Problem, Warning};
    assert_eq!(found(|seen| seen.system.memory_bytes = Some(512 << 20)), []);
    assert_eq!(found(|seen| seen.system.memory_bytes = Some((512 << 20) - 1)), [("memory", Warning)]);
    assert_eq!(found(|seen| seen.system.memory_bytes = Some((256 << 20) - 1)), [("memory", Problem)]);
    assert_eq!(found(|seen| seen.system.memory_bytes = None), []);
    assert_eq!(found(|seen| seen.system.open_files_max = Some(4672)), []);
    assert_eq!(found(|seen| seen.system.open_files_max = Some(4671)), [("open files", Warning)]);
    assert_eq!(found(|seen| seen.system.open_files_max = None), []);
    assert_eq!(found(|seen| seen.configuration.shortest_token = Some(15)), [("configuration", Warning)]);
}

#[test]
fn a_clock_is_compared_with_the_history() {
    use Level::{Problem, Warning};
    let changed = |seen: &mut Seen, at_ms: u64| {
        let told = Told {
            number: 3,
            at_ms,
            by: "admin".into(),
            what: "deploy".into(),
            restored: None,
            lost: Vec::new(),
            changes: Vec::new(),
        };
        content_of(seen).state.as_mut().unwrap().changes = vec![told];
    };
    assert_eq!(found(|seen| changed(seen, NOW_MS + 5_000)), []);
    assert_eq!(found(|seen| changed(seen, NOW_MS + 5_001)), [("clock", Problem)]);
    assert_eq!(found(|seen| seen.system.now_ms = 1_000), [("clock", Problem)]);
    assert_eq!(found(|seen| seen.system.clock = Some("hpet".into())), [("clock", Warning)]);
    assert_eq!(found(|seen| seen.system.clock = None), []);
}

#[test]
fn a_folder_and_its_host_are_looked_at_together() {
    use Level::{Problem, Warning};
    let other = |seen: &mut Seen| content_of(seen).is_in_use = false;
    assert_eq!(found(other), [("host", Warning)]);
    let silent = || Answer::Silent { url: "u".into(), why: "w".into() };
    assert_eq!(found(|seen| seen.host = silent()), [("host", Problem)]);
    assert_eq!(found(|seen| seen.host = Answer::NotAsked("no token".into())), [("host", Warning)]);
    let stopped = |seen: &mut Seen| {
        other(seen);
        seen.host = silent();
    };
    assert_eq!(found(stopped), []);
    // An append that a running host is at is none that was never finished.
    assert_eq!(found(|seen| content_of(seen).cut_bytes = 10), []);
    assert_eq!(found(|seen| content_of(seen).damage = vec!["d".into()]), [("data", Problem)]);
    assert_eq!(found(|seen| content_of(seen).state = Err("nowhere".into())), [("data", Problem)]);
    assert_eq!(found(|seen| content_of(seen).quarantined = 1), [("quarantine", Warning)]);
    let digest = Digest::of(b"x");
    let missing = |seen: &mut Seen| content_of(seen).state.as_mut().unwrap().missing = vec![digest; 5];
    assert_eq!(found(missing), [("components", Problem)]);
    let mut seen = well();
    missing(&mut seen);
    assert!(judge(&seen).iter().any(|finding| finding.found.ends_with(" and 2 more")));
    let unhashed = |seen: &mut Seen| content_of(seen).state.as_mut().unwrap().needed = 2;
    assert_eq!(found(unhashed), []);
}

#[test]
fn what_a_host_says_of_its_versions_counts() {
    use Level::{Problem, Warning};
    let says = |change: fn(&mut String, &mut Vec<String>, &mut Vec<String>, &mut Vec<String>)| {
        found(|seen| {
            if let Answer::Says { version, damage, unavailable, open, .. } = &mut seen.host {
                change(version, damage, unavailable, open);
            }
        })
    };
    assert_eq!(says(|version, _, _, _| *version = "0.2.0".into()), [("host", Warning)]);
    assert_eq!(says(|_, damage, _, _| damage.push("d".into())), [("host", Warning)]);
    assert_eq!(says(|_, _, unavailable, _| unavailable.push("m@1".into())), [("host", Problem)]);
    assert_eq!(says(|_, _, _, open| open.push("m@1".into())), [("host", Warning)]);
}

#[test]
fn the_admin_port_is_for_this_machine_or_for_tls() {
    let public = |seen: &mut Seen| seen.listeners[0].address = "0.0.0.0:8081".parse().unwrap();
    assert_eq!(found(public), [("admin port", Level::Warning)]);
    let with_tls = |seen: &mut Seen| {
        public(seen);
        seen.configuration.has_admin_tls = true;
    };
    assert_eq!(found(with_tls), []);
    assert_eq!(found(|seen| seen.listeners[0].error = Some("in use".into())), [("admin port", Level::Problem)]);
}

#[test]
fn a_bundle_quotes_no_line_of_a_configuration_that_does_not_read() {
    for (error, shown) in [
        (
            "c.toml: TOML parse error at line 2, column 9\n  |\n2 | token = \"s3cret\n",
            "c.toml: TOML parse error at line 2, column 9",
        ),
        ("c.toml: invalid type: string \"s3cret\"", "it does not read"),
    ] {
        let mut seen = well();
        seen.configuration.error = Some(error.into());
        let findings = judge(&seen);
        assert!(findings.iter().any(|finding| finding.found.contains("s3cret")), "people see it");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bundle.tar.gz");
        let text = "[admin]\ntoken = \"s3cret";
        let bundle = Bundle {
            seen: &seen,
            findings: &findings,
            configuration: Some(text),
            metrics: Some("by s3cret-of-another"),
            secrets: &["s3cret-of-another".to_owned()],
        };
        let names = write_bundle(&bundle, &path).unwrap();
        assert_eq!(names.len(), 5);
        let mut unpacked = Vec::new();
        let mut zipped = flate2::read::GzDecoder::new(std::fs::File::open(&path).unwrap());
        std::io::Read::read_to_end(&mut zipped, &mut unpacked).unwrap();
        let unpacked = String::from_utf8_lossy(&unpacked);
        assert!(!unpacked.contains("s3cret"), "{unpacked}");
        assert!(unpacked.contains(shown) && unpacked.contains("by (removed)") && unpacked.contains("it is no TOML"));
    }
}
