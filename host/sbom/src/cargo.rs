//! From what cargo says of a build to the packages that are in the guest.
//!
//! What was compiled is what cargo says that it compiled; nothing is resolved anew.

use crate::document::{Dependency, Hash, Kind, License, Part, Scope};
use crate::source::purl;
use crate::{Document, SbomError};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The guest's target; a folder of this name has what was compiled for it.
const TARGET: &str = "wasm32-wasip2";

/// What is known of a build.
#[derive(Debug, Clone, Copy)]
pub struct Build<'a> {
    /// The guest's `Cargo.toml`.
    pub manifest: &'a Path,
    /// Where compiled files went.
    pub target_dir: &'a Path,
    /// What cargo printed on stdout with `--message-format=json-render-diagnostics`.
    pub messages: &'a [u8],
    /// What `cargo metadata` says, for the target.
    pub metadata: &'a [u8],
    /// The lock file.
    pub lock: &'a str,
    /// What the compiler calls itself: `rustc 1.95.0 (…)`.
    pub compiler: &'a str,
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    source: Option<String>,
    license: Option<String>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Deserialize)]
struct EdgeKind {
    /// `dev` or `build`; nothing is the usual kind.
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

impl Build<'_> {
    /// The packages that are in the guest, and those whose macros took part in making it.
    pub fn document(&self) -> Result<Document, SbomError> {
        let metadata: Metadata = serde_json::from_slice(self.metadata).map_err(|e| wrong("cargo metadata", e))?;
        let lock: Lock = toml::from_str(self.lock).map_err(|e| wrong("Cargo.lock", e.message()))?;
        let compiled = self.compiled()?;
        let packages: BTreeMap<_, _> = metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
        let root = packages.values().find(|package| package.manifest_path == self.manifest);
        let root = *root.ok_or_else(|| wrong("cargo metadata", "the guest is no package of its workspace"))?;
        let edges = edges(&metadata.resolve.nodes, &compiled);
        let mut listed: BTreeSet<_> =
            compiled.iter().filter(|(_, linked)| **linked).map(|(id, _)| id.as_str()).collect();
        listed.extend(reached(&root.id, &edges));
        listed.remove(root.id.as_str());

        let checksums: BTreeMap<_, _> = lock.package.iter().map(|locked| (locked.key(), locked)).collect();
        let part = |id: &&str| {
            let package = packages.get(id).ok_or_else(|| wrong("cargo metadata", format!("no package `{id}`")))?;
            let is_linked = compiled.get(*id).copied().unwrap_or_default();
            let checksum = checksums.get(&package.key()).and_then(|locked| locked.checksum.as_deref());
            Ok(package.part(if is_linked { Scope::Required } else { Scope::Excluded }, checksum))
        };
        let components = listed.iter().map(part).collect::<Result<Vec<_>, SbomError>>()?;
        let about = Part { kind: Kind::MachineLearningModel, scope: None, ..root.part(Scope::Required, None) };

        let of = |id: &str| packages.get(id).map(|package| package.reference());
        let depends_on = |id: &str| {
            let to = edges.get(id).into_iter().flatten().filter(|to| listed.contains(*to));
            to.filter_map(|to| of(to)).collect::<BTreeSet<_>>().into_iter().collect()
        };
        let ids = listed.iter().copied().chain([root.id.as_str()]);
        let dependencies = ids.filter_map(|id| Some(Dependency { of: of(id)?, depends_on: depends_on(id) }));
        Ok(Document::new(self.tools(), about, components, dependencies.collect()))
    }

    /// Each package that was compiled, and whether for the guest or only for the machine that builds it.
    fn compiled(&self) -> Result<BTreeMap<String, bool>, SbomError> {
        let mut compiled = BTreeMap::new();
        for line in self.messages.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"{")) {
            let message: Message = serde_json::from_slice(line).map_err(|e| wrong("cargo's messages", e))?;
            if let ("compiler-artifact", Some(id)) = (message.reason.as_str(), message.package_id) {
                *compiled.entry(id).or_default() |= message.filenames.iter().any(|path| self.is_guests(path));
            }
        }
        Ok(compiled)
    }

    fn is_guests(&self, path: &Path) -> bool {
        let path = path.strip_prefix(self.target_dir).unwrap_or(path);
        path.components().any(|part| part.as_os_str() == TARGET)
    }

    fn tools(&self) -> Vec<Part> {
        let (name, version) = self.compiler.trim().split_once(' ').unwrap_or((self.compiler.trim(), ""));
        let version = Some(version.to_owned()).filter(|version| !version.is_empty());
        let scry = Part::new(Kind::Application, "scry", Some(env!("CARGO_PKG_VERSION").into()));
        vec![scry, Part::new(Kind::Application, name, version)]
    }
}

/// From each package to those that it needs to run, among those that were compiled.
fn edges<'a>(nodes: &'a [Node], compiled: &BTreeMap<String, bool>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let of = |node: &'a Node| {
        let usual = node.deps.iter().filter(|edge| edge.dep_kinds.iter().any(|kind| kind.kind.is_none()));
        usual.map(|edge| edge.pkg.as_str()).filter(|to| compiled.contains_key(*to)).collect()
    };
    nodes.iter().map(|node| (node.id.as_str(), of(node))).collect()
}

/// All packages that one needs, itself among them.
fn reached<'a>(root: &'a str, edges: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![root]);
    while let Some(id) = next.pop() {
        if reached.insert(id) {
            next.extend(edges.get(id).into_iter().flatten());
        }
    }
    reached
}

type Key<'a> = (&'a str, &'a str, Option<&'a str>);

impl Locked {
    fn key(&self) -> Key<'_> {
        (&self.name, &self.version, self.source.as_deref())
    }
}

impl Package {
    fn key(&self) -> Key<'_> {
        (&self.name, &self.version, self.source.as_deref())
    }

    fn purl(&self) -> Option<String> {
        purl(&self.name, &self.version, self.source.as_deref())
    }

    fn reference(&self) -> String {
        self.purl().unwrap_or_else(|| format!("{}@{}", self.name, self.version))
    }

    fn part(&self, scope: Scope, checksum: Option<&str>) -> Part {
        Part {
            reference: Some(self.reference()),
            scope: Some(scope),
            hashes: checksum.map(Hash::sha256).into_iter().collect(),
            licenses: self.license.as_deref().map(License::of_crate).into_iter().collect(),
            purl: self.purl(),
            ..Part::new(Kind::Library, &self.name, Some(self.version.clone()))
        }
    }
}

fn wrong(of: &'static str, message: impl ToString) -> SbomError {
    SbomError::Cargo { of, message: message.to_string() }
}
