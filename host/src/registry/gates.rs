//! What a version passes before anything of it is served: fetched, verified,
//! compiled, warmed, its golden examples reproduced under its limits, its
//! schema compared with the version that it replaces.
//!
//! Never changes what is served; what it has proved is handed to the commit. A
//! dry run goes the same way with the versions' cards alone.

use super::code::Code;
use super::pace::{Step, step};
use super::prepared::{Passing, Prepared};
use super::workbench::{effective, metering};
use super::{ChangeError, Registry};
use crate::golden::{self, Budget};
use crate::serving::{EffectiveLimits, FallbackError, FallbackLink, correspond};
use scry_card::{Card, Checker};
use scry_catalog::{Catalog, CatalogError, Fallback, Model, Serving, Version, VersionRef, breaking};
use scry_names::Digest;
use scry_os::threads::patiently;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The one gate that depends on what a version replaces.
const SCHEMA: &str = "schema";

impl Registry {
    /// Everything that `after` needs and `before` did not prove. What depends
    /// on `before` is proved again each time; what does not is held.
    pub(super) fn prepare(
        &self,
        before: &Catalog,
        after: &Catalog,
        prepared: &mut Prepared,
    ) -> Result<(), ChangeError> {
        // Of a state that another change has replaced since.
        prepared.gates.retain(|gate| gate.gate != SCHEMA);
        self.check_bound(before, after, prepared)?;
        if let Some((name, digest)) = prepared.also.clone() {
            let model = after.model(&name)?;
            let version = model.resolve(&name, &VersionRef::Digest(digest))?;
            self.prove(&name, model, version, &effective(&self.config, model.limits()), prepared)?;
        }
        let mut changed = after.changed(before);
        // What comes in is a model before it gets a number, even if nothing routes to it.
        for name in &changed {
            let model = after.model(name)?;
            for version in arrivals(before.models.get(name).map(AsRef::as_ref), model, &prepared.arrived) {
                self.prove(name, model, version, &effective(&self.config, model.limits()), prepared)?;
            }
        }
        changed.extend(prepared.model.clone());
        for name in &changed {
            let model = after.model(name)?;
            let was = before.models.get(name).and_then(|model| model.serving.as_ref());
            let is_asked = prepared.model.as_ref() == Some(name);
            if let Some(serving) = model.serving.as_ref().filter(|serving| is_asked || Some(*serving) != was) {
                self.prepare_model(name, model, serving, was, after, prepared)?;
            }
        }
        // A model's limits may ask for other code of versions that only another model's chain leads to.
        let lacking = self.lacking(&self.lock(), before, after, prepared);
        for (name, number) in lacking {
            let model = after.model(&name)?;
            let limits = effective(&self.config, model.limits());
            self.prove(&name, model, model.version(&name, number)?, &limits, prepared)?;
        }
        if prepared.is_dry_run {
            return Ok(());
        }
        self.restore_arrived(after, prepared);
        // Components are stored before anything refers to them.
        Ok(self.store_arrived(prepared)?)
    }

    /// What the gates look at of a version: its card, and its code unless this is a dry run.
    fn examine(
        &self,
        name: &str,
        model: &Model,
        version: Version,
        limits: &EffectiveLimits,
        prepared: &mut Prepared,
    ) -> Result<(Arc<Card>, Option<Code>), ChangeError> {
        if prepared.is_dry_run {
            return Ok((self.card(name, model, version, limits, prepared)?, None));
        }
        let code = self.load(name, model, version, limits, prepared)?;
        Ok((code.card.clone(), Some(code)))
    }

    /// Proves a component that comes in for the other models that have it and
    /// lack its code. The change is not theirs, so a failure does not stop it.
    fn restore_arrived(&self, after: &Catalog, prepared: &mut Prepared) {
        let names = prepared.arrived.keys().flat_map(|digest| after.models.having(*digest));
        let names: BTreeSet<String> = names.cloned().collect();
        let warm = self.warm_of(&names, after, &self.lock().history);
        for (name, model) in names.iter().filter_map(|name| Some((name, after.models.get(name)?))) {
            let limits = effective(&self.config, model.limits());
            for number in warm.get(name).into_iter().flatten() {
                let Ok(version) = model.version(name, *number) else { continue };
                let is_ready = self.lock().bench.is_ready(name, model, &version.digest, &self.config);
                if is_ready || !prepared.arrived.contains_key(&version.digest) {
                    continue;
                }
                if let Err(error) = self.prove(name, model, version, &limits, prepared) {
                    tracing::warn!(model = %name, version = number, %error, "a component that came in again is not available");
                }
            }
        }
    }

    fn prepare_model(
        &self,
        name: &str,
        model: &Model,
        serving: &Serving,
        was: Option<&Serving>,
        after: &Catalog,
        prepared: &mut Prepared,
    ) -> Result<(), ChangeError> {
        let limits = effective(&self.config, serving.limits);
        check_limits(&limits, self.config.limits.memory_max_bytes)?;
        let beside: BTreeSet<u32> = Serving { aliases: [].into(), ..serving.clone() }.routed().collect();
        let routed_before: BTreeSet<u32> = was.into_iter().flat_map(Serving::routed).collect();
        for number in serving.routed().collect::<BTreeSet<_>>() {
            let proved = self.prove(name, model, model.version(name, number)?, &limits, prepared);
            match proved {
                // An alias on something that has been damaged since must not stop everything else.
                Err(error) if !beside.contains(&number) && routed_before.contains(&number) => {
                    tracing::warn!(model = %name, version = number, %error, "an alias leads to nothing");
                }
                proved => proved?,
            }
        }
        if was.is_none_or(|was| was.checks != serving.checks) {
            let card = self.card(name, model, model.version(name, serving.live)?, &limits, prepared)?;
            if let [unknown, ..] = serving.checks.unknown(&card.checks, &card.schema)[..] {
                let message = format!("`{unknown}` is no field and no rule of version {}", serving.live);
                return Err(CatalogError::Checks { model: name.to_owned(), message }.into());
            }
        }
        if let Some(was) = was {
            self.compare_schemas(name, model, serving, was, prepared)?;
        }
        self.check_fallbacks(name, model, serving, was, after, prepared)
    }

    /// Callers of each name must be able to go on as before.
    fn compare_schemas(
        &self,
        name: &str,
        model: &Model,
        serving: &Serving,
        was: &Serving,
        prepared: &mut Prepared,
    ) -> Result<(), ChangeError> {
        let pairs = replaced(was, serving);
        let was_limits = effective(&self.config, was.limits);
        let limits = effective(&self.config, serving.limits);
        for (old, new) in pairs.into_iter().filter(|(old, new)| old != new) {
            step(Step::Compare);
            let (old_version, version) = (model.version(name, old)?, model.version(name, new)?);
            let mut passing = Passing { model: name, version, started: Instant::now() };
            let new_card = self.card(name, model, version, &limits, prepared);
            let new_card = match new_card {
                Err(error) if !prepared.allow_breaking => return Err(error),
                new_card => new_card,
            };
            let old_card = self.card(name, model, old_version, &was_limits, prepared);
            let (old_card, new_card) = match (old_card, new_card) {
                (Ok(old_card), Ok(new_card)) => (old_card, new_card),
                // It answers nothing, and has to be replaced all the more.
                (Err(error), _) | (_, Err(error)) => {
                    passing.passed(&mut prepared.gates, SCHEMA, format!("there is nothing to compare: {error}"));
                    continue;
                }
            };
            let breaking = breaking(&old_card.schema, &new_card.schema);
            if !breaking.is_empty() && !prepared.allow_breaking {
                let (model, replaced) = (name.to_owned(), old);
                return Err(ChangeError::Breaking { model, number: new, replaced, breaking });
            }
            let note = match breaking.len() {
                0 => format!("callers of version {old} can go on"),
                n => format!("{n} breaks for callers of version {old}, allowed"),
            };
            passing.passed(&mut prepared.gates, SCHEMA, note);
        }
        Ok(())
    }

    /// Every fallback must be there and answer in the model's form; so must a shadow.
    fn check_fallbacks(
        &self,
        name: &str,
        model: &Model,
        serving: &Serving,
        was: Option<&Serving>,
        after: &Catalog,
        prepared: &mut Prepared,
    ) -> Result<(), ChangeError> {
        let limits = effective(&self.config, serving.limits);
        let live = self.card(name, model, model.version(name, serving.live)?, &limits, prepared)?;
        for fallback in &serving.fallback {
            let reference = match fallback {
                Fallback::Constant(row) => {
                    FallbackLink::constant(name, &live.schema, row)?;
                    continue;
                }
                Fallback::Model(reference) => reference,
            };
            let version = after.resolve(reference)?;
            let theirs = after.model(&reference.model)?;
            let their_limits = effective(&self.config, theirs.limits());
            let unavailable = |error: ChangeError| FallbackError {
                fallback: format!("`{reference}`"),
                model: name.to_owned(),
                message: error.to_string(),
            };
            let card = match self.examine(&reference.model, theirs, version, &their_limits, prepared) {
                Ok((card, _)) => card,
                // One that has been damaged since must not stop everything else, least of all the way back.
                Err(error) if was.is_some_and(|was| was.fallback.contains(fallback)) => {
                    tracing::warn!(model = %name, fallback = %reference, %error, "a fallback is not available");
                    continue;
                }
                Err(error) => return Err(unavailable(error).into()),
            };
            correspond(name, &live.schema, &reference.model, version, &card.schema)?;
        }
        if let Some(shadow) = &serving.shadow {
            let version = model.version(name, shadow.to)?;
            let card = self.card(name, model, version, &limits, prepared)?;
            correspond(name, &live.schema, name, version, &card.schema)?;
        }
        Ok(())
    }

    /// All gates of one version but the schema's.
    fn prove(
        &self,
        name: &str,
        model: &Model,
        version: Version,
        limits: &EffectiveLimits,
        prepared: &mut Prepared,
    ) -> Result<(), ChangeError> {
        let mut passing = Passing { model: name, version, started: Instant::now() };
        let key = (name.to_owned(), version.digest, *limits);
        if prepared.proved.contains(&key) {
            return Ok(());
        }
        step(Step::Load);
        prepared.tell_fetch(name, version);
        let in_use = (name.to_owned(), version.digest, metering(limits));
        if !prepared.is_dry_run && self.code(in_use, prepared).is_some() {
            passing.passed(&mut prepared.gates, "compile", "in use already");
        }
        let (card, code) = self.examine(name, model, version, limits, prepared)?;
        step(Step::Prove);
        passing.started = Instant::now();
        // The author mends rules that cannot be run, before the version gets calls.
        Checker::new(&card.schema.inputs, &card.checks).map_err(|error| ChangeError::Checks {
            model: name.to_owned(),
            number: version.number,
            message: error.to_string(),
        })?;
        let Some(code) = code else { return Ok(()) };
        if self.lock().bench.is_proved(&key) {
            passing.passed(&mut prepared.gates, "golden", "passed before under these limits");
            prepared.proved.insert(key);
            return Ok(());
        }
        let warm = code.loaded.warm(&limits.of_call());
        warm.map_err(|error| ChangeError::Warm { model: name.to_owned(), number: version.number, error })?;
        passing.passed(&mut prepared.gates, "warm", "an instance starts");
        let (loaded, schema, golden) = (&code.loaded, &card.schema, &code.golden);
        // The publisher waits; callers of other models should not.
        let budget = Budget::new(Duration::from_millis(self.config.catalog.golden_max_ms));
        patiently(|| golden::check_all(loaded, schema, golden, &budget, || limits.of_call()))?;
        let examples = code.golden.examples.len();
        passing.passed(&mut prepared.gates, "golden", format!("{examples} examples under these limits"));
        if limits.batch_max_rows > 1 {
            let rows_max = limits.batch_max_rows;
            patiently(|| golden::check_joined(loaded, schema, golden, rows_max, &budget, || limits.of_call()))?;
            passing.passed(&mut prepared.gates, "batch", "examples answered together are answered as alone");
        }
        patiently(|| golden::learn(loaded, schema, golden, &budget, || limits.of_call()));
        prepared.proved.insert(key);
        Ok(())
    }
}

/// The versions whose numbers and bytes are both new.
fn arrivals(before: Option<&Model>, after: &Model, arrived: &HashMap<Digest, Vec<u8>>) -> Vec<Version> {
    let is_new = |version: &Version| before.is_none_or(|before| !before.versions.contains_key(&version.number));
    after.all().filter(|version| arrived.contains_key(&version.digest) && is_new(version)).collect()
}

/// Which version takes another's callers, the other first: live, canary and
/// moved aliases.
fn replaced(was: &Serving, serving: &Serving) -> BTreeSet<(u32, u32)> {
    let mut pairs = BTreeSet::from([(was.live, serving.live)]);
    pairs.extend(serving.canary.iter().map(|canary| (serving.live, canary.to)));
    let moved = serving.aliases.iter().filter_map(|(alias, to)| Some((*was.aliases.get(alias)?, *to)));
    pairs.extend(moved);
    pairs
}

fn check_limits(limits: &EffectiveLimits, memory_most_bytes: u64) -> Result<(), CatalogError> {
    if limits.memory_max_bytes > memory_most_bytes {
        return Err(CatalogError::Limit {
            key: "memory_max_bytes",
            expected: format!("at most the configured {memory_most_bytes}"),
            found: limits.memory_max_bytes.to_string(),
        });
    }
    if !(1..=86_400_000).contains(&limits.deadline.as_millis()) {
        return Err(CatalogError::Limit {
            key: "deadline_ms",
            expected: "1 to 86400000".into(),
            found: limits.deadline.as_millis().to_string(),
        });
    }
    Ok(())
}
