//! What a change brings along, and what it has proved so far.

use super::code::{Code, CodeKey, Proof};
use super::signers::Signed;
use scry_card::Card;
use scry_catalog::{Catalog, Version, VersionRef};
use scry_names::{Digest, OciReference};
use scry_sandbox::Loaded;
use scry_signatures::KeyId;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One gate that one version passed.
#[derive(Debug, Clone, Serialize)]
pub struct Gate {
    /// `fetch`, `verify`, `compile`, `warm`, `golden`, `batch` or `schema`.
    pub gate: &'static str,
    /// The model.
    pub model: String,
    /// The version.
    pub version: u32,
    /// What it took, in milliseconds.
    pub ms: f64,
    /// What there is to say of it.
    pub note: String,
    /// What passed; the change may give it another number.
    #[serde(skip)]
    digest: Digest,
}

/// What a change brings along and what it has proved so far.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// Bytes that are not in the store yet.
    pub(super) arrived: HashMap<Digest, Vec<u8>>,
    /// Who signed what comes in, or is bound anew.
    pub(super) signed: HashMap<Digest, Signed>,
    /// Where components came from, and how long that took, until a version's gates tell it.
    pub(super) fetched: HashMap<Digest, (OciReference, Duration)>,
    /// A version to prove although nothing routes to it.
    pub(super) also: Option<(String, Digest)>,
    /// The model that the change is about: proved again even where it stays as it is.
    pub(super) model: Option<String>,
    /// Whether callers may be broken.
    pub(super) allow_breaking: bool,
    /// Whether all of it was published before: at a start.
    pub(super) is_kept: bool,
    /// Whether no change will be made: then nothing is compiled, run or stored.
    pub(super) is_dry_run: bool,
    /// Code that the change relies on, loaded for it or in use when it was
    /// looked up: held until the change is made, however often it begins again.
    pub(super) code: HashMap<CodeKey, Code>,
    /// Cards of versions whose code was not looked for.
    pub(super) cards: HashMap<Digest, Arc<Card>>,
    /// What was compiled for it, and is not in the cache yet.
    pub(super) compiled: Vec<(String, Digest, Loaded)>,
    /// Components that it has put in the store.
    pub(super) stored: BTreeSet<Digest>,
    /// What has passed its gates; its code is held.
    pub(super) proved: HashSet<Proof>,
    pub(super) gates: Vec<Gate>,
}

/// Which version passes a gate, and how long that takes.
pub(super) struct Passing<'a> {
    pub(super) model: &'a str,
    pub(super) version: Version,
    pub(super) started: Instant,
}

impl Passing<'_> {
    pub(super) fn passed(&mut self, gates: &mut Vec<Gate>, gate: &'static str, note: impl Into<String>) {
        let ms = self.started.elapsed().as_secs_f64() * 1000.0;
        let (model, Version { number: version, digest }) = (self.model.to_owned(), self.version);
        gates.push(Gate { gate, model, version, ms, note: note.into(), digest });
        self.started = Instant::now();
    }
}

impl Prepared {
    /// Tells of a version's fetch, once.
    pub(super) fn tell_fetch(&mut self, model: &str, version: Version) {
        if let Some((from, took)) = self.fetched.remove(&version.digest) {
            let (ms, note) = (took.as_secs_f64() * 1000.0, format!("from {from}"));
            let (model, Version { number: version, digest }) = (model.to_owned(), version);
            self.gates.push(Gate { gate: "fetch", model, version, ms, note, digest });
        }
    }

    /// What a change is, with the keys that signed what it brings along.
    pub(super) fn with_signers(&self, what: String) -> String {
        let signers: BTreeSet<_> = self.signed.values().filter_map(Signed::key).collect();
        let signers: Vec<_> = signers.iter().map(KeyId::to_string).collect();
        if signers.is_empty() { what } else { format!("{what}, signed by {}", signers.join(" and ")) }
    }

    /// Renumbers the gates' versions as the committed state does.
    pub(super) fn settle(&mut self, after: &Catalog) {
        self.gates.retain_mut(|gate| {
            let reference = VersionRef::Digest(gate.digest);
            let found = after.models.get(&gate.model).and_then(|model| model.resolve(&gate.model, &reference).ok());
            found.is_some_and(|version| {
                gate.version = version.number;
                true
            })
        });
    }
}
