//! What checks have found, as JSON and as a page for people. Never decides.

use crate::serving::{FindingsReport, Routes};
use scry_card::{Checks, Finding};
use serde::Serialize;
use std::fmt;

/// The checks of one model's versions, and what they found.
#[derive(Debug, Serialize)]
pub(in crate::server) struct ShownValidation {
    model: String,
    /// The versions that are ready.
    versions: Vec<ShownChecks>,
}

#[derive(Debug, Serialize)]
struct ShownChecks {
    version: u32,
    /// The card's checks, with the operator's on top.
    checks: Checks,
    /// What is wrong with the version as a whole right now, and what follows.
    standing: Vec<Finding>,
    /// Since the version was loaded.
    found: FindingsReport,
}

pub(in crate::server) fn of(routes: &Routes, name: &str) -> ShownValidation {
    let served = routes.models.get(name);
    let ready = served.into_iter().flat_map(|served| &served.versions).filter_map(|(version, target)| {
        let validation = &target.as_ref().ok()?.validation;
        let (checks, found) = (validation.checks.clone(), validation.found.report());
        Some(ShownChecks { version: *version, standing: validation.health.findings(&checks), checks, found })
    });
    ShownValidation { model: name.to_owned(), versions: ready.collect() }
}

impl fmt::Display for ShownValidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.versions.is_empty() {
            writeln!(f, "{}: no version is ready", self.model)?;
        }
        for version in &self.versions {
            let found = &version.found;
            let requests: Vec<_> = found.requests.iter().map(|(name, count)| format!("{count} {name}")).collect();
            writeln!(
                f,
                "{}@{}: {} rows checked; requests: {}",
                self.model,
                version.version,
                found.rows,
                requests.join(", ")
            )?;
            for finding in &version.standing {
                writeln!(f, "  now    {finding}")?;
            }
            for (side, checks) in [("input", &found.inputs), ("output", &found.outputs), ("whole", &found.version)] {
                for check in checks {
                    let (name, findings, policy) = (check.check.name(), check.findings, check.policy);
                    writeln!(f, "  {side:<7}{:<24} {name:<14}{findings:>10}  {policy}", check.field)?;
                }
            }
            if found.elsewhere > 0 {
                writeln!(f, "  and {} findings in further fields", found.elsewhere)?;
            }
            for finding in &found.last {
                writeln!(f, "  last   {finding}")?;
            }
        }
        Ok(())
    }
}
