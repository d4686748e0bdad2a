//! What went wrong: for programs one JSON object, for people the name that was
//! probably meant.

use crate::support::data::run;
use crate::support::{Host, Ran, example, guest, scry};
use serde_json::{Value, json};
use std::process::Command;

/// The error on the last line of stderr.
#[track_caller]
fn error(ran: Ran, code: i32) -> Value {
    let ran = ran.code(code);
    assert_eq!(ran.stdout, "", "an error is no answer");
    let last = ran.stderr.lines().last().unwrap_or_default();
    let said: Value = serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}: {}", ran.stderr));
    let error = said["error"].clone();
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{said}");
    error
}

#[test]
fn an_error_is_an_object_where_json_is_asked_for() {
    let host = Host::start();
    host.publish(&guest("hostile"));
    let refused = error(host.scry(&["deploy", "nobody", "--to", "2", "--json"]), 1);
    assert_eq!(
        (&refused["kind"], &refused["status"], &refused["reason"]),
        (&json!("refused"), &json!(404), &json!(null))
    );
    let dir = tempfile::tempdir().unwrap();
    let rows = dir.path().join("rows.json");
    std::fs::write(&rows, json!([{ "behaviour": "trap", "x": 1 }]).to_string()).unwrap();
    let trapped = error(host.scry(&["predict", "hostile", "--input", rows.to_str().unwrap(), "--json"]), 1);
    assert_eq!(
        (&trapped["kind"], &trapped["status"], &trapped["reason"]),
        (&json!("refused"), &json!(500), &json!("trap"))
    );
    let drift = error(host.scry(&["drift", "nobody", "-o", "json"]), 1);
    assert_eq!(drift["kind"], "refused");

    // Port 1 has no host.
    let mut alone = scry();
    alone.args(["models", "--json"]).env("SCRY_ADMIN_TOKEN", "x").env("SCRY_ADMIN", "http://127.0.0.1:1");
    assert_eq!(error(Ran::of(&mut alone), 1)["kind"], "unreachable");
    assert_eq!(error(run(&dir, &["models", "--nonsense", "--json"]), 2)["kind"], "usage");
    std::fs::write(dir.path().join("scry.toml"), "[limits]\ndeadlin_ms = 5\n").unwrap();
    assert_eq!(error(run(&dir, &["serve", "--config", "scry.toml", "--json"]), 1)["kind"], "configuration");
    std::fs::write(dir.path().join("new.csv"), "x\n").unwrap();
    assert_eq!(error(run(&dir, &["profile", "new.csv", "--json"]), 3)["kind"], "data");
    let table = |shift: usize| (0..500).fold("x\n".to_owned(), |all, at| all + &format!("{}\n", at + shift));
    std::fs::write(dir.path().join("old.csv"), table(0)).unwrap();
    std::fs::write(dir.path().join("new.csv"), table(10_000)).unwrap();
    let compared = run(&dir, &["profile", "--compare", "old.csv", "new.csv", "--fail-on-drift", "--json"]).code(4);
    assert_eq!(compared.json()["verdict"], "drift", "the answer is there all the same");
    let said: Value = serde_json::from_str(compared.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(said["error"]["kind"], "differs");
    // Without it, as people read it.
    run(&dir, &["serve", "--config", "scry.toml"]).code(1).says(&["error: scry.toml", "deadlin_ms"]);
}

#[test]
fn what_was_probably_meant_is_said() {
    let host = Host::start();
    host.publish(&example("bikeshare"));
    host.publish(&guest("steady"));
    host.deploy(&["bikeshare", "--alias", "champion=1"]).ok();
    let dir = tempfile::tempdir().unwrap();
    let rows = dir.path().join("rows.json");
    let rows = rows.to_str().unwrap();
    std::fs::write(rows, json!([{ "huor": 3 }]).to_string()).unwrap();
    for (arguments, meant) in [
        (&["models", "bikeshar"][..], "bikeshare"),
        (&["drift", "staedy"], "steady"),
        (&["history", "Steady"], "steady"),
        (&["withdraw", "steadyy"], "steady"),
        (&["predict", "bikeshrae", "--input", rows], "bikeshare"),
        (&["predict", "bikeshare@chapmion", "--input", rows], "champion"),
        (&["predict", "bikeshare", "--input", rows], "hour"),
        (&["deploy", "bikeshare", "--to", "champoin"], "champion"),
        (&["deploy", "bikeshare", "--check", "rnage=warn"], "range"),
        (&["deploy", "bikeshare", "--check", "range=wran"], "warn"),
        (&["deploy", "bikeshare", "--check", "huor.range=warn"], "hour"),
    ] {
        // A field is the data's, all else the command line's.
        let code = if *arguments == ["predict", "bikeshare", "--input", rows] { 3 } else { 1 };
        host.scry(arguments).code(code).says(&[&format!("did you mean `{meant}`?")]);
    }
    for arguments in [&["models", "nobody"][..], &["predict", "bikeshare@7", "--input", rows]] {
        let ran = host.scry(arguments).code(1);
        assert!(!ran.stderr.contains("did you mean"), "{ran:?}");
    }
    host.scry(&["modles"]).code(2).says(&["'models'"]);
    std::fs::write(dir.path().join("scry.toml"), "[limits]\ndeadlin_ms = 5\n").unwrap();
    run(&dir, &["serve", "--config", "scry.toml"]).code(1).says(&["did you mean `deadline_ms`?"]);
    std::fs::write(dir.path().join("old.csv"), "hour,day\n1,2\n").unwrap();
    let profile = ["profile", "--compare", "old.csv", "old.csv", "--columns", "hours"];
    run(&dir, &profile).code(3).says(&["did you mean `hour`?"]);
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&dir, &["completions", shell]).ok().stdout;
        assert!(script.contains("publish") && script.contains("fail-on-drift"), "{shell}: {script}");
    }
    let script = run(&dir, &["completions", "bash"]).stdout;
    Ran::of(Command::new("bash").args(["-n", "-c", &script])).ok();
    let written = run(&dir, &["man", "pages", "--json"]).ok().json();
    let pages = std::fs::read_dir(dir.path().join("pages")).unwrap().map(|page| page.unwrap().file_name());
    let pages: Vec<_> = pages.map(|name| name.into_string().unwrap()).collect();
    assert_eq!(written["pages"], pages.len());
    let help = run(&dir, &["--help"]).ok().stdout;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands =
        commands.lines().take_while(|line| !line.is_empty()).map(|line| line.split_whitespace().next().unwrap());
    for command in commands.filter(|command| *command != "help") {
        assert!(pages.contains(&format!("scry-{command}.1")), "{command} has no page in {pages:?}");
        let help = run(&dir, &[command, "--help"]).ok().stdout;
        assert!(help.contains("Example"), "{command} has no example in {help}");
    }
    let page = std::fs::read_to_string(dir.path().join("pages/scry-deploy.1")).unwrap();
    assert!(page.contains(".TH scry-deploy 1") && page.contains("canary"), "{page}");
}

#[test]
fn a_number_has_one_form() {
    for args in [&["rollback", "--to", "+5"], &["rollback", "--to", "05"], &["history", "--limit", "+1"]] {
        Ran::of(scry().args(args)).code(2).says(&["expected a whole number"]);
    }
}
