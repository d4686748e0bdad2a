//! What a picture's versions are watched with: it outlives the picture, as
//! their other records do.

use super::code::Code;
use super::workbench::{Kind, Workbench, effective, metering};
use crate::config::Config;
use crate::drift::{DriftMonitor, Paired};
use crate::serving::ServedVersion;
use scry_catalog::{Catalog, Serving, Version};
use std::sync::Arc;

impl Workbench {
    /// Counts a version's rows, where it says what its training data was.
    pub(super) fn watch(
        &mut self,
        name: &str,
        version: Version,
        code: &Code,
        config: &Config,
    ) -> Option<Arc<DriftMonitor>> {
        let references = code.references.as_ref()?;
        let watch = self.watches.entry((name.to_owned(), version.number)).or_insert_with(|| {
            let percent = config.validation.skew_sample_percent;
            let watch = DriftMonitor::new(name, version, references, &code.card.schema, percent);
            for why in &watch.unwatched {
                tracing::warn!(model = %name, version = version.number, %why, "not watched for drift");
            }
            Arc::new(watch)
        });
        Some(watch.clone())
    }

    /// The canary and the live version, while there are both.
    pub(super) fn pair_with_canary(
        &mut self,
        catalog: &Catalog,
        name: &str,
        serving: &Serving,
        config: &Config,
    ) -> Option<Arc<Paired>> {
        let Some(canary) = &serving.canary else {
            self.pairs.remove(&(name.to_owned(), Kind::Canary));
            return None;
        };
        let metering = metering(&effective(config, serving.limits));
        let model = catalog.model(name).ok()?;
        let code = |number: u32| self.code.get(&(name.to_owned(), model.version(name, number).ok()?.digest, metering));
        let (live, to) = (code(serving.live)?.clone(), code(canary.to)?.clone());
        self.pair(name, Kind::Canary, (serving.live, canary.to), &live, &to)
    }

    /// The shadow and the live version.
    pub(super) fn pair_with_shadow(
        &mut self,
        name: &str,
        live: &ServedVersion,
        shadow: &ServedVersion,
    ) -> Option<Arc<Paired>> {
        let key = |target: &ServedVersion| (name.to_owned(), target.version.digest, metering(&target.limits));
        let code = |target: &ServedVersion| self.code.get(&key(target)).cloned();
        let (ours, theirs) = (code(live)?, code(shadow)?);
        self.pair(name, Kind::Shadow, (live.version.number, shadow.version.number), &ours, &theirs)
    }

    fn pair(&mut self, name: &str, kind: Kind, numbers: (u32, u32), live: &Code, other: &Code) -> Option<Arc<Paired>> {
        let references = live.references.as_ref()?;
        let schemas = [&live.card.schema, &other.card.schema];
        let begin = || Arc::new(Paired::new(numbers, references, schemas, kind == Kind::Canary));
        let paired = self.pairs.entry((name.to_owned(), kind)).or_insert_with(begin);
        if (paired.live, paired.to) != numbers {
            *paired = begin();
        }
        Some(paired.clone())
    }
}
