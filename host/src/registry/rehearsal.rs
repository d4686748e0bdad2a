//! The gates that run no component, for a dry run: limits, checks, schemas,
//! fallbacks, as far as the cards of components tell.
//!
//! Never compiles, never keeps what it reads, and never changes anything.

use super::gates::{Passing, Prepared, check_limits, replaced};
use super::routing::effective;
use super::{ChangeError, Registry};
use crate::catalog::{Bound, Catalog, CatalogError, Model, Serving, Spare, Version, breaking};
use crate::component::Description;
use crate::serving::{FallbackError, Link, correspond};
use crate::store::Digest;
use scry_card::Card;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

/// The cards that were read so far.
type Cards = HashMap<Digest, Arc<Card>>;

/// A model, as it is to be.
#[derive(Clone, Copy)]
struct Rehearsed<'a> {
    name: &'a str,
    model: &'a Model,
    serving: &'a Serving,
    was: Option<&'a Serving>,
}

impl Registry {
    /// Fails where a change from `before` to `after` would, if not for what
    /// only running a component shows.
    pub(super) fn rehearse(
        &self,
        before: &Catalog,
        after: &Catalog,
        prepared: &mut Prepared,
    ) -> Result<(), ChangeError> {
        let mut cards = Cards::new();
        for bytes in prepared.arrived.values() {
            let description = Description::read(bytes)?;
            cards.insert(description.digest, Arc::new(description.card));
        }
        for (name, model) in &after.models {
            let was = before.models.get(name).and_then(|model| model.serving.as_ref());
            if let Some(serving) = model.serving.as_ref().filter(|serving| Some(*serving) != was) {
                let it = Rehearsed { name, model, serving, was };
                self.rehearse_model(it, prepared, &mut cards)?;
                self.rehearse_spares(it, after, prepared, &mut cards)?;
            }
        }
        Ok(())
    }

    fn rehearse_model(&self, it: Rehearsed<'_>, prepared: &mut Prepared, cards: &mut Cards) -> Result<(), ChangeError> {
        let Rehearsed { name, model, serving, was } = it;
        check_limits(&effective(&self.config, serving.limits), self.config.limits.memory_max_bytes)?;
        let beside: BTreeSet<u32> = Serving { aliases: [].into(), ..serving.clone() }.routed().collect();
        let routed_before: BTreeSet<u32> = was.into_iter().flat_map(Serving::routed).collect();
        for number in serving.routed().collect::<BTreeSet<_>>() {
            let card = self.card_of(name, model, model.version(name, number)?, prepared, cards);
            // An alias that leads to nothing already does not stop a change.
            if beside.contains(&number) || !routed_before.contains(&number) {
                card?;
            }
        }
        let live = self.card_of(name, model, model.version(name, serving.live)?, prepared, cards)?;
        if was.is_none_or(|was| was.checks != serving.checks)
            && let [unknown, ..] = serving.checks.unknown(&live.checks, &live.schema)[..]
        {
            let message = format!("`{unknown}` is no field and no rule of version {}", serving.live);
            return Err(CatalogError::Checks { model: name.to_owned(), message }.into());
        }
        let pairs = was.map(|was| replaced(was, serving)).unwrap_or_default();
        for (old, new) in pairs.into_iter().filter(|(old, new)| old != new) {
            let version = model.version(name, new)?;
            let mut passing = Passing { model: name, version, started: Instant::now() };
            let old_card = self.card_of(name, model, model.version(name, old)?, prepared, cards);
            let new_card = self.card_of(name, model, version, prepared, cards);
            let (Ok(old_card), Ok(new_card)) = (old_card, new_card) else { continue };
            let breaking = breaking(&old_card.schema, &new_card.schema);
            if !breaking.is_empty() && !prepared.allow_breaking {
                let (model, replaced) = (name.to_owned(), old);
                return Err(ChangeError::Breaking { model, number: new, replaced, breaking });
            }
            let note = match breaking.len() {
                0 => format!("callers of version {old} can go on"),
                n => format!("{n} breaks for callers of version {old}, allowed"),
            };
            passing.passed(&mut prepared.gates, "schema", note);
        }
        Ok(())
    }

    fn rehearse_spares(
        &self,
        it: Rehearsed<'_>,
        after: &Catalog,
        prepared: &mut Prepared,
        cards: &mut Cards,
    ) -> Result<(), ChangeError> {
        let Rehearsed { name, model, serving, was } = it;
        let live = self.card_of(name, model, model.version(name, serving.live)?, prepared, cards)?;
        for spare in &serving.fallback {
            let reference = match spare {
                Spare::Constant(row) => {
                    Link::constant(name, &live.schema, row)?;
                    continue;
                }
                Spare::Model(reference) => reference,
            };
            let version = after.resolve(reference)?;
            match self.card_of(&reference.model, after.model(&reference.model)?, version, prepared, cards) {
                Ok(card) => {
                    correspond(name, &live.schema, &reference.model, version, &card.schema)?;
                }
                Err(_) if was.is_some_and(|was| was.fallback.contains(spare)) => {}
                Err(error) => {
                    let (spare, message) = (format!("`{reference}`"), error.to_string());
                    return Err(FallbackError { spare, model: name.to_owned(), message }.into());
                }
            }
        }
        if let Some(shadow) = &serving.shadow {
            let version = model.version(name, shadow.to)?;
            let card = self.card_of(name, model, version, prepared, cards)?;
            correspond(name, &live.schema, name, version, &card.schema)?;
        }
        Ok(())
    }

    /// What a version says of itself: of the code that is in use, or of its bytes.
    fn card_of(
        &self,
        name: &str,
        model: &Model,
        version: Version,
        prepared: &mut Prepared,
        cards: &mut Cards,
    ) -> Result<Arc<Card>, ChangeError> {
        if let Some(card) = cards.get(&version.digest) {
            return Ok(card.clone());
        }
        let in_use = {
            let state = self.lock();
            let mut code = state.bench.code.iter();
            code.find(|((digest, _), _)| *digest == version.digest).map(|(_, code)| code.card.clone())
        };
        let card = match in_use {
            Some(card) => card,
            None => {
                let mut passing = Passing { model: name, version, started: Instant::now() };
                let from = model.versions.get(&version.number).and_then(|Bound { from, .. }| from.as_ref());
                let bytes = self.bytes(name, version, from, prepared)?;
                prepared.tell_fetch(name, version);
                let description = Description::read(&bytes)?;
                let note = format!("{} bytes, a sealed model", description.size_bytes);
                passing.passed(&mut prepared.gates, "verify", note);
                Arc::new(description.card)
            }
        };
        cards.insert(version.digest, card.clone());
        Ok(card)
    }
}
