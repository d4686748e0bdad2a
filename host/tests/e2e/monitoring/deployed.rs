//! What `deploy/` has is sound, whole, and of this host.

use super::{documented, texts};
use crate::support::{delivered, promtool, root};
use serde_json::Value;
use std::collections::BTreeSet;

/// The names of the alerts, in their order.
pub(super) fn alerts(rules: &str) -> Vec<&str> {
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect()
}

pub(super) fn dashboards() -> [Value; 2] {
    ["overview", "model"].map(|name| serde_json::from_str(&delivered(&format!("grafana/{name}.json"))).unwrap())
}

#[test]
fn promtool_finds_nothing_wrong_with_rules_and_configuration() {
    let dir = root().join("deploy/prometheus");
    promtool(&dir, &["check", "rules", "rules.yml"]).ok();
    promtool(&dir, &["test", "rules", "rules.test.yml"]).ok();
    // The token is not there before an operator makes it.
    promtool(&dir, &["check", "config", "--syntax-only", "prometheus.yml"]).ok();
}

#[test]
fn each_alert_is_tested_both_ways_and_has_a_runbook() {
    let (rules, tests) = (delivered("prometheus/rules.yml"), delivered("prometheus/rules.test.yml"));
    let page = std::fs::read_to_string(root().join("docs/guide/dashboards-and-alerts.md")).unwrap();
    let named = alerts(&rules);
    assert!(named.len() >= 8, "{named:?}");
    for name in named {
        let of_name = tests.split("alertname: ").filter_map(|test| test.strip_prefix(&format!("{name}\n")));
        let [quiet, firing]: [Vec<_>; 2] = [true, false].map(|is_quiet| {
            of_name.clone().filter(|test| test.trim_start().starts_with("exp_alerts: []") == is_quiet).collect()
        });
        assert!(!quiet.is_empty() && !firing.is_empty(), "{name}");
        let runbook = format!("runbook: docs/guide/dashboards-and-alerts.md#{}\n", name.to_lowercase());
        assert_eq!(rules.matches(&runbook).count(), 1, "{name}");
        assert!(page.lines().any(|line| line == format!("### {name}")), "no runbook of {name}");
    }
}

#[test]
fn every_metric_of_rules_and_dashboards_exists() {
    let mut known: BTreeSet<String> = BTreeSet::new();
    for (name, kind) in documented() {
        match kind.as_str() {
            "histogram" => known.extend(["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}"))),
            _ => drop(known.insert(name)),
        }
    }
    let rules = delivered("prometheus/rules.yml");
    let boards = dashboards();
    let of_boards =
        boards.iter().flat_map(|board| ["expr", "query", "definition"].map(|key| texts(board, key).join("\n")));
    let asked: Vec<_> = [rules.clone(), delivered("prometheus/rules.test.yml")].into_iter().chain(of_boards).collect();
    let is_no_name = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':');
    let words: BTreeSet<_> = asked.iter().flat_map(|text| text.split(is_no_name)).collect();
    let of_hosts: Vec<_> =
        words.iter().filter(|word| word.starts_with("scry_") || word.starts_with("process_")).collect();
    assert!(of_hosts.len() > 30, "{of_hosts:?}");
    for name in of_hosts {
        assert!(known.contains(*name), "no host shows {name}");
    }
    for name in words.iter().filter(|word| word.starts_with("scry:")) {
        assert!(rules.contains(&format!("- record: {name}\n")), "no rule records {name}");
    }
}

#[test]
fn dashboards_can_be_imported_as_they_are() {
    let boards = dashboards();
    let uids: BTreeSet<_> = boards.iter().map(|board| board["uid"].as_str().unwrap()).collect();
    for board in &boards {
        let panels = board["panels"].as_array().unwrap();
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len());
        for panel in panels.iter().filter(|panel| panel["type"] != "row") {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
            assert!(panel["title"].as_str().is_some_and(|title| !title.is_empty()), "{panel}");
        }
        for url in texts(&board["links"], "url") {
            let uid = url.strip_prefix("/d/").unwrap().split(['?', '/']).next().unwrap();
            assert!(uids.contains(uid), "{url}");
        }
    }
}
