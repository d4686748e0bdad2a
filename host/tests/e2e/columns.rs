//! What people read: short columns, what needs attention first, colors on a
//! terminal alone, and what a change did.

use crate::support::data::{command, spread};
use crate::support::{Host, Ran, features, guest, scry};
use serde_json::json;

/// Characters of a line.
const WIDTH: usize = 100;

fn assert_short(text: &str) {
    let long = text.lines().find(|line| line.chars().count() > WIDTH);
    assert_eq!(long, None, "in {text}");
}

/// A line's words.
fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// A host on which `steady` has a live version, a canary and an idle one.
fn busy() -> Host {
    let host = Host::start();
    host.publish(&guest("steady"));
    host.publish(&features("steady", "triple"));
    host.publish(&features("steady", "fragile"));
    host.publish(&guest("hostile"));
    host
}

#[test]
fn models_are_lines_of_what_requests_reach_and_the_rest_is_wide() {
    let host = busy();
    host.deploy(&["steady", "--alias", "champion=1", "--fallback", r#"constant:{"y":0}"#]).ok();
    host.deploy(&["steady", "--to", "2", "--canary", "12.5"]).ok();
    host.predict("steady", "", 1.0).status(200);
    let shown = host.scry(&["models"]).ok().stdout;
    assert_short(&shown);
    let lines: Vec<_> = shown.lines().map(words).collect();
    assert_eq!(lines[0], ["MODEL", "VERSION", "ROLE", "TRAFFIC", "REQUESTS", "FAILED", "NOTES"], "{shown}");
    assert_eq!(lines[1], ["hostile", "1", "live", "100", "%", "0", "0"], "{shown}");
    assert_eq!(&lines[2][..5], ["steady", "1", "live", "87.5", "%"], "{shown}");
    assert!(shown.contains("@champion; fallback constant"), "{shown}");
    assert_eq!(&lines[3][..5], ["steady", "2", "canary", "12.5", "%"], "{shown}");
    assert!(shown.contains("1 idle version is not shown: `-o wide`"), "{shown}");
    assert!(!shown.contains("ALARM") && !shown.contains("sha256:") && !shown.contains('\u{1b}'), "{shown}");

    let wide = host.scry(&["models", "-o", "wide"]).ok().stdout;
    for guest in [guest("steady"), features("steady", "fragile")] {
        assert!(wide.contains(&guest.digest), "{wide}");
    }
    assert_eq!(host.scry(&["models", "-o", "json"]).ok().json(), host.scry(&["models", "--json"]).ok().json());
    host.scry(&["models", "-o", "narrow"]).code(2).says(&["possible values: wide, json"]);

    // Names as long as they may be.
    let name = "a-model-whose-name-is-as-long-as-the-name-of-any-model-may-be-64";
    host.scry(&["publish", guest("hostile").path.to_str().unwrap(), "--name", name]).ok();
    let constant = format!(r#"constant:{{"y":{}}}"#, "1".repeat(15));
    host.deploy(&[name, "--fallback", "steady", "hostile", &constant, "--alias", "champion=1"]).ok();
    let shown = host.scry(&["models"]).ok().stdout;
    assert_short(&shown);
    assert!(shown.contains("a-model-whose-name-is-a…"), "{shown}");
}

#[test]
fn what_needs_attention_comes_first() {
    let host = busy();
    host.scry(&["circuit", "steady", "--open"]).ok();
    let shown = host.scry(&["models"]).ok().stdout;
    assert_short(&shown);
    let first = shown.lines().next().unwrap();
    assert!(first.starts_with("ALARM  steady@1  circuit forced open"), "{shown}");
    let wide = host.scry(&["models", "-o", "wide"]).ok().stdout;
    assert!(wide.starts_with("ALARM  steady@1  circuit forced open"), "{wide}");
    host.scry(&["circuit", "steady", "--auto"]).ok();
    host.scry(&["withdraw", "hostile"]).ok();
    let shown = host.scry(&["models", "hostile"]).ok().stdout;
    assert_eq!(words(shown.lines().nth(1).unwrap()), ["hostile", "-", "withdrawn"], "{shown}");
}

#[test]
fn a_comparison_lists_a_line_a_column_and_what_drifts_first() {
    let dir = tempfile::tempdir().unwrap();
    let long = "a_column_whose_name_is_longer_than_any_column_of_a_table_that_people_read";
    let table = |shift: f64| {
        let line = |row: usize| format!("{},{},{}\n", spread(row), spread(row + 7), spread(row) + shift);
        format!("a,b,{long}\n{}", (0..1_000).map(line).collect::<String>())
    };
    std::fs::write(dir.path().join("old.csv"), table(0.0)).unwrap();
    std::fs::write(dir.path().join("new.csv"), table(1.0)).unwrap();
    let compare = |more: &[&str]| {
        let mut command = command(&dir, &["profile", "--compare", "old.csv", "new.csv"]);
        Ran::of(command.args(more))
    };
    let shown = compare(&[]).ok().stdout;
    assert_short(&shown);
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines[0], "drift: 1 of 3 columns drift");
    let head = lines.iter().position(|line| line.starts_with("COLUMN")).unwrap();
    assert_eq!(words(lines[head]), ["COLUMN", "VERDICT", "STATISTIC", "VALUE", "LIMIT", "MISSING"]);
    assert!(lines[head + 1].starts_with("a_column_whose_name") && lines[head + 1].contains("drift"), "{shown}");
    assert_eq!((words(lines[head + 2])[..2].to_vec(), words(lines[head + 3])[0]), (vec!["a", "ok"], "b"), "{shown}");
    let wide = compare(&["-o", "wide"]).ok().stdout;
    let at = |what: &str| wide.find(what).unwrap_or_else(|| panic!("no {what:?} in {wide}"));
    assert!(at(&format!("\n{long}: drift")) < at("\na: ok") && wide.contains("js_distance"), "{wide}");
    assert_eq!(compare(&["-o", "json"]).ok().json(), compare(&["--json"]).ok().json());
    compare(&["-o", "report.json"]).code(2).says(&["`-o report.json`", "expected wide or json"]);
    assert!(!dir.path().join("report.json").exists());
}

#[test]
fn a_change_says_what_it_did_to_canary_shadow_and_fallback() {
    let host = busy();
    let lines = |ran: Ran| -> Vec<String> {
        let told = ran.ok().stdout;
        told.lines().filter(|line| line.contains(" -> ")).map(|line| line.trim().to_owned()).collect()
    };
    let deploy = |args: &[&str]| lines(host.deploy(&[&["steady"], args].concat()));
    assert_eq!(
        deploy(&["--to", "2", "--canary", "10,50", "--fallback", "hostile"]),
        ["canary: none -> version 2 on 10 % (step 1 of 2)", "fallback: none -> hostile"]
    );
    assert_eq!(deploy(&["--deadline-ms", "9000"]), [""; 0]);
    assert_eq!(
        deploy(&["--promote"]),
        ["live: version 1 -> version 2", "canary: version 2 on 10 % (step 1 of 2) -> none"]
    );
    assert_eq!(deploy(&["--shadow", "3:20"]), ["shadow: none -> version 3 on 20 %"]);
    assert_eq!(
        deploy(&["--no-fallback", "--no-shadow"]),
        ["shadow: version 3 on 20 % -> none", "fallback: hostile -> none"]
    );
    let number = host.admin_get("/v1/state").json()["number"].as_u64().unwrap();
    let back = lines(host.scry(&["rollback", "steady"]));
    assert!(back.contains(&"fallback: none -> hostile".to_owned()), "{back:?}");
    // All models, each by its name.
    let all = lines(host.scry(&["rollback", "--to", &number.to_string()]));
    assert!(all.contains(&"steady fallback: hostile -> none".to_owned()), "{all:?}");
}

fn on_terminal(host: &Host, arguments: &[&str], set: &[(&str, &str)]) -> String {
    let mut command = scry();
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    // Some libraries take every terminal for one with colors where `CI` is set.
    command.env("CI", "true").env("TERM", "xterm-256color");
    command.env("SCRY_ADMIN", &host.admin).env("SCRY_ADMIN_TOKEN", host.token());
    command.args(arguments).envs(set.iter().copied());
    Ran::on_terminal(command).stdout
}

#[test]
fn colors_are_for_terminals_and_switch_themselves_off() {
    let host = busy();
    host.scry(&["circuit", "steady", "--open"]).ok();
    let colored = on_terminal(&host, &["models"], &[]);
    assert!(colored.contains("\u{1b}[1m\u{1b}[31mALARM\u{1b}[0m"), "{colored:?}");
    let failed = on_terminal(&host, &["models", "nobody"], &[]);
    assert!(failed.contains("\u{1b}[1m\u{1b}[31merror:\u{1b}[0m model `nobody`"), "{failed:?}");
    // A second host in the same folder warns, and ends.
    let second = format!("serve --listen 127.0.0.1:0 --data {}", host.data().display());
    let logged = on_terminal(&host, &second.split(' ').collect::<Vec<_>>(), &[]);
    assert!(logged.contains("\u{1b}[33m WARN\u{1b}[0m"), "{logged:?}");
    // A spinner clears its line; that is no color, and a dumb terminal cannot even do that.
    for (set, nothing_of) in [(("NO_COLOR", "1"), ["\u{1b}[1m", "\u{1b}[3"]), (("TERM", "dumb"), ["\u{1b}"; 2])] {
        for arguments in ["models", "drift steady", "publish none.wasm", "deploy steady --alias champion=1", &second] {
            let plain = on_terminal(&host, &arguments.split(' ').collect::<Vec<_>>(), &[set]);
            let is_plain = nothing_of.iter().all(|code| !plain.contains(code));
            assert!(!plain.is_empty() && is_plain, "{set:?} {arguments}: {plain:?}");
        }
    }
    let steady = guest("steady").path.clone();
    let watched = on_terminal(&host, &["publish", steady.to_str().unwrap(), "--name", "again"], &[]);
    assert!(watched.contains("the host verifies, compiles and tries it") && watched.contains("again@1"), "{watched:?}");
    assert!(!host.scry(&["models"]).ok().stdout.contains('\u{1b}'), "a pipe is no terminal");
    // What a host says does not steer one.
    assert_eq!(json!(colored.matches("\u{1b}[2J").count()), json!(0));
}
