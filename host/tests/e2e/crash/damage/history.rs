//! The history damaged: every other line is kept, and no state is made up.

use super::super::folder::{config, copied, files};
use super::super::picture::Picture;
use super::{Damage, after_each, is_mended, is_told_until_it_is_removed, sound};
use crate::support::Host;
use serde_json::{Value, json};
use std::path::Path;

/// The numbers of the changes whose lines a damage leaves, oldest first.
fn left_of_history(damage: Damage) -> Vec<u64> {
    let bytes = std::fs::read(sound().dir.path().join("data/history.log")).unwrap();
    let (mut left, mut end) = (Vec::new(), 0);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let begin = end;
        end += line.len();
        let is_last = end == bytes.len();
        let is_lost = match damage {
            // A line break between two lines can be told from what is around it.
            Damage::Flip(at, _) => (begin..end).contains(&at) && (at + 1 < end || is_last),
            Damage::Cut(left) => end > left,
            Damage::Longer => false,
            Damage::Gone => true,
        };
        let record: Value = serde_json::from_slice(&line[33..]).unwrap();
        if let Some(number) = record["change"]["number"].as_u64().filter(|_| !is_lost) {
            left.push(number);
        }
    }
    left
}

#[test]
fn without_a_line_of_its_history_a_host_serves_what_the_checkpoint_tells() {
    after_each(
        |path| path == Path::new("history.log"),
        |host, _, damage| {
            let (found, old) = (Picture::of(&host), &sound().picture);
            assert_eq!((found.number, &found.models), (old.number, &old.models));
            // Every other line is there, and says what it said.
            let (left, of_old) = (left_of_history(damage), |change: &Value| change["number"].as_u64().unwrap());
            let kept = |change: &&Value| left.contains(&of_old(change));
            let said = |change: &Value| (of_old(change), change["what"].clone(), change["by"].clone());
            let expected: Vec<_> = old.history.as_array().unwrap().iter().filter(kept).map(said).collect();
            let history: Vec<_> = found.history.as_array().unwrap().iter().map(said).collect();
            assert_eq!(history, expected);
            let told = host.admin_get("/v1/state").json()["damage"].to_string();
            let is_whole = matches!(damage, Damage::Longer);
            assert_eq!(told == "[]", is_whole, "{told}");
            assert!(is_whole || told.contains("history"), "{told}");
            // The file as it was found is kept, where there was one.
            let kept: Vec<_> =
                files(&host.data()).into_iter().filter(|(path, _)| path.starts_with("quarantine")).collect();
            let mut bytes = vec![std::fs::read(sound().dir.path().join("data/history.log")).unwrap()];
            damage.of(&mut bytes);
            bytes.retain(|bytes| !is_whole && !bytes.is_empty());
            assert_eq!(kept.iter().map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>(), bytes);
            is_mended(host, &found, !kept.is_empty());
        },
    );
}

#[test]
fn a_history_that_is_one_change_older_than_its_checkpoint_loses_nothing() {
    let (dir, old) = (copied(sound().dir.path()), &sound().picture);
    let log = dir.path().join("data/history.log");
    let whole = std::fs::read(&log).unwrap();
    let last = 1 + whole[..whole.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap();
    std::fs::write(&log, &whole[..last]).unwrap();
    let host = Host::begin(dir, &config(), "").unwrap();
    let found = Picture::of(&host);
    assert_eq!((found.number, &found.models), (old.number, &old.models));
    let [newest, rest @ ..] = &old.history.as_array().unwrap()[..] else { panic!("{}", old.history) };
    assert_eq!(found.history.as_array().unwrap(), rest, "all changes but the one that is lost");
    let told = host.admin_get("/v1/state").json()["damage"].to_string();
    let number = newest["number"].as_u64().unwrap();
    assert!(told.contains(&format!("lacks changes {number} to {number}")), "{told}");
    // The states before it come back by their numbers, as ever.
    let back = |to: u64| host.admin_post("/v1/rollback", json!({ "to": to }).to_string().as_bytes()).status(200);
    back(number - 1);
    back(number);
    let now = Picture::of(&host);
    assert_eq!((now.number, &now.models), (number + 2, &old.models));
    let history = host.admin_get("/v1/history").json();
    let lost: Vec<&Value> =
        history["changes"].as_array().unwrap().iter().filter_map(|change| change.get("lost")).collect();
    assert_eq!(lost, [&json!([[number, number]])], "{history}");
    is_told_until_it_is_removed(host, true);
}

#[test]
fn a_state_that_a_lost_change_had_a_part_in_is_not_made_up() {
    let (dir, old) = (copied(sound().dir.path()), &sound().picture);
    let log = dir.path().join("data/history.log");
    let bytes = std::fs::read(&log).unwrap();
    let third = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0 + 40;
    Damage::Flip(third, 2).to(&log);
    let host = Host::begin(dir, &config(), "").unwrap();
    let back = |path: &str, to: u64| host.try_admin("POST", path, json!({ "to": to }).to_string().as_bytes()).unwrap();
    for lost in 3..old.number {
        back("/v1/rollback", lost).error(410, &[&format!("state {lost} cannot be brought back"), "changes 3 to 3"]);
    }
    assert_eq!(Picture::of(&host).models, old.models);
    let shown = host.scry(&["history", "--limit", "100"]).ok().stdout;
    assert!(shown.contains("changes 3 to 3 before it are lost to damage"), "{shown}");
    // Of a model that a later change rerouted it is known how it was served.
    back("/v1/models/gone/rollback", old.number - 2).status(200);
    assert_eq!(host.admin_get("/v1/models/gone").json()["live"], 1);
    back("/v1/rollback", 2).status(200);
    assert_eq!(host.admin_get("/v1/models/steady").json()["live"], 1);
}
