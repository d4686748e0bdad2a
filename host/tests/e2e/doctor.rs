//! `scry doctor`: what is wrong is named with what to do, nothing is changed, and a bundle has no secret.

use crate::crash::files;
use crate::support::{Host, PATIENT, Ran, features, guest, scry};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The findings about a thing, and how bad they are.
fn findings<'a>(told: &'a Value, about: &str) -> Vec<(&'a str, &'a str, &'a str)> {
    let all = told["findings"].as_array().unwrap().iter().filter(|finding| finding["about"] == about);
    let text = |finding: &'a Value, key: &str| finding[key].as_str().unwrap_or_default();
    all.map(|finding| (text(finding, "level"), text(finding, "found"), text(finding, "next"))).collect()
}

/// The only finding about a thing; it says this.
#[track_caller]
fn says(told: &Value, about: &str, level: &str, parts: &[&str], next: &str) {
    let found = findings(told, about);
    let [(found_level, found, found_next)] = found[..] else { panic!("{about}: {found:?}") };
    assert_eq!(found_level, level, "{found}");
    assert!(parts.iter().all(|part| found.contains(part)), "no {parts:?} in: {found}");
    assert!(found_next.contains(next) && (next.is_empty() == found_next.is_empty()), "{next}: {found_next}");
}

/// Of a folder without a host, with ports that are free.
fn doctor(data: &Path) -> Command {
    let mut command = scry();
    command
        .args(["doctor", "--json", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .arg("--data")
        .arg(data);
    command
}

fn of_host(host: &Host) -> Command {
    let mut command = doctor(&host.data());
    command.env("SCRY_ADMIN", &host.admin);
    command
}

/// What it says as JSON, whatever it finds.
fn told(command: &mut Command) -> Value {
    let ran = Ran::of(command);
    let told = ran.json();
    assert_eq!(ran.code, Some(i32::from(told["problems"].as_u64().unwrap() > 0)), "{ran:?}");
    told
}

fn component(data: &Path) -> std::path::PathBuf {
    let hex = features("steady", "triple").digest.replace("sha256:", "");
    data.join(format!("components/{hex}.wasm"))
}

#[test]
fn of_a_host_that_is_well_everything_is_ok() {
    let host = Host::start();
    host.publish(&guest("steady"));
    let before = files(&host.data());
    let told = told(&mut of_host(&host));
    assert_eq!(files(&host.data()), before);
    says(&told, "version", "ok", &[&format!("scry {}", env!("CARGO_PKG_VERSION")), "data format 1", "Linux"], "");
    says(&told, "configuration", "ok", &["every key has its default"], "");
    says(&told, "data", "ok", &["state 1, 1 model", "verify"], "");
    says(&told, "components", "ok", &["1 component, each with its digest"], "");
    says(&told, "host", "ok", &["state 1", &host.prediction], "");
    says(&told, "prediction port", "ok", &[], "");
    for about in ["disk", "memory", "open files", "clock"] {
        assert_eq!(findings(&told, about).len(), 1, "{told}");
    }
    // The same for people.
    let mut command = scry();
    command.arg("doctor").arg("--data").arg(host.data()).env("SCRY_ADMIN", &host.admin);
    let said = Ran::of(&mut command);
    assert!(said.stdout.lines().any(|line| line.starts_with("ok      data             ")), "{said:?}");
    assert_eq!(
        said.stdout.lines().filter(|line| !line.starts_with(' ')).count(),
        told["findings"].as_array().unwrap().len()
    );
}

#[test]
fn of_a_host_its_versions_that_do_not_answer_are_named() {
    let host = Host::start();
    host.publish(&features("steady", "triple"));
    let host = host.restart(|data| std::fs::write(component(data), b"other bytes").unwrap());
    let told = told(&mut of_host(&host));
    says(
        &told,
        "components",
        "problem",
        &["not there", &features("steady", "triple").digest],
        "publish the same bytes",
    );
    let found = findings(&told, "host");
    assert!(found.iter().any(|(level, found, _)| *level == "problem" && found.contains("steady@1")), "{found:?}");
    says(&told, "quarantine", "warning", &["1 damaged file"], "remove what is settled");
    // A host that is asked with the wrong token, or somewhere else.
    let told = self::told(of_host(&host).env("SCRY_ADMIN_TOKEN", "wrong-token-that-is-long"));
    says(&told, "host", "problem", &["does not say what it should"], "--admin");
    let told =
        self::told(doctor(Path::new("/nowhere")).env("SCRY_ADMIN", &host.admin).env("SCRY_ADMIN_TOKEN", host.token()));
    says(&told, "host", "warning", &["one answers at"], "--data");
    says(&told, "data", "warning", &["is not there"], "--data");
}

#[test]
fn damage_in_a_folder_is_found_and_left_as_it_is() {
    let mut host = Host::start();
    host.publish(&guest("steady"));
    host.publish(&features("steady", "triple"));
    host.deploy(&["steady", "--to", "2"]).ok();
    assert!(host.stop().success());
    let data = host.data();
    says(&told(&mut doctor(&data)), "host", "ok", &["none is running"], "");
    let (history, token) = (data.join("history.log"), data.join("admin.token"));
    let whole = std::fs::read(&history).unwrap();
    let mut flipped = whole.clone();
    flipped[40] ^= 1;
    std::fs::write(&history, &flipped).unwrap();
    std::fs::write(component(&data), b"other bytes").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(data.join(".0123456789abcdef.tmp"), b"").unwrap();
    let before = files(&data);
    let found = told(&mut doctor(&data));
    assert_eq!(files(&data), before, "nothing is changed, nothing is moved");
    says(&found, "data", "problem", &["state 3", "history.log: lines 1 to 1", "do not verify"], "check the disk");
    says(&found, "components", "problem", &["without their digest", &features("steady", "triple").digest], "publish");
    says(&found, "secrets", "warning", &["admin.token"], "chmod 600 ");
    says(&found, "leftovers", "ok", &["1 file that a crash has left"], "");

    // Both of them: it leads nowhere.
    std::fs::write(&history, b"no line").unwrap();
    std::fs::write(data.join("checkpoint.json"), b"no line").unwrap();
    says(&told(&mut doctor(&data)), "data", "problem", &["neither the history nor the checkpoint"], "scry restore");
    // One of a later version.
    std::fs::copy(crate::support::root().join("fuzz/seeds/journal/lines"), data.join("format")).unwrap();
    let later = told(&mut doctor(&data));
    assert_eq!(findings(&later, "data")[0].0, "problem", "{later}");
}

#[test]
fn what_keeps_a_host_from_starting_is_found_before_it_is_started() {
    let dir = tempfile::tempdir().unwrap();
    let (config, data) = (dir.path().join("scry.toml"), dir.path().join("data"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let with = |text: &str| {
        std::fs::write(&config, text).unwrap();
        told(doctor(&data).arg("--config").arg(&config).args(["--listen", &address]))
    };
    let found = with("[limits]\ndeadline = 3\n");
    says(&found, "configuration", "problem", &["unknown field `deadline`"], "correct it");
    says(&found, "prediction port", "problem", &[&address, "in use"], "`prediction.listen`");
    says(&found, "admin port", "ok", &["any that is free"], "");
    let tls = format!("certificate = {0:?}\nkey = {0:?}\n", dir.path().join("none.pem"));
    let found = with(&format!(
        "[admin]\ntoken = \"short\"\n[access]\ntoken_file = \"/nowhere\"\n[prediction.tls]\n{tls}[compute]\nquiet_cores = 1\n"
    ));
    let of_configuration = findings(&found, "configuration");
    for (level, part) in [
        ("warning", "fewer than 16 characters"),
        ("problem", "`access.token_file` cannot be used: /nowhere"),
        ("problem", "`prediction.tls.certificate` cannot be used"),
        ("problem", "`prediction.tls.key` cannot be used"),
        ("warning", "`compute.quiet_cores` is retired"),
    ] {
        assert!(of_configuration.iter().any(|found| found.0 == level && found.1.contains(part)), "{part} in {found}");
    }
    // Where a folder cannot be: no host is there, and the machine is looked at nevertheless.
    std::fs::write(&data, b"a file").unwrap();
    let found = with("");
    assert_eq!(findings(&found, "data")[0].0, "problem", "{found}");
    assert_eq!(findings(&found, "disk").len(), 1);
    let mut command = scry();
    command.args(["doctor", "--json", "--listen", "127.0.0.1:0", "--admin-listen", "0.0.0.0:0"]).current_dir(&dir);
    says(&told(&mut command), "admin port", "warning", &["tokens travel"], "[admin.tls]");
}

#[test]
fn a_bundle_has_what_a_report_needs_and_no_secret() {
    let host = Host::with(&format!("{PATIENT}[admin.tokens]\nci = \"token-of-the-night\" # and what is said of it\n"));
    host.publish(&guest("steady"));
    host.deploy(&["steady", "--alias", "champion=1"]).ok();
    host.predict("steady", "", 31337.25).status(200);
    let dir = tempfile::tempdir().unwrap();
    let (file, config) = (dir.path().join("report.tar.gz"), host.data().parent().unwrap().join("scry.toml"));
    let told = told(of_host(&host).arg("--config").arg(&config).arg("--bundle").arg(&file));
    assert_eq!(told["bundle"], json!(file));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let unpacked = Ran::of(Command::new("tar").arg("-xzvf").arg(&file).arg("-C").arg(dir.path())).ok();
    let names: Vec<_> = unpacked.stdout.lines().map(|name| name.strip_prefix("scry-doctor/").unwrap()).collect();
    assert_eq!(names, ["findings.json", "seen.json", "configuration.toml", "history.json", "metrics.txt"]);
    let read = |name: &str| std::fs::read_to_string(dir.path().join("scry-doctor").join(name)).unwrap();
    let json = |name: &str| serde_json::from_str::<Value>(&read(name)).unwrap();
    assert_eq!(json("findings.json"), told["findings"]);
    assert_eq!(json("history.json").as_array().unwrap().len(), 2);
    assert_eq!(json("history.json")[0]["changes"], json!(["+ models.steady.aliases.champion = 1"]));
    assert_eq!(json("seen.json")["host"]["Says"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(read("configuration.toml").contains("deadline_ms = 10000"), "{}", read("configuration.toml"));
    assert!(read("metrics.txt").contains("scry_requests_total"), "{}", read("metrics.txt"));
    let key = std::fs::read(host.data().join("cache.key")).unwrap();
    for (path, bytes) in files(&dir.path().join("scry-doctor")) {
        let text = String::from_utf8(bytes.clone()).unwrap();
        for secret in [host.token().as_str(), "token-of-the-night", "what is said of it", "31337.25"] {
            assert!(!text.contains(secret), "{secret} in {}", path.display());
        }
        assert!(!bytes.windows(key.len()).any(|part| part == key));
    }
    // Without a host and without a folder it is written too.
    let nothing = dir.path().join("nothing");
    self::told(doctor(&nothing).arg("--bundle").arg(dir.path().join("second.tar.gz")));
    let listed = Ran::of(Command::new("tar").arg("-tzf").arg(dir.path().join("second.tar.gz"))).ok().stdout;
    assert_eq!(listed, "scry-doctor/findings.json\nscry-doctor/seen.json\n");
    assert!(!nothing.exists());
}
