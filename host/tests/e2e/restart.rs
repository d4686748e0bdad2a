//! Ends, beginnings, and what damage does in between.

use crate::support::{Host, Ran, eventually, example, features, guest, scry};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;

const COMPILED: &str = r#"scry_component_loads_total{source="compiled"}"#;
const CACHED: &str = r#"scry_component_loads_total{source="cache"}"#;

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn answers(host: &Host) {
    assert_eq!(host.predict("steady", "", 2.0).status(200).y(), 4.0);
}

#[test]
fn a_second_start_serves_what_the_first_did_without_compiling() {
    let host = Host::start();
    host.publish(&guest("steady"));
    host.deploy(&["steady", "--alias", "champion=1", "--deadline-ms", "9000", "--fallback", r#"constant:{"y":0}"#])
        .ok();
    let (before, listed) = (host.admin_get("/v1/state").json(), host.admin_get("/v1/models").json());
    assert_eq!((host.metric(COMPILED), host.metric(CACHED)), (1.0, 0.0));
    let host = host.restart(|_| {});
    assert_eq!((host.metric(COMPILED), host.metric(CACHED)), (0.0, 1.0));
    assert_eq!(host.admin_get("/v1/state").json()["models"], before["models"]);
    assert_eq!(host.admin_get("/v1/models").json(), listed);
    answers(&host);
}

#[test]
fn a_damaged_cache_is_compiled_again() {
    type Damage = fn(Vec<u8>) -> Vec<u8>;
    let damages: [Damage; 5] = [
        |code| code[..code.len() / 2].to_vec(),
        |_| Vec::new(),
        |mut code| {
            let middle = code.len() / 2;
            code[middle] ^= 1;
            code
        },
        |mut code| {
            code[0] ^= 1;
            code
        },
        |code| [code, vec![0]].concat(),
    ];
    let mut host = Host::start();
    host.publish(&guest("steady"));
    for damage in damages {
        host = host.restart(|data| {
            let cached = files(&data.join("cache"));
            assert_eq!(cached.len(), 1, "{cached:?}");
            std::fs::write(&cached[0], damage(std::fs::read(&cached[0]).unwrap())).unwrap();
        });
        answers(&host);
        assert_eq!((host.metric(COMPILED), host.metric(CACHED)), (1.0, 0.0));
        assert!(host.log().contains("not this host's"));
    }
    // The damage is repaired for good.
    let host = host.restart(|_| {});
    answers(&host);
    assert_eq!(host.metric(CACHED), 1.0);
}

#[test]
fn code_that_another_host_cached_is_not_trusted() {
    let (one, other) = (Host::start(), Host::start());
    one.publish(&guest("steady"));
    other.publish(&guest("steady"));
    let foreign = std::fs::read(&files(&other.data().join("cache"))[0]).unwrap();
    let one = one.restart(|data| std::fs::write(&files(&data.join("cache"))[0], foreign).unwrap());
    answers(&one);
    assert_eq!((one.metric(COMPILED), one.metric(CACHED)), (1.0, 0.0));
}

#[test]
fn a_damaged_component_is_unavailable_while_the_others_serve() {
    let host = Host::start();
    let steady = guest("steady");
    host.publish(&steady);
    host.publish(&guest("hostile"));
    let hex = steady.digest.strip_prefix("sha256:").unwrap().to_owned();
    let host = host.restart(|data| {
        std::fs::remove_dir_all(data.join("cache")).unwrap();
        let path = data.join("components").join(format!("{hex}.wasm"));
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    });
    assert_eq!(host.predict("hostile", "well", 1.5).status(200).y(), 1.5);
    let refused = host.predict("steady", "", 1.0).error(503, &["not available", "damaged"]);
    assert_eq!(refused.header("scry-reason"), Some("unavailable"));
    host.get("/v2/models/steady/ready").error(503, &["not available"]);
    host.get("/v2/models/hostile/ready").status(200);
    let listed = host.scry(&["models", "--json"]).ok().json();
    let state =
        &listed["models"].as_array().unwrap().iter().find(|m| m["model"] == "steady").unwrap()["versions"][0]["state"];
    assert!(state.as_str().unwrap().contains("damaged"), "{state}");
    host.deploy(&["steady", "--to", "1"]).code(1).says(&["not available"]);
    // As the message advises.
    assert_eq!(host.publish(&steady)["version"], 1);
    let host = host.restart(|_| {});
    answers(&host);
}

#[test]
fn publishing_again_heals_a_damaged_component_at_once() {
    let host = Host::start();
    let steady = guest("steady");
    host.publish(&steady);
    let host = host.restart(|data| {
        std::fs::remove_dir_all(data.join("components")).unwrap();
        std::fs::create_dir(data.join("components")).unwrap();
    });
    host.predict("steady", "", 1.0).error(503, &["not in the store"]);
    assert_eq!(host.publish(&steady)["version"], 1);
    answers(&host);
}

#[test]
fn a_version_that_does_not_load_is_stood_in_for() {
    let host = Host::start();
    let digits = example("bikeshare");
    host.publish(&digits);
    host.publish(&example("bikeshare-linear"));
    host.deploy(&["bikeshare", "--fallback", "bikeshare-linear"]).ok();
    let hex = digits.digest.strip_prefix("sha256:").unwrap().to_owned();
    let host = host.restart(|data| std::fs::remove_file(data.join("components").join(format!("{hex}.wasm"))).unwrap());
    let hour = serde_json::json!([{
        "hour": 8, "weekday": 3, "month": 1, "holiday": false, "working_day": true, "weather": "clear",
    }]);
    let request = crate::serving::v2(&hour);
    let reply = host.post("/v2/models/bikeshare/infer", &request).status(200);
    assert_eq!(reply.header("scry-degraded"), Some("unavailable"));
    assert_eq!(reply.header("scry-model"), Some("bikeshare-linear"));
}

#[test]
fn a_damaged_fallback_does_not_block_the_way_back() {
    let host = Host::start();
    let fallback = guest("hostile");
    for guest in [&guest("steady"), &features("steady", "triple"), &fallback] {
        host.publish(guest);
    }
    host.deploy(&["steady", "--fallback", "hostile"]).ok();
    host.deploy(&["steady", "--to", "2"]).ok();
    let hex = fallback.digest.strip_prefix("sha256:").unwrap().to_owned();
    let host = host.restart(|data| std::fs::remove_file(data.join("components").join(format!("{hex}.wasm"))).unwrap());
    host.scry(&["rollback", "steady"]).ok();
    answers(&host);
    // A fallback that is new has to be there.
    host.deploy(&["steady", "--fallback", "hostile@1"]).code(1).says(&["hostile@1", "not in the store"]);
}

#[test]
fn a_data_folder_serves_one_host_at_a_time() {
    let host = Host::start();
    let mut second = scry();
    second.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"]).arg(host.data());
    let ran = Ran::of(&mut second).code(1).says(&["in use by another scry host"]);
    assert_eq!(ran.stdout, "", "it must not say that it is ready");
    host.get("/v2/health/live").status(200);
}

#[test]
fn a_taken_port_is_named_with_the_option_that_changes_it() {
    let host = Host::start();
    let dir = tempfile::tempdir().unwrap();
    let taken = host.prediction.strip_prefix("http://").unwrap();
    let mut second = scry();
    second.args(["serve", "--listen", taken, "--admin-listen", "127.0.0.1:0", "--data"]).arg(dir.path());
    Ran::of(&mut second).code(1).says(&[taken, "--listen"]);
}

#[test]
fn sigterm_lets_a_request_finish_and_ends_cleanly() {
    let mut host = Host::with("[limits]\ndeadline_ms = 3000\nfuel = 0\n[shutdown]\ngrace_ms = 100\n");
    host.publish(&guest("hostile"));
    host.deploy(&["hostile", "--fallback", r#"constant:{"y":-1}"#]).ok();
    let host_ref = &host;
    thread::scope(|scope| {
        let slow = scope.spawn(move || host_ref.predict("hostile", "loop", 1.0));
        eventually("a guest that runs", || host_ref.metric("scry_instances_live") == 1.0);
        host_ref.terminate();
        let reply = slow.join().unwrap().status(200);
        assert_eq!(reply.header("scry-degraded"), Some("timeout"));
    });
    assert_eq!(host.wait().code(), Some(0));
    assert!(host.log().contains("stopping"));
}

#[test]
fn a_killed_host_starts_again_with_everything() {
    let host = Host::start();
    host.publish(&guest("steady"));
    // SIGKILL gives no chance to save anything.
    let host = host.kill_and_restart();
    answers(&host);
}

#[test]
fn secrets_are_the_owners_alone() {
    let host = Host::start();
    host.publish(&guest("steady"));
    let mut secrets = vec![host.data().join("admin.token"), host.data().join("cache.key")];
    secrets.extend(files(&host.data().join("cache")));
    for path in secrets {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
    assert!(!host.log().contains(&host.token()), "the log tells the admin token");
}

#[test]
fn a_wrong_configuration_is_refused_by_key_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("scry.toml");
    let data = dir.path().join("data");
    for (text, says) in [
        ("[limits]\ndeadline = 5\n", vec!["deadline"]),
        ("listen = \"127.0.0.1:1\"\n", vec!["listen"]),
        ("[limits]\ndeadline_ms = \"soon\"\n", vec!["deadline_ms", "soon"]),
        ("[limits]\ndeadline_ms = 0\n", vec!["limits.deadline_ms", "1 to 86400000", "found 0"]),
        ("[limits]\nfallback_reserve_percent = 91\n", vec!["limits.fallback_reserve_percent", "0 to 90", "found 91"]),
        ("[limits]\nmemory_max_bytes = 5\n", vec!["limits.memory_max_bytes", "1 MiB to 4 GiB"]),
        ("[admin]\ntoken = \"\"\n", vec!["admin.token", "expected a token"]),
        ("[log]\nlevel = \"loud=very\"\n", vec!["log.level"]),
        ("[log]\nlevel = \"loud\"\n", vec!["log.level", "off, error, warn, info, debug, trace", "found `loud`"]),
        ("[shutdown]\ngrace_ms = -1\n", vec!["grace_ms"]),
        ("[log\n", vec!["scry.toml"]),
    ] {
        std::fs::write(&config, text).unwrap();
        let mut command = scry();
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--config"]).arg(&config);
        let ran = Ran::of(command.arg("--data").arg(&data)).code(1).says(&says);
        assert_eq!(ran.stdout, "", "{text}");
        assert!(!data.exists(), "{text}: a host that does not start leaves nothing behind");
    }
    Ran::of(scry().args(["serve", "--config", "no-such.toml"])).code(1).says(&["no-such.toml"]);
}
