//! Bits flipped, ends cut off, files gone: each file of a data folder in turn.

mod history;

use super::folder::{component, config, copied, files, hex, lived_in};
use super::life::{Act, Dice};
use super::picture::{Hurt, Picture, serves};
use super::{each, wants_all_faults};
use crate::support::{Host, Ran};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;

/// A folder, the state that it tells, and the same as a document.
struct Sound {
    dir: TempDir,
    picture: Picture,
    document: String,
}

/// The folder of a host that serves two models, one of them with a fallback, and
/// has withdrawn a third, whose component nobody looks at.
fn sound() -> &'static Sound {
    static SOUND: OnceLock<Sound> = OnceLock::new();
    SOUND.get_or_init(|| {
        let host = Host::begin(copied(lived_in()), &config(), "").unwrap();
        for act in [
            Act::publish("gone", 4),
            Act::post("/v1/models/gone/withdraw", json!({})),
            Act::deploy("steady", json!({ "fallback": [{ "model": "other@2" }] })),
        ] {
            act.on(&host).unwrap().status(200);
        }
        let (picture, document) = (Picture::of(&host), host.admin_get("/v1/desired").status(200).text);
        let fallen = host.kill();
        // What was never published is of no interest here.
        for unpublished in 5..8 {
            let hex = hex(&super::folder::components()[unpublished].digest);
            let data = fallen.dir.path().join("data");
            let is_its =
                |path: &PathBuf| path.to_string_lossy().contains(&hex) && path.extension() == Some("cwasm".as_ref());
            files(&data).into_keys().filter(is_its).for_each(|code| std::fs::remove_file(data.join(code)).unwrap());
        }
        Sound { dir: fallen.dir, picture, document }
    })
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    /// One bit of the byte at this place.
    Flip(usize, u32),
    /// Only so many bytes are left.
    Cut(usize),
    /// One byte too many.
    Longer,
    Gone,
}

impl Damage {
    fn to(self, path: &Path) {
        let mut files = vec![std::fs::read(path).unwrap()];
        self.of(&mut files);
        match files.pop() {
            Some(bytes) => std::fs::write(path, bytes).unwrap(),
            None => std::fs::remove_file(path).unwrap(),
        }
    }

    /// What it makes of a file's bytes; a file that is gone is taken out.
    fn of(self, files: &mut Vec<Vec<u8>>) {
        match self {
            Self::Flip(at, bit) => files[0][at] ^= 1 << bit,
            Self::Cut(left) => files[0].truncate(left),
            Self::Longer => files[0].push(b'x'),
            Self::Gone => files.clear(),
        }
    }

    fn flips(dice: &mut Dice, len: usize) -> Vec<Self> {
        let places = [0, len / 2, len - 1, dice.below(len)];
        places.into_iter().map(|at| Self::Flip(at, dice.below(8) as u32)).collect()
    }

    fn cuts(len: usize) -> [Self; 3] {
        [Self::Cut(0), Self::Cut(len / 2), Self::Cut(len - 1)]
    }

    fn all(dice: &mut Dice, len: usize) -> Vec<Self> {
        if len == 0 {
            return vec![Self::Longer, Self::Gone];
        }
        [Self::flips(dice, len), Self::cuts(len).into(), vec![Self::Longer, Self::Gone]].concat()
    }
}

/// Says what was damaged.
struct Case<'a>(&'a Path, Damage);

impl Drop for Case<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the damage: {:?} to {}", self.1, self.0.display());
        }
    }
}

/// A host on a damaged copy of the folder, for each of these files and each damage. Where that compiles all code anew:
/// three of the nine, the same in every run.
fn after_each(of: impl Fn(&Path) -> bool, check: impl Fn(Host, &Path, Damage) + Sync) {
    let (mut dice, mut cases) = (Dice(7), Vec::new());
    for (path, bytes) in files(&sound().dir.path().join("data")) {
        if of(&path) {
            let mut damages = Damage::all(&mut dice, bytes.len());
            if path.starts_with("cache") || path == Path::new("cache.key") {
                while damages.len() > 3 && !wants_all_faults() {
                    damages.swap_remove(dice.below(damages.len()));
                }
            }
            cases.extend(damages.into_iter().map(|damage| (path.clone(), damage)));
        }
    }
    assert!(!cases.is_empty());
    each(&cases, |(path, damage): &(PathBuf, Damage)| {
        let _case = Case(path, *damage);
        let dir = copied(sound().dir.path());
        damage.to(&dir.path().join("data").join(path));
        let host = Host::begin(dir, &config(), "").unwrap_or_else(|fallen| panic!("{}", fallen.log()));
        check(host, path, *damage);
    });
}

const FOUND: Hurt<'_> = Hurt { damage: true, component: None, unfinished: false };

#[test]
fn a_damaged_lock_is_a_lock() {
    after_each(|path| path == Path::new("lock"), |host, _, _| serves(&host, &sound().picture, Hurt::default()));
}

#[test]
fn a_damaged_secret_is_another_secret() {
    let secrets = ["admin.token", "cache.key"].map(Path::new);
    after_each(
        |path| secrets.contains(&path),
        |host, _, _| {
            assert!(!host.token().is_empty());
            serves(&host, &sound().picture, FOUND);
            let token = host.token();
            let host = host.restart(|_| {});
            assert_eq!(host.token(), token);
            serves(&host, &sound().picture, FOUND);
        },
    );
}

#[test]
fn damaged_code_is_compiled_again() {
    after_each(|path| path.starts_with("cache"), |host, _, _| serves(&host, &sound().picture, FOUND));
}

#[test]
fn a_damaged_format_is_set_aside_and_written_anew() {
    after_each(
        |path| path == Path::new("format"),
        |host, _, damage| {
            serves(&host, &sound().picture, FOUND);
            is_told_until_it_is_removed(host, !matches!(damage, Damage::Gone));
        },
    );
}

/// Each start reports what was set aside, until it is removed.
#[track_caller]
fn is_told_until_it_is_removed(host: Host, is_set_aside: bool) {
    let told = |host: &Host| host.admin_get("/v1/state").json()["damage"].to_string();
    let host = host.restart(|_| {});
    assert_eq!(told(&host).contains("quarantine/"), is_set_aside, "{}", told(&host));
    let host = host.restart(|data| {
        if is_set_aside {
            std::fs::remove_dir_all(data.join("quarantine")).unwrap();
        }
    });
    assert_eq!(told(&host), "[]");
}

#[test]
fn without_its_checkpoint_a_host_serves_what_the_history_tells() {
    after_each(
        |path| path == Path::new("checkpoint.json"),
        |host, _, damage| {
            let told = host.admin_get("/v1/state").json()["damage"].to_string();
            let is_gone = matches!(damage, Damage::Gone);
            assert_eq!(told.contains("checkpoint.json does not verify"), !is_gone, "{told}");
            is_mended(host, &sound().picture, !is_gone);
        },
    );
}

/// The state is that one, the next start finds no new damage, and changes are taken.
#[track_caller]
fn is_mended(host: Host, picture: &Picture, is_set_aside: bool) {
    serves(&host, picture, FOUND);
    let host = host.restart(|data| std::fs::write(data.join("../log"), "").unwrap());
    let told = host.admin_get("/v1/state").json()["damage"].as_array().unwrap().clone();
    assert_eq!(told.len(), usize::from(is_set_aside), "{told:?}");
    assert!(told.iter().all(|line| line.as_str().unwrap().starts_with("quarantine/")), "{told:?}");
    serves(&host, picture, FOUND);
    Act::deploy("steady", json!({ "to": 1 })).on(&host).unwrap().status(200);
    let after = Picture::of(&host);
    assert_eq!(after.number, picture.number + 1);
    let host = host.restart(|_| {});
    serves(&host, &after, FOUND);
    is_told_until_it_is_removed(host, is_set_aside);
}

#[test]
fn a_damaged_component_is_set_aside_and_healed_by_publishing_it_again() {
    after_each(
        |path| path.starts_with("components"),
        |host, path, damage| {
            let old = &sound().picture;
            let digest = format!("sha256:{}", path.file_stem().unwrap().to_str().unwrap());
            let is_gone = matches!(damage, Damage::Gone);
            let why = if is_gone { "is not in the store" } else { "is damaged" };
            serves(&host, old, Hurt { component: Some(&digest), ..FOUND });
            let models = versions_of(&host, &digest);
            for (model, version, state) in &models {
                if model == "gone" {
                    assert_eq!(state, "cold");
                    let revive = Act::deploy(model, json!({ "to": version })).on(&host).unwrap();
                    revive.error(422, &[why, &digest]);
                } else {
                    assert!(state.starts_with(&format!("component {digest} {why}")), "{state}");
                    let listed = host.scry(&["models"]).ok().stdout;
                    assert!(listed.contains(why), "{listed}");
                }
            }
            assert!(host.log().contains(&digest));
            let kept: Vec<_> = files(&host.data()).into_keys().filter(|path| path.starts_with("quarantine")).collect();
            assert_eq!(kept.len(), usize::from(!is_gone), "{kept:?}");
            if let Some(kept) = kept.first() {
                assert!(host.log().contains(kept.to_str().unwrap()), "{} is not in the log", kept.display());
            }

            let (model, version, _) = &models[0];
            let again = host.try_admin("POST", &format!("/v1/models?name={model}"), &component(&digest).bytes);
            assert_eq!(again.unwrap().status(200).json()["version"], *version);
            serves(&host, old, FOUND);
            serves(&host.restart(|_| {}), old, FOUND);
        },
    );
}

/// Each version that is this component, and its state.
fn versions_of(host: &Host, digest: &str) -> Vec<(String, u64, String)> {
    let listed = host.admin_get("/v1/models").json();
    let mut found = Vec::new();
    for model in listed["models"].as_array().unwrap() {
        let versions = model["versions"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        found.extend(
            versions
                .filter(|version| version["digest"] == digest)
                .map(|version| (text(&model["model"]), version["version"].as_u64().unwrap(), text(&version["state"]))),
        );
    }
    found
}

#[test]
fn without_history_and_checkpoint_a_host_does_not_guess() {
    let data = |dir: &TempDir| dir.path().join("data");
    let (history, checkpoint) = ("history.log", "checkpoint.json");
    let sound = sound();
    let len = |name: &str| std::fs::metadata(data(&sound.dir).join(name)).unwrap().len() as usize;
    let mut dice = Dice(11);
    let of_history = [Damage::flips(&mut dice, len(history)), Damage::cuts(len(history)).into(), vec![Damage::Gone]];
    let of_checkpoint = [Damage::flips(&mut dice, len(checkpoint)), Damage::cuts(len(checkpoint)).into()].concat();
    let pairs: Vec<_> =
        of_history.concat().into_iter().flat_map(|one| of_checkpoint.iter().map(move |other| (one, *other))).collect();
    each(&pairs, |&(one, other)| {
        let _cases = (Case(Path::new(history), one), Case(Path::new(checkpoint), other));
        let mut dir = copied(sound.dir.path());
        one.to(&data(&dir).join(history));
        other.to(&data(&dir).join(checkpoint));
        let before = files(&data(&dir));
        // Trying again does not help either.
        for _ in 0..2 {
            let fallen = Host::begin(dir, &config(), "").err().expect("the host does not start");
            assert_eq!((fallen.status.code(), fallen.stdout.as_str()), (Some(1), ""));
            let says = ["restore the data folder", "move `history.log` and `checkpoint.json` away", "`scry apply`"];
            says.iter().for_each(|part| assert!(fallen.log().contains(part), "no {part:?} in {}", fallen.log()));
            let after = files(&data(&fallen.dir));
            assert!(after == before, "{:?} became {:?}", before.keys(), after.keys());
            dir = fallen.dir;
        }
    });
}

#[test]
fn what_the_refusal_advises_brings_everything_back() {
    let sound = sound();
    let dir = copied(sound.dir.path());
    for name in ["history.log", "checkpoint.json"] {
        Damage::Flip(40, 3).to(&dir.path().join("data").join(name));
    }
    let fallen = Host::begin(dir, &config(), "").err().expect("the host does not start");
    let data = fallen.dir.path().join("data");
    for name in ["history.log", "checkpoint.json"] {
        std::fs::rename(data.join(name), fallen.dir.path().join(name)).unwrap();
    }
    let host = Host::begin(fallen.dir, &config(), "").unwrap();
    let wanted = host.data().join("../wanted.toml");
    std::fs::write(&wanted, &sound.document).unwrap();
    host.scry(&["apply", wanted.to_str().unwrap()]).ok();
    let found = Picture::of(&host);
    for model in ["steady", "other"] {
        assert_eq!(found.models[model], sound.picture.models[model]);
    }
    serves(&host, &found, FOUND);
    serves(&host.restart(|_| {}), &found, FOUND);
}

#[test]
fn a_second_start_beside_a_host_changes_nothing() {
    let host = Host::begin(copied(sound().dir.path()), &config(), "").unwrap();
    let before = files(&host.data());
    let mut second = crate::support::scry();
    second.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"]).arg(host.data());
    Ran::of(&mut second).code(1).says(&["in use by another scry host"]);
    assert!(files(&host.data()) == before);
    serves(&host, &sound().picture, Hurt::default());
}
