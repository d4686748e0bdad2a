//! Every change that an operator, or the host itself, can make to a catalog.
//!
//! Each takes the catalog as it is and gives the next one. Never checks what
//! only a component's bytes can tell; that is the registry's gate.

use super::reference::is_alias;
use super::rollout::{Bounds, Canary, Shadow, Step};
use super::{
    Bound, Catalog, CatalogError, Fallback, LimitsPatch, Model, Reference, Serving, Version, VersionRef, shortened,
};
use scry_card::ChecksPatch;
use scry_names::{Digest, OciReference};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What `deploy` changes; what is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deployment {
    /// The version to make live, or, with `canary`, to try.
    pub to: Option<VersionRef>,
    /// Shares that `to`, or the canary that runs, takes one after the other.
    pub canary: Option<Vec<Step>>,
    /// When the host takes the canary back by itself.
    pub bounds: Option<Bounds>,
    /// The canary goes live.
    pub promote: bool,
    /// The canary ends.
    pub no_canary: bool,
    /// A version to run beside the live one.
    pub shadow: Option<ShadowRequest>,
    /// The shadow ends.
    pub no_shadow: bool,
    /// The whole new fallback chain.
    pub fallback: Option<Vec<Fallback>>,
    /// Limits to change.
    pub limits: LimitsPatch,
    /// Checks that replace the deployment's own; none keeps those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<ChecksPatch>,
    /// Aliases to set, each on a version.
    pub aliases: BTreeMap<String, VersionRef>,
    /// Aliases to remove.
    pub no_aliases: Vec<String>,
    /// Whether callers may be broken by the new version's schema.
    pub allow_breaking: bool,
}

/// A shadow to begin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowRequest {
    /// Which version.
    pub to: VersionRef,
    /// On which share of the requests, in percent.
    #[serde(default = "all")]
    pub percent: f64,
}

fn all() -> f64 {
    100.0
}

impl Deployment {
    /// What it changes besides the version, as people would type it.
    pub fn told(&self) -> String {
        let mut told = String::new();
        let mut say = |word: String| {
            told.push(' ');
            told.push_str(&word);
        };
        if let Some(steps) = &self.canary {
            let step = |step: &Step| match step.hold_s {
                Some(hold_s) => format!("{}:{hold_s}s", step.percent),
                None => step.percent.to_string(),
            };
            say(format!("--canary {}", steps.iter().map(step).collect::<Vec<_>>().join(",")));
        }
        if let Some(shadow) = &self.shadow {
            say(format!("--shadow {}:{}", shadow.to, shadow.percent));
        }
        self.aliases.iter().for_each(|(alias, to)| say(format!("--alias {}={to}", shortened(alias))));
        self.no_aliases.iter().for_each(|alias| say(format!("--no-alias {}", shortened(alias))));
        let words = [
            (self.promote, "--promote"),
            (self.no_canary, "--no-canary"),
            (self.no_shadow, "--no-shadow"),
            (self.bounds.is_some(), "(bounds)"),
            (self.fallback.is_some(), "(fallback)"),
            (!self.limits.is_empty(), "(limits)"),
            (self.checks.is_some(), "(checks)"),
            (self.allow_breaking, "--allow-breaking"),
        ];
        words.into_iter().filter(|(said, _)| *said).for_each(|(_, word)| say(word.into()));
        told
    }
}

const FALLBACK_MAX: usize = 4;
const ALIASES_MAX: usize = 32;

impl Catalog {
    /// Gives a digest its number: the one it has, or the next. A model's first
    /// version goes live.
    pub fn publish(
        &self,
        name: &str,
        digest: Digest,
        from: Option<OciReference>,
    ) -> Result<(Self, Version), CatalogError> {
        let mut next = self.clone();
        let number = next.models.update(name, |model| {
            let number = match model.number_of(&digest) {
                Some(version) => version.number,
                None => model.versions.last_key_value().map_or(1, |(last, _)| last.saturating_add(1)),
            };
            // One that was withdrawn stays so when it is published again.
            let is_first = model.versions.is_empty();
            model.bind(name, number, &Bound { digest, from })?;
            if is_first {
                model.serving = Some(Serving::of(number));
            }
            Ok(number)
        })?;
        Ok((next, Version { number, digest }))
    }

    /// Changes what is live, what is tried, what stands in, and within which limits.
    pub fn deploy(&self, name: &str, change: &Deployment, now_ms: u64) -> Result<Self, CatalogError> {
        let before = self.model(name)?;
        let mut serving = match (&before.serving, &change.to, &change.canary) {
            (Some(serving), ..) => serving.clone(),
            (None, Some(to), None) => Serving::of(before.resolve(name, to)?.number),
            (None, ..) => return Err(CatalogError::Withdrawn(name.to_owned())),
        };
        route(name, before, &mut serving, change, now_ms)?;
        shadow(name, before, &mut serving, change)?;
        for (alias, version) in &change.aliases {
            if !is_alias(alias) {
                return Err(CatalogError::Alias(shortened(alias)));
            }
            serving.aliases.insert(alias.clone(), before.resolve(name, version)?.number);
        }
        for alias in &change.no_aliases {
            if serving.aliases.remove(alias).is_none() {
                return Err(wrong(name, format!("there is no alias `{}` to remove", shortened(alias))));
            }
        }
        if let Some(fallback) = &change.fallback {
            serving.fallback.clone_from(fallback);
        }
        serving.limits = change.limits.over(serving.limits);
        if let Some(checks) = &change.checks {
            serving.checks.clone_from(checks);
        }
        let next = self.serve(name, serving)?;
        next.check_own_fallbacks(self)?;
        Ok(next)
    }

    /// Sets how a model is served, as a whole.
    pub fn serve(&self, name: &str, serving: Serving) -> Result<Self, CatalogError> {
        let mut next = self.clone();
        next.set_serving(name, serving)?;
        next.check_all_fallbacks()?;
        Ok(next)
    }

    /// Sets how a model is served, while chains may still name what comes later.
    pub(super) fn set_serving(&mut self, name: &str, serving: Serving) -> Result<(), CatalogError> {
        let model = self.model(name)?;
        for number in serving.routed() {
            model.version(name, number)?;
        }
        if serving.aliases.len() > ALIASES_MAX {
            return Err(CatalogError::Full(format!("`{name}` has its most aliases, {ALIASES_MAX}")));
        }
        if let Some(alias) = serving.aliases.keys().find(|alias| !is_alias(alias)) {
            return Err(CatalogError::Alias(shortened(alias)));
        }
        serving
            .checks
            .validate()
            .map_err(|error| CatalogError::Checks { model: name.to_owned(), message: error.to_string() })?;
        if let Some(canary) = &serving.canary {
            canary.validate().map_err(|message| wrong(name, format!("canary: {message}")))?;
            if canary.to == serving.live {
                return Err(wrong(name, format!("version {} is live: it cannot be its own canary", canary.to)));
            }
        }
        if let Some(shadow) = &serving.shadow {
            shadow.validate().map_err(|message| wrong(name, format!("shadow: {message}")))?;
            if shadow.to == serving.live {
                return Err(wrong(name, format!("version {} is live: it cannot be its own shadow", shadow.to)));
            }
        }
        self.models.update(name, |model| model.serving = Some(serving));
        Ok(())
    }

    /// Stops serving a model; its versions stay.
    pub fn withdraw(&self, name: &str) -> Result<Self, CatalogError> {
        self.serving(name)?;
        let mut next = self.clone();
        next.models.update(name, |model| model.serving = None);
        next.check_all_fallbacks()?;
        Ok(next)
    }

    /// The canary's next step, or its end as the live version.
    pub fn advance(&self, name: &str, now_ms: u64) -> Result<Self, CatalogError> {
        let serving = self.serving(name)?;
        match serving.canary.as_ref().and_then(|canary| canary.advanced(now_ms)) {
            Some(canary) => self.serve(name, Serving { canary: Some(canary), ..serving.clone() }),
            None => self.deploy(name, &Deployment { promote: true, ..Deployment::default() }, now_ms),
        }
    }

    /// Binds a number to bytes, unless it means others already.
    pub(super) fn bind(&mut self, name: &str, number: u32, bound: &Bound) -> Result<(), CatalogError> {
        self.models.update(name, |model| model.bind(name, number, bound))
    }

    /// Refuses more than `models_max` models, unless `before` has as many.
    pub fn check_room(&self, before: &Self, models_max: usize) -> Result<(), CatalogError> {
        if self.models.len() <= models_max.max(before.models.len()) {
            return Ok(());
        }
        let found = self.models.len();
        Err(CatalogError::Full(format!(
            "the host holds at most {models_max} models, and this would make {found}: raise `catalog.models_max`"
        )))
    }

    /// Every chain of every model that is served.
    pub(super) fn check_all_fallbacks(&self) -> Result<(), CatalogError> {
        let served = self.models.iter().filter_map(|(name, model)| Some((name, model.serving.as_ref()?)));
        served.into_iter().try_for_each(|(name, serving)| self.check_fallback(name, &serving.fallback))
    }

    /// A version that fails would only fail again as its own fallback. A chain
    /// that is so already stays: an earlier host may have taken it, and it must
    /// not stop other changes.
    pub(super) fn check_own_fallbacks(&self, before: &Self) -> Result<(), CatalogError> {
        for name in self.models.keys() {
            let own = self.own_fallback(name);
            let Some((number, link)) = own.filter(|own| before.own_fallback(name) != Some(*own)) else { continue };
            let message = format!("version {number} would be its own fallback, by `{link}`");
            return Err(CatalogError::Fallback { model: name.clone(), message });
        }
        Ok(())
    }

    /// Which version of a model its own chain leads back to, and by which link.
    fn own_fallback(&self, name: &str) -> Option<(u32, &Reference)> {
        let model = self.models.get(name)?;
        let serving = model.serving.as_ref().filter(|serving| !serving.fallback.is_empty())?;
        let canary = serving.canary.as_ref().map(|canary| canary.to);
        [Some(serving.live), canary].into_iter().flatten().find_map(|number| {
            let own = model.at(number)?;
            // The same component under another model's name may have other limits.
            let is_same = |link: &&Reference| link.model == name && self.resolve(link).is_ok_and(|found| found == own);
            serving.fallback_models().find(is_same).map(|link| (number, link))
        })
    }

    fn check_fallback(&self, name: &str, fallback: &[Fallback]) -> Result<(), CatalogError> {
        let wrong = |message: String| Err(CatalogError::Fallback { model: name.to_owned(), message });
        if fallback.len() > FALLBACK_MAX {
            return wrong(format!("at most {FALLBACK_MAX} links, found {}", fallback.len()));
        }
        for (i, link) in fallback.iter().enumerate() {
            match link {
                Fallback::Model(reference) => {
                    if let Err(error) = self.resolve(reference) {
                        return wrong(error.to_string());
                    }
                    if reference.model == name && reference.version.is_none() {
                        return wrong("a model cannot be its own fallback; name a version, as in `model@1`".into());
                    }
                }
                Fallback::Constant(_) if i + 1 < fallback.len() => {
                    return wrong("a constant always answers: it can only be the last link".into());
                }
                Fallback::Constant(_) => {}
            }
        }
        Ok(())
    }
}

impl Model {
    fn bind(&mut self, name: &str, number: u32, bound: &Bound) -> Result<(), CatalogError> {
        if number == 0 {
            return Err(wrong(name, "versions are counted from 1".into()));
        }
        if let Some(there) = self.versions.get_mut(&number) {
            if there.digest != bound.digest {
                let (bound, wanted) = (there.digest, bound.digest);
                return Err(CatalogError::Bound { model: name.to_owned(), number, bound, wanted });
            }
            // Where it can be fetched may become known later; what it is, never.
            there.from = bound.from.clone().or(there.from.take());
            return Ok(());
        }
        if let Some(other) = self.number_of(&bound.digest) {
            return Err(wrong(name, format!("{} is version {} already", bound.digest, other.number)));
        }
        if self.versions.len() >= Catalog::VERSIONS_MAX {
            return Err(CatalogError::Full(format!("`{name}` has its most versions, {}", Catalog::VERSIONS_MAX)));
        }
        self.versions.insert(number, bound.clone());
        Ok(())
    }
}

fn wrong(name: &str, message: String) -> CatalogError {
    CatalogError::Deployment { model: name.to_owned(), message }
}

/// Which version is live, and which takes a share.
fn route(
    name: &str,
    model: &Model,
    serving: &mut Serving,
    change: &Deployment,
    now_ms: u64,
) -> Result<(), CatalogError> {
    let asked = [change.canary.is_some(), change.promote, change.no_canary];
    if asked.into_iter().filter(|&asked| asked).count() > 1 {
        return Err(wrong(name, "choose one of canary, promote and no_canary".into()));
    }
    let none_runs = || wrong(name, "no canary runs; begin one with `--to VERSION --canary PERCENT`".into());
    let to = change.to.as_ref().map(|to| model.resolve(name, to)).transpose()?;
    if let Some(steps) = &change.canary {
        let running = serving.canary.take();
        let version = to.map(|to| to.number).or(running.as_ref().map(|canary| canary.to)).ok_or_else(none_runs)?;
        let bounds = change.bounds.or(running.as_ref().map(|canary| canary.bounds)).unwrap_or_default();
        let fresh = Canary { to: version, steps: steps.clone(), step: 0, since_ms: now_ms, bounds };
        // One that is asked for as it runs goes on: nothing changes.
        let same = running.filter(|running| Canary { since_ms: now_ms, ..running.clone() } == fresh);
        serving.canary = Some(same.unwrap_or(fresh));
        return Ok(());
    }
    if change.promote || change.no_canary {
        let canary = serving.canary.take().ok_or_else(none_runs)?;
        if to.is_some_and(|to| to.number != canary.to) {
            return Err(wrong(name, format!("version {} is the canary; `to` names another", canary.to)));
        }
        if change.promote {
            go_live(serving, canary.to);
        }
    } else if let Some(to) = to {
        serving.canary = None;
        go_live(serving, to.number);
    }
    match (&mut serving.canary, change.bounds) {
        (Some(canary), Some(bounds)) => canary.bounds = bounds,
        (None, Some(_)) => return Err(none_runs()),
        (_, None) => {}
    }
    Ok(())
}

fn go_live(serving: &mut Serving, number: u32) {
    serving.live = number;
    // Nothing is left to compare it with.
    serving.shadow.take_if(|shadow| shadow.to == number);
}

fn shadow(name: &str, model: &Model, serving: &mut Serving, change: &Deployment) -> Result<(), CatalogError> {
    match (&change.shadow, change.no_shadow) {
        (Some(_), true) => return Err(wrong(name, "choose one of shadow and no_shadow".into())),
        (Some(ShadowRequest { to, percent }), false) => {
            serving.shadow = Some(Shadow { to: model.resolve(name, to)?.number, percent: *percent });
        }
        (None, true) if serving.shadow.take().is_none() => return Err(wrong(name, "no shadow runs".into())),
        (None, _) => {}
    }
    Ok(())
}
