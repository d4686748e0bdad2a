//! A host's state in a file, and from there on another machine: as it was, or not at all.

mod kills;

use crate::crash::files;
use crate::drift::{Random, counts, traffic, watched};
use crate::signatures::Desk;
use crate::support::{Host, PATIENT, Ran, eventually, features, guest, root, scry};
use crate::swap::variant;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use wasm_encoder::{ComponentSection, CustomSection};

/// A host that has lived a little.
fn lived() -> Host {
    let host = Host::start();
    host.publish(&guest("steady"));
    host.publish(&features("steady", "triple"));
    host.deploy(&["steady", "--to", "2", "--alias", "champion=1", "--fallback", r#"constant:{"y":0.5}"#]).ok();
    host.scry(&["rollback", "steady"]).ok();
    host.deploy(&["steady", "--to", "2"]).ok();
    host
}

/// What of a host a backup has to bring back.
fn picture(host: &Host) -> (Value, Value, f64) {
    let state = host.admin_get("/v1/state").status(200).json();
    let history = host.admin_get("/v1/history?limit=1000").status(200).json();
    (json!([state["number"], state["models"]]), history, host.predict("steady", "", 10.0).status(200).y())
}

fn back_up(host: &Host, file: &Path) -> Ran {
    host.scry(&["backup", file.to_str().unwrap()])
}

fn restore(file: &Path, data: &Path) -> Ran {
    Ran::of(scry().arg("restore").arg(file).arg("--data").arg(data))
}

/// A host on a folder that was restored.
fn host_on(dir: TempDir) -> Host {
    Host::begin(dir, PATIENT, "").unwrap_or_else(|fallen| panic!("{}", fallen.log()))
}

/// A backup of a host, in a folder of its own.
fn backup_of(host: &Host) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("scry.backup");
    back_up(host, &file).ok();
    (dir, file)
}

#[test]
fn a_running_host_is_brought_back_on_another_machine_as_it_was() {
    let host = lived();
    let (before, kept) = (picture(&host), files(&host.data().join("components")));
    let (dir, file) = backup_of(&host);
    assert_eq!(picture(&host), before, "the host is as it was");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    // Any tar lists it, and nothing in it is secret or of this machine alone.
    let listed = Ran::of(Command::new("tar").arg("-tf").arg(&file)).ok().stdout;
    let names: Vec<_> = listed.lines().collect();
    assert_eq!((names.first(), names.last()), (Some(&"backup"), Some(&"digests")));
    assert!(names.contains(&"history.log") && names.contains(&"checkpoint.json"), "{listed}");
    assert_eq!(names.iter().filter(|name| name.ends_with(".wasm")).count(), 2, "{listed}");
    assert!(!["token", "key", "cache", "lock"].iter().any(|secret| listed.contains(secret)), "{listed}");
    let bytes = std::fs::read(&file).unwrap();
    let token = host.token();
    assert!(!bytes.windows(token.len()).any(|part| part == token.as_bytes()));

    let restored = tempfile::tempdir().unwrap();
    let said = restore(&file, &restored.path().join("data")).ok().stdout;
    assert!(said.contains("data: state 5, 2 components, ") && said.contains("scry serve --data "), "{said}");
    assert_eq!(files(&restored.path().join("data/components")), kept);
    let other = host_on(restored);
    assert_eq!(picture(&other), before);
    assert_ne!(other.token(), token, "a machine has its own");
    other.scry(&["rollback", "steady"]).ok();
    assert_eq!((other.predict("steady", "", 10.0).y(), picture(&host)), (20.0, before.clone()));

    // What was there before is replaced as a whole.
    host.deploy(&["steady", "--alias", "old=1"]).ok();
    let told = host.scry(&["backup", file.to_str().unwrap(), "--json"]).ok().json();
    assert_eq!((&told["state"], &told["components"], &told["missing"]), (&json!(6), &json!(2), &json!([])));
    assert_ne!(std::fs::read(&file).unwrap(), bytes);
    drop(dir);
}

#[test]
fn signatures_come_along_and_still_count() {
    let desk = Desk::with(&features("steady", "triple"));
    let host = Host::with(&desk.trusting("ops", ""));
    desk.sign("steady.wasm", "ops");
    host.scry(&["publish", desk.component()]).ok();
    let (dir, file) = backup_of(&host);
    restore(&file, &dir.path().join("data")).ok();
    assert_eq!(files(&dir.path().join("data/components")), files(&host.data().join("components")));
    let config = desk.trusting("ops", "enforce = true\n");
    let other = Host::begin(dir, &config, "").unwrap_or_else(|fallen| panic!("{}", fallen.log()));
    assert_eq!(other.predict("steady", "", 10.0).status(200).y(), 30.0);
}

#[test]
fn counts_of_live_rows_go_on_where_they_were() {
    let (host, _) = watched("[validation]\nskew_sample_percent = 0\n");
    traffic(&host, &mut Random(11), 2_700, 0.0);
    let before = counts(&host);
    let (dir, file) = backup_of(&host);
    restore(&file, &dir.path().join("data")).ok();
    assert_eq!(counts(&host_on(dir)), before);
}

#[test]
fn a_backup_is_of_one_moment_while_changes_go_on() {
    let host = lived();
    let (is_over, steady) = (AtomicBool::new(false), guest("steady"));
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        let changes = scope.spawn(|| {
            let mut made = 0;
            while !is_over.load(Ordering::Relaxed) || made < 6 {
                made += 1;
                host.admin_post("/v1/models", &variant(&steady, made)).status(200);
                host.deploy(&["steady", "--to", &(made + 2).to_string()]).ok();
                assert!(made < 200);
            }
        });
        for number in 0..4 {
            back_up(&host, &dir.path().join(number.to_string())).ok();
        }
        is_over.store(true, Ordering::Relaxed);
        changes.join().unwrap();
    });
    let told = host.admin_get("/v1/history?limit=1000").json()["changes"].as_array().unwrap().clone();
    for number in 0..4 {
        let restored = tempfile::tempdir().unwrap();
        restore(&dir.path().join(number.to_string()), &restored.path().join("data")).ok();
        let other = host_on(restored);
        let (state, history, _) = picture(&other);
        let history = history["changes"].as_array().unwrap();
        assert_eq!(history[0]["number"], state[0]);
        assert_eq!(history[..], told[told.len() - history.len()..], "a part of what was, from its beginning");
        assert_eq!(other.admin_get("/v1/state").json()["damage"], json!([]));
    }
}

/// A component of this size, of which nothing is needed but its place.
fn large(bytes: usize) -> Vec<u8> {
    let mut component = guest("steady").bytes();
    let mut seed = 1u32;
    let noise = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    });
    CustomSection { name: "noise".into(), data: noise.take(bytes).collect::<Vec<_>>().into() }
        .append_to_component(&mut component);
    component
}

#[test]
fn while_a_backup_is_taken_slowly_the_host_goes_on_and_nothing_is_removed() {
    let host = Host::start();
    host.admin_post("/v1/models?name=steady", &large(48 << 20)).status(200);
    let address = host.admin.strip_prefix("http://").unwrap();
    let mut slow = TcpStream::connect(address).unwrap();
    let request =
        format!("GET /v1/backup HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\r\n", host.token());
    slow.write_all(request.as_bytes()).unwrap();
    let mut head = [0; 15];
    slow.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");

    host.scry(&["gc"]).code(1).says(&["other changes are being made"]);
    let dir = tempfile::tempdir().unwrap();
    back_up(&host, &dir.path().join("second")).code(1).says(&["another backup is being made"]);
    assert!(files(dir.path()).is_empty());
    host.publish(&features("steady", "triple"));
    host.deploy(&["steady", "--to", "2"]).ok();
    assert_eq!(host.predict("steady", "", 10.0).status(200).y(), 30.0);
    drop(slow);
    eventually("the host lets go of it", || host.scry(&["gc"]).code == Some(0));
    back_up(&host, &dir.path().join("second")).ok();
}

#[test]
fn what_is_damaged_cut_or_something_else_is_refused_and_nothing_is_made() {
    let (_dir, file) = backup_of(&lived());
    let whole = std::fs::read(&file).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (wrong, data) = (dir.path().join("wrong"), dir.path().join("data"));
    let refused = |bytes: &[u8], says: &[&str]| {
        std::fs::write(&wrong, bytes).unwrap();
        restore(&wrong, &data).code(1).says(&["wrong: "]).says(says);
        assert_eq!(files(dir.path()).len(), 1, "{says:?}");
        assert!(!data.exists());
    };
    refused(&whole[..whole.len() / 2], &["cut short"]);
    refused(&whole[..whole.len() - 1], &["cut short"]);
    refused(&[&whole[..], b"x"].concat(), &["expected nothing behind its end"]);
    refused(b"", &["not a backup"]);
    refused(b"once upon a time", &["not a backup"]);
    refused(&std::fs::read(root().join("fuzz/seeds/backup/later")).unwrap(), &["format 2"]);
    // A state without a change is no state of this host.
    refused(&std::fs::read(root().join("fuzz/seeds/backup/empty")).unwrap(), &["does not lead to its state 1"]);
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut flipped = whole.clone();
        flipped[at] ^= 16;
        refused(&flipped, &[]);
    }
    let json = Ran::of(scry().arg("restore").arg(&wrong).arg("--data").arg(&data).arg("--json")).code(1);
    assert_eq!(serde_json::from_str::<Value>(&json.stderr).unwrap()["error"]["kind"], "failed");
}

#[test]
fn a_folder_with_anything_in_it_is_left_alone() {
    let host = lived();
    let (_dir, file) = backup_of(&host);
    let before = files(&host.data().join("components"));
    restore(&file, &host.data()).code(1).says(&["is not empty", "replaces nothing"]);
    assert_eq!(files(&host.data().join("components")), before);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mine"), b"mine").unwrap();
    restore(&file, dir.path()).code(1).says(&["is not empty"]);
    assert_eq!(files(dir.path()).len(), 1);
    // An empty one gives way, and one that is not there is made with those around it.
    let empty = tempfile::tempdir().unwrap();
    std::fs::create_dir(empty.path().join("data")).unwrap();
    restore(&file, &empty.path().join("data")).ok();
    restore(&file, &empty.path().join("a/b/data")).ok();
    assert_eq!(files(&empty.path().join("data/components")), files(&empty.path().join("a/b/data/components")));
}

#[test]
fn what_a_host_lacks_is_named_by_both() {
    let host = lived();
    let gone = features("steady", "triple");
    let path = host.data().join(format!("components/{}.wasm", gone.digest.replace("sha256:", "")));
    std::fs::remove_file(&path).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("backup");
    back_up(&host, &file).ok().says(&["warning: the backup lacks", &gone.digest]);
    restore(&file, &dir.path().join("data")).ok().says(&["warning: the backup lacks", &gone.digest]);
    let other = host_on(dir);
    assert_eq!(other.predict("steady", "", 10.0).status(200).y(), 0.5, "the fallback");
    other.publish(&gone);
    assert_eq!(other.predict("steady", "", 10.0).status(200).y(), 30.0);
}

#[test]
fn a_host_that_does_not_run_is_backed_up_from_its_folder() {
    let mut host = lived();
    let (before, token) = (picture(&host), host.token());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("backup");
    let stopped = |data: &Path| Ran::of(scry().arg("backup").arg(&file).arg("--stopped").arg("--data").arg(data));
    stopped(&host.data()).code(1).says(&["is in use"]);
    stopped(dir.path()).code(1).says(&["expected a host's data folder"]);
    assert!(files(dir.path()).is_empty());
    assert!(host.stop().success());
    stopped(&host.data()).ok();
    restore(&file, &dir.path().join("data")).ok();
    let other = host_on(dir);
    assert_eq!(picture(&other), before);
    assert_ne!(other.token(), token);
}

#[test]
fn a_host_without_a_change_is_backed_up_too() {
    let host = Host::start();
    let (dir, file) = backup_of(&host);
    restore(&file, &dir.path().join("data")).ok();
    let other = host_on(dir);
    assert_eq!(other.admin_get("/v1/state").json()["number"], 0);
    other.publish(&guest("steady"));
}

#[test]
fn a_backup_needs_the_scope_of_an_operator() {
    let host = Host::start();
    let (dir, url) = (tempfile::tempdir().unwrap(), format!("{}/v1/backup", host.admin));
    host.send("GET", &url, &[], b"").error(401, &[]);
    host.send("GET", &url, &[("authorization", "Bearer wrong-token")], b"").error(401, &[]);
    let file = dir.path().join("backup");
    let mut command = scry();
    command.arg("backup").arg(&file).env("SCRY_ADMIN", &host.admin).env("SCRY_ADMIN_TOKEN", "wrong-token");
    Ran::of(&mut command).code(1);
    assert!(files(dir.path()).is_empty());
}
