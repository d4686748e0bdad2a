//! What operators ask for, each one change: publish, deploy, withdraw, roll back.
//!
//! Never decides what a catalog allows; says what is to change and who says so.

use super::prepared::{Gate, Prepared};
use super::{ChangeError, Committed, Entry, Registry};
use crate::telemetry::unix_ms;
use scry_card::Card;
use scry_catalog::{CatalogError, Deployment, HistoryError, ReferenceError, Version, VersionRef};
use scry_component::{ComponentError, Description};
use scry_names::{Digest, OciReference, OciReferenceError};
use scry_store::Pulled;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Where the version of a deployment comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Source {
    /// A registry: fetched, and published under the model's name.
    Oci(OciReference),
    /// A version that the host has.
    Version(VersionRef),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("oci://") {
            return text.parse().map(Self::Oci).map_err(|e: OciReferenceError| e.to_string());
        }
        text.parse().map(Self::Version).map_err(|e: ReferenceError| e.to_string())
    }
}

/// What a change answers.
#[derive(Debug, Clone, Serialize)]
pub struct Changed {
    /// The model.
    pub model: String,
    /// The version that was published or deployed; otherwise the live one.
    pub version: u32,
    /// The version's digest.
    pub digest: Digest,
    /// Whether the version answers requests that name none.
    pub live: bool,
    /// Which version is tried, on which share of the requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Tried>,
    /// The state that the change led to.
    pub number: u64,
    /// What was passed on the way.
    pub gates: Vec<Gate>,
}

/// A canary, in short.
#[derive(Debug, Clone, Serialize)]
pub struct Tried {
    /// The version.
    pub to: u32,
    /// Its share now.
    pub percent: f64,
}

impl Registry {
    /// Takes in a component: verify, compile, golden examples, number. The
    /// name is the card's unless another is given. Publishing the same bytes
    /// again answers the same.
    pub fn publish(
        &self,
        by: &str,
        bytes: Vec<u8>,
        name: Option<&str>,
        envelope: Option<Vec<u8>>,
    ) -> Result<Changed, ChangeError> {
        let description = Description::read_new(&bytes)?;
        let name = name.unwrap_or(&description.card.name).to_owned();
        let digest = description.digest;
        let named = Card { name: name.clone(), ..description.card };
        named.validate().map_err(ComponentError::Card)?;
        let mut prepared = Prepared { also: Some((name.clone(), digest)), ..Prepared::default() };
        self.admit(&name, digest, envelope.into_iter().collect(), &mut prepared)?;
        prepared.arrived.insert(digest, bytes);
        let committed = self.change(&mut prepared, |before| {
            let (catalog, version) = before.publish(&name, digest, None)?;
            Ok((catalog, Entry::new(by, format!("publish {name}@{}", version.number))))
        })?;
        changed(&name, Some(digest), &committed, prepared)
    }

    /// Changes what is live, what is tried, what stands in, and within which limits.
    pub fn deploy(
        &self,
        by: &str,
        name: &str,
        to: Option<Source>,
        deployment: &Deployment,
    ) -> Result<Changed, ChangeError> {
        let mut prepared =
            Prepared { model: Some(name.to_owned()), allow_breaking: deployment.allow_breaking, ..Prepared::default() };
        let mut deployment = deployment.clone();
        let mut pulled_from = None;
        match to {
            None => {}
            Some(Source::Version(to)) => deployment.to = Some(to),
            Some(Source::Oci(reference)) => {
                named(name)?;
                let Pulled { bytes, digest, pinned } = self.pull(&reference, &mut prepared)?;
                deployment.to = Some(VersionRef::Digest(digest));
                self.admit_from(name, digest, &pinned, &mut prepared)?;
                prepared.arrived.insert(digest, bytes);
                pulled_from = Some((digest, pinned));
            }
        }
        let committed = self.change(&mut prepared, |before| {
            let mut catalog = before.clone();
            let mut what = format!("deploy {name}{}", deployment.told());
            if let Some((digest, pinned)) = &pulled_from {
                catalog = catalog.publish(name, *digest, Some(pinned.clone()))?.0;
                what = format!("{what} from {pinned}");
            }
            if let Some(to) = &deployment.to {
                let version = catalog.model(name)?.resolve(name, to)?.number;
                what = format!("{what} --to {version}");
            }
            Ok((catalog.deploy(name, &deployment, unix_ms())?, Entry::new(by, what)))
        })?;
        // An alias means what it meant when it was resolved.
        let asked = deployment.to.as_ref().and_then(|to| committed.before.model(name).ok()?.resolve(name, to).ok());
        let asked = asked.map(|version| version.digest).or(pulled_from.map(|(digest, _)| digest));
        changed(name, asked, &committed, prepared)
    }

    /// Stops serving a model; its versions and its history stay.
    pub fn withdraw(&self, by: &str, name: &str) -> Result<u64, ChangeError> {
        let withdrawn = self.change(&mut Prepared::default(), |before| {
            Ok((before.withdraw(name)?, Entry::new(by, format!("withdraw {name}"))))
        });
        Ok(withdrawn?.number)
    }

    /// Brings a model back to how it was served before, or at state `to`.
    pub fn roll_back(&self, by: &str, name: &str, to: Option<u64>) -> Result<Changed, ChangeError> {
        // Its callers lived with that state.
        let mut prepared = Prepared { model: Some(name.to_owned()), allow_breaking: true, ..Prepared::default() };
        let committed = self.change(&mut prepared, |before| {
            let now = before.model(name)?.serving.as_ref();
            let state = self.lock();
            let (restored, serving) = match to {
                None => state.history.before(name, now)?,
                Some(number) => {
                    let serving = state.history.serving(name, number)?.cloned();
                    let not_served = || HistoryError::NotServed { model: name.to_owned(), number };
                    (number, serving.ok_or_else(not_served)?)
                }
            };
            drop(state);
            let what = format!("roll back {name} to state {restored}");
            let is_same = now == Some(&serving);
            Ok((
                before.serve(name, if is_same { serving } else { serving.begun(unix_ms()) })?,
                Entry { restored: Some(restored), ..Entry::new(by, what) },
            ))
        })?;
        changed(name, None, &committed, prepared)
    }

    /// Brings all models back to how they were served at state `to`.
    pub fn restore(&self, by: &str, to: u64) -> Result<u64, ChangeError> {
        let mut prepared = Prepared { allow_breaking: true, ..Prepared::default() };
        let restored = self.change(&mut prepared, |before| {
            let state = self.lock().history.state(to)?;
            let entry = Entry { restored: Some(to), ..Entry::new(by, format!("roll back everything to state {to}")) };
            Ok((before.restored(&state, unix_ms())?, entry))
        });
        Ok(restored?.number)
    }
}

/// What the change itself led to, whatever came after it.
fn changed(
    name: &str,
    digest: Option<Digest>,
    committed: &Committed,
    prepared: Prepared,
) -> Result<Changed, ChangeError> {
    let model = committed.after.model(name)?;
    let live = model.serving.as_ref().map(|serving| serving.live);
    let asked = digest.and_then(|digest| model.resolve(name, &VersionRef::Digest(digest)).ok());
    let shown = match (asked, live) {
        (Some(version), _) => version,
        (None, Some(live)) => model.version(name, live)?,
        (None, None) => return Err(CatalogError::Withdrawn(name.to_owned()).into()),
    };
    let Version { number: version, digest } = shown;
    let live = live == Some(version);
    let canary = model.serving.as_ref().and_then(|serving| serving.canary.as_ref());
    let canary = canary.map(|canary| Tried { to: canary.to, percent: canary.percent() });
    let (model, number) = (name.to_owned(), committed.number);
    Ok(Changed { model, version, digest, live, canary, number, gates: prepared.gates })
}

/// A model may get its first version from a registry: its name must be one.
fn named(name: &str) -> Result<(), ChangeError> {
    if scry_card::is_model_name(name) {
        return Ok(());
    }
    Err(ComponentError::Card(scry_card::CardError::Name(name.chars().take(80).collect())).into())
}

impl Entry {
    pub(super) fn new(by: &str, what: String) -> Self {
        Self { by: by.to_owned(), what, restored: None, file: None }
    }
}
