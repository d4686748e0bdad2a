//! What is wrong with a version as a whole: its inputs or its answers drift, its
//! features are not those of the training, or its data is too old.
//!
//! Each look writes it, every request reads it, and neither waits for the other. Never decides what is
//! drift or too old, and never reads a clock.

use crate::drift::{DriftMonitor, FEATURES, OUTPUTS};
use arc_swap::ArcSwapOption;
use scry_card::{Card, CheckKind, Checks, Finding, Invalid, Policy};
use scry_catalog::Freshness;
use std::cmp::Reverse;

/// What is wrong with one version; nothing, most of the time.
#[derive(Debug, Default)]
pub struct Health(ArcSwapOption<Vec<Invalid>>);

impl Health {
    /// Sees how a version stands now.
    pub fn look(&self, card: &Card, drift: Option<&DriftMonitor>, now_ms: u64) {
        let drifts = drift.into_iter().flat_map(drifting);
        let wrong: Vec<_> = drifts.chain(stale(card, now_ms)).collect();
        self.0.store((!wrong.is_empty()).then(|| wrong.into()));
    }

    /// What is wrong, and what follows under these checks; the gravest first.
    pub fn findings(&self, checks: &Checks) -> Vec<Finding> {
        let wrong = self.0.load();
        let Some(wrong) = wrong.as_ref() else { return Vec::new() };
        let finding = |invalid: &Invalid| Finding { policy: policy(checks, invalid), invalid: invalid.clone() };
        let mut findings: Vec<_> = wrong.iter().map(finding).collect();
        findings.sort_by_key(|finding| Reverse(finding.policy));
        findings
    }
}

fn policy(checks: &Checks, invalid: &Invalid) -> Policy {
    match invalid.check {
        CheckKind::Drift if invalid.field == OUTPUTS => checks.outputs.of_drift(),
        check => checks.of_version(check),
    }
}

/// The sides that drift.
fn drifting(monitor: &DriftMonitor) -> impl Iterator<Item = Invalid> {
    monitor.sides().filter_map(|side| {
        let check = if side.name == FEATURES { CheckKind::Skew } else { CheckKind::Drift };
        let alarm = side.standing_alarm()?;
        Some(Invalid::new(check, side.name, "data like that of the training", alarm.names()))
    })
}

fn stale(card: &Card, now_ms: u64) -> Option<Invalid> {
    let (until, age) = (card.data_until.as_ref()?, card.max_age.as_ref()?);
    let is_stale = Freshness::of(card).ok()??.is_stale(now_ms)?;
    is_stale.then(|| Invalid::new(CheckKind::Stale, "data", format!("an end at most {age} ago"), until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The start of 2026 in UTC, and a day.
    const NEW_YEAR_MS: u64 = 1_767_225_600_000;
    const DAY_MS: u64 = 86_400_000;

    fn card(checks: serde_json::Value) -> Card {
        let field = json!([{ "name": "x", "datatype": "FP64" }]);
        let card = json!({
            "card_version": 1, "name": "m", "description": "", "data_until": "2026-01-01", "max_age": "P1D",
            "schema": { "inputs": field, "features": field, "outputs": field }, "checks": checks,
        });
        serde_json::from_value(card).unwrap()
    }

    #[test]
    fn a_version_is_stale_from_the_first_look_after_its_time_on() {
        let (card, standing) = (card(json!({ "policies": { "stale": "fallback" } })), Health::default());
        for (now_ms, is_stale) in [(0, false), (DAY_MS - 1, false), (DAY_MS, true), (DAY_MS * 400, true)] {
            standing.look(&card, None, NEW_YEAR_MS + now_ms);
            let found = standing.findings(&card.checks);
            assert_eq!(found.len(), usize::from(is_stale), "{now_ms}");
            assert!(found.iter().all(|found| found.policy == Policy::Fallback));
        }
        let said: Vec<_> = standing.findings(&card.checks).iter().map(ToString::to_string).collect();
        assert_eq!(said, ["data: expected an end at most P1D ago, found 2026-01-01 (fallback)"]);
        standing.look(&card, None, NEW_YEAR_MS);
        assert!(standing.findings(&card.checks).is_empty(), "the clock was set back");
    }

    #[test]
    fn what_has_no_policy_is_only_reported() {
        let (card, standing) = (card(json!({})), Health::default());
        standing.look(&card, None, NEW_YEAR_MS + DAY_MS);
        assert_eq!(standing.findings(&card.checks).first().map(|found| found.policy), Some(Policy::Report));
    }
}
