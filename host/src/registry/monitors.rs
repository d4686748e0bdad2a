//! What a picture's versions are watched with: it outlives the picture, as
//! their other records do.

use super::code::Code;
use super::workbench::{ModelRecords, effective, metering};
use crate::config::Config;
use crate::drift::{DriftMonitor, Paired};
use crate::serving::ServedVersion;
use scry_catalog::{Model, Serving, Version};
use std::sync::Arc;

/// Counts a version's rows, where it says what its training data was.
pub(super) fn monitor(name: &str, version: Version, code: &Code, config: &Config) -> Option<Arc<DriftMonitor>> {
    let references = code.references.as_ref()?;
    let percent = config.validation.skew_sample_percent;
    let monitor = DriftMonitor::new(name, version, references, &code.card.schema, percent);
    for why in &monitor.unwatched {
        tracing::warn!(model = %name, version = version.number, %why, "not watched for drift");
    }
    Some(Arc::new(monitor))
}

impl ModelRecords {
    /// The canary and the live version, while there are both.
    pub(super) fn pair_with_canary(
        &mut self,
        model: &Model,
        serving: &Serving,
        config: &Config,
    ) -> Option<Arc<Paired>> {
        let Some(canary) = &serving.canary else {
            self.canary = None;
            return None;
        };
        let metering = metering(&effective(config, serving.limits));
        let code = |number: u32| self.code.get(&(model.versions.get(&number)?.digest, metering));
        let (live, to) = (code(serving.live)?, code(canary.to)?);
        let paired = pair(self.canary.as_ref(), true, (serving.live, canary.to), live, to)?;
        self.canary = Some(paired.clone());
        Some(paired)
    }

    /// The shadow and the live version.
    pub(super) fn pair_with_shadow(&mut self, live: &ServedVersion, shadow: &ServedVersion) -> Option<Arc<Paired>> {
        let code = |target: &ServedVersion| self.code.get(&(target.version.digest, metering(&target.limits)));
        let (ours, theirs) = (code(live)?, code(shadow)?);
        let numbers = (live.version.number, shadow.version.number);
        let paired = pair(self.shadow.as_ref(), false, numbers, ours, theirs)?;
        self.shadow = Some(paired.clone());
        Some(paired)
    }
}

/// The counts of two versions: those so far, where they are of the same two.
fn pair(
    so_far: Option<&Arc<Paired>>,
    is_canary: bool,
    numbers: (u32, u32),
    live: &Code,
    other: &Code,
) -> Option<Arc<Paired>> {
    let references = live.references.as_ref()?;
    let schemas = [&live.card.schema, &other.card.schema];
    let so_far = so_far.filter(|paired| (paired.live, paired.to) == numbers);
    Some(so_far.cloned().unwrap_or_else(|| Arc::new(Paired::new(numbers, references, schemas, is_canary))))
}
