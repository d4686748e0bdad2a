//! Canaries as they run: what each side has shown since, and what follows.
//!
//! Looks, asks the canary's own pure rules, and makes the change that they
//! name. Never decides by itself.

use super::prepared::Prepared;
use super::{ChangeError, Entry, Registry, again_and_again};
use crate::serving::Served;
use crate::telemetry::unix_ms;
use scry_catalog::{Canary, Evidence, Verdict};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

/// How often canaries are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Where the counting of a canary's requests began.
#[derive(Debug)]
pub(super) struct Baseline {
    live_number: u32,
    canary: Canary,
    /// The live version when the canary began.
    live: Evidence,
    /// The canary when its step began.
    step: Evidence,
}

/// How a canary stands, for people.
#[derive(Debug, Clone, Serialize)]
pub struct Rollout {
    /// What the host makes of it.
    pub status: String,
    /// Requests to the canary in this step.
    pub requests: u64,
    /// Requests to the canary that failed.
    pub errors: u64,
    /// Requests to the live version since the canary began.
    pub live_requests: u64,
    /// Requests to the live version that failed.
    pub live_errors: u64,
}

impl Registry {
    /// How a model's canary stands.
    pub fn rollout(&self, served: &Served) -> Option<Rollout> {
        let canary = served.serving.canary.as_ref()?;
        let (live, step) = self.evidence(served, canary);
        let status = match canary.judge(unix_ms(), &live, &step) {
            Verdict::Hold(why) => why,
            Verdict::Advance => "advances".into(),
            Verdict::Promote => "goes live".into(),
            Verdict::RollBack(why) => format!("goes back: {why}"),
        };
        let (live_requests, live_errors) = (live.requests, live.errors);
        Some(Rollout { status, requests: step.requests, errors: step.errors, live_requests, live_errors })
    }

    /// What the live version has shown since the canary began, and the canary
    /// since its step began.
    fn evidence(&self, served: &Served, canary: &Canary) -> (Evidence, Evidence) {
        let of = |number: u32| match served.target(number) {
            Ok(target) => Evidence { is_open: target.circuit.is_open(), ..target.stats.evidence() },
            Err(_) => Evidence::default(),
        };
        let (live, tried) = (of(served.serving.live), of(canary.to));
        let mut baselines = self.baselines();
        let begin = || Baseline {
            live_number: served.serving.live,
            canary: canary.clone(),
            live: live.clone(),
            step: tried.clone(),
        };
        let baseline = baselines.entry(served.name.clone()).or_insert_with(begin);
        let (was, number) = (&baseline.canary, baseline.live_number);
        let moved = (was.step, was.since_ms) != (canary.step, canary.since_ms);
        let is_other = number != served.serving.live || was.to != canary.to || was.steps != canary.steps;
        if is_other || (moved && canary.step == 0) {
            *baseline = begin();
        } else if moved {
            baseline.canary.clone_from(canary);
            baseline.step.clone_from(&tried);
        }
        (since(&live, &baseline.live), since(&tried, &baseline.step))
    }

    fn baselines(&self) -> MutexGuard<'_, HashMap<String, Baseline>> {
        self.rollouts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One look at every canary.
    fn look_at_canaries(&self) {
        let routes = self.routes.load_full();
        let with_canary: Vec<&Arc<Served>> = routes.served().filter(|served| served.serving.canary.is_some()).collect();
        self.baselines().retain(|name, _| with_canary.iter().any(|served| served.name == *name));
        for served in with_canary {
            let Some(canary) = &served.serving.canary else { continue };
            let (live, step) = self.evidence(served, canary);
            let verdict = canary.judge(unix_ms(), &live, &step);
            if let Err(error) = self.follow(&served.name, canary, verdict) {
                tracing::error!(model = %served.name, %error, "the canary's next step failed");
            }
        }
    }

    /// Makes the change that a verdict names, if the canary is still that one.
    fn follow(&self, name: &str, canary: &Canary, verdict: Verdict) -> Result<(), ChangeError> {
        let (share, to) = (canary.percent(), canary.to);
        let what = match &verdict {
            Verdict::Hold(_) => return Ok(()),
            Verdict::Advance => {
                let next = canary.steps.get(canary.step + 1).map_or(100.0, |step| step.percent);
                format!("canary {name}@{to} goes from {share} % to {next} %")
            }
            Verdict::Promote => format!("canary {name}@{to} goes live"),
            Verdict::RollBack(why) => format!("canary {name}@{to} rolled back: {why}"),
        };
        let mut prepared = Prepared { allow_breaking: true, ..Prepared::default() };
        let committed = self.change(&mut prepared, |before| {
            let entry = Entry::new("scry", what.clone());
            let serving = before.serving(name)?;
            if serving.canary.as_ref() != Some(canary) {
                // An operator was faster: nothing to do.
                return Ok((before.clone(), entry));
            }
            let next = match verdict {
                Verdict::RollBack(_) => before.serve(name, serving.without_canary())?,
                _ => before.advance(name, unix_ms())?,
            };
            Ok((next, entry))
        })?;
        if let Verdict::RollBack(why) = verdict
            && committed.is_changed
        {
            tracing::warn!(model = %name, version = to, %why, "a canary was rolled back");
            self.metrics.canary_rolled_back(name);
        }
        Ok(())
    }
}

/// What was shown after an earlier look.
fn since(now: &Evidence, earlier: &Evidence) -> Evidence {
    Evidence {
        requests: now.requests.saturating_sub(earlier.requests),
        errors: now.errors.saturating_sub(earlier.errors),
        latency: now.latency.minus(&earlier.latency),
        is_open: now.is_open,
    }
}

/// Looks at the canaries until the host ends.
pub async fn watch_rollouts(registry: Arc<Registry>) {
    again_and_again(LOOK, registry, "looking at the canaries", Registry::look_at_canaries).await;
}
