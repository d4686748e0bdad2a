//! The commands against a host.

use crate::support::{Host, Ran, example, features, guest, root, scry};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, PipeWriter, Write, pipe};
use std::process::{Child, Command, Output, Stdio};

#[test]
fn the_command_line_explains_itself_and_its_exit_codes_hold() {
    let help = Ran::of(scry().arg("--help")).ok().stdout;
    let model = ["new", "build", "import", "inspect", "test", "bench", "profile", "transform", "schema"];
    let life = [
        "serve", "publish", "deploy", "rollback", "history", "circuit", "withdraw", "export", "apply", "gc", "backup",
        "restore", "doctor", "models", "token",
    ];
    for command in [&model[..], &life, &["predict", "demo", "completions", "man"]].concat() {
        assert!(help.contains(&format!("  {command} ")), "{command} is not in {help}");
        let help = Ran::of(scry().args([command, "--help"])).ok().stdout;
        assert!(help.contains("Usage: scry"), "{help}");
    }
    assert!(help.contains("0 done, 1 the work failed, 2 the command line is wrong, 3 the data is refused"));
    Ran::of(scry().arg("--version")).ok();
    for wrong in [&["nonsense"][..], &["build", "--nonsense"], &["publish"], &["deploy", "m", "--to", "0"], &[]] {
        Ran::of(scry().args(wrong)).code(2);
    }
}

#[test]
fn a_client_without_a_host_or_a_token_is_told_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = scry();
    command.current_dir(&dir).arg("models");
    Ran::of(&mut command).code(1).says(&["no admin token", "SCRY_ADMIN_TOKEN", "--data"]);
    // Port 1 has no host.
    command.env("SCRY_ADMIN_TOKEN", "x").env("SCRY_ADMIN", "http://127.0.0.1:1");
    Ran::of(&mut command).code(1).says(&["does not answer", "scry serve"]);
    let host = Host::start();
    command.env("SCRY_ADMIN", &host.admin);
    Ran::of(&mut command).code(1).says(&["admin token is missing or wrong"]);
    // A token in the host's data folder is found.
    let mut command = scry();
    command.args(["models", "--admin", &host.admin, "--data"]).arg(host.data());
    assert!(Ran::of(&mut command).ok().stdout.contains("no models yet"));
}

#[test]
fn models_lists_versions_aliases_fallbacks_and_limits() {
    let host = Host::start();
    host.publish(&guest("steady"));
    host.publish(&features("steady", "triple"));
    host.publish(&guest("hostile"));
    let constant = r#"constant:{"y":-1}"#;
    host.deploy(&["hostile", "--fallback", "steady@2", constant, "--alias", "champion=1", "--deadline-ms", "700"]).ok();
    let listed = host.scry(&["models", "--json"]).ok().json();
    let models = listed["models"].as_array().unwrap();
    assert_eq!(models.iter().map(|model| model["model"].as_str().unwrap()).collect::<Vec<_>>(), ["hostile", "steady"]);
    assert_eq!(
        models[0],
        json!({
            "model": "hostile", "live": 1, "aliases": { "champion": 1 }, "deadline_ms": 700, "limits": { "deadline_ms": 700 },
            "fallback": [{ "model": "steady@2" }, { "constant": { "y": -1 } }],
            "state": "serving", "canary": null, "shadow": null, "checks": {},
            "versions": [{
                "version": 1, "digest": guest("hostile").digest, "state": "ready", "traffic_percent": 100.0,
                "crate_version": "0.1.0",
                "requests": 0, "errors": 0, "last_errors": [],
                "circuit": { "state": "closed", "forced": false, "since_ms": null, "next_probe_ms": null },
            }],
        })
    );
    assert_eq!(models[1]["versions"].as_array().unwrap().len(), 2);
    let shown = host.scry(&["models", "-o", "wide"]).ok().stdout;
    for part in
        ["hostile  (live: 1, deadline 700 ms)", "@champion = 1", "falls back to steady@2", "falls back to the constant"]
    {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    host.deploy(&["hostile", "--no-fallback"]).ok();
    assert_eq!(host.scry(&["models", "--json"]).ok().json()["models"][0]["fallback"], json!([]));
    assert_eq!(
        host.scry(&["models", "--json"]).ok().json()["models"][0]["deadline_ms"],
        700,
        "what is not named stays"
    );
}

#[test]
fn predict_takes_rows_instances_one_row_v2_and_stdin() {
    let host = Host::start();
    host.publish(&example("bikeshare"));
    let golden = std::fs::read(root().join("examples/bikeshare/golden.json")).unwrap();
    let golden: Value = serde_json::from_slice(&golden).unwrap();
    let given = &golden["examples"][0];
    let expected: Vec<f64> =
        given["outputs"].as_array().unwrap().iter().map(|row| row["riders"].as_f64().unwrap()).collect();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rows.json");
    let predict = |model: &str, input: &Value| {
        std::fs::write(&file, input.to_string()).unwrap();
        host.scry(&["predict", model, "--input", file.to_str().unwrap()])
    };
    let near = |rows: &Value, expected: &[f64]| {
        let riders: Vec<f64> = rows.as_array().unwrap().iter().map(|row| row["riders"].as_f64().unwrap()).collect();
        assert_eq!(riders.len(), expected.len());
        riders.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-3, "{a} is not {b}"));
    };
    let rows = &given["inputs"];
    near(&predict("bikeshare", rows).ok().json(), &expected);
    near(&predict("bikeshare@1", &json!({ "instances": rows })).ok().json(), &expected);
    let by_digest = format!("bikeshare@{}", example("bikeshare").digest);
    near(&predict(&by_digest, &rows[0]).ok().json(), &expected[..1]);
    let v2 = predict("bikeshare", &crate::serving::v2(&json!([rows[0]]))).ok().json();
    assert_eq!(v2["model_name"], "bikeshare");
    assert!((v2["outputs"][0]["data"][0].as_f64().unwrap() - expected[0]).abs() < 1e-3);

    let mut command = scry();
    command
        .args(["predict", "bikeshare", "--input", "-"])
        .env("SCRY_ADMIN", &host.admin)
        .env("SCRY_ADMIN_TOKEN", host.token());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(rows.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    near(&serde_json::from_slice(&output.stdout).unwrap(), &expected);

    let mut wrong = rows[0].clone();
    wrong["hour"] = json!(24);
    predict("bikeshare", &json!([wrong])).code(3).says(&["field `hour`, row 0", "expected 0 to 23 h", "found 24"]);
    wrong["hour"] = json!("noon");
    predict("bikeshare", &json!([wrong])).code(3).says(&["field `hour`, row 0", "INT64", "noon"]);
    predict("bikeshare", &json!([3])).code(3).says(&["`[0]`: expected an object", "found 3"]);
    predict("bikeshare@7", rows).code(1).says(&["no version `7`"]);
    predict("nobody", rows).code(1).says(&["`nobody` is not known"]);
    predict("bikeshare@", rows).code(2).says(&["not a reference"]);
}

#[test]
fn predict_says_when_a_fallback_answered() {
    let host = Host::start();
    host.publish(&guest("hostile"));
    host.publish(&guest("steady"));
    host.deploy(&["hostile", "--fallback", "steady"]).ok();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rows.json");
    std::fs::write(&file, r#"[{"behaviour":"trap","x":5}]"#).unwrap();
    let ran = host.scry(&["predict", "hostile", "--input", file.to_str().unwrap()]).ok();
    assert_eq!(ran.json(), json!([{ "y": 10.0 }]));
    ran.says(&["steady@1 answered instead of hostile (trap)"]);
}

/// A pipe that nobody reads.
fn broken() -> PipeWriter {
    pipe().unwrap().1
}

fn finish(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn whoever_stops_reading_hears_no_panic_and_the_work_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let component = guest("steady").path.to_str().unwrap().to_owned();
    std::fs::write(dir.path().join("rows.csv"), "behaviour,x\nwell,1\nwell,2\n").unwrap();
    for arguments in [
        &["inspect", &component][..],
        &["inspect", &component, "--json"],
        &["test", &component],
        &["schema", "card"],
        &["profile", "rows.csv"],
        &["transform", &component, "rows.csv", "-o", "out.parquet"],
        &["--help"],
    ] {
        let mut command = scry();
        command.current_dir(&dir).args(arguments);
        let output = finish(command.stdout(broken()).stderr(Stdio::piped()));
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{arguments:?}: {output:?}");
        // Nor is anything lost where the errors go the same way.
        let output = finish(command.stdout(broken()).stderr(broken()));
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
    assert!(dir.path().join("out.parquet").exists() && dir.path().join("reference.json").exists());
    let output = finish(scry().args(["inspect", "none.wasm"]).stdout(broken()).stderr(broken()));
    assert_eq!(output.status.code(), Some(1), "an error stays one");
    // A disk is no reader that has had enough.
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = finish(scry().args(["schema", "card"]).stdout(full).stderr(Stdio::piped()));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("error: stdout: No space left"), "{output:?}");
}

/// A process that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // It may have ended already, which is what the test is about.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_host_whose_log_is_not_read_still_answers() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = scry();
    command.current_dir(&dir).args(["serve", "--data", "data", "--listen", "127.0.0.1:0", "--admin-listen"]);
    command.arg("127.0.0.1:0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(broken());
    let mut host = Ends(command.spawn().unwrap());
    let mut ready = String::new();
    BufReader::new(host.0.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let admin = ready.split_whitespace().find_map(|word| word.strip_prefix("admin=")).unwrap();
    let on_host = |arguments: &[&str]| {
        let mut command = scry();
        command.current_dir(&dir).args(arguments).args(["--admin", admin, "--data", "data"]);
        Ran::of(&mut command)
    };
    // What it logs is written nowhere: publishing, guests that talk, failures.
    on_host(&["publish", guest("hostile").path.to_str().unwrap()]).ok();
    let rows = dir.path().join("rows.json");
    for (behaviour, code) in [("trap", 1), ("trap", 1), ("well", 0)] {
        std::fs::write(&rows, json!([{ "behaviour": behaviour, "x": 1 }]).to_string()).unwrap();
        on_host(&["predict", "hostile", "--input", rows.to_str().unwrap()]).code(code);
    }
    assert_eq!(host.0.try_wait().unwrap(), None, "it ended");
}
