//! What a picture's versions are watched with: it outlives the picture, as
//! their other records do.

use super::routing::{Code, Workbench, effective, metering};
use crate::config::Config;
use crate::serving::{Beside, Target, Watch};
use scry_catalog::{Catalog, Serving, Version};
use std::sync::Arc;

/// How a version runs beside the live one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Canary,
    Shadow,
}

impl Workbench {
    /// Counts a version's rows, where it says what its training data was.
    pub(super) fn watch(&mut self, name: &str, version: Version, code: &Code, config: &Config) -> Option<Arc<Watch>> {
        let references = code.references.as_ref()?;
        let watch = self.watches.entry((name.to_owned(), version.number)).or_insert_with(|| {
            let percent = config.validation.skew_sample_percent;
            let watch = Watch::new(name, version, references, &code.card.schema, percent);
            for why in &watch.unwatched {
                tracing::warn!(model = %name, version = version.number, %why, "not watched for drift");
            }
            Arc::new(watch)
        });
        Some(watch.clone())
    }

    /// The canary and the live version, while there are both.
    pub(super) fn canary_beside(
        &mut self,
        catalog: &Catalog,
        name: &str,
        serving: &Serving,
        config: &Config,
    ) -> Option<Arc<Beside>> {
        let Some(canary) = &serving.canary else {
            self.besides.remove(&(name.to_owned(), Kind::Canary));
            return None;
        };
        let metering = metering(&effective(config, serving.limits));
        let model = catalog.model(name).ok()?;
        let code = |number: u32| self.code.get(&(name.to_owned(), model.version(name, number).ok()?.digest, metering));
        let (live, to) = (code(serving.live)?.clone(), code(canary.to)?.clone());
        self.beside(name, Kind::Canary, (serving.live, canary.to), &live, &to)
    }

    /// The shadow and the live version.
    pub(super) fn shadow_beside(&mut self, name: &str, live: &Target, shadow: &Target) -> Option<Arc<Beside>> {
        let key = |target: &Target| (name.to_owned(), target.version.digest, metering(&target.limits));
        let code = |target: &Target| self.code.get(&key(target)).cloned();
        let (ours, theirs) = (code(live)?, code(shadow)?);
        self.beside(name, Kind::Shadow, (live.version.number, shadow.version.number), &ours, &theirs)
    }

    fn beside(
        &mut self,
        name: &str,
        kind: Kind,
        numbers: (u32, u32),
        live: &Code,
        other: &Code,
    ) -> Option<Arc<Beside>> {
        let references = live.references.as_ref()?;
        let schemas = [&live.card.schema, &other.card.schema];
        let begin = || Arc::new(Beside::new(numbers, references, schemas, kind == Kind::Canary));
        let beside = self.besides.entry((name.to_owned(), kind)).or_insert_with(begin);
        if (beside.live, beside.to) != numbers {
            *beside = begin();
        }
        Some(beside.clone())
    }
}
