//! Data folders with a past, and what can be wrong with them.

use crate::support::{Host, PATIENT, features, guest};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;
use wasm_encoder::{ComponentSection, CustomSection};

/// Patient, and forgetful: `gc` has something to cut.
pub(super) const CHANGES_MAX: usize = 6;

pub(super) fn config() -> String {
    format!("{PATIENT}\n[history]\nchanges_max = {CHANGES_MAX}\n")
}

/// A model of which there are others that do the same.
pub(super) struct Component {
    pub(super) bytes: Vec<u8>,
    pub(super) digest: String,
    /// What it multiplies by.
    pub(super) factor: f64,
}

/// Components that differ: four that double, four that triple, in turn. What
/// is behind the end of a component changes its digest and nothing else.
pub(super) fn components() -> &'static [Component] {
    static MADE: OnceLock<Vec<Component>> = OnceLock::new();
    MADE.get_or_init(|| {
        let (double, triple) = (guest("steady").bytes(), features("steady", "triple").bytes());
        let made = (0u8..8).map(|n| {
            let (mut bytes, factor) = if n % 2 == 0 { (double.clone(), 2.0) } else { (triple.clone(), 3.0) };
            CustomSection { name: "variant".into(), data: vec![n; 32].into() }.append_to_component(&mut bytes);
            Component { digest: crate::support::sha256(&bytes), bytes, factor }
        });
        made.collect()
    })
}

/// The component of a digest.
pub(super) fn component(digest: &str) -> &'static Component {
    components().iter().find(|component| component.digest == digest).unwrap()
}

/// A folder that a host has lived in: `steady` with three versions, an alias,
/// a canary and limits of its own, `other` with two and a fallback. What else
/// there is has been compiled, but never published.
pub(super) fn lived_in() -> &'static Path {
    static LIVED_IN: OnceLock<TempDir> = OnceLock::new();
    let made = LIVED_IN.get_or_init(|| {
        let compiler = Host::start();
        for (component, model) in components().iter().flat_map(|all| ["steady", "other"].map(|model| (all, model))) {
            publish(&compiler, model, component);
        }
        let compiled = compiler.kill();
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (compiled.dir.path().join("data"), dir.path().join("data"));
        copy(&from.join("cache"), &to.join("cache"));
        std::fs::copy(from.join("cache.key"), to.join("cache.key")).unwrap();
        let host = Host::begin(dir, &config(), "").unwrap();
        let all = components();
        [0, 1, 2].iter().for_each(|&n| publish(&host, "steady", &all[n]));
        [0, 3].iter().for_each(|&n| publish(&host, "other", &all[n]));
        for (model, deployment) in [
            ("steady", r#"{"to":2,"aliases":{"champion":1},"limits":{"deadline_ms":9000}}"#),
            ("other", r#"{"fallback":[{"constant":{"y":0.5}}],"aliases":{"next":2}}"#),
            ("steady", r#"{"to":3,"canary":[{"percent":30}]}"#),
        ] {
            host.admin_post(&format!("/v1/models/{model}/deploy"), deployment.as_bytes()).status(200);
        }
        let fallen = host.kill();
        std::fs::remove_file(fallen.dir.path().join("log")).unwrap();
        fallen.dir
    });
    made.path()
}

/// A folder in which one version of one model is served, and no more.
fn young() -> &'static Path {
    static YOUNG: OnceLock<TempDir> = OnceLock::new();
    let made = YOUNG.get_or_init(|| {
        let host = Host::begin(tempfile::tempdir().unwrap(), &config(), "").unwrap();
        publish(&host, "steady", &components()[0]);
        let fallen = host.kill();
        std::fs::remove_file(fallen.dir.path().join("log")).unwrap();
        fallen.dir
    });
    made.path()
}

fn publish(host: &Host, name: &str, component: &Component) {
    host.admin_post(&format!("/v1/models?name={name}"), &component.bytes).status(200);
}

/// A copy of a host's folder.
pub(crate) fn copied(from: &Path) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(from, dir.path());
    dir
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}

/// Every file of a folder, by its path in it.
pub(crate) fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn collect(root: &Path, dir: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(root, &path, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    if root.is_dir() {
        collect(root, root, &mut found);
    }
    found
}

/// What a life begins with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Beginning {
    Nothing,
    LivedIn,
    /// As a crash leaves it: an append cut short, files beside others.
    Torn,
    /// What was never published was never compiled either.
    Uncompiled,
    /// Components, code and damaged files that nobody needs any more.
    Cluttered,
    HistoryDamaged,
    HistoryGone,
    CheckpointDamaged,
    /// The live version of `other`, and the alias of `steady`.
    ComponentDamaged,
    /// Admin token and cache key, of a folder that is small.
    SecretsDamaged,
}

impl Beginning {
    pub(super) const ALL: [Self; 10] = [
        Self::LivedIn,
        Self::Torn,
        Self::Cluttered,
        Self::HistoryDamaged,
        Self::CheckpointDamaged,
        Self::ComponentDamaged,
        Self::Uncompiled,
        Self::HistoryGone,
        Self::Nothing,
        Self::SecretsDamaged,
    ];

    /// Whether anything is wrong that no crash does.
    pub(super) fn is_damaged(self) -> bool {
        use Beginning::{CheckpointDamaged, ComponentDamaged, HistoryDamaged, HistoryGone, SecretsDamaged};
        matches!(self, CheckpointDamaged | ComponentDamaged | HistoryDamaged | HistoryGone | SecretsDamaged)
    }

    /// The component that is damaged.
    pub(super) fn damaged_digest(self) -> Option<&'static str> {
        (self == Self::ComponentDamaged).then(|| components()[0].digest.as_str())
    }

    /// Whether there is but one model, perhaps.
    pub(super) fn is_small(self) -> bool {
        matches!(self, Self::Nothing | Self::SecretsDamaged)
    }

    /// A folder of its own that is like this.
    pub(super) fn folder(self) -> TempDir {
        let dir = match self {
            Self::Nothing => return tempfile::tempdir().unwrap(),
            Self::SecretsDamaged => copied(young()),
            _ => copied(lived_in()),
        };
        let data = dir.path().join("data");
        let edit = |name: &str, edit: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = std::fs::read(data.join(name)).unwrap();
            edit(&mut bytes);
            std::fs::write(data.join(name), bytes).unwrap();
        };
        let flip_middle = |bytes: &mut Vec<u8>| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        };
        match self {
            Self::Nothing | Self::LivedIn => {}
            Self::Torn => {
                edit("history.log", &|log| log.extend_from_within(..100));
                for beside in [data.clone(), data.join("components"), cache_of(&data)] {
                    std::fs::write(beside.join(".0123456789abcdef.tmp"), b"half of something").unwrap();
                }
            }
            Self::Uncompiled => components()[4..].iter().for_each(|component| {
                for model in ["steady", "other"] {
                    std::fs::remove_file(cache_of(&data).join(format!("{}-{model}.cwasm", hex(&component.digest))))
                        .unwrap();
                }
            }),
            Self::Cluttered => {
                let foreign = data.join("cache/0123456789abcdef");
                std::fs::create_dir_all(&foreign).unwrap();
                std::fs::create_dir_all(data.join("quarantine")).unwrap();
                std::fs::write(foreign.join(hex(&components()[0].digest) + ".cwasm"), b"of another engine").unwrap();
                std::fs::write(data.join("quarantine/history-1000.log"), b"of 1970").unwrap();
                let orphan = &components()[7];
                std::fs::write(data.join("components").join(hex(&orphan.digest) + ".wasm"), &orphan.bytes).unwrap();
            }
            Self::HistoryDamaged => edit("history.log", &flip_middle),
            Self::HistoryGone => std::fs::remove_file(data.join("history.log")).unwrap(),
            Self::CheckpointDamaged => edit("checkpoint.json", &flip_middle),
            Self::ComponentDamaged => {
                edit(&format!("components/{}.wasm", hex(&components()[0].digest)), &flip_middle);
            }
            Self::SecretsDamaged => {
                edit("admin.token", &|token| token[3] = 0xff);
                edit("cache.key", &|key| key.truncate(9));
            }
        }
        dir
    }
}

pub(super) fn hex(digest: &str) -> String {
    digest.strip_prefix("sha256:").unwrap().to_owned()
}

/// The one engine's folder.
fn cache_of(data: &Path) -> PathBuf {
    std::fs::read_dir(data.join("cache")).unwrap().next().unwrap().unwrap().path()
}
